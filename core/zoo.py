"""ONE table of trained models. `load(name)` gives a model: checked, frozen, on the device, made once."""

from __future__ import annotations

import functools
import hashlib
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from core import classifiers, gan, runtime, text, vae
from core.checks import UserError, choice

WEIGHTS = Path(__file__).resolve().parent.parent / "weights"
DIGITS = tuple("0123456789")
CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
ATTRIBUTES = """
5_o_Clock_Shadow Arched_Eyebrows Attractive Bags_Under_Eyes Bald Bangs Big_Lips Big_Nose Black_Hair Blond_Hair Blurry
Brown_Hair Bushy_Eyebrows Chubby Double_Chin Eyeglasses Goatee Gray_Hair Heavy_Makeup High_Cheekbones Male
Mouth_Slightly_Open Mustache Narrow_Eyes No_Beard Oval_Face Pale_Skin Pointy_Nose Receding_Hairline Rosy_Cheeks Sideburns
Smiling Straight_Hair Wavy_Hair Wearing_Earrings Wearing_Hat Wearing_Lipstick Wearing_Necklace Wearing_Necktie Young
""".split()  # noqa: SIM905 - of faces, in the order of CelebA's columns


@functools.cache
def imagenet_labels() -> tuple[str, ...]:
    """The 1,000 class names. Should two be the same, the second gets its number, so that a name is one class."""
    from torchvision.models import MobileNet_V2_Weights

    names = MobileNet_V2_Weights.DEFAULT.meta["categories"]
    return tuple(n if n not in names[:i] else f"{n} ({i})" for i, n in enumerate(names))


@dataclass(frozen=True)
class Spec:
    """A row: how the net is built, where its weights are, and how to get them when they are not there.

    build() -> nn.Module; `weights_inside` nets come with their weights (from a package, or torchvision's download).
    file: in weights/, with a card beside it; `remake` is the command that writes both.
    size: (C, H, W) of a classifier; labels() its class names; crop: the share of the shorter side that is kept; title: for people.
    many: several of the labels may hold at once, each with a probability of its own (sigmoid); such a net names no single class.
    fetched: the weights come over a network unless they are cached; available() tells whether they can be had now.
    """

    build: Callable[[], nn.Module]
    title: str
    file: str = ""
    remake: str = ""
    repo: str = ""
    revision: str = ""
    size: tuple[int, int, int] | None = None
    labels: Callable[[], tuple[str, ...]] | None = None
    crop: float = 1.0
    many: bool = False
    fetched: bool = False
    available: Callable[[], bool] = lambda: True


def _autoencoder(name: str, title: str, build: Callable[[], nn.Module]) -> dict[str, Spec]:
    """A row of one of the autoencoders, which have neither classes nor a crop."""
    remake = f"python -m training.mnist_vae {name.partition('@')[0]}"
    return {name: Spec(build=build, title=title, file=f"{name}.safetensors", remake=remake)}


_VAE, _AE = vae.Autoencoder, functools.partial(vae.Autoencoder, variational=False)
AUTOENCODERS: dict[str, Spec] = {
    **_autoencoder("mnist-ae", "Autoencoder", _AE),
    **_autoencoder("mnist-vae-kl0.1", "VAE, KL weight 0.1", _VAE),
    **_autoencoder("mnist-vae", "VAE, KL weight 1", functools.partial(_VAE, encoder=(512, 2))),
    **_autoencoder("mnist-vae-kl4", "VAE, KL weight 4", _VAE),
    **_autoencoder("mnist-pca", "PCA", vae.PCA),
    **_autoencoder("mnist-ae-squared", "Autoencoder, squared error", _AE),
    **_autoencoder("mnist-ae-absolute", "Autoencoder, absolute error", _AE),
    **_autoencoder("fashion-vae16", "VAE, 16-D, Fashion-MNIST", functools.partial(_VAE, 16)),
    **_autoencoder("fashion-ae16", "Autoencoder, 16-D, Fashion-MNIST", functools.partial(_AE, 16)),
    **_autoencoder("fashion-pca16", "PCA, 16-D, Fashion-MNIST", functools.partial(vae.PCA, 16)),
}
for _early in (5, 25, 100):
    AUTOENCODERS |= _autoencoder(f"mnist-ae@epoch{_early}", f"Autoencoder, epoch {_early} of 300", _AE)
    AUTOENCODERS |= _autoencoder(f"mnist-vae@epoch{_early}", f"VAE, KL weight 1, epoch {_early} of 300", _VAE)


