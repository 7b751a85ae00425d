"""Trains the autoencoders:  python -m training.mnist_vae [NAME ...] [--epochs N]     (no name: all of them, one after the other)

Every net sees stochastically binarised pictures, drawn anew each time: b_i = 1 with probability x_i. It minimises

    reconstruction(b, decode(z)) + kl_weight * KL(q(z | b) || N(0, I)),   z = mu + exp(log_var / 2) * eps

AdamW, a rate that rises over the first 2 % and falls along a cosine to 0; the KL weight rises over the first 4 %. The shipped
weights are an exponential average. Where a recipe says so, a wider encoder is then trained against the finished decoder: on the pictures,
on bent copies of them and on samples of the decoder, of which there are always new ones. What q(z | x) is best does not depend on where x
comes from, and the encoder generalises better (Zhang, Hayes & Barber 2022, arXiv:2209.05148; --encoder does this alone). The test
set is looked at once, at the end. Checkpoints go to runs/.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

from core import vae, zoo
from training import cards, data, precision

RUNS = Path(__file__).resolve().parent.parent / "runs"
BATCH, LR, DECAY, WEIGHT_DECAY = 250, 2e-3, 0.999, 1e-3
SNAPSHOTS = {5: 5 / 300, 25: 25 / 300, 100: 100 / 300}  # of 300 epochs, as fractions of the training


@dataclass(frozen=True)
class Recipe:
    """One net. start: the net whose weights it goes on from, "" for none; snapshots: whether earlier points of its training are saved."""

    epochs: int
    kl_weight: float | None = None
    loss: str = "bernoulli"
    latent_dim: int = 2
    pictures: str = "mnist"
    start: str = ""
    snapshots: bool = False
    encoder_epochs: int = 0  # how long another encoder is then trained against the finished decoder
    encoder: tuple[int, int] = (vae.WIDTH, 1)  # the width and the blocks of that encoder


RECIPES = {
    "mnist-vae": Recipe(epochs=106, kl_weight=1, snapshots=True, encoder_epochs=40, encoder=(512, 2)),
    "mnist-ae": Recipe(epochs=106, snapshots=True),
    "mnist-vae-kl0.1": Recipe(epochs=20, kl_weight=0.1, start="mnist-vae@epoch100"),
    "mnist-vae-kl4": Recipe(epochs=20, kl_weight=4, start="mnist-vae@epoch100"),
    "fashion-vae16": Recipe(epochs=40, kl_weight=1, latent_dim=16, pictures="fashion"),
    "fashion-ae16": Recipe(epochs=40, latent_dim=16, pictures="fashion", start="fashion-vae16"),
    "mnist-ae-squared": Recipe(epochs=20, loss="squared", start="mnist-ae"),
    "mnist-ae-absolute": Recipe(epochs=20, loss="absolute", start="mnist-ae"),
}


def objective(net: vae.Autoencoder, b: Tensor, eps: Tensor, kl_weight: Tensor, loss: str) -> tuple[Tensor, Tensor]:
    """The two terms of the loss, each the mean over the batch."""
    mu, log_var = net.encode(b)
    z = vae.reparameterise(mu, log_var, eps) if net.variational else mu
    logits = net.logits(z)
    reconstruction = vae.bernoulli(b, logits) if loss == "bernoulli" else getattr(vae, loss)(b, logits.sigmoid())
    return reconstruction.mean(), kl_weight * vae.kl(mu, log_var).mean() if net.variational else 0 * kl_weight


def train(name: str, recipe: Recipe, seed: int, compiled: bool) -> None:
    """Trains from the last checkpoint on, and writes weights and cards."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    checkpoint = RUNS / f"{name}-{recipe.epochs}.pt"
    pictures, _ = data.pictures28(recipe.pictures, train=True)
    pictures = pictures.flatten(1)
    net = vae.Autoencoder(recipe.latent_dim, variational=recipe.kl_weight is not None)
    if recipe.start:
        state = zoo.load(recipe.start).state_dict()
        for key in ("encoder.4.weight", "encoder.4.bias"):  # an autoencoder takes the means alone
            state[key] = state[key][: len(net.state_dict()[key])]
        net.load_state_dict(state)
    mean = {key: p.detach().clone() for key, p in net.named_parameters()}
    optimiser = torch.optim.AdamW(net.parameters(), LR, weight_decay=WEIGHT_DECAY, fused=True)
    step, first, curve, saved = 0, 0, [], {}
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        net.load_state_dict(state["net"])
        optimiser.load_state_dict(state["optimiser"])
        generator.set_state(state["generator"])
        mean, step, first, curve, saved = (state[key] for key in ("mean", "step", "epoch", "curve", "saved"))
    per_epoch = len(pictures) // BATCH
    total = recipe.epochs * per_epoch
    at = {max(1, round(share * total)): epoch for epoch, share in SNAPSHOTS.items()} if recipe.snapshots else {}
    loss_of = torch.compile(objective) if compiled else objective
    for epoch in range(first, recipe.epochs):
        start, terms = time.time(), torch.zeros(2)
        for chosen in torch.randperm(len(pictures), generator=generator).split(BATCH):
            x = pictures[chosen].float() / 255
            b = (torch.rand(x.shape, generator=generator) < x).float()
            eps = torch.randn(len(x), recipe.latent_dim, generator=generator)
            rise, fall = min(1, step / (0.02 * total)), 0.5 * (1 + math.cos(math.pi * step / total))
            for group in optimiser.param_groups:
                group["lr"] = LR * rise * fall
            weight = torch.tensor((recipe.kl_weight or 0) * (1 if recipe.start else min(1, 0.1 + step / (0.04 * total))))
            reconstruction, divergence = loss_of(net, b, eps, weight, recipe.loss)
            optimiser.zero_grad(set_to_none=True)
            (reconstruction + divergence).backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 200)
            optimiser.step()
            step += 1
            decay = min(DECAY, step / (step + 20))
            with torch.no_grad():
                torch._foreach_lerp_(list(mean.values()), list(net.parameters()), 1 - decay)
            terms += torch.stack([reconstruction.detach(), divergence.detach()])
            if step in at:
                saved[str(at[step])] = {key: value.clone() for key, value in mean.items()} | {"step": torch.tensor(step)}
        losses = (terms / per_epoch).tolist()
        curve.append({"epoch": epoch + 1, "reconstruction": round(losses[0], 3), "weighted_kl": round(losses[1], 3)})
        print(name, curve[-1], round(sum(losses), 3), f"{time.time() - start:.1f}s", flush=True)
        if (epoch + 1) % 10 == 0 or epoch + 1 == recipe.epochs:
            torch.save(
                {"net": net.state_dict(), "optimiser": optimiser.state_dict(), "generator": generator.get_state()}
                | {"mean": mean, "step": step, "epoch": epoch + 1, "curve": curve, "saved": saved},
                checkpoint,
            )
    finish(name, recipe, seed, mean, recipe.epochs, curve)
    for label, weights in saved.items():
        epochs = round(int(weights.pop("step")) / per_epoch, 2)
        finish(f"{name}@epoch{label}", recipe, seed, weights, epochs, [row for row in curve if row["epoch"] <= epochs])


