"""What shows how autoencoders differ: samples, denoising, the detection of strangers; and what an untrained net does."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from core.checks import UserError
from core.vae import SCORES, scores


def normal_of(codes: Tensor) -> tuple[Tensor, Tensor]:
    """The normal distribution fitted to codes (N, d): its mean (d,) and covariance (d, d), by maximum likelihood up to N / (N - 1)."""
    return codes.mean(0), torch.cov(codes.T).view(codes.shape[1], -1)


def draw_normal(mean: Tensor, covariance: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """`count` samples (count, d) of N(mean, covariance): mean + L eps, L L^T = covariance (Cholesky)."""
    eps = torch.randn(count, len(mean), generator=generator).to(mean)
    return mean + eps @ torch.linalg.cholesky(covariance).T


def noisy(x: Tensor, levels: Tensor, generator: torch.Generator) -> Tensor:
    """clip(x + s eps, 0, 1) for each s of `levels` (L,), the same eps ~ N(0, I) for all: (1, 1, 28, 28) -> (L, 1, 28, 28)."""
    eps = torch.randn(x.shape, generator=generator).to(x.device)
    return (x + levels.view(-1, 1, 1, 1).to(x.device) * eps).clamp(0, 1)


@dataclass(frozen=True)
class Compared:
    """One model on one picture. picture: decode(mu) (1, 1, 28, 28); errors: SCORES -> value, the ELBO left out where there is none;
    mu: (d,); from_prior, from_codes: (K, 1, 28, 28), decoded from N(0, I) and from the normal distribution fitted to the test codes;
    mean (d,) and covariance (d, d): that distribution."""

    picture: Tensor
    errors: dict[str, float]
    mu: Tensor
    from_prior: Tensor
    from_codes: Tensor
    mean: Tensor
    covariance: Tensor


@torch.no_grad()
def compare(model: nn.Module, x: Tensor, *, seed_of_samples: torch.Generator, count: int = 10, samples: int = 64) -> Compared:
    """Encodes and decodes x (1, 1, 28, 28), and decodes samples of the two distributions."""
    device, mean_covariance = x.device, normal_of(model.codes.cpu())
    found = scores(model, x.flatten(1), samples=samples, generator=seed_of_samples)[0].tolist()
    mu = model.encode(x)[0]
    prior = torch.randn(count, model.latent_dim, generator=seed_of_samples)
    fitted = draw_normal(*mean_covariance, count, seed_of_samples)
    decoded = [model.decode(z.to(device)).cpu() for z in (mu, prior, fitted)]
    errors = {name: value for name, value in zip(SCORES, found, strict=True) if math.isfinite(value)}
    return Compared(decoded[0], errors, mu[0].cpu(), *decoded[1:], *mean_covariance)


@torch.no_grad()
def denoise(models: list[nn.Module], x: Tensor, levels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """What each model makes of x (1, 1, 28, 28) under each level of noise (L,).

    Returns the pictures (1 + M, L, 1, 28, 28), the noisy ones first, and their squared errors against the clean x, (1 + M, L).
    """
    given = noisy(x, levels, generator)
    rows = torch.stack([given, *(model.decode(model.encode(given)[0]) for model in models)]).cpu()
    return rows, ((rows - x.cpu()) ** 2).flatten(2).sum(2)


@dataclass(frozen=True)
class Roc:
    """A detector that flags scores at or above a threshold: thresholds (T,), falling; false_rate, true_rate (T,); area under the curve."""

    thresholds: Tensor
    false_rate: Tensor
    true_rate: Tensor
    area: float


def roc(normal: Tensor, strange: Tensor) -> Roc:
    """The receiver operating characteristic of scores (N,) of normal pictures and (M,) of strange ones (Fawcett 2006).

    One point for every distinct score; the first, (0, 0), has the threshold infinity. A picture is flagged if its score >= the threshold.
    """
    every = torch.cat([normal, strange]).double()
    is_strange = torch.cat([torch.zeros(len(normal)), torch.ones(len(strange))]).double()
    order = every.argsort(descending=True)
    every, is_strange = every[order], is_strange[order]
    last = torch.cat([every[1:] != every[:-1], torch.tensor([True])])  # of equal scores the last counts
    true_rate = is_strange.cumsum(0)[last] / len(strange)
    false_rate = (1 - is_strange).cumsum(0)[last] / len(normal)
    zero = torch.zeros(1, dtype=torch.double)
    true_rate, false_rate = torch.cat([zero, true_rate]), torch.cat([zero, false_rate])
    thresholds = torch.cat([torch.tensor([torch.inf], dtype=torch.double), every[last]])
    return Roc(thresholds, false_rate, true_rate, torch.trapezoid(true_rate, false_rate).item())


@torch.no_grad()
def random_net(points: int, *, generator: torch.Generator, depth: int = 12, width: int = 100) -> Tensor:
    """What an untrained net makes of N(0, I): 2 inputs, `depth` layers of `width` ReLU units, 2 outputs; (points, 2).

    Weights are N(0, 2 / fan-in) (He et al. 2015, arXiv:1502.01852), biases N(0, 0.1^2); both, and the points, come from the generator.
    """
    sizes = [2, *[width] * depth]
    weights = [torch.randn(n, m, generator=generator) * math.sqrt(2 / n) for n, m in zip(sizes, sizes[1:], strict=False)]
    biases = [0.1 * torch.randn(width, generator=generator) for _ in weights]
    last = torch.randn(width, 2, generator=generator) / math.sqrt(width)
    found = []
    for x in torch.randn(points, 2, generator=generator).split(2048):  # as many as stay in the processor's cache
        for weight, bias in zip(weights, biases, strict=True):
            x = torch.addmm(bias, x, weight).relu_()
        found.append(x @ last)
    return torch.cat(found)


def density(points: Tensor, bins: int = 360) -> tuple[Tensor, list[float]]:
    """Counts (bins, bins) of points (N, 2), top row first, and their box [left, right, bottom, top]: the middle 99.8 % of each axis."""
    low, high = points.quantile(0.001, 0), points.quantile(0.999, 0)
    pad = 0.05 * (high - low) + 1e-6
    low, high = low - pad, high + pad
    cell = ((points - low) / (high - low) * bins).floor().long()
    cell = cell[((cell >= 0) & (cell < bins)).all(1)]
    counts = torch.bincount((bins - 1 - cell[:, 1]) * bins + cell[:, 0], minlength=bins * bins).view(bins, bins)
    return counts, [low[0].item(), high[0].item(), low[1].item(), high[1].item()]


def joined(pictures: list[Tensor], model: nn.Module) -> Tensor:
    """Pictures (1, 1, 28, 28) as one batch on the model's device."""
    return torch.cat([x.cpu() for x in pictures]).to(next(model.parameters()).device)


def levels(values: list[float]) -> Tensor:
    """Levels of noise as a tensor (L,)."""
    return torch.tensor(values)


def stored_scores(model: nn.Module, column: int) -> tuple[Tensor, Tensor]:
    """The scores that the training measured, of 2,000 pictures of the model's kind and of 2,000 strange ones; UserError without any."""
    found = model.scores[:, :, column].cpu()
    if not torch.isfinite(found).all():
        raise UserError(f"{model.name} gives no {SCORES[column].replace('_', ' ')}: only a VAE has an ELBO; choose a reconstruction error.")
    return found[0], found[1]


def rounded(values: Tensor) -> list[float]:
    """Numbers for a page, two digits after the point."""
    return [round(v, 2) for v in values.tolist()]


def as_grey(counts: Tensor) -> Tensor:
    """Counts (H, W) as pixels (1, H, W): the square root, the 99.9th percentile of the filled cells white."""
    root = counts.float().sqrt()
    return (root / root[root > 0].quantile(0.999)).clamp(0, 1)[None]
