"""Autoencoders, variational or not, and PCA under one contract; the losses as the papers write them.

    encode(x) -> (mu, log_var)      decode(z) -> pixels in [0, 1]      latent_dim, size

The data are binary pictures b: each pixel of a grey picture x in [0, 1] is 1 with probability x (stochastically binarised MNIST).
A model without a spread (the plain autoencoder, PCA) says log_var = -inf: z = mu, and its KL is infinite.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.checks import UserError, number, shown, whole

WIDTH, PIXELS = 256, 28 * 28
TEST, SCORED = 10_000, 2_000
SCORES = ("squared", "absolute", "bernoulli", "negative_elbo")


class Residual(nn.Module):
    """x + W2 silu(W1 silu(norm(x))): depth without the trouble of depth."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.inner, self.outer = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.outer(F.silu(self.inner(F.silu(self.norm(x)))))


class Measured(nn.Module):
    """What the training measured on the test pictures and the weights file carries along, in their order.

    codes: (10000, latent_dim), the means of the first 10,000 test pictures, and labels_of_codes (10000,) their classes.
    scores: (2, 2000, 4), the SCORES of 2,000 test pictures of the model's own kind and of 2,000 of the other kind.
    """

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        self.latent_dim, self.size = latent_dim, (1, 28, 28)
        self.register_buffer("codes", torch.zeros(TEST, latent_dim))
        self.register_buffer("labels_of_codes", torch.zeros(TEST, dtype=torch.uint8))
        self.register_buffer("scores", torch.zeros(2, SCORED, len(SCORES)))


class Autoencoder(Measured):
    """Two multilayer perceptrons, the same ones for every model, so that they compare.

    encode: (B, 1, 28, 28) in [0, 1] -> mu, log_var (B, latent_dim).   decode: (B, latent_dim) -> (B, 1, 28, 28) in [0, 1], the
    probabilities of a white pixel.   logits: the same before the sigmoid, (B, 784).
    """

    def __init__(self, latent_dim: int = 2, *, variational: bool = True) -> None:
        super().__init__(latent_dim)
        self.variational = variational
        last = 2 * latent_dim if variational else latent_dim
        self.encoder = nn.Sequential(nn.Linear(PIXELS, WIDTH), Residual(WIDTH), nn.LayerNorm(WIDTH), nn.SiLU(), nn.Linear(WIDTH, last))
        self.decoder = nn.Sequential(
            nn.Linear(latent_dim, WIDTH), Residual(WIDTH), Residual(WIDTH), nn.LayerNorm(WIDTH), nn.SiLU(), nn.Linear(WIDTH, PIXELS)
        )

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        out = self.encoder(x.flatten(1))
        if not self.variational:
            return out, torch.full_like(out, -torch.inf)
        mu, log_var = out.chunk(2, 1)
        return mu, log_var

    def logits(self, z: Tensor) -> Tensor:
        return self.decoder(z)

    def decode(self, z: Tensor) -> Tensor:
        return self.logits(z).sigmoid().view(-1, *self.size)


class PCA(Measured):
    """Principal components (Pearson 1901) as an autoencoder that is linear: z = W (x - mean), x' = mean + W^T z, clipped to [0, 1]."""

    def __init__(self, latent_dim: int = 2) -> None:
        super().__init__(latent_dim)
        self.variational = False
        self.mean = nn.Parameter(torch.zeros(PIXELS))
        self.components = nn.Parameter(torch.zeros(latent_dim, PIXELS))

    @torch.no_grad()
    def fit(self, x: Tensor) -> PCA:
        """The directions of largest variance of x (N, 784), by a singular value decomposition; each one's largest entry is positive."""
        self.mean.copy_(x.mean(0))
        covariance = (x - self.mean).T @ (x - self.mean) / (len(x) - 1)
        vectors = torch.linalg.svd(covariance.double())[2][: self.latent_dim].float()
        signs = vectors.gather(1, vectors.abs().argmax(1, keepdim=True)).sign()
        self.components.copy_(vectors * signs)
        return self

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mu = (x.flatten(1) - self.mean) @ self.components.T
        return mu, torch.full_like(mu, -torch.inf)

    def decode(self, z: Tensor) -> Tensor:
        return (self.mean + z @ self.components).clamp(0, 1).view(-1, *self.size)

    def logits(self, z: Tensor) -> Tensor:
        """A line that is clipped knows no probabilities: they are kept within 1 and 99 %, so that its Bernoulli term is finite."""
        return self.decode(z).flatten(1).logit(1e-2)


