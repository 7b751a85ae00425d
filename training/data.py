"""The data sets, read from `data/` (ignored by git). What is missing is downloaded by torchvision where it can be."""

from __future__ import annotations

import csv
import gzip
import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from core import samples
from core.checks import UserError
from core.samples import DATA
from core.text import CORPORA


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


@dataclass(frozen=True)
class Text:
    """A corpus: its file in data/text/, and what the card of a net tells about it."""

    file: str
    told: str


TEXTS = {
    "nietzsche": Text(
        "nietzsche.txt",
        "Nietzsche in English (Project Gutenberg, lower-cased; the corpus of the Keras LSTM example), public domain, 600,893 characters; "
        "the last tenth is held out. Known faults: lines broken as in print, page numbers of footnotes, a handful of accented letters",
    ),
    "shakespeare": Text(
        "tinyshakespeare.txt",
        "Tiny Shakespeare (parts of the plays; the corpus of char-rnn), public domain, 1,115,394 characters; the last tenth is held out. "
        "Known faults: some plays only, no stage directions",
    ),
    "shahnameh": Text(
        "shahnameh.txt",
        "Ferdowsi, Shahnameh (public domain; a digitisation under CC BY 4.0), 49,610 couplets, one hemistich a line, 2,561,749 characters; "
        "the last tenth is held out. Known faults: no zero-width non-joiners, vowel signs here and there",
    ),
}
HELD_OUT = 0.1


def text(corpus: str) -> tuple[str, str]:
    """The corpus cut in two: the first nine tenths for training, the last tenth held out."""
    path = DATA / "text" / TEXTS[corpus].file
    if not path.exists():
        raise UserError(f"{path} is missing: put {TEXTS[corpus].told.partition(';')[0]} there as UTF-8.")
    whole = path.read_text(encoding="utf-8")
    cut = round(len(whole) * (1 - HELD_OUT))
    return whole[:cut], whole[cut:]


def ids(written: str, corpus: str) -> Tensor:
    """(N,) int64: the characters' places in the corpus' vocabulary."""
    places = {character: place for place, character in enumerate(CORPORA[corpus].vocabulary)}
    return torch.tensor([places[character] for character in written])


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


FROG = 6  # among the classes of CIFAR-10


def faces() -> tuple[Tensor, list[dict[str, str]]]:
    """(N, 3, 64, 64) uint8 aligned faces, and the rows of attributes.csv in the same order. They are for training only, never shown."""
    folder = DATA / "faces"
    if not (folder / "faces64.zip").exists():
        raise UserError(f"{folder / 'faces64.zip'} is missing: put aligned 64x64 faces there, with attributes.csv beside it.")
    with (folder / "attributes.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    pictures = torch.empty(len(rows), 3, 64, 64, dtype=torch.uint8)
    with zipfile.ZipFile(folder / "faces64.zip") as packed:
        names = {Path(name).name: name for name in packed.namelist()}
        for picture, row in zip(pictures, rows, strict=True):
            image = Image.open(io.BytesIO(packed.read(names[row["file"]]))).convert("RGB")
            picture.copy_(torch.from_numpy(np.array(image)).permute(2, 0, 1))
    return pictures, rows


def pictures_of(name: str) -> tuple[Tensor, str]:
    """The training pictures of a GAN, (N, C, H, W) uint8, and what its card tells about them: `mnist`, `frogs` or `faces`."""
    if name == "mnist":
        return mnist(train=True)[0], "MNIST, 60,000 training pictures. Known faults: centred, clean strokes only"
    if name == "frogs":
        pictures, labels, source = cifar10(train=True)
        return pictures[labels == FROG], f"CIFAR-10 ({source}), its 5,000 training frogs. Known faults: small pictures, frogs of every kind"
    pictures, _ = faces()
    told = "CelebA (for non-commercial research), 22,266 aligned faces, 64x64. Known faults: celebrities, mostly young and smiling"
    return pictures, told