def bent(x: Tensor) -> Tensor:
    """Pictures (B, 784) turned, sheared and scaled a little and moved by up to a pixel, each its own way."""
    a = 0.08 * torch.randn(len(x), 2, 3) * torch.tensor([1, 1, 0.6]) + torch.eye(2, 3)
    grid = F.affine_grid(a, (len(x), 1, 28, 28), align_corners=False)
    return F.grid_sample(x.view(-1, 1, 28, 28), grid, align_corners=False).flatten(1).clamp(0, 1)


def train_encoder(name: str, recipe: Recipe, seed: int) -> None:
    """Trains another encoder against the shipped decoder, which stays as it is, and writes weights and card anew."""
    torch.manual_seed(seed)
    checkpoint = RUNS / f"{name}-encoder-{recipe.encoder_epochs}.pt"
    pictures, _ = data.pictures28(recipe.pictures, train=True)
    pictures = pictures.flatten(1)
    net = vae.Autoencoder(recipe.latent_dim, encoder=recipe.encoder)
    shipped = {key: value.float() for key, value in load_file(cards.WEIGHTS / f"{name}.safetensors").items() if key.startswith("decoder.")}
    net.load_state_dict(shipped, strict=False)
    net.decoder.requires_grad_(False)
    curve = [row for row in zoo.card(name)["curve"] if row["epoch"] <= recipe.epochs]
    mean = {key: p.detach().clone() for key, p in net.encoder.named_parameters()}
    optimiser = torch.optim.AdamW(net.encoder.parameters(), LR, weight_decay=10 * WEIGHT_DECAY, fused=True)
    step, first, per_epoch = 0, 0, len(pictures) // BATCH
    total = recipe.encoder_epochs * per_epoch
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        net.encoder.load_state_dict(state["encoder"])
        optimiser.load_state_dict(state["optimiser"])
        mean, step, first, curve = (state[key] for key in ("mean", "step", "epoch", "curve"))
    for epoch in range(first, recipe.encoder_epochs):
        start, terms = time.time(), torch.zeros(2)
        for chosen in torch.randperm(len(pictures)).split(BATCH):
            with torch.no_grad():
                x = pictures[chosen].float() / 255
                x = torch.cat([x, bent(x), net.decode(torch.randn(BATCH, recipe.latent_dim)).flatten(1)])
                b = (torch.rand(x.shape) < x).float()
            with precision.autocast("cpu"):
                mu, log_var = (part.float() for part in net.encode(b))
                logits = net.logits(vae.reparameterise(mu, log_var, torch.randn(mu.shape)))
            reconstruction, divergence = vae.bernoulli(b, logits.float()), recipe.kl_weight * vae.kl(mu, log_var)
            for group in optimiser.param_groups:
                group["lr"] = LR * min(1, step / (0.02 * total)) * 0.5 * (1 + math.cos(math.pi * step / total))
            optimiser.zero_grad(set_to_none=True)
            (reconstruction + divergence).mean().backward()
            torch.nn.utils.clip_grad_norm_(net.encoder.parameters(), 200)
            optimiser.step()
            step += 1
            with torch.no_grad():
                torch._foreach_lerp_(list(mean.values()), list(net.encoder.parameters()), 1 - min(DECAY, step / (step + 20)))
            terms += torch.stack([part[: len(chosen)].detach().mean() for part in (reconstruction, divergence)])
        losses = (terms / per_epoch).tolist()
        curve.append({"epoch": recipe.epochs + epoch + 1, "reconstruction": round(losses[0], 3), "weighted_kl": round(losses[1], 3)})
        print(name, curve[-1], round(sum(losses), 3), f"{time.time() - start:.1f}s", flush=True)
        state = {"encoder": net.encoder.state_dict(), "optimiser": optimiser.state_dict(), "mean": mean}
        torch.save(state | {"step": step, "epoch": epoch + 1, "curve": curve}, checkpoint)
    weights = shipped | {f"encoder.{key}": value for key, value in mean.items()}
    finish(name, recipe, seed, weights, recipe.epochs + recipe.encoder_epochs, curve, encoder=recipe.encoder)


