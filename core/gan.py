"""Generative adversarial nets: the losses as the papers write them, and the nets. A generator takes z (B, D) and gives pixels in [0, 1].

The discriminator gives logits d; D(x) = sigmoid(d(x)) is its probability that x is real.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core import images, latent
from core.checks import UserError, choice, number, whole

GAMES = ("non-saturating", "minimax")


def discriminator_loss(
    real: Tensor, fake: Tensor, *, smoothing: float = 0.0, noise: float = 0.0, generator: torch.Generator | None = None
) -> Tensor:
    """What the discriminator minimises (Goodfellow et al. 2014, arXiv:1406.2661, eq. 1, negated):

        - E log D(x) - E log(1 - D(G(z)))

    real, fake: logits (B,) of pictures and of samples.
    smoothing: the target of real pictures is 1 - smoothing (one-sided, Salimans et al. 2016, arXiv:1606.03498).
    noise: each target is moved towards the other class by a number drawn from U(0, noise), with `generator`.
    Both from 0 to 0.5. Returns a scalar in nats. Raises UserError for knobs outside, or noise without a generator.
    """
    smoothing, noise = number("smoothing", smoothing, 0, 0.5), number("noise", noise, 0, 0.5)
    if noise and generator is None:
        raise UserError("Noise on the targets needs a generator; give one, or noise 0.")
    targets = torch.full_like(real, 1 - smoothing), torch.zeros_like(fake)
    if noise:
        moved = [noise * torch.rand(t.shape, generator=generator).to(t) for t in targets]
        targets = (targets[0] - moved[0]).clamp(min=0), targets[1] + moved[1]
    return F.binary_cross_entropy_with_logits(real, targets[0]) + F.binary_cross_entropy_with_logits(fake, targets[1])


def generator_loss(fake: Tensor, *, game: str = "non-saturating") -> Tensor:
    """What the generator minimises; fake: logits (B,) of its samples. A scalar in nats.

    non-saturating   - E log D(G(z))        strong gradients while the discriminator is sure
    minimax            E log(1 - D(G(z)))   eq. 1 itself; its gradient vanishes there
    """
    if choice("game", game, GAMES) == "minimax":
        return -F.softplus(fake).mean()  # log(1 - sigmoid(d)) = -softplus(d)
    return F.softplus(-fake).mean()


def r1(discriminator: nn.Module, x: Tensor) -> Tensor:
    """The penalty of Mescheder et al. 2018 (arXiv:1801.04406), without its factor gamma / 2:  E |d d(x) / dx|^2  over real pictures x."""
    x = x.detach().requires_grad_()
    (g,) = torch.autograd.grad(discriminator(x).sum(), x, create_graph=True)
    return g.square().flatten(1).sum(1).mean()


@torch.no_grad()
def sample(model: nn.Module, z: Tensor, batch: int = 50) -> Tensor:
    """What a generator makes of z (N, D): pixels (N, C, H, W) in [0, 1], on the CPU, `batch` samples at a time."""
    device = next(model.parameters()).device
    return torch.cat([model(part.to(device)).cpu() for part in z.split(batch)])


@torch.no_grad()
def scores(model: nn.Module, x: Tensor, batch: int = 50) -> list[float]:
    """The discriminator's D(x), its probability that a picture is real, of pixels (N, C, H, W), rounded to 8 bits first."""
    device = next(model.parameters()).device
    logits = torch.cat([model.discriminator(part.to(device)).cpu() for part in images.eight_bit(x).split(batch)])
    return [round(p, 4) for p in logits.sigmoid().tolist()]


@dataclass(frozen=True)
class Found:
    """A sample that was looked for: its point, "seed:index", its picture (C, H, W), and the classifier's probability of the class."""

    point: str
    picture: Tensor
    probability: float


