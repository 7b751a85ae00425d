"""The data sets, read from `data/` (ignored by git). What is missing is downloaded by torchvision where it can be."""

from __future__ import annotations

import torch
from torch import Tensor

from core import samples
from core.samples import DATA


def mnist(train: bool) -> tuple[Tensor, Tensor]:
    """(N, 1, 28, 28) uint8 pictures and (N,) int64 labels: 60,000 for training, 10,000 for testing."""
    from torchvision.datasets import MNIST

    data = MNIST(DATA, train=train, download=True)
    return data.data.unsqueeze(1), data.targets


def cifar10(train: bool) -> tuple[Tensor, Tensor, str]:
    """(N, 3, 32, 32) uint8 pictures, (N,) int64 labels, and which copy they came from.

    `data/cifar10/cifar10_jpeg.npz` (50,000 + 9,000 pictures as JPEG quality 75) when it is there, else torchvision's original.
    """
    packed = DATA / "cifar10" / "cifar10_jpeg.npz"
    if not packed.exists():
        from torchvision.datasets import CIFAR10

        data = CIFAR10(DATA, train=train, download=True)
        return torch.from_numpy(data.data).permute(0, 3, 1, 2).contiguous(), torch.tensor(data.targets), "original"
    return *samples.cifar10_packed(train), "JPEG quality 75, 4:2:0"
