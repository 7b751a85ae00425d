"""The data sets, read from `data/` (ignored by git). What is missing is downloaded by torchvision where it can be."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

DATA = Path(os.environ.get("FOOL_FORGE_DATA", Path(__file__).resolve().parent.parent / "data"))
CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


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
    with np.load(packed) as npz:
        header, body, offsets = npz["header"].tobytes(), npz["body"].tobytes(), npz["offsets"]
        labels, n_train = torch.from_numpy(npz["labels"].astype(np.int64)), int(npz["n_train"])
    rows = range(n_train) if train else range(n_train, len(labels))
    pictures = np.stack([np.asarray(Image.open(io.BytesIO(header + body[offsets[i] : offsets[i + 1]])).convert("RGB")) for i in rows])
    return (
        torch.from_numpy(pictures).permute(0, 3, 1, 2).contiguous(),
        labels[rows.start : rows.stop],
        "JPEG quality 75, 4:2:0",
    )