@torch.no_grad()
def find(model: nn.Module, judge: nn.Module, label: str, *, seed: int, truncation: float, n: object = 500, best: int = 5) -> list[Found]:
    """Best of N: draws n samples (100 to 2,000) from `seed` and the seeds after it, and gives the `best` that a classifier likes most.

    judge: a classifier whose `labels` hold `label`; one with `many` labels tells of each alone. UserError for a label that it has not.
    """
    n, k = whole("The number of samples", n, 100, 2000), judge.labels.index(choice("class", label, judge.labels))
    device, found = next(judge.parameters()).device, []
    for s in range(int(seed), int(seed) + -(-n // latent.SHEET)):
        x = images.eight_bit(sample(model, latent.sheet(s % 2**32, truncation)[: n - len(found), : model.latent_dim]))
        logits = judge(x.to(device))
        p = logits.sigmoid()[:, k] if getattr(judge, "many", False) else logits.softmax(1)[:, k]
        found += [Found(f"{s % 2**32}:{i}", picture, p[i].item()) for i, picture in enumerate(x)]
    return sorted(found, key=lambda one: -one.probability)[:best]


class Generator(nn.Module):
    """layers: z (B, latent_dim) -> pixels in [-1, 1], as the textbooks train it; forward gives them in [0, 1]."""

    def __init__(self, latent_dim: int, *layers: nn.Module) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z) / 2 + 0.5


class Discriminator(nn.Module):
    """layers: pixels in [-1, 1] -> (B, 1); forward takes pixels in [0, 1] and gives logits (B,)."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x * 2 - 1).squeeze(1)


class Gan(nn.Module):
    """A generator and its discriminator, one file of weights: the call is the generator's, z (B, latent_dim) -> pixels in [0, 1]."""

    def __init__(self, generator: Generator, discriminator: Discriminator) -> None:
        super().__init__()
        self.latent_dim = generator.latent_dim
        self.generator, self.discriminator = generator, discriminator

    def forward(self, z: Tensor) -> Tensor:
        return self.generator(z)


def mnist_dcgan(latent_dim: int = 100, width: int = 64) -> Generator:
    """The DCGAN (Radford et al. 2016, arXiv:1511.06434) for digits: (B, 100) -> (B, 1, 28, 28), by way of 4 x 4, 7 x 7 and 14 x 14.

    A dense layer more than in the paper lets a small step of z cross from one digit to the next.
    """
    return Generator(
        latent_dim,
        nn.Linear(latent_dim, 2 * width, bias=False),
        nn.BatchNorm1d(2 * width),
        nn.LeakyReLU(0.2),
        nn.Linear(2 * width, 4 * width * 16, bias=False),
        nn.Unflatten(1, (4 * width, 4, 4)),
        nn.BatchNorm2d(4 * width),
        nn.ReLU(),
        nn.ConvTranspose2d(4 * width, 2 * width, 3, 2, 1, bias=False),
        nn.BatchNorm2d(2 * width),
        nn.ReLU(),
        nn.ConvTranspose2d(2 * width, width, 4, 2, 1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.ConvTranspose2d(width, 1, 4, 2, 1),
        nn.Tanh(),
    )


def mnist_discriminator(width: int = 32) -> Discriminator:
    """Its opponent: (B, 1, 28, 28) -> (B,) logits, 28 halved to 14, 7 and 4; the last convolution sees the whole digit.

    No normalisation, since `r1` speaks of single pictures.
    """
    return Discriminator(
        nn.Conv2d(1, width, 4, 2, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(width, 2 * width, 4, 2, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(2 * width, 4 * width, 3, 2, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(4 * width, 4 * width, 4),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
        nn.Linear(4 * width, 1),
    )


def frogs_dcgan(latent_dim: int = 32, width: int = 256) -> Generator:
    """The textbook generator for CIFAR-10 frogs (Chollet 2018, listing 8.29): (B, 32) -> (B, 3, 32, 32), 6,264,579 weights at width 256."""

    def same(channels_in: int, channels_out: int, kernel: int) -> nn.Conv2d:
        return nn.Conv2d(channels_in, channels_out, kernel, padding=kernel // 2)

    half = width // 2
    return Generator(
        latent_dim,
        nn.Linear(latent_dim, half * 256),
        nn.LeakyReLU(0.3),
        nn.Unflatten(1, (half, 16, 16)),
        same(half, width, 5),
        nn.LeakyReLU(0.3),
        nn.ConvTranspose2d(width, width, 4, 2, 1),
        nn.LeakyReLU(0.3),
        same(width, width, 5),
        nn.LeakyReLU(0.3),
        same(width, width, 5),
        nn.LeakyReLU(0.3),
        same(width, 3, 7),
        nn.Tanh(),
    )


def frogs_discriminator(width: int = 128) -> Discriminator:
    """Its opponent: (B, 3, 32, 32) -> (B,) logits, 790,913 weights at width 128; no padding, dropout 0.4."""
    layers: list[nn.Module] = [nn.Conv2d(3, width, 3), nn.LeakyReLU(0.3)]
    for _ in range(3):
        layers += [nn.Conv2d(width, width, 4, 2), nn.LeakyReLU(0.3)]
    return Discriminator(*layers, nn.Flatten(), nn.Dropout(0.4), nn.Linear(4 * width, 1))


def _dcgan(latent_dim: int, width: int, doublings: int) -> Generator:
    """4 x 4 doubled `doublings` times, the channels halved each time, down to width / 2; then a 3 x 3 convolution to colours."""
    wide = width * 2 ** (doublings - 1)
    layers: list[nn.Module] = [nn.Linear(latent_dim, wide * 16, bias=False), nn.Unflatten(1, (wide, 4, 4)), nn.BatchNorm2d(wide), nn.ReLU()]
    for channels in (wide // 2**k for k in range(doublings)):
        layers += [nn.ConvTranspose2d(channels, channels // 2, 4, 2, 1, bias=False), nn.BatchNorm2d(channels // 2), nn.ReLU()]
    return Generator(latent_dim, *layers, nn.Conv2d(width // 2, 3, 3, padding=1), nn.Tanh())


def _dcgan_discriminator(width: int, halvings: int) -> Discriminator:
    """Down to 4 x 4, the channels doubled each time; no normalisation, since `r1` speaks of single pictures."""
    layers: list[nn.Module] = [nn.Conv2d(3, width, 4, 2, 1), nn.LeakyReLU(0.2)]
    for channels in (width * 2**k for k in range(halvings - 1)):
        layers += [nn.Conv2d(channels, 2 * channels, 4, 2, 1), nn.LeakyReLU(0.2)]
    return Discriminator(*layers, nn.Flatten(), nn.Linear(width * 2 ** (halvings - 1) * 16, 1))


def frogs_light(latent_dim: int = 32, width: int = 32) -> Generator:
    """A lighter generator of the frogs' shapes, (B, 32) -> (B, 3, 32, 32): a DCGAN, 4 x 4 doubled three times."""
    return _dcgan(latent_dim, width, 3)


def frogs_light_discriminator(width: int = 32) -> Discriminator:
    """Its opponent: (B, 3, 32, 32) -> (B,) logits."""
    return _dcgan_discriminator(width, 3)


def faces_gan(latent_dim: int = 128, width: int = 32) -> Generator:
    """The DCGAN for faces: (B, 128) -> (B, 3, 64, 64), 4 x 4 doubled four times."""
    return _dcgan(latent_dim, width, 4)


def faces_discriminator(width: int = 32) -> Discriminator:
    """Its opponent: (B, 3, 64, 64) -> (B,) logits."""
    return _dcgan_discriminator(width, 4)
