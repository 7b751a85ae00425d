"""Trains `mnist-cnn`:  python -m training.mnist_cnn [--epochs 20]

AdamW on a one-cycle schedule; every picture is turned by up to 12 degrees, scaled by up to 10 % and shifted by up to 2 pixels;
the shipped weights are an exponential average. The test set is looked at once, at the end. Checkpoints go to runs/.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.classifiers import mnist_cnn
from training import cards, data

RUNS = Path(__file__).resolve().parent.parent / "runs"
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
    generator = torch.Generator().manual_seed(options.seed)
    RUNS.mkdir(exist_ok=True)
    checkpoint = RUNS / f"mnist-cnn-{options.epochs}.pt"
    pictures, labels = data.mnist(train=True)
    net = mnist_cnn().to(memory_format=torch.channels_last)
    mean = torch.optim.swa_utils.AveragedModel(net, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(DECAY), use_buffers=True)
    optimiser = torch.optim.AdamW(net.parameters(), LR, weight_decay=0.02)
    steps = options.epochs * (len(pictures) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LR, total_steps=steps, pct_start=0.2)
    first, curve = 0, []
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        for part, name in ((net, "net"), (mean, "mean"), (optimiser, "optimiser"), (schedule, "schedule")):
            part.load_state_dict(saved[name])
        first, curve = saved["epoch"], saved["curve"]
        generator.set_state(saved["generator"])
    for epoch in range(first, options.epochs):
        start, losses = time.time(), []
        net.train()
        for chosen in torch.randperm(len(pictures), generator=generator).split(BATCH):
            x = jitter(pictures[chosen].float() / 255, generator).to(memory_format=torch.channels_last)
            loss = F.cross_entropy(net(x), labels[chosen], label_smoothing=0.02)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
            mean.update_parameters(net)
            losses.append(loss.item())
        curve.append({"epoch": epoch + 1, "loss": round(sum(losses) / len(losses), 4)})
        print(curve[-1], f"{time.time() - start:.0f}s", flush=True)
        state = {"net": net.state_dict(), "mean": mean.state_dict(), "optimiser": optimiser.state_dict()}
        state |= {"schedule": schedule.state_dict(), "epoch": epoch + 1, "curve": curve, "generator": generator.get_state()}
        torch.save(state, checkpoint)

    final = cards.rounded(mean.module, mnist_cnn)
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