def bernoulli(b: Tensor, logits: Tensor) -> Tensor:
    """-log p(b | z) = -sum_i [b_i log p_i + (1 - b_i) log(1 - p_i)], p = sigmoid(logits): (B, N), (B, N) -> (B,) nats."""
    return (F.softplus(logits) - b * logits).sum(1)


def squared(x: Tensor, p: Tensor) -> Tensor:
    """sum_i (x_i - p_i)^2: (B, N), (B, N) -> (B,). Up to a factor and a constant, -log p(x | z) of a Gaussian pixel."""
    return ((x - p) ** 2).sum(1)


def absolute(x: Tensor, p: Tensor) -> Tensor:
    """sum_i |x_i - p_i|: (B, N), (B, N) -> (B,). Up to a factor and a constant, -log p(x | z) of a Laplacian pixel."""
    return (x - p).abs().sum(1)


def kl(mu: Tensor, log_var: Tensor) -> Tensor:
    """KL(N(mu, diag exp(log_var)) || N(0, I)) in closed form (Kingma & Welling 2014, arXiv:1312.6114, appendix B).

        KL = 1/2 sum_j (mu_j^2 + sigma_j^2 - 1 - log sigma_j^2)

    mu, log_var: (B, d) -> (B,) nats; infinite where log_var = -inf, which is what a point is against a density.
    """
    return 0.5 * (mu**2 + log_var.exp() - 1 - log_var).sum(1)


def reparameterise(mu: Tensor, log_var: Tensor, eps: Tensor) -> Tensor:
    """z = mu + exp(log_var / 2) * eps, eps ~ N(0, I): a sample of q(z | x) that mu and log_var have gradients through."""
    return mu + (log_var / 2).exp() * eps


@torch.no_grad()
def scores(model: Measured, b: Tensor, *, samples: int, generator: torch.Generator) -> Tensor:
    """How badly a model explains pictures, four ways (SCORES): b (B, 784) in [0, 1] -> (B, 4), larger is stranger.

    The reconstruction is that of z = mu for the first two; the Bernoulli term and the negative ELBO are means over `samples`
    draws of z ~ q(z | b). A model without a spread has z = mu and no ELBO (nan).
    """
    parts = []
    for chunk in b.split(1000):
        mu, log_var = model.encode(chunk)
        p = model.decode(mu).flatten(1)
        total = torch.zeros(len(chunk), device=b.device)
        for _ in range(samples if model.variational else 1):
            z = mu
            if model.variational:
                z = reparameterise(mu, log_var, torch.randn(mu.shape, generator=generator).to(mu.device))
            total += bernoulli(chunk, model.logits(z))
        term = total / (samples if model.variational else 1)
        bound = term + kl(mu, log_var) if model.variational else torch.full_like(term, torch.nan)
        parts.append(torch.stack([squared(chunk, p), absolute(chunk, p), term, bound], 1))
    return torch.cat(parts)


@dataclass(frozen=True)
class Bound:
    """reconstruction: E_q[log p(x | z)]; kl; elbo = reconstruction - kl; error: the standard error of the estimate. (B,) nats each."""

    reconstruction: Tensor
    kl: Tensor
    elbo: Tensor
    error: Tensor


@torch.no_grad()
def elbo(model: nn.Module, x: Tensor, *, samples: int, generator: torch.Generator) -> Bound:
    """The evidence lower bound (Kingma & Welling 2014, arXiv:1312.6114, equation 3).

        log p(x) >= ELBO = E_{q(z | x)}[log p(x | z)] - KL(q(z | x) || p(z))

    x: (B, 1, 28, 28) in [0, 1]. For grey pixels log p(x | z) is the mean over all binarisations of x, exactly. The expectation over z
    is a mean over `samples` draws, the KL is in closed form. A model without a spread has kl = inf and elbo = -inf.
    """
    mu, log_var = model.encode(x)
    eps = torch.randn((samples, *mu.shape), generator=generator).to(mu.device)
    z = reparameterise(mu, log_var, eps)
    terms = torch.stack([-bernoulli(x.flatten(1), model.logits(draw)) for draw in z])
    reconstruction, divergence = terms.mean(0), kl(mu, log_var)
    error = terms.std(0) / math.sqrt(samples) if samples > 1 else torch.full_like(divergence, torch.nan)
    return Bound(reconstruction, divergence, reconstruction - divergence, error)


