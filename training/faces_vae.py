"""Trains `faces-vae`:  python -m training.faces_vae [--epochs 10] [--features 150] [--kl 0.5]

    pixel (x - x')^2 sum + features * sum_l w_l |f_l(x) - f_l(x')|^2 + kl * KL(q(z | x) || N(0, I))

f_l: what the stages of EfficientNet-Lite0 make of a face, as in Deep Feature Consistent VAE (Hou et al. 2017, arXiv:1610.00291): pixels
alone give blurred faces, because a blur is the mean of all that may be. w_l weighs each stage by the inverse of its variance over the
training faces. AdamW, a rate that rises over the first 2 % and falls along a cosine; the KL weight rises over the first 10 %; faces are
mirrored at random; the rate falls to 0, so that the last weights need no averaging. Every 10th face is held out.
Checkpoints, and sheets of reconstructions for the eye, go to runs/; the faces of the data set are shown to nobody else.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path

import torch
from torch import Tensor, nn

from core import images, vae, zoo
from training import cards, data, precision

RUNS = Path(__file__).resolve().parent.parent / "runs"
BATCH, LR, HELD_OUT = 64, 1e-3, 10
STAGES = (0, 1, 2, 4)  # of EfficientNet-Lite0: at 32, 16, 8 and 4 pixels a side


class Features(nn.Module):
    """The stages of the packaged classifier that the loss compares, each divided by its standard deviation over faces."""

    def __init__(self, faces: Tensor) -> None:
        super().__init__()
        self.normalise, self.net = zoo.load("imagenet-lite0")
        self.scales = [1.0] * len(STAGES)
        self.scales = [part.std().item() for part in self(faces)]

    def forward(self, x: Tensor) -> list[Tensor]:
        h, found = self.net.bn1(self.net.conv_stem(self.normalise(x))), []
        for i, block in enumerate(self.net.blocks[: STAGES[-1] + 1]):
            h = block(h)
            if i in STAGES:
                found.append(h / self.scales[len(found)])
        return found


def distance(features: Features, x: Tensor, y: Tensor) -> Tensor:
    """The mean squared difference of the features of each face, summed over the stages, (B,)."""
    with torch.no_grad():
        wanted = features(x)
    return sum((a - b).square().flatten(1).mean(1) for a, b in zip(wanted, features(y), strict=True))


@torch.no_grad()
def measure(net: vae.FacesVAE, features: Features, pictures: Tensor) -> dict[str, float]:
    """Means over faces: the summed squared error of the reconstruction of mu, its distance in the features, the KL in nats."""
    parts = []
    for chunk in pictures.split(200):
        x = chunk.float() / 255
        mu, log_var = net.encode(x)
        y = net.decode(mu)
        parts.append(torch.stack([(x - y).square().flatten(1).sum(1), distance(features, x, y), vae.kl(mu, log_var)], 1))
    names = ("test_squared_error", "test_feature_distance", "test_kl")
    return dict(zip(names, [round(v, 3) for v in torch.cat(parts).mean(0).tolist()], strict=True))


@torch.no_grad()
def look(net: vae.FacesVAE, pictures: Tensor, path: Path) -> None:
    """A sheet for the eye of whoever trains: five rows of faces over their reconstructions, and 20 samples of the prior."""
    x = pictures[:50].float() / 255
    rows = torch.stack([x.view(5, 10, 3, 64, 64), net.decode(net.encode(x)[0]).view(5, 10, 3, 64, 64)], 1).flatten(0, 2)
    samples = net.decode(torch.randn(20, net.latent_dim, generator=torch.Generator().manual_seed(0)))
    images.to_image(images.tiles(torch.cat([rows, samples]), 10)).save(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--features", type=float, default=150.0, help="weight of the distance in the features")
    parser.add_argument("--kl", type=float, default=0.5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--probe", type=int, default=0, help="stop after so many steps, write nothing")
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    RUNS.mkdir(exist_ok=True)
    checkpoint = RUNS / f"faces-vae-{options.epochs}.pt"
    pictures, _ = data.faces()
    held = torch.arange(len(pictures)) % HELD_OUT == 0
    test, pictures = pictures[held], pictures[~held]
    features = Features(test[:400].float() / 255)
    net = vae.FacesVAE().to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(net.parameters(), LR, weight_decay=1e-2)
    per_epoch, step, first, curve = len(pictures) // BATCH, 0, 0, []
    total = options.epochs * per_epoch
    if checkpoint.exists() and not options.probe:
        saved = torch.load(checkpoint, weights_only=True)
        for part, name in ((net, "net"), (optimiser, "optimiser")):
            part.load_state_dict(saved[name])
        step, first, curve = saved["step"], saved["epoch"], saved["curve"]
    for epoch in range(first, options.epochs):
        start, terms = time.time(), torch.zeros(3)
        net.train()
        for chosen in torch.randperm(len(pictures))[: per_epoch * BATCH].split(BATCH):
            x = pictures[chosen].float() / 255
            x = torch.where(torch.rand(len(x), 1, 1, 1) < 0.5, x.flip(3), x).contiguous(memory_format=torch.channels_last)
            for group in optimiser.param_groups:
                group["lr"] = LR * min(1, step / (0.02 * total)) * 0.5 * (1 + math.cos(math.pi * step / total))
            with precision.autocast("cpu"):
                mu, log_var = (part.float() for part in net.encode(x))
                y = net.decode(vae.reparameterise(mu, log_var, torch.randn(mu.shape)))
                far = distance(features, x, y).float().mean()
            parts = torch.stack([(x - y.float()).square().flatten(1).sum(1).mean(), far, vae.kl(mu, log_var).mean()])
            loss = parts[0] + options.features * parts[1] + options.kl * min(1, 0.1 + step / (0.1 * total)) * parts[2]
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 100)
            optimiser.step()
            step, terms = step + 1, terms + parts.detach()
            if step % 50 == 0 or step == options.probe:
                print(f"  {step}/{total}", [round(v, 2) for v in parts.tolist()], f"{time.time() - start:.0f}s", flush=True)
            if step == options.probe:
                return
        curve.append(
            {"epoch": epoch + 1}
            | dict(zip(("squared", "features", "kl"), [round(v, 3) for v in (terms / per_epoch).tolist()], strict=True))
        )
        print(curve[-1], f"{time.time() - start:.0f}s", flush=True)
        look(net.eval(), test, RUNS / f"faces-vae-{epoch + 1:03}.png")
        state = {"net": net.state_dict(), "optimiser": optimiser.state_dict()}
        torch.save(state | {"step": step, "epoch": epoch + 1, "curve": curve}, checkpoint)
    final = cards.rounded(net, vae.FacesVAE)
    metrics = measure(final, features, test) | {"test_pictures": len(test)}
    print(json.dumps(metrics), flush=True)
    cards.write(
        "faces-vae",
        final,
        remake=f"python -m training.faces_vae --epochs {options.epochs} --features {options.features} --kl {options.kl}",
        architecture="core.vae.FacesVAE",
        data="CelebA (for non-commercial research), 22,266 aligned near-frontal faces, 64x64, every 10th held out. Known faults: "
        "celebrities, mostly young, mostly smiling, mostly light-skinned",
        epochs=options.epochs,
        metrics=metrics,
        curve=curve,
    )


if __name__ == "__main__":
    main()
