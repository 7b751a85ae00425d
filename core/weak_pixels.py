"""Weak pixels: how far one pixel can push a class down, place by place; and a pixel set by hand (beside core.one_pixel)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from core.candidates import Model, forward, label_of, measured, own_colours, painted, picture, rows_at_once, windowed
from core.checks import UserError, whole

MOST_PLACES = 1024  # without a stride


@dataclass(frozen=True)
class Weak:
    """How far one pixel can push class y down. The maps are (rows, columns) of the places looked at, NaN or -1 where not yet.

    drop: p(y) of the picture minus the lowest p(y) that a colour of `colours` gives there; below 0 where all of them help y.
    colour: which of them; fooled: whether one of them makes another class the first.
    rows, columns: where in the picture the maps' cells are.   confidence: p(y) of the picture.   share: of the work done, 0 ... 1.
    """

    drop: Tensor
    colour: Tensor
    fooled: Tensor
    rows: tuple[int, ...]
    columns: tuple[int, ...]
    colours: tuple[tuple[int, ...], ...]
    confidence: float
    evaluations: int
    share: float


def weak_pixels(model: Model, x: Tensor, y: Tensor, *, stride: int | None = None) -> Iterator[Weak]:
    """All places times the corner colours ({0, 255} per channel: 8, or 2 for grey pictures), one Weak after every batch of about 400.

    x: (1, C, H, W), rounded to 8 bits.   y: (1,) int64, the class whose probability is watched.
    stride: every how many pixels a place is looked at; None: 1 for up to 1,024 pixels, else the smallest that leaves at most 1,024
    places (7 at 224 x 224: 8,192 evaluations instead of 401,408). The colour that a pixel has already counts as no drop, unevaluated.
    The maps are measured with windows where `attack` would use them: the net's own numbers up to float rounding.
    """
    x = picture(x)
    H, W = x.shape[2:]
    if stride is None:
        stride = next(s for s in itertools.count(1) if -(-H // s) * -(-W // s) <= MOST_PLACES)
    stride = whole("The stride", stride, 1, min(H, W))
    clean = forward(model, x)[0]
    return _scan(model, x, label_of(y, clean), clean, stride)


def _scan(model: Model, x: Tensor, label: int, clean: Tensor, stride: int) -> Iterator[Weak]:
    C, H, W = x.shape[1:]
    rows, columns = (tuple(min(i + stride // 2, side - 1) for i in range(0, side, stride)) for side in (H, W))
    corners = torch.tensor(list(itertools.product((0, 255), repeat=C)))
    places = (torch.tensor(rows)[:, None] * W + torch.tensor(columns)).flatten()
    shown, was = (len(rows), len(columns)), float(clean.cpu().double().softmax(0)[label])
    drop, colour = torch.full((len(places),), math.nan, dtype=torch.float64), torch.full((len(places),), -1)
    fooled, evaluations, fast, step = torch.zeros(len(places), dtype=torch.bool), 0, windowed(model, x, 1), rows_at_once(x) // len(corners)
    for first in range(0, len(places), step):
        at = places[first : first + step]
        candidates = torch.cat(
            [at[:, None, None].expand(-1, len(corners), 1), corners.expand(len(at), -1, -1)], 2
        )  # places, colours, 1 + C
        new = (candidates[..., 1:] != own_colours(x, at)[:, None]).any(2)
        logits = clean.cpu().expand(len(at), len(corners), -1).clone()
        logits[new] = measured(model, x, candidates[new][:, None], fast).cpu()
        p = logits.double().softmax(2)[..., label]
        lowest, which = p.min(1)
        here = slice(first, first + len(at))
        drop[here], colour[here], fooled[here] = was - lowest, which, (logits.argmax(2) != label).any(1)
        evaluations += int(new.sum())
        yield Weak(
            *(t.clone().view(shown) for t in (drop, colour, fooled)),
            rows=rows,
            columns=columns,
            colours=tuple(map(tuple, corners.tolist())),
            confidence=was,
            evaluations=evaluations,
            share=(first + len(at)) / len(places),
        )


@dataclass(frozen=True)
class Try:
    """A pixel set by hand: the picture (1, C, H, W), its probabilities (K,), p(y) as confidence, the first class; fooled: it is not y."""

    image: Tensor
    probabilities: Tensor
    confidence: float
    label: int
    fooled: bool


def set_pixel(model: Model, x: Tensor, y: Tensor, *, row: int, column: int, colour: tuple[int, ...]) -> Try:
    """x (1, C, H, W) rounded to 8 bits, with one pixel set to a colour (0 ... 255 per channel), through the net's own forward."""
    x = picture(x)
    C, H, W = x.shape[1:]
    row, column = whole("The row", row, 0, H - 1), whole("The column", column, 0, W - 1)
    if len(colour) != C:
        raise UserError(f"The colour has {len(colour)} channels; the picture has {C}.")
    colour = [whole("The colour", c, 0, 255) for c in colour]
    image = painted(x, torch.tensor([[[row * W + column, *colour]]]))
    logits = forward(model, image)[0]
    label, probabilities = label_of(y, logits), logits.cpu().double().softmax(0)
    seen = int(probabilities.argmax())
    return Try(image, probabilities, float(probabilities[label]), seen, seen != label)
