"""Pictures in: every kind of file a visitor may bring. Pictures out: what is saved is what was classified."""

from __future__ import annotations

import contextlib
import io
import resource
import struct
import time
import warnings
import zlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from core import images
from core.checks import UserError
from core.images import centre_digit, eight_bit, open_image, through_file, to_bytes, to_image, to_pixels
from tests.samples import foolbox_files, foolbox_samples

IMAGENET = SimpleNamespace(size=(3, 224, 224), crop=0.875)
CIFAR = SimpleNamespace(size=(3, 32, 32), crop=1.0)
MNIST = SimpleNamespace(size=(1, 28, 28), crop=1.0)


def saved(image: Image.Image, kind: str, **options) -> bytes:
    """The bytes of a picture's file."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def noise(width: int, height: int, channels: int = 3, seed: int = 0) -> Image.Image:
    """A picture in which no two places look alike."""
    values = np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)
    return Image.fromarray(values[..., 0] if channels == 1 else values)


def chunk(kind: bytes, data: bytes) -> bytes:
    """One chunk of a PNG file."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size, and ends before the first pixel."""
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) + chunk(b"IDAT", b"")


@contextlib.contextmanager
def costs_at_most(*, seconds: float, megabytes: float):
    """Asserts the processor time and the memory that the block takes at its peak."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # Linux forgets the earlier peak
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    yield
    assert time.process_time() - start < seconds
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1000 < megabytes


def same(image: Image.Image, other: Image.Image) -> bool:
    return image.mode == other.mode and np.array_equal(np.asarray(image), np.asarray(other))


# Files that are refused


SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="20" height="20"><rect width="9" height="9"/></svg>'
REFUSED = {
    "empty": (b"", "The file is empty"),
    "svg": (SVG, "not a picture that can be read"),
    "html": (b"<!doctype html><html><body><script>alert(1)</script></body></html>", "not a picture that can be read"),
    "text": (b"The bee that hums\n" * 50, "not a picture that can be read"),
    "only the signature of a png": (b"\x89PNG\r\n\x1a\n", "not a picture that can be read"),
    "only the signature of a jpeg": (b"\xff\xd8\xff", "not a picture that can be read"),
    "1x1": (saved(Image.new("RGB", (1, 1)), "PNG"), "is 1 x 1 pixels; at least 8 x 8"),
    "7x900": (saved(Image.new("RGB", (7, 900)), "PNG"), "is 7 x 900 pixels; at least 8 x 8"),
    "half a png": (saved(noise(64, 64), "PNG")[:6000], "damaged"),
    "half a jpeg": (saved(noise(64, 64), "JPEG")[:1500], "damaged"),
    "half a gif": (saved(noise(64, 64), "GIF")[:3000], "damaged"),
    "half a tiff": (saved(noise(64, 64), "TIFF", compression="tiff_lzw")[:4000], "not a picture|damaged"),
    "half a webp": (saved(noise(64, 64), "WEBP")[:1500], "not a picture|damaged"),
    "png with a broken checksum": (saved(noise(64, 64), "PNG")[:5000] + b"\0" * 9000, "damaged"),
    "png without pixels": (png_header(64, 64), "damaged"),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("as_file", [False, True], ids=["bytes", "file named .png"])
def test_what_is_no_picture_gets_one_sentence(name, as_file, tmp_path):
    data, sentence = REFUSED[name]
    source = data
    if as_file:
        source = tmp_path / "picture.png"
        source.write_bytes(data)
    with pytest.raises(UserError, match=sentence) as caught:
        open_image(source)
    assert "\n" not in str(caught.value) and str(caught.value).endswith((".", ")", "try again", "needed"))


def test_a_missing_file_is_asked_for_again(tmp_path):
    with pytest.raises(UserError, match="no longer here; choose it again"):
        open_image(tmp_path / "gone.png")
    with pytest.raises(UserError, match="no longer here"):
        open_image(tmp_path)  # a folder


def test_a_file_above_20_mb_is_not_even_opened(monkeypatch, tmp_path):
    monkeypatch.setattr(Image, "open", lambda *a, **k: pytest.fail("opened"))
    path = tmp_path / "large.png"
    path.write_bytes(b"\0")
    with path.open("r+b") as file:
        file.truncate(20_000_001)
    for source in (path, path.read_bytes()):
        with pytest.raises(UserError, match="has 20 MB; a picture may have up to 20 MB"):
            open_image(source)


@pytest.mark.parametrize("side", [7_100, 10_000, 20_000, 2**31 - 1])
def test_a_giant_is_refused_from_its_header(side, monkeypatch):
    """The file has no pixels at all: a decoder would call it damaged."""
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        with pytest.raises(UserError, match=r"50 megapixels|far more pixels"):
            open_image(png_header(side, side))


def test_a_real_giant_costs_no_memory_and_no_time():
    """400 million white pixels in a valid file of 50 kB; decoded they are 400 MB."""
    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(b"\0" + b"\xff" * 2_500) for _ in range(20_000)) + packer.flush()
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 20_000, 20_000, 1, 0, 0, 0, 0))
    data = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    with costs_at_most(seconds=0.2, megabytes=20), pytest.raises(UserError, match="50 megapixels"):
        open_image(data)


@pytest.mark.parametrize("size", [(8, 60_000), (60_000, 8)])
def test_a_long_thin_picture_costs_no_more_than_what_is_kept(size):
    """Scaled whole until its short side fits, 8 x 60,000 would be 491 million pixels."""
    picture = noise(*size)
    with costs_at_most(seconds=1, megabytes=100):
        assert to_pixels(picture, IMAGENET).shape == (1, 3, 224, 224)


# Files that are accepted


@pytest.mark.parametrize("kind, options", [("PNG", {}), ("BMP", {}), ("TIFF", {}), ("WEBP", {"lossless": True}), ("GIF", {})])
def test_a_lossless_file_gives_the_very_picture(kind, options, tmp_path):
    picture = noise(40, 30, channels=1).convert("RGB")  # 256 greys: a GIF's palette holds them
    path = tmp_path / "picture.bin"  # the name does not matter
    path.write_bytes(saved(picture, kind, **options))
    assert same(open_image(path).convert("RGB"), picture)
    assert same(open_image(path.read_bytes()).convert("RGB"), picture)
    assert open_image(str(path)).size == (40, 30)


def test_a_picture_of_8x8_is_the_smallest():
    assert open_image(saved(noise(8, 8), "PNG")).size == (8, 8)


def test_cmyk_becomes_the_colour_it_prints():
    cmyk = Image.new("CMYK", (16, 16), (0, 255, 255, 0))  # full magenta and yellow
    image = open_image(saved(cmyk, "JPEG", quality=95))
    assert image.mode == "RGB"
    red, green, blue = np.asarray(image).reshape(-1, 3).mean(0)
    assert red > 250 and green < 5 and blue < 5


@pytest.mark.parametrize("top", [65535, 200])
def test_16_bit_grey_keeps_its_brightness(top):
    """The range is 0 to 65535, also where the picture is dark: 200 of 65535 is black, not bright."""
    values = np.linspace(0, top, 256).round().astype(np.uint16).reshape(16, 16)
    image = open_image(saved(Image.fromarray(values), "PNG"))
    assert image.mode == "L"
    assert np.array_equal(np.asarray(image), np.round(values / 257).astype(np.uint8))


def test_a_32_bit_tiff_becomes_8_bits():
    whole = Image.fromarray(np.linspace(0, 65535, 256).astype(np.int32).reshape(16, 16))
    real = Image.fromarray(np.linspace(0, 1, 256).astype(np.float32).reshape(16, 16))
    for picture in (whole, real):
        image = open_image(saved(picture, "TIFF"))
        assert image.mode == "L" and np.abs(np.asarray(image).ravel().astype(int) - np.arange(256)).max() <= 1


def test_a_tiff_with_holes_is_still_a_picture():
    values = np.linspace(0, 1, 256).astype(np.float32).reshape(16, 16)
    values[0, 0], values[0, 1] = np.nan, np.inf
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        image = np.asarray(open_image(saved(Image.fromarray(values), "TIFF")))
    assert image[0, 0] == 0 and image[15, 15] == 255 and 120 < image[8, 0] < 136


@pytest.mark.parametrize("mode", ["1", "L", "P", "YCbCr", "LAB", "RGBX"])
def test_every_mode_a_tiff_can_hold_is_read_or_refused_in_a_sentence(mode):
    data = saved(Image.new(mode, (16, 16)), "TIFF")
    try:
        assert open_image(data).mode in ("RGB", "L")
    except UserError as refusal:
        assert "cannot be" in str(refusal)


def test_transparency_is_laid_on_white():
    rgba = Image.new("RGBA", (16, 16), (255, 0, 0, 0))
    rgba.paste((0, 0, 255, 255), (0, 0, 8, 16))
    rgba.paste((0, 0, 0, 128), (0, 0, 8, 8))
    image = open_image(saved(rgba, "PNG"))
    assert image.mode == "RGB"
    assert image.getpixel((12, 8)) == (255, 255, 255) and image.getpixel((4, 12)) == (0, 0, 255)
    assert all(abs(value - 127) <= 1 for value in image.getpixel((4, 4)))


def test_a_transparent_colour_of_any_kind_of_png_is_laid_on_white():
    """PNG may name one colour transparent (chunk tRNS), in a palette, in grey and in full colour."""
    palette = Image.new("P", (16, 16), 1)
    palette.putpalette([0, 0, 0, 10, 200, 30])
    palette.paste(0, (0, 0, 8, 16))
    grey = Image.new("L", (16, 16), 90)
    grey.paste(0, (0, 0, 8, 16))
    colour = Image.new("RGB", (16, 16), (10, 200, 30))
    colour.paste((0, 0, 0), (0, 0, 8, 16))
    for picture, transparent, rest in ((palette, 0, (10, 200, 30)), (grey, 0, (90, 90, 90)), (colour, (0, 0, 0), (10, 200, 30))):
        image = open_image(saved(picture, "PNG", transparency=transparent)).convert("RGB")
        assert image.getpixel((4, 8)) == (255, 255, 255), picture.mode
        assert image.getpixel((12, 8)) == rest, picture.mode


def test_an_animation_gives_its_first_frame(tmp_path):
    frames = [Image.new("RGB", (20, 12), colour) for colour in ("red", "lime", "blue")]
    for kind in ("GIF", "PNG", "WEBP"):
        options = {"lossless": True} if kind == "WEBP" else {}
        data = saved(frames[0], kind, save_all=True, append_images=frames[1:], duration=50, **options)
        assert Image.open(io.BytesIO(data)).n_frames == 3
        assert open_image(data).convert("RGB").getpixel((5, 5)) == (255, 0, 0)


# The eight values of EXIF's orientation: what a viewer has to do with the stored picture (EXIF 2.3, tag 0x0112)
UPRIGHT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a, 2).transpose(1, 0, 2),
    8: lambda a: np.rot90(a, 1),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_phone_s_photo_is_turned_upright(orientation, kind):
    stored = noise(24, 16).resize((48, 32), Image.Resampling.NEAREST)
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(stored, kind, exif=exif, **({"quality": 95, "subsampling": 0} if kind == "JPEG" else {}))
    image = open_image(data)
    expected = UPRIGHT[orientation](np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))
    assert np.array_equal(np.asarray(image), expected)
    assert same(open_image(saved(image, "PNG", exif=image.getexif())), image), "turned once, not twice"


# Pixels


@pytest.mark.parametrize("model", [IMAGENET, CIFAR, MNIST], ids=["imagenet", "cifar10", "mnist"])
@pytest.mark.parametrize("size", [(300, 200), (200, 300), (28, 28), (32, 32), (224, 224), (9, 400), (1200, 900), (257, 256)])
def test_pixels_have_the_model_s_size_and_are_255ths(model, size):
    x = to_pixels(noise(*size), model)
    assert x.shape == (1, *model.size) and x.dtype == torch.float32 and x.is_contiguous()
    assert x.min() >= 0 and x.max() <= 1
    assert torch.equal(x, (x * 255).round() / 255)
    assert len(x.unique()) > 5


@pytest.mark.parametrize("model", [IMAGENET, CIFAR, MNIST], ids=["imagenet", "cifar10", "mnist"])
def test_a_picture_of_the_model_s_size_comes_back_as_it_was(model):
    channels, height, width = model.size
    picture = noise(width, height, channels)
    x = to_pixels(picture, model)
    assert same(to_image(x), picture) and same(to_image(x[0]), picture)
    assert torch.equal(to_pixels(to_image(x), model), x)
    expected = np.asarray(picture, dtype=np.float32).reshape(height, width, channels) / 255
    assert np.array_equal(x[0].permute(1, 2, 0).numpy(), expected), "height before width, channels red, green, blue"


@pytest.mark.parametrize("size", [(640, 480), (480, 640), (301, 277), (256, 256), (100, 180), (230, 230), (2000, 1500)])
@pytest.mark.parametrize("model", [IMAGENET, CIFAR], ids=["imagenet", "cifar10"])
def test_the_shorter_side_is_scaled_and_the_centre_kept(size, model):
    """Oracle: scale the whole picture with Pillow, then crop."""
    picture = Image.effect_noise(size, 60).convert("RGB").resize((size[0] // 3, size[1] // 3)).resize(size, Image.Resampling.BICUBIC)
    side = model.size[1]
    scale = side / model.crop / min(size)
    whole = picture.resize(tuple(round(length * scale) for length in size), Image.Resampling.BICUBIC)
    left, top = (whole.width - side) // 2, (whole.height - side) // 2
    expected = np.asarray(whole.crop((left, top, left + side, top + side))).astype(int)
    got = to_bytes(to_pixels(picture, model))[0].permute(1, 2, 0).numpy().astype(int)
    assert np.abs(got - expected).mean() < 1.0
    assert np.abs(got - expected).max() < 16


def test_a_grey_picture_is_grey_for_a_colour_model():
    grey = noise(224, 224, 1)
    x = to_pixels(grey, IMAGENET)
    assert torch.equal(x[:, 0], x[:, 1]) and torch.equal(x[:, 0], x[:, 2])
    assert np.array_equal(np.asarray(grey), to_bytes(x)[0, 0].numpy())


def test_a_transparent_drawing_is_laid_on_white_for_the_model():
    x = to_pixels(Image.new("RGBA", (224, 224), (0, 0, 0, 0)), IMAGENET)
    assert (x == 1).all()


def test_eight_bits_are_the_nearest_of_256_levels():
    x = torch.tensor([0.0, 0.4 / 255, 0.6 / 255, 7.49 / 255, 7.51 / 255, 1.0, -0.1, 1.2]).view(1, 1, 2, 4)
    assert to_bytes(x).flatten().tolist() == [0, 0, 1, 7, 8, 255, 0, 255]
    torch.testing.assert_close(eight_bit(x) * 255, to_bytes(x).float())
    assert eight_bit(x).dtype == x.dtype and to_bytes(x).dtype == torch.uint8


def test_all_256_levels_survive_there_and_back():
    x = torch.arange(256).view(1, 1, 16, 16) / 255
    assert torch.equal(eight_bit(x), x)
    assert np.asarray(to_image(x)).ravel().tolist() == list(range(256))


def test_a_result_with_a_gradient_or_in_another_layout_can_be_shown():
    x = torch.rand(1, 3, 5, 7).to(memory_format=torch.channels_last).requires_grad_()
    image = to_image(x)
    assert image.size == (7, 5) and image.mode == "RGB"
    assert np.array_equal(np.asarray(image), (x.detach()[0] * 255).round().byte().permute(1, 2, 0).numpy())


def test_a_png_keeps_every_8_bit_picture():
    for x in (eight_bit(torch.rand(3, 3, 17, 23)), eight_bit(torch.rand(2, 1, 28, 28))):
        assert torch.equal(through_file(x, "PNG"), x)


def test_a_jpeg_is_pillow_s_of_quality_75():
    pictures = [noise(32, 32, seed=i) for i in range(2)]
    x = torch.cat([to_pixels(picture, CIFAR) for picture in pictures])
    back = through_file(x, "JPEG")
    for picture, got in zip(pictures, back, strict=True):
        expected = np.asarray(Image.open(io.BytesIO(saved(picture, "JPEG", quality=75))))
        assert np.array_equal(to_bytes(got).permute(1, 2, 0).numpy(), expected)
    assert not torch.equal(back, x)


# Drawings


def shifted_distance(x: torch.Tensor, y: torch.Tensor) -> float:
    """The mean difference of two pictures where they fit best, up to one pixel of shift."""
    shifts = [torch.roll(x, (i, j), (-2, -1)) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    return min((s - y).abs().mean().item() for s in shifts)


@pytest.mark.parametrize("scale, corner, canvas", [(5, (90, 20), (300, 280)), (10, (0, 200), (600, 500)), (3, (180, 190), (280, 280))])
@pytest.mark.parametrize("paper", ["black", "white"])
def test_a_digit_drawn_large_and_off_centre_becomes_the_digit_of_mnist(scale, corner, canvas, paper):
    originals = foolbox_samples("mnist")[0]
    ink = originals.flatten(1).mean(1)
    for i, (path, _) in enumerate(foolbox_files("mnist")):
        for smooth in (Image.Resampling.NEAREST, Image.Resampling.BICUBIC):
            drawing = Image.new("L", canvas, 0)
            drawing.paste(Image.open(path).resize((28 * scale, 28 * scale), smooth), corner)
            if paper == "white":
                drawing = ImageOps.invert(drawing)
            x = to_pixels(drawing.convert("RGB"), MNIST)[0]
            distances = [shifted_distance(x, original) / ink[i].item() for original in originals]
            assert distances[i] == min(distances), path.name
            assert distances[i] < (0.05 if smooth == Image.Resampling.NEAREST else 0.45), path.name


def test_a_drawing_is_fitted_into_20x20_with_its_mass_in_the_middle():
    drawing = Image.new("L", (280, 280), 0)
    drawing.paste(255, (10, 100, 60, 260))  # 50 wide, 160 high
    drawing.paste(255, (10, 100, 110, 130))  # and a bar to the right at the top
    digit = np.asarray(centre_digit(drawing)).astype(float)
    rows, cols = np.flatnonzero(digit.max(1)), np.flatnonzero(digit.max(0))
    assert digit.shape == (28, 28) and rows[-1] - rows[0] + 1 == 20 and cols[-1] - cols[0] + 1 == 12
    middle = [(digit.sum(axis) * (np.arange(28) + 0.5)).sum() / digit.sum() for axis in (1, 0)]
    assert np.abs(np.array(middle) - 14).max() <= 0.5
    assert digit.max() == 255


def test_a_digit_of_28x28_is_left_alone():
    path, _ = foolbox_files("mnist")[0]
    assert same(to_image(to_pixels(Image.open(path), MNIST)), Image.open(path))


@pytest.mark.parametrize("value, sentence", [(0, "Nothing is drawn yet"), (255, "Nothing is drawn yet"), (110, "one even area")])
def test_an_empty_drawing_asks_for_a_digit(value, sentence):
    with pytest.raises(UserError, match=sentence):
        to_pixels(Image.new("L", (280, 280), value), MNIST)


def test_a_transparent_canvas_with_dark_strokes_is_a_drawing():
    """What a sketch pad in the browser sends: nothing but strokes."""
    drawing = Image.new("RGBA", (280, 280), (0, 0, 0, 0))
    drawing.paste((0, 0, 0, 255), (120, 40, 150, 240))
    x = to_pixels(drawing, MNIST)
    assert x[0, 0, 14, 14] == 1 and x[0, 0, 14, 2] == 0
    with pytest.raises(UserError, match="Nothing is drawn"):
        to_pixels(Image.new("RGBA", (280, 280), (0, 0, 0, 0)), MNIST)


def test_a_single_line_and_a_dot_are_drawings():
    for box in ((140, 10, 143, 270), (10, 140, 270, 143), (130, 130, 150, 150)):
        drawing = Image.new("L", (280, 280), 0)
        drawing.paste(255, box)
        assert to_pixels(drawing, MNIST).max() > 0.5


def test_the_sentence_names_what_is_allowed():
    assert "20 MB" in images.ALLOWED and "50 megapixels" in images.ALLOWED and "8 x 8" in images.ALLOWED
    assert (images.MAX_BYTES, images.MAX_PIXELS, images.MIN_SIDE) == (20_000_000, 50_000_000, 8)
