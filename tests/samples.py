"""Small labelled pictures for the tests, from the data folder of an installed package (which is not imported)."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor


def package_folder(package: str) -> Path:
    """Where an installed package lies."""
    return Path(importlib.util.find_spec(package).origin).parent


def foolbox_files(name: str) -> list[tuple[Path, int]]:
    """The 20 files of `name` ("mnist", "cifar10") with their labels, which stand in the file names."""
    files = sorted((package_folder("foolbox") / "data").glob(f"{name}_*.png"))
    assert len(files) == 20
    return [(path, int(path.stem.split("_")[2])) for path in files]


def foolbox_samples(name: str) -> tuple[Tensor, Tensor]:
    """(20, C, H, W) pixels in [0, 1] and (20,) labels, read without the code under test."""
    arrays = [np.asarray(Image.open(path), dtype=np.float32) / 255 for path, _ in foolbox_files(name)]
    x = torch.from_numpy(np.stack(arrays))
    return x[:, None] if x.ndim == 3 else x.permute(0, 3, 1, 2).contiguous(), torch.tensor([label for _, label in foolbox_files(name)])
