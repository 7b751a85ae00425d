"""Measures the GANs and writes what is found to their cards:  python -m training.evaluate [NAME ...]

10,000 samples of seed 1, rounded to 8 bits (5,000 of the larger nets), against real pictures, in the eyes of our own classifiers:

    digits  mnist-cnn         frogs  cifar10-resnet         faces  faces-attributes

classes       the share of each class among the samples (faces: of each attribute, beside its share among the real ones)
above_0.9     the share of samples whose likeliest class has a probability above 0.9 (digits, frogs)
frechet       the Frechet distance of Heusel et al. 2017 (arXiv:1706.08500), in the features before the classifier's last layer: not to be
              compared with distances in Inception's features, but with `frechet_of_real`, that of other real pictures
precision     the share of 2,000 samples inside the manifold of 2,000 real pictures, and
recall        the other way round: the share of real pictures, the modes, that the samples reach (Kynkaanniemi et al. 2019,
              arXiv:1904.06991, k = 3, in the same features)
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable

import torch
from torch import Tensor, nn

from core import gan, images, zoo
from training import cards, data

DRAWN, SEED, MANIFOLD, NEIGHBOURS = 10_000, 1, 2000, 3
JUDGE = {"mnist": "mnist-cnn", "frogs": "cifar10-resnet", "faces": "faces-attributes"}
LAST = {"mnist-cnn": 1, "cifar10-resnet": 2, "faces-attributes": 1}  # how many layers come after the features


def frechet(a: Tensor, b: Tensor) -> float:
    """The squared Frechet distance between normal distributions fitted to features (N, F) and (M, F):

    |m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2))
    """
    a, b = a.double(), b.double()
    values, vectors = torch.linalg.eigh(torch.cov(a.T))
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    middle = torch.linalg.eigvalsh(root @ torch.cov(b.T) @ root).clamp(min=0).sqrt().sum()
    return ((a.mean(0) - b.mean(0)).square().sum() + a.var(0).sum() + b.var(0).sum() - 2 * middle).item()


def covered(points: Tensor, by: Tensor, k: int = NEIGHBOURS) -> float:
    """The share of `points` (N, F) that lie nearer to one of `by` (M, F) than that one's k-th nearest neighbour among `by`."""
    radius = torch.cdist(by, by).kthvalue(k + 1, 1).values
    return (torch.cdist(points, by) <= radius).any(1).double().mean().item()


@torch.no_grad()
def seen(judge: nn.Module, pictures: Tensor) -> tuple[Tensor, Tensor]:
    """Features before the last layer and logits, of uint8 pictures."""
    layers = LAST[judge.name]
    features = torch.cat([judge[:-layers](part.float() / 255) for part in pictures.split(250)])
    return features, judge[-layers:](features)


@torch.no_grad()
def samples_of(model: gan.Gan, count: int) -> Tensor:
    """`count` samples as uint8."""
    z = torch.randn(count, model.latent_dim, generator=torch.Generator().manual_seed(SEED))
    return torch.cat([images.to_bytes(gan.sample(model, part)) for part in z.split(500)])


def reals(kind: str) -> tuple[Tensor, Tensor]:
    """Real pictures to compare with, and others, as many as there are, to tell how near real pictures are to one another."""
    if kind == "mnist":
        return data.mnist(train=False)[0], data.mnist(train=True)[0][:10_000]
    pictures, _ = data.pictures_of(kind)
    order = torch.randperm(len(pictures), generator=torch.Generator().manual_seed(SEED))
    return pictures[order[::2]], pictures[order[1::2]]


def quality(name: str, count: int) -> dict:
    """The metrics of a GAN."""
    kind = next(kind for kind in JUDGE if name.startswith(kind))
    judge = zoo.load(JUDGE[kind])
    real, other = reals(kind)
    (f_real, z_real), (f_other, _) = seen(judge, real), seen(judge, other)
    f, z = seen(judge, samples_of(zoo.load(name), count))
    metrics: dict = {"samples": count, "judge": judge.name}
    if judge.many:
        share, of_real = (((z > 0).float().mean(0)).tolist() for z in (z, z_real))
        metrics["attributes"] = {n: [round(s, 3), round(r, 3)] for n, s, r in zip(judge.labels, share, of_real, strict=True)}
        metrics["attributes_mean_difference"] = round(sum(abs(s - r) for s, r in zip(share, of_real, strict=True)) / len(share), 4)
    else:
        p = z.softmax(1)
        metrics["classes"] = [round(v, 4) for v in torch.bincount(p.argmax(1), minlength=p.shape[1]).div(count).tolist()]
        metrics["above_0.9"] = round((p.amax(1) > 0.9).float().mean().item(), 4)
        metrics["above_0.9_of_real"] = round((z_real.softmax(1).amax(1) > 0.9).float().mean().item(), 4)
    metrics |= {"frechet": round(frechet(f, f_real), 2), "frechet_of_real": round(frechet(f_other, f_real), 2)}
    metrics["precision"] = round(covered(f[:MANIFOLD], f_real[:MANIFOLD]), 4)
    metrics["recall"] = round(covered(f_real[:MANIFOLD], f[:MANIFOLD]), 4)
    metrics["recall_of_real"] = round(covered(f_real[:MANIFOLD], f_other[:MANIFOLD]), 4)
    return metrics


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", help="any of the GANs; no name: all whose weights are here")
    options = parser.parse_args()
    here: Callable[[str], bool] = lambda name: (zoo.WEIGHTS / zoo.MODELS[name].file).exists()  # noqa: E731
    for name in options.names or filter(here, zoo.GANS):
        metrics = quality(name, DRAWN if name.startswith("mnist") else DRAWN // 2)
        print(name, json.dumps(metrics), flush=True)
        cards.add(name, metrics)


if __name__ == "__main__":
    main()
