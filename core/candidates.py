"""Candidates of a pixel attack: pictures that differ from one picture in k pixels, and what a net says about them.

A candidate is (k, 1 + C) int32: row * W + column and a colour of 0 ... 255 for each pixel, in reading order. What is evaluated is what is
shown: whole places inside the picture, 8-bit colours, exactly k pixels other than the picture's.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from core.checks import UserError, whole
from core.images import eight_bit
from core.patch_forward import batch, evaluator

Model = Callable[[Tensor], Tensor]


def picture(x: Tensor) -> Tensor:
    """x as one picture of 8 bits, or UserError."""
    if not isinstance(x, Tensor) or x.ndim != 4 or len(x) != 1 or not x.is_floating_point():
        raise UserError(f"The picture has the shape {tuple(getattr(x, 'shape', ()))}; give one picture, (1, channels, height, width).")
    if not bool(((x >= 0) & (x <= 1)).all()):
        raise UserError("The picture has values outside 0 ... 1; give pixels as fractions of the range.")
    return eight_bit(x)


def label_of(y: Tensor, logits: Tensor) -> int:
    """y as a class of the net, or UserError."""
    if not isinstance(y, Tensor) or y.numel() != 1 or y.is_floating_point():
        raise UserError("The class was not one whole number; give one class for one picture.")
    return whole("The class", int(y), 0, len(logits) - 1)


def name_of(model: Model, label: int) -> str:
    """A class by its name, or by its number where the model has no names."""
    labels = getattr(model, "labels", None)
    return labels[label] if labels else f"class {label}"


def own_colours(x: Tensor, places: Tensor) -> Tensor:
    """The picture's own colours, 0 ... 255, at places of any shape: (..., C)."""
    return (x[0].flatten(1).cpu() * 255).round().long().T[places]


@torch.no_grad()
def measured(model: Model, x: Tensor, candidates: Tensor, fast: Callable[[Tensor, Tensor], Tensor] | None) -> Tensor:
    """The logits (B, K) of candidates (B, k, 1 + C), in batches."""
    if fast is None:
        return torch.cat([forward(model, painted(x, some)) for some in candidates.split(rows_at_once(x))])
    some = candidates.split(batch(candidates.shape[1]))
    return torch.cat([fast(c[..., 0].long(), c[..., 1:].to(x.dtype) / 255) for c in some])


def rows_at_once(x: Tensor) -> int:
    """How many pictures go through the net at once: 400 of 32 x 32."""
    return max(16, 400 * 1024 // x[0, 0].numel())


@torch.no_grad()
def forward(model: Model, x: Tensor) -> Tensor:
    """The net's own logits. Convolutions on a CPU are about 1.4 times faster with the channels last."""
    if x.device.type == "cpu" and isinstance(model, nn.Module) and any(isinstance(m, nn.Conv2d) for m in model.modules()):
        x = x.contiguous(memory_format=torch.channels_last)
    return model(x)


def log_odds(logits: Tensor, label: int) -> Tensor:
    """log p / (1 - p) of the class, (B,) float64 on the CPU."""
    logits = logits.cpu().double()
    others = logits.index_fill(1, torch.tensor([label]), -math.inf)
    return logits[:, label] - others.logsumexp(1)


def rounded(vectors: Tensor, x: Tensor) -> Tensor:
    """(P, k * (2 + C)) reals, rows and columns and colours in their ranges -> (P, k, 1 + C) int32: row * W + column, colour.

    The candidates that are evaluated: k different places in reading order, each colour another one than the picture's there.
    """
    C, H, W = x.shape[1:]
    v = vectors.unflatten(1, (-1, 2 + C)).round().long()
    places, colours = v[..., 0] * W + v[..., 1], v[..., 2:]
    for j in range(1, places.shape[1]):
        while (taken := (places[:, :j] == places[:, j : j + 1]).any(1)).any():
            places[:, j] = torch.where(taken, (places[:, j] + 1) % (H * W), places[:, j])
    places, order = places.sort(1)
    colours = colours.gather(1, order[..., None].expand_as(colours))
    own = own_colours(x, places)
    same = (colours == own).all(2)
    colours[..., 0] += torch.where(same, torch.where(own[..., 0] < 255, 1, -1), 0)
    return torch.cat([places[..., None], colours], 2).int()


def painted(x: Tensor, candidates: Tensor) -> Tensor:
    """(P, C, H, W): copies of x (1, C, H, W), each with its candidate's pixels (P, k, 1 + C) set."""
    places, colours = candidates[..., 0].long(), candidates[..., 1:].to(x.dtype) / 255
    pictures = x.flatten(2).repeat(len(candidates), 1, 1)
    pictures.scatter_(2, places[:, None].expand(-1, x.shape[1], -1).to(x.device), colours.transpose(1, 2).to(x.device))
    return pictures.unflatten(2, x.shape[2:])


def windowed(model: Model, x: Tensor, k: int) -> Callable[[Tensor, Tensor], Tensor] | None:
    """The windowed forward where it pays: on a CPU, for a net that it knows and that nobody watches by hooks."""
    watched = isinstance(model, nn.Module) and any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    return evaluator(model, x, pixels=k) if isinstance(model, nn.Module) and x.device.type == "cpu" and not watched else None