def _gan(name: str, title: str, build: Callable[[], gan.Gan], available: Callable[[], bool] = lambda: True) -> dict[str, Spec]:
    """A row of a generator with its discriminator."""
    remake = f"python -m training.gan {name.partition('@')[0].replace('-full', ' --full')}"
    return {name: Spec(build=build, title=title, file=f"{name}.safetensors", remake=remake, available=available)}


def _digits() -> gan.Gan:
    return gan.Gan(gan.mnist_dcgan(), gan.mnist_discriminator())


def _small_digits() -> gan.Gan:
    return gan.Gan(gan.mnist_dcgan(width=32), gan.mnist_discriminator(16))


def _frogs() -> gan.Gan:
    return gan.Gan(gan.frogs_light(), gan.frogs_light_discriminator())


def _textbook_frogs() -> gan.Gan:
    return gan.Gan(gan.frogs_dcgan(), gan.frogs_discriminator())


def _faces() -> gan.Gan:
    return gan.Gan(gan.faces_gan(), gan.faces_discriminator())


GANS: dict[str, Spec] = {
    **_gan("mnist-dcgan", "Digits: DCGAN", _digits),
    **_gan("frogs-dcgan", "Frogs: DCGAN", _frogs),
    **_gan("faces-gan", "Faces: DCGAN with R1", _faces),
    **_gan("mnist-dcgan-collapsed", "Digits: a run that collapsed", _small_digits),
}
# made by --full alone: its file is too large to be shipped
_FULL = "frogs-dcgan-full"
_full_is_here = (WEIGHTS / f"{_FULL}.safetensors").exists
GANS |= _gan(_FULL, "Frogs: DCGAN, the textbook's widths", _textbook_frogs, _full_is_here)
for _run, _build in (("mnist-dcgan", _digits), ("mnist-dcgan-collapsed", _small_digits)):
    for _early in (1, 5, 10, 25):
        GANS |= _gan(f"{_run}@epoch{_early}", f"{GANS[_run].title}, epoch {_early} of 50", _build)

MODELS: dict[str, Spec] = {
    "imagenet-lite0": Spec(
        build=classifiers.imagenet_lite0,
        title="ImageNet: EfficientNet-Lite0",
        remake="pip install -r requirements.txt",
        size=(3, 224, 224),
        labels=imagenet_labels,
        crop=0.875,
    ),
    "cifar10-resnet": Spec(
        build=classifiers.cifar10_resnet,
        title="CIFAR-10: small residual net",
        file="cifar10-resnet.safetensors",
        remake="python -m training.cifar10_resnet",
        size=(3, 32, 32),
        labels=lambda: CIFAR10,
    ),
    "mnist-cnn": Spec(
        build=classifiers.mnist_cnn,
        title="MNIST: small convolutional net",
        file="mnist-cnn.safetensors",
        remake="python -m training.mnist_cnn",
        size=(1, 28, 28),
        labels=lambda: DIGITS,
    ),
    "faces-attributes": Spec(
        build=classifiers.faces_attributes,
        title="Faces: 40 attributes",
        file="faces-attributes.safetensors",
        remake="python -m training.faces_attributes",
        size=(3, 64, 64),
        labels=lambda: tuple(ATTRIBUTES),
        many=True,
    ),
    **{
        f"imagenet-{name}": Spec(
            build=functools.partial(classifiers.torchvision_net, name),
            title=f"ImageNet: {title}",
            remake="a network connection: torchvision downloads the weights",
            size=(3, 224, 224),
            labels=imagenet_labels,
            crop=0.875,
            fetched=True,
            available=functools.partial(classifiers.torchvision_available, name),
        )
        for name, title in (("resnet50", "ResNet-50"), ("googlenet", "GoogLeNet, the panda figure's net"), ("vgg16", "VGG-16"))
    },
    **{
        f"{corpus}-lstm{ending}": Spec(
            build=functools.partial(text.char_lstm, corpus),
            title=f"LSTM on {text.CORPORA[corpus].title}, epoch {epoch}",
            file=f"{corpus}-lstm{ending}.safetensors",
            remake=f"python -m training.lstm {corpus}",
        )
        for corpus in text.CORPORA
        for epoch, ending in text.POINTS.items()
    },
    "faces-vae": Spec(
        build=vae.FacesVAE,
        title="Faces: VAE, 128-D, with a feature loss",
        file="faces-vae.safetensors",
        remake="python -m training.faces_vae",
    ),
    **AUTOENCODERS,
    **GANS,
}

_loaded: dict[str, nn.Module] = {}
_locks = {name: threading.Lock() for name in MODELS}


def available() -> tuple[str, ...]:
    """The names whose weights are here or can be fetched now."""
    return tuple(name for name, spec in MODELS.items() if spec.available())