def kl_discrete(p: Tensor, q: Tensor) -> float:
    """KL(p || q) = sum_i p_i log(p_i / q_i) in nats, with 0 log 0 = 0; infinite where q is 0 and p is not.

    p, q: (K,) probabilities, each adding up to 1 (within 0.001). KL([0, 0, .2, .8, 0] || [.1, .1, .3, .4, .1]) = 0.4734.
    """
    p, q = p.double(), q.double()
    if p.shape != q.shape:
        raise UserError(f"p has {len(p)} probabilities and q has {len(q)}; give as many of the one as of the other.")
    for name, given in (("p", p), ("q", q)):
        if not (given >= 0).all() or abs(given.sum().item() - 1) > 1e-3:
            raise UserError(f"{name} adds up to {given.sum().item():.4g}; probabilities are not negative and add up to 1: change {name}.")
    return torch.where(p > 0, p * (p / q).log(), 0.0).sum().item()


def binarise(x: Tensor, generator: torch.Generator) -> Tensor:
    """Pixels as 0 or 1, 1 with probability x."""
    return (torch.rand(x.shape, generator=generator).to(x.device) < x).to(x.dtype)


# --- the plane of a model with two latent dimensions ---

LIMIT = 1000.0  # of a latent coordinate; trained codes stay within some tens
SIDE, REACH, BEND = 55, 15.0, 3.8  # tiles of the atlas a side; how far it goes, in sigma; how much denser it is in the middle
GRID, RANGE, STEPS = (10, 30), (1.0, 15.0), (2, 60)


@dataclass(frozen=True)
class Plane:
    """Where a model's plane is drawn: z = centre + scale * u, u in sigma: of the prior N(0, I) if the model has one, else of its codes."""

    centre: tuple[float, float]
    scale: tuple[float, float]


def plane(model: nn.Module) -> Plane:
    """The plane of a model with two latent dimensions; UserError for another model."""
    if model.latent_dim != 2:
        raise UserError(f"{model.name} has {model.latent_dim} latent dimensions; a plane needs 2: choose a model that has two.")
    return first_plane(model)


def first_plane(model: nn.Module) -> Plane:
    """The plane of the first two latent dimensions, of however many."""
    if model.variational:
        return Plane((0.0, 0.0), (1.0, 1.0))
    first = model.codes[:, :2]
    return Plane(tuple(first.mean(0).tolist()), tuple(first.std(0).tolist()))


def code(model: nn.Module, z: object, name: str = "z") -> Tensor:
    """A visitor's list of numbers as a latent code (1, latent_dim) on the model's device; UserError unless it fits and is finite."""
    if not isinstance(z, list | tuple):
        raise UserError(f"{name} was {shown(z)!r}; give a list of {model.latent_dim} numbers, such as {[0.5] * model.latent_dim}.")
    if len(z) != model.latent_dim:
        raise UserError(
            f"{name} has {len(z)} numbers; {model.name} has {model.latent_dim} latent dimensions: give {model.latent_dim} numbers."
        )
    values = [number(f"{name}[{i}]", value, -LIMIT, LIMIT) for i, value in enumerate(z)]
    return torch.tensor([values], device=next(model.parameters()).device)


def positions() -> Tensor:
    """Where the atlas has its tiles on each axis, (SIDE,) in sigma: u = REACH sinh(BEND t) / sinh(BEND), t from -1 to 1."""
    return REACH * torch.sinh(BEND * torch.linspace(-1, 1, SIDE)) / math.sinh(BEND)


def mesh(across: Tensor, where: Plane) -> Tensor:
    """The codes of a square lattice, (n * n, 2), row by row from the top left: u runs to the right and upwards over `across` (n,)."""
    up, right = torch.meshgrid(across.flip(0), across, indexing="ij")
    return torch.tensor(where.centre) + torch.tensor(where.scale) * torch.stack([right, up], -1).view(-1, 2)


def tiles(pictures: Tensor, columns: int) -> Tensor:
    """Pictures (rows * columns, 1, 28, 28) side by side as one picture (1, rows * 28, columns * 28)."""
    _, channels, height, width = pictures.shape
    return pictures.view(-1, columns, channels, height, width).permute(2, 0, 3, 1, 4).reshape(channels, -1, columns * width)


@torch.no_grad()
def atlas(model: nn.Module) -> Tensor:
    """The decoded plane at every pair of `positions`, as one picture (1, SIDE * 28, SIDE * 28) in [0, 1]."""
    z = mesh(positions(), plane(model)).to(next(model.parameters()).device)
    return tiles(model.decode(z).cpu(), SIDE)


def packed_codes(model: nn.Module) -> Tensor:
    """The first two coordinates of the test codes as bytes (10000, 5): u_x, u_y in 1/65535 of [-16, 16], high byte first; the class."""
    where = first_plane(model)
    u = (model.codes[:, :2].cpu() - torch.tensor(where.centre)) / torch.tensor(where.scale)
    whole_numbers = ((u + 16) / 32 * 65535).round().clamp(0, 65535).int()
    parts = [whole_numbers[:, 0] >> 8, whole_numbers[:, 0] & 255, whole_numbers[:, 1] >> 8, whole_numbers[:, 1] & 255]
    return torch.stack([*parts, model.labels_of_codes.cpu().int()], 1).to(torch.uint8)


