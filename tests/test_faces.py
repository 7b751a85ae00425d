"""Known landmarks land where the template says."""

from __future__ import annotations

import cmath

import numpy as np
import pytest
from PIL import Image, ImageDraw

from core import faces, images, samples
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


@pytest.fixture(scope="module")
def astronaut():
    return images.open_image(samples.PORTRAITS["astronaut"].path)


EYES = ((204, 102), (246, 106))  # of the astronaut, read off the photo


def near(eyes, wanted, within=6):
    return all(abs(a - b) <= within for point, target in zip(eyes, wanted, strict=True) for a, b in zip(point, target, strict=True))


def test_a_face_is_found_with_its_eyes(astronaut):
    (face,) = faces.find(astronaut)
    assert near(face.eyes, EYES) and not face.turned
    assert face.box[0] < EYES[0][0] < face.box[2] and face.box[1] < EYES[0][1] < face.box[3]


@pytest.mark.parametrize("way", [Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270])
def test_a_photo_on_its_side_gives_the_same_crop(astronaut, way):
    upright, turned = (np.asarray(faces.crop(photo, None, 0)[0]).astype(int) for photo in (astronaut, astronaut.transpose(way)))
    assert np.abs(upright - turned).mean() < 4


def test_a_tilted_face_stands_upright_in_the_crop(astronaut):
    upright, tilted = (np.asarray(faces.crop(photo, None, 0)[0]).astype(int) for photo in (astronaut, astronaut.rotate(40)))
    assert np.abs(upright - tilted)[16:56, 16:48].mean() < 25  # 60 and more where the eyes lie elsewhere


def test_of_two_faces_the_largest_comes_first_and_the_other_can_be_had(astronaut):
    both = Image.new("RGB", (900, 512), (120, 120, 120))
    both.paste(astronaut.resize((256, 256)), (0, 0))
    both.paste(astronaut, (388, 0))
    found = faces.find(both)
    assert [near(face.eyes, eyes) for face, eyes in zip(found, (((592, 102), (634, 106)), ((102, 51), (123, 53))), strict=True)] == [
        True,
        True,
    ]
    assert faces.crop(both, None, 1)[0].tobytes() != faces.crop(both, None, 0)[0].tobytes()
    with pytest.raises(UserError, match="from 0 to 1"):
        faces.crop(both, None, 2)


def test_a_grey_and_a_small_picture_are_searched_as_well(astronaut):
    grey = faces.find(astronaut.convert("L"))
    assert len(grey) == 1 and near(grey[0].eyes, EYES)
    small = faces.find(astronaut.crop((160, 40, 300, 200)).resize((70, 80)))
    assert len(small) == 1 and near(small[0].eyes, ((22, 31), (43, 33)), 3)


@pytest.mark.parametrize("name", ["cat", "espresso", "palace"])
def test_where_there_is_no_face_none_is_found_and_the_hand_is_offered(name):
    photo = images.open_image(samples.sample(name).path)
    assert faces.find(photo) == []
    with pytest.raises(UserError, match="click both eyes"):
        faces.crop(photo, None, 0)


def test_clicked_eyes_need_no_face():
    photo_, left, right = photo((150, 140), (230, 150)), (150, 140), (230, 150)
    cut, found = faces.crop(photo_, [list(right), list(left)], 0)
    assert found == [] and cut.tobytes() == faces.align(photo_, left, right).tobytes()


@pytest.mark.parametrize("eyes", [[[1, 2]], "here", [[1, 2], [3, "x"]], [[1, 2], [300, float("nan")]], 7])
def test_eyes_that_are_no_two_points_are_said(eyes):
    with pytest.raises(UserError, match="eye"):
        faces.crop(photo((150, 140), (230, 150)), eyes, 0)
