"""The classifier nets. Each takes (B, C, H, W) pixels in [0, 1] and normalises inside."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Normalise(nn.Module):
    """(x - mean) / std per channel: the first layer of every model, so that epsilon is measured in pixels."""

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.std


class Scale(nn.Module):
    """Logits times one number: keeps the last layer's learning rate sane; at the end it holds the fitted temperature."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.register_buffer("value", torch.tensor(float(value)))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.value


class ConvNormAct(nn.Module):
    """conv 3x3, an optional 2x2 max-pool, batch norm, GELU."""

    def __init__(self, channels_in: int, channels_out: int, *, pool: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False)
        self.pool = nn.MaxPool2d(2) if pool else nn.Identity()
        self.norm = nn.BatchNorm2d(channels_out)
        self.act = nn.GELU()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.norm(self.pool(self.conv(x))))


class ResidualStage(nn.Module):
    """Halves the picture, then adds a residual: h = f(x), out = h + g(h)."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.down = ConvNormAct(channels_in, channels_out, pool=True)
        self.residual = ConvNormAct(channels_out, channels_out)

    def forward(self, x: Tensor) -> Tensor:
        h = self.down(x)
        return h + self.residual(h)


CIFAR10_MEAN, CIFAR10_STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


def cifar10_resnet(widths: tuple[int, int, int] = (64, 256, 256)) -> nn.Sequential:
    """A small residual net for 32x32 colour pictures, 1.97 M weights at the default widths.

    A 2x2 convolution with 24 filters whitens the patches of the picture (its weights are computed, not trained), three
    residual stages follow, then a global max-pool and a linear layer. (B, 3, 32, 32) pixels -> (B, 10) logits.
    """
    return nn.Sequential(
        Normalise(CIFAR10_MEAN, CIFAR10_STD),
        nn.Conv2d(3, 24, 2),
        nn.GELU(),
        ResidualStage(24, widths[0]),
        ResidualStage(widths[0], widths[1]),
        ResidualStage(widths[1], widths[2]),
        nn.AdaptiveMaxPool2d(1),
        nn.Flatten(),
        nn.Linear(widths[2], 10, bias=False),
        Scale(1 / 9),
    )


def mnist_cnn() -> nn.Sequential:
    """A plain convolutional net for 28x28 digits, 0.3 M weights. (B, 1, 28, 28) pixels -> (B, 10) logits."""

    def conv(channels_in: int, channels_out: int, stride: int = 1) -> list[nn.Module]:
        return [
            nn.Conv2d(channels_in, channels_out, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(channels_out),
            nn.ReLU(),
        ]

    return nn.Sequential(
        Normalise((0.1307,), (0.3081,)),
        *conv(1, 32),
        *conv(32, 32),
        *conv(32, 64, stride=2),
        *conv(64, 64),
        *conv(64, 128, stride=2),
        *conv(128, 128),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(128, 10),
    )