def sheet(model: nn.Module) -> Tensor:
    """All that the browser needs of a plane, as one grey picture (1, H, SIDE * 28): the atlas, and below it the bytes of the codes."""
    pixels = atlas(model)
    return torch.cat([pixels, as_rows(packed_codes(model), pixels.shape[-1])], 1)


def as_rows(data: Tensor, width: int) -> Tensor:
    """Bytes as the pixels of a grey picture (1, rows, width), the last row filled up with zeros."""
    values = data.flatten().float() / 255
    rows = -(-len(values) // width)
    return F.pad(values, (0, rows * width - len(values))).view(1, rows, width)


def axis(n: object, reach: object, quantiles: object) -> Tensor:
    """Where the n x n manifold has its rows, (n,) in sigma: evenly from -reach to reach, or at the prior's quantiles (i + 1/2) / n."""
    n, reach = whole("n", n, *GRID), number("range", reach, *RANGE)
    if not quantiles:
        return torch.linspace(-reach, reach, n)
    return math.sqrt(2) * torch.erfinv(2 * (torch.arange(n) + 0.5) / n - 1)


@torch.no_grad()
def manifold(model: nn.Module, *, n: object, reach: object, quantiles: object) -> Tensor:
    """n x n decoded codes as one picture (1, n * 28, n * 28); n from 10 to 30, reach from 1 to 15 sigma. See `axis`."""
    z = mesh(axis(n, reach, quantiles), plane(model))
    return tiles(model.decode(z.to(next(model.parameters()).device)).cpu(), round(math.sqrt(len(z))))


@torch.no_grad()
def walk(model: nn.Module, start: Tensor, end: Tensor, steps: object) -> Tensor:
    """The decodings (steps, 1, 28, 28) of z = (1 - t) start + t end, t = 0 ... 1; start, end: (1, latent_dim)."""
    t = torch.linspace(0, 1, whole("the number of steps", steps, *STEPS), device=start.device)[:, None]
    return model.decode((1 - t) * start + t * end).cpu()


# --- comparisons ---


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


@dataclass(frozen=True)
class Explained:
    """A picture under a model. pictures (3 + K, 1, 28, 28): x, what the model was given, decode(mu), and K decoded draws of q(z | x).

    mu, sigma: (latent_dim,); draws: (samples, latent_dim), the very ones that the bound was estimated with; bound: of one picture.
    """

    pictures: Tensor
    mu: Tensor
    sigma: Tensor
    draws: Tensor
    bound: Bound


@torch.no_grad()
def explain(model: nn.Module, x: Tensor, *, samples: object, generator: torch.Generator, binarised: bool, shown: int = 6) -> Explained:
    """Encodes one picture x (1, 1, 28, 28) in [0, 1], binarised first or as it is grey, and measures its ELBO with `samples` draws of z."""
    count = whole("the number of samples", samples, 1, 1000)
    given = binarise(x, generator) if binarised else x
    mu, log_var = model.encode(given)
    state = generator.get_state()
    bound = elbo(model, given, samples=count, generator=generator)
    eps = torch.randn((count, *mu.shape), generator=generator.set_state(state)).to(mu.device)  # what elbo drew
    draws = reparameterise(mu, log_var, eps)[:, 0]
    pictures = torch.cat([x, given, model.decode(mu), model.decode(draws[torch.arange(shown) % count])]).cpu()
    return Explained(pictures, mu[0].cpu(), (log_var[0] / 2).exp().cpu(), draws.cpu(), bound)


# --- between pictures and pages ---


def strips(rows: list[list[Tensor]]) -> Tensor:
    """Rows of pictures (K, 1, 28, 28), as one grey picture (1, rows * 28, pictures of a row * 28)."""
    lines = [torch.cat([part.cpu() for part in row]) for row in rows]
    return torch.cat([tiles(line, len(line)) for line in lines], 1)


def joined(pictures: list[Tensor], model: nn.Module) -> Tensor:
    """Pictures (1, 1, 28, 28) as one batch on the model's device."""
    return torch.cat([x.cpu() for x in pictures]).to(next(model.parameters()).device)


def levels(values: list[float]) -> Tensor:
    """Levels of noise as a tensor (L,)."""
    return torch.tensor(values)


def codes_sheet(models: list[nn.Module]) -> Tensor:
    """The packed codes of several models, one block of rows after the other, as one grey picture (1, H, 500)."""
    return torch.cat([as_rows(packed_codes(model), 500) for model in models], 1)


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
