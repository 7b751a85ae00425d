"""Faces as the nets saw them in training: turned, scaled and cut so that the eyes stand where they always stand."""

from __future__ import annotations

import math

from PIL import Image

from core.checks import UserError, number

SIDE = 64
EYES = ((22.8, 31.2), (40.9, 31.3))  # where the eyes stand in the 64 x 64 crop: the one at the left of the picture first
APART = 8.0  # pixels between the eyes of a photo, at least
MOST = 8  # samples for one pixel, along each side


def similarity(left: tuple[float, float], right: tuple[float, float]) -> tuple[complex, complex]:
    """The turn, scale and shift that take the points of the crop to those of the photo: photo = a * crop + b, points as x + i y.

    left, right: the eyes in the photo, in pixels; whichever has the smaller x is the left one. Raises UserError if they are closer than 8.
    """
    p, q = sorted((left, right))
    if math.dist(p, q) < APART:
        raise UserError(f"The eyes are {math.dist(p, q):.1f} pixels apart; give a larger picture of the face, or click both eyes.")
    eyes, template = [complex(*point) for point in (p, q)], [complex(*point) for point in EYES]
    a = (eyes[1] - eyes[0]) / (template[1] - template[0])
    return a, eyes[0] - a * template[0]


def align(photo: Image.Image, left: tuple[float, float], right: tuple[float, float]) -> Image.Image:
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
    a, b = similarity(left, right)
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
