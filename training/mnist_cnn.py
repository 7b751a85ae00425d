"""Trains `mnist-cnn`:  python -m training.mnist_cnn [--epochs 20]

AdamW on a one-cycle schedule; every picture is turned by up to 12 degrees, scaled by up to 10 % and shifted by up to 2 pixels;
the shipped weights are an exponential average. The test set is looked at once, at the end. Checkpoints go to runs/.
"""

from __future__ import annotations

import argparse
import json
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.classifiers import mnist_cnn
from training import cards, data, supervised

BATCH, LR, DECAY = 250, 3e-3, 0.998


def jitter(x: Tensor, generator: torch.Generator) -> Tensor:
    """A small random rotation, scaling and shift of each picture (B, 1, 28, 28)."""
    angle, scale, dx, dy = (torch.rand(4, len(x), generator=generator) * 2 - 1).unbind()
    angle, scale = angle * math.radians(12), 1 + 0.1 * scale
    cos, sin = angle.cos() * scale, angle.sin() * scale
    theta = torch.stack([cos, -sin, dx * 4 / 28, sin, cos, dy * 4 / 28], 1).view(-1, 2, 3)
    return F.grid_sample(x, F.affine_grid(theta, list(x.shape), align_corners=False), align_corners=False)


@torch.no_grad()
def accuracy(net: nn.Module, pictures: Tensor, labels: Tensor) -> tuple[float, float]:
    z = torch.cat([net(part.float() / 255) for part in pictures.split(1000)])
    return (z.argmax(1) == labels).float().mean().item(), F.cross_entropy(z, labels).item()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    pictures, labels = data.mnist(train=True)
    net, device = mnist_cnn(), supervised.device()

    def loss_of(chosen: Tensor, generator: torch.Generator) -> Tensor:
        x = jitter(pictures[chosen].float() / 255, generator).to(device, memory_format=torch.channels_last)
        return F.cross_entropy(net(x).float(), labels[chosen].to(device), label_smoothing=0.02)

    knobs = {"epochs": options.epochs, "batch": BATCH, "rate": LR, "decay": DECAY, "seed": options.seed}
    mean, curve = supervised.fit("mnist-cnn", net, len(pictures), loss_of, **knobs)
    final = cards.rounded(mean, mnist_cnn)
    test_accuracy, test_nll = accuracy(final, *data.mnist(train=False))
    metrics = {"test_accuracy": round(test_accuracy, 4), "test_nll": round(test_nll, 4), "test_pictures": 10000}
    print(json.dumps(metrics), flush=True)
    cards.write(
        "mnist-cnn",
        final,
        remake=f"python -m training.mnist_cnn --epochs {options.epochs} --seed {options.seed}",
        architecture="core.classifiers.mnist_cnn",
        data="MNIST, 60,000 training and 10,000 test pictures. Known faults: centred, clean strokes only; some labels are disputed",
        epochs=options.epochs,
        metrics=metrics,
        curve=curve,
    )


if __name__ == "__main__":
    main()