def spec(name: str) -> Spec:
    """The row `name`; UserError for an unknown name."""
    return MODELS[choice("model", name, MODELS)]


def labels(name: str) -> tuple[str, ...]:
    """The class names of a classifier, without loading it; UserError for an unknown name or a model that is no classifier."""
    row = spec(name)
    if row.labels is None:
        raise UserError(f"{name} is not a classifier.")
    return row.labels()


def load(name: str) -> nn.Module:
    """The model `name`: eval mode, no gradients into its weights, on the device, the same object at every call.

    Raises UserError naming the remedy for an unknown name, a missing file, or a file that is not the one its card describes.
    """
    row = spec(name)
    with _locks[name]:
        if name not in _loaded:
            _loaded[name] = _make(name, row)
        return _loaded[name]


def _make(name: str, spec: Spec) -> nn.Module:
    try:
        model = spec.build()
    except (OSError, ImportError):  # torchvision's download without a network; a package that is not installed
        raise UserError(f"The weights of {name} are not on this machine and could not be fetched; it needs {spec.remake}.") from None
    if spec.file:
        path = _weights(name, spec)
        from safetensors.torch import load_file

        state = {k: v.float() if v.is_floating_point() else v for k, v in load_file(path).items()}
        misfit = UserError(f"weights/{spec.file} does not fit the net {name}; make it again: {spec.remake}")
        try:
            missing, unexpected = model.load_state_dict(state, strict=False)
        except RuntimeError:  # another shape
            raise misfit from None
        if unexpected or any(not key.endswith("num_batches_tracked") for key in missing):
            raise misfit
    model = model.eval().requires_grad_(False).to(runtime.device())
    if spec.size:
        model.size, model.labels, model.crop, model.many = spec.size, spec.labels(), spec.crop, spec.many
    model.name = name
    return model


def _weights(name: str, spec: Spec) -> Path:
    """The file in weights/, or from the Hub where the row names a repository; its sha256 must be the card's."""
    path = WEIGHTS / spec.file
    if not path.exists() and spec.repo:
        from huggingface_hub import hf_hub_download

        try:
            card = Path(hf_hub_download(spec.repo, Path(spec.file).with_suffix(".json").name, revision=spec.revision))
            path = Path(hf_hub_download(spec.repo, spec.file, revision=spec.revision))
        except Exception as error:  # offline, not found, refused: many kinds, one remedy
            raise UserError(f"weights/{spec.file} is missing and could not be fetched; make it: {spec.remake}") from error
    else:
        card = path.with_suffix(".json")
    return checked(path, spec.remake, card)


def checked(path: Path, remake: str, card: Path | None = None) -> Path:
    """`path`, if its sha256 is the one that its card tells; UserError that names the remedy otherwise."""
    card = card or path.with_suffix(".json")
    if not path.exists() or not card.exists():
        raise UserError(f"weights/{path.name if not path.exists() else card.name} is missing; make it: {remake}")
    try:
        told = json.loads(card.read_text())["sha256"]
    except (ValueError, KeyError, TypeError):
        raise UserError(f"weights/{card.name} is damaged; make it again: {remake}") from None
    if hashlib.sha256(path.read_bytes()).hexdigest() != told:
        raise UserError(f"weights/{path.name} is not the file its card describes; make both again: {remake}")
    return path


def card(name: str) -> dict:
    """What the card of a model tells. UserError that names the remedy if there is none."""
    row = spec(name)
    path = (WEIGHTS / row.file).with_suffix(".json")
    if not row.file or not path.exists():
        raise UserError(f"{name} has no card here; make it: {row.remake}")
    return json.loads(path.read_text(encoding="utf-8"))


def predictions(logits: torch.Tensor) -> torch.Tensor:
    """Logits (B, K) -> probabilities (B, K) on the CPU, in double precision so that they add up to 1."""
    return logits.detach().cpu().double().softmax(1)


def class_of(model: nn.Module, name: str) -> torch.Tensor:
    """(1,) int64 on the model's device: the number of a class. UserError for a name that the model does not know."""
    return torch.tensor([model.labels.index(choice("class", name, model.labels))], device=device_of(model))


def device_of(model: nn.Module) -> torch.device:
    """Where a model's weights are."""
    return next(iter(model.parameters())).device


def top(p: torch.Tensor, names: tuple[str, ...], k: int = 5) -> list[list]:
    """The k likeliest classes of probabilities (K,), as [name, probability], the likeliest first."""
    values, classes = p.topk(min(k, len(p)))
    return [[names[c], round(v, 6)] for v, c in zip(values.tolist(), classes.tolist(), strict=True)]
