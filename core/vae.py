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

from core.checks import UserError, whole

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
    """Two multilayer perceptrons; the decoder is the same one for every model, so that they compare. encoder: its width and its blocks.

    encode: (B, 1, 28, 28) in [0, 1] -> mu, log_var (B, latent_dim).   decode: (B, latent_dim) -> (B, 1, 28, 28) in [0, 1], the
    probabilities of a white pixel.   logits: the same before the sigmoid, (B, 784).
    """

    def __init__(self, latent_dim: int = 2, *, variational: bool = True, encoder: tuple[int, int] = (WIDTH, 1)) -> None:
        super().__init__(latent_dim)
        self.variational = variational
        last, (width, blocks) = 2 * latent_dim if variational else latent_dim, encoder
        middle = [Residual(width) for _ in range(blocks)]
        self.encoder = nn.Sequential(nn.Linear(PIXELS, width), *middle, nn.LayerNorm(width), nn.SiLU(), nn.Linear(width, last))
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


class ConvResidual(nn.Module):
    """x + conv(silu(norm(conv(silu(norm(x)))))): two 3x3 convolutions around which the picture may pass unchanged."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(2):
            layers += [nn.BatchNorm2d(channels), nn.SiLU(), nn.Conv2d(channels, channels, 3, padding=1, bias=False)]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


def _doubled(channels_in: int, channels_out: int) -> list[nn.Module]:
    """Twice as large: a transposed 4x4 convolution of stride 2, whose kernel its stride divides, so that every pixel sees as many taps."""
    return [nn.BatchNorm2d(channels_in), nn.SiLU(), nn.ConvTranspose2d(channels_in, channels_out, 4, 2, 1, bias=False)]


class FacesVAE(nn.Module):
    """A convolutional VAE for faces: (B, 3, 64, 64) pixels in [0, 1] <-> (B, 128) latent codes; 5.6 M weights at the default width.

    Four 4x4 convolutions of stride 2 take the picture to 4 x 4; on the way back it is doubled three times, with a residual block at 4, 8
    and 16, and the last doubling unfolds twelve channels into 2 x 2 pixels (Shi et al. 2016, arXiv:1609.05158).
    encode(x) -> mu, log_var (B, latent_dim).   decode(z) -> pixels in [0, 1].
    """

    def __init__(self, latent_dim: int = 128, width: int = 48) -> None:
        super().__init__()
        self.latent_dim, self.size, self.variational = latent_dim, (3, 64, 64), True
        widths = (width, 2 * width, 10 * width // 3, 14 * width // 3)  # at 32, 16, 8 and 4
        down: list[nn.Module] = []
        for channels_in, channels_out in zip((3, *widths), widths, strict=False):
            down += [nn.Conv2d(channels_in, channels_out, 4, 2, 1, bias=False), nn.BatchNorm2d(channels_out), nn.SiLU()]
        self.encoder = nn.Sequential(*down, ConvResidual(widths[-1]), nn.Flatten(), nn.Linear(16 * widths[-1], 2 * latent_dim))
        up: list[nn.Module] = [nn.Linear(latent_dim, 16 * widths[-1]), nn.Unflatten(1, (widths[-1], 4, 4))]
        for channels_in, channels_out in zip(widths[:0:-1], widths[-2::-1], strict=True):
            up += [ConvResidual(channels_in), *_doubled(channels_in, channels_out)]
        self.decoder = nn.Sequential(*up, nn.BatchNorm2d(width), nn.SiLU(), nn.Conv2d(width, 12, 3, padding=1), nn.PixelShuffle(2))

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mu, log_var = self.encoder(x * 2 - 1).chunk(2, 1)
        return mu, log_var.clamp(-12, 4)

    def decode(self, z: Tensor) -> Tensor:
        return self.decoder(z).sigmoid()


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
