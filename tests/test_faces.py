"""Known landmarks land where the template says."""

from __future__ import annotations

import cmath

import numpy as np
import pytest
from PIL import Image, ImageDraw

from core import faces
from core.checks import UserError


def photo(left, right, size=(400, 300), radius=9):
    """A grey picture with a red dot on the one eye and a blue one on the other."""
    image = Image.new("RGB", size, (90, 90, 90))
    pen = ImageDraw.Draw(image)
    for (x, y), colour in ((left, (255, 0, 0)), (right, (0, 0, 255))):
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
    return image


def centre(image, channel):
    """The centre of mass of a colour above the grey, in pixels, (0, 0) the corner of the picture."""
    pixels = np.asarray(image).astype(float)
    weight = np.clip(pixels[..., channel] - 90, 0, None) * (pixels[..., 1] < 90)
    y, x = np.mgrid[: len(pixels), : len(pixels)] + 0.5
    return (weight * x).sum() / weight.sum(), (weight * y).sum() / weight.sum()


@pytest.mark.parametrize("left, right", [((150, 140), (230, 140)), ((120, 180), (190, 110)), ((180, 90), (240, 190))])
def test_the_eyes_of_a_photo_land_on_the_template(left, right):
    aligned = faces.align(photo(left, right), left, right)
    assert aligned.size == (64, 64)
    for channel, eye in zip((0, 2), faces.EYES, strict=True):
        assert centre(aligned, channel) == pytest.approx(eye, abs=0.25)


def test_which_eye_is_given_first_does_not_matter():
    image, left, right = photo((150, 140), (230, 150)), (150, 140), (230, 150)
    assert faces.align(image, right, left).tobytes() == faces.align(image, left, right).tobytes()


def test_the_map_is_a_similarity_through_both_eyes():
    a, b = faces.similarity((10, 20), (50, 60))
    for eye, given in zip(faces.EYES, ((10, 20), (50, 60)), strict=True):
        assert a * complex(*eye) + b == pytest.approx(complex(*given))
    assert abs(a) == pytest.approx(abs(complex(40, 40)) / abs(complex(18.1, 0.1)))
    assert cmath.phase(a) == pytest.approx(cmath.phase(complex(40, 40)) - cmath.phase(complex(18.1, 0.1)))


def test_a_fine_pattern_is_averaged_instead_of_aliased():
    stripes = Image.fromarray(np.tile(np.array([0, 255], np.uint8), (512, 256)))
    aligned = np.asarray(faces.align(stripes.convert("RGB"), (182, 250), (327, 250)))  # eight pixels of the photo for one of the crop
    assert abs(aligned.astype(int) - 127).max() <= 20


def test_what_lies_outside_takes_the_colour_of_the_border():
    aligned = np.asarray(faces.align(Image.new("RGB", (60, 60), (10, 200, 30)), (5, 5), (55, 5)))
    assert (aligned == (10, 200, 30)).all()


@pytest.mark.parametrize(
    "left, right, words",
    [((10, 10), (14, 10), "4.0 pixels apart"), ((-1, 5), (30, 5), "x of an eye"), ((5, float("nan")), (30, 5), "y of an eye")],
)
def test_eyes_that_cannot_be_are_said(left, right, words):
    with pytest.raises(UserError, match=words):
        faces.align(Image.new("RGB", (60, 60)), left, right)