@torch.no_grad()
def measure(model: vae.Measured, pictures: str, samples: int) -> dict:
    """Fills in the codes and the scores that the weights file carries, and returns the metrics of the card."""
    other = "fashion" if pictures == "mnist" else "mnist"
    generator = torch.Generator().manual_seed(0)
    binary, labels = {}, {}
    for kind in (pictures, other):
        x, labels[kind] = data.pictures28(kind, train=False)
        x = x.flatten(1).float() / 255
        binary[kind] = (torch.rand(x.shape, generator=generator) < x).float()
    model.codes.copy_(model.encode(binary[pictures])[0])
    model.labels_of_codes.copy_(labels[pictures].to(torch.uint8))
    kinds = {kind: vae.scores(model, b, samples=samples if kind == pictures else 4, generator=generator) for kind, b in binary.items()}
    model.scores.copy_(torch.stack([kinds[kind][: vae.SCORED] for kind in (pictures, other)]))
    mean = kinds[pictures].mean(0).tolist()
    metrics = {f"test_{key}": round(value, 3) for key, value in zip(vae.SCORES, mean, strict=True) if math.isfinite(value)}
    mu, log_var = model.encode(binary[pictures])
    if model.variational:
        metrics["test_kl"] = round(vae.kl(mu, log_var).mean().item(), 3)
    metrics |= {"test_pictures": len(mu), "samples_of_z": samples, "code_std": [round(s, 3) for s in mu.std(0).tolist()]}
    metrics["code_mean"] = [round(m, 3) for m in mu.mean(0).tolist()]
    return metrics


