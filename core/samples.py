"""The pictures that come inside installed packages: photos from gradio, scikit-image, scikit-learn and foolbox, and foolbox's
labelled 32x32 and 28x28 pictures. Nothing is copied and none of these packages is imported: only their folders are read."""

from __future__ import annotations

import functools
import importlib.util
import io
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from core.checks import UserError, choice
from core.zoo import CIFAR10, DIGITS


@dataclass(frozen=True)
class Sample:
    """name: as in the URL; title: for people; group: "photo", "cifar10" or "digit"; label: the true class, "" where none is known."""

    name: str
    title: str
    group: str
    package: str
    file: str
    label: str = ""

    @property
    def path(self) -> Path:
        return _folder(self.package) / self.file


@functools.cache
def _folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise UserError(f"The package {package}, which holds this picture, is not installed: pip install -r requirements.txt")
    return Path(spec.origin).parent


def _photos() -> list[Sample]:
    gradio, skimage, sklearn = "media_assets/images/", "data/", "datasets/images/"
    return [
        Sample("cheetah", "cheetah", "photo", "gradio", gradio + "cheetah.jpg", "cheetah"),
        Sample("lion", "lion", "photo", "gradio", gradio + "lion.jpg", "lion"),
        Sample("espresso", "espresso", "photo", "skimage", skimage + "coffee.png", "espresso"),
        Sample("daisy", "daisy", "photo", "sklearn", sklearn + "flower.jpg", "daisy"),
        Sample("tripod", "tripod", "photo", "skimage", skimage + "camera.png", "tripod"),
        Sample("cat", "tiger cat", "photo", "skimage", skimage + "chelsea.png", "tiger cat"),
        Sample("rocket", "rocket", "photo", "skimage", skimage + "rocket.jpg", "missile"),
        Sample("palace", "palace", "photo", "sklearn", sklearn + "china.jpg", "palace"),
        *(
            Sample(title.replace(" ", "-"), title, "photo", "foolbox", f"data/imagenet_{number}.jpg", title)
            for number, title in (
                ("04_949", "strawberry"),
                ("17_22", "bald eagle"),
                ("07_609", "convertible"),
                ("15_99", "goose"),
                ("14_129", "spoonbill"),
                ("10_541", "drum"),
                ("05_853", "thatch"),
                ("13_471", "cannon"),
                ("08_915", "yurt"),
                ("18_317", "leafhopper"),
            )
        ),
    ]


CIFAR10_SAMPLES = (3, 8, 8, 0, 6, 6, 1, 6, 3, 1, 0, 9, 5, 7, 9, 8, 5, 7, 8, 6)
MNIST_SAMPLES = (7, 2, 1, 0, 4, 1, 4, 9, 5, 9, 0, 6, 9, 0, 1, 5, 9, 7, 3, 4)

SAMPLES: dict[str, Sample] = {
    sample.name: sample
    for sample in [
        *_photos(),
        *(
            Sample(f"cifar10-{i}", CIFAR10[k], "cifar10", "foolbox", f"data/cifar10_{i:02}_{k}.png", CIFAR10[k])
            for i, k in enumerate(CIFAR10_SAMPLES)
        ),
        *(
            Sample(f"digit-{i}", DIGITS[k], "digit", "foolbox", f"data/mnist_{i:02}_{k}.png", DIGITS[k])
            for i, k in enumerate(MNIST_SAMPLES)
        ),
    ]
}

FASHION = ("T-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
FASHION_SAMPLES = (9, 2, 1, 1, 6, 1, 4, 6, 5, 7, 4, 5, 7, 3, 4, 1, 2, 4, 8, 0)
CLOTHES: dict[str, Sample] = {  # no classifier sees these, so the galleries of the attacks leave them out
    f"clothes-{i}": Sample(f"clothes-{i}", FASHION[k], "clothes", "foolbox", f"data/fashionMNIST_{i:02}_{k}.png", FASHION[k])
    for i, k in enumerate(FASHION_SAMPLES)
}
PORTRAITS = {"astronaut": Sample("astronaut", "Eileen Collins, astronaut (NASA)", "portrait", "skimage", "data/astronaut.png")}


def group_of(model: str) -> str:
    """Which pictures suit a model of the zoo."""
    if model.startswith("fashion-"):
        return "clothes"
    return {"cifar10-resnet": "cifar10", "mnist-cnn": "digit"}.get(model, "photo")


def sample(name: str) -> Sample:
    """The packaged picture `name`; UserError for another name."""
    every = SAMPLES | CLOTHES | PORTRAITS
    return every[choice("packaged picture", name, every)]


DATA = Path(os.environ.get("FOOL_FORGE_DATA", Path(__file__).resolve().parent.parent / "data"))
CIFAR10_MOST = 200


def cifar10_packed(train: bool, most: int | None = None) -> tuple[Tensor, Tensor]:
    """The first `most` pictures of `data/cifar10/cifar10_jpeg.npz` (JPEG quality 75): uint8 (N, 3, 32, 32) and int64 (N,)."""
    with np.load(DATA / "cifar10" / "cifar10_jpeg.npz") as npz:
        header, body, offsets = npz["header"].tobytes(), npz["body"].tobytes(), npz["offsets"]
        labels, n_train = torch.from_numpy(npz["labels"].astype(np.int64)), int(npz["n_train"])
    rows = (range(n_train) if train else range(n_train, len(labels)))[:most]
    pictures = [np.asarray(Image.open(io.BytesIO(header + body[offsets[i] : offsets[i + 1]])).convert("RGB")) for i in rows]
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).contiguous(), labels[rows.start : rows.stop]


def cifar10_test(most: int) -> tuple[Tensor, Tensor, str]:
    """Up to `most` labelled CIFAR-10 test pictures: (N, 3, 32, 32) pixels in [0, 1], (N,) classes, and where they come from.

    From data/ where there is one (the packed copy, or torchvision's), else the 20 inside foolbox's package.
    """
    if (DATA / "cifar10" / "cifar10_jpeg.npz").exists():
        pictures, labels = cifar10_packed(train=False, most=most)
        return pictures.float() / 255, labels, "test pictures of data/cifar10 (JPEG quality 75)"
    if (DATA / "cifar-10-batches-py").exists():
        from torchvision import datasets

        data = datasets.CIFAR10(DATA, train=False)
        pictures = torch.from_numpy(data.data[:most]).permute(0, 3, 1, 2)
        return pictures.float() / 255, torch.tensor(data.targets[:most]), "test pictures of data/cifar-10-batches-py"
    packaged = [s for s in SAMPLES.values() if s.group == "cifar10"][:most]
    pictures = torch.stack([torch.from_numpy(np.array(Image.open(s.path).convert("RGB"))).permute(2, 0, 1) for s in packaged])
    classes = torch.tensor([CIFAR10.index(s.label) for s in packaged])
    return pictures.float() / 255, classes, "the test pictures inside a package; for more, put CIFAR-10 into data/"
