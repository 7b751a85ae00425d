"""The data sets, read from `data/` (ignored by git). What is missing is downloaded by torchvision where it can be."""

from __future__ import annotations

import gzip
from pathlib import Path

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


FASHION = Path("/usr/share/datasets/fashion-mnist")  # Debian's package dataset-fashion-mnist
TOLD = {
    "mnist": "MNIST, 60,000 training and 10,000 test pictures. Known faults: centred, clean strokes only",
    "fashion": "Fashion-MNIST (Zalando, MIT licence), 60,000 training and 10,000 test pictures. Known faults: ten kinds, no background",
}


def fashion(train: bool) -> tuple[Tensor, Tensor]:
    """(N, 1, 28, 28) uint8 pictures and (N,) int64 labels of Fashion-MNIST: Debian's copy if it is installed, else torchvision's."""
    if not FASHION.is_dir():
        from torchvision.datasets import FashionMNIST

        data = FashionMNIST(DATA, train=train, download=True)
        return data.data.unsqueeze(1), data.targets
    name = "train" if train else "t10k"
    pictures = gzip.decompress((FASHION / f"{name}-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((FASHION / f"{name}-labels-idx1-ubyte.gz").read_bytes())
    read = torch.frombuffer(bytearray(pictures[16:]), dtype=torch.uint8).view(-1, 1, 28, 28)
    return read, torch.frombuffer(bytearray(labels[8:]), dtype=torch.uint8).long()


def pictures28(name: str, train: bool) -> tuple[Tensor, Tensor]:
    """`mnist` or `fashion`, in one form."""
    return {"mnist": mnist, "fashion": fashion}[name](train)