def finish(
    name: str,
    recipe: Recipe,
    seed: int,
    weights: dict,
    epochs: float,
    curve: list,
    *,
    samples: int = 16,
    encoder: tuple[int, int] = (vae.WIDTH, 1),
) -> None:
    """Rounds the weights to fp16, measures them on the test pictures, writes file and card."""
    net = vae.Autoencoder(recipe.latent_dim, variational=recipe.kl_weight is not None, encoder=encoder)
    net.load_state_dict({k: v.half().float() for k, v in weights.items()}, strict=False)
    net.eval().requires_grad_(False)
    metrics = measure(net, recipe.pictures, samples)
    print(name, json.dumps(metrics), flush=True)
    cards.write(
        name,
        net,
        remake=f"python -m training.mnist_vae {name.partition('@')[0]} --epochs {recipe.epochs} --seed {seed}",
        architecture=f"core.vae.Autoencoder({recipe.latent_dim}, variational={net.variational}, encoder={encoder})",
        data=data.TOLD[recipe.pictures]
        + "; stochastically binarised: pixel i is 1 with probability x_i, drawn anew in every epoch, and once "
        "(seed 0) for the test. The scores carried along are those of the first 2,000 test pictures and of 2,000 of the other set",
        epochs=epochs,
        metrics=metrics,
        loss=recipe.loss,
        kl_weight=recipe.kl_weight,
        start=f"went on from {recipe.start}" if recipe.start else "random weights",
        note=f"a snapshot's name tells which epoch of 300 it stands for; this training was planned for {recipe.epochs} epochs"
        + (f", and for {recipe.encoder_epochs} of the encoder against the finished decoder" if recipe.encoder_epochs else ""),
        curve=curve[:: max(1, len(curve) // 40)],
    )


def fit_pca(name: str, latent_dim: int, kind: str) -> None:
    """Fits PCA on the same binarised pictures and writes it."""
    pictures, _ = data.pictures28(kind, train=True)
    x = pictures.flatten(1).float() / 255
    b = (torch.rand(x.shape, generator=torch.Generator().manual_seed(0)) < x).float()
    model = vae.PCA(latent_dim).fit(b)
    model.load_state_dict({k: v.half().float() if v.is_floating_point() else v for k, v in model.state_dict().items()})
    model.eval().requires_grad_(False)
    metrics = measure(model, kind, 1)
    variance = (((b - model.mean) @ model.components.T).var(0).sum() / b.var(0).sum()).item()
    metrics["explained_variance"] = round(variance, 4)
    print(name, json.dumps(metrics), flush=True)
    cards.write(
        name,
        model,
        remake=f"python -m training.mnist_vae {name}",
        architecture=f"core.vae.PCA({latent_dim})",
        data=data.TOLD[kind] + "; stochastically binarised once (seed 0)",
        epochs=0,
        metrics=metrics,
    )


PCAS = {"mnist-pca": (2, "mnist"), "fashion-pca16": (16, "fashion")}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", help=f"any of: {', '.join((*RECIPES, *PCAS))}")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, help="another length of the training than the recipe's")
    parser.add_argument("--compile", action="store_true", help="torch.compile the loss (needs a C++ compiler)")
    parser.add_argument("--encoder", action="store_true", help="train the encoder of the shipped weights on, nothing else")
    options = parser.parse_args()
    RUNS.mkdir(exist_ok=True)
    for name in options.names or (*RECIPES, *PCAS):
        if name in PCAS:
            fit_pca(name, *PCAS[name])
        else:
            recipe = RECIPES[name]
            recipe = replace(recipe, epochs=options.epochs or recipe.epochs)
            if not options.encoder:
                train(name, recipe, options.seed, options.compile)
            if recipe.encoder_epochs:
                train_encoder(name, recipe, options.seed)


if __name__ == "__main__":
    main()
