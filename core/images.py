"""Pictures in and out: the only place that knows files, PIL, uint8 and height-width-channel order."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor, nn

from core.checks import UserError

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "MPO")
ALLOWED = "PNG, JPEG, WebP, GIF, BMP or TIFF, up to 20 MB and 50 megapixels, at least 8 x 8"
MAX_BYTES, MAX_PIXELS, MIN_SIDE = 20_000_000, 50_000_000, 8
JPEG_QUALITY = 75


def open_image(source: str | os.PathLike[str] | bytes) -> Image.Image:
    """A file, or its bytes, as an upright RGB or L picture.

    The size is read from the header and refused before anything is decoded. EXIF rotation is applied, transparency is laid on
    white, CMYK, palette and 16-bit pictures are converted, of an animation the first frame is taken.
    Raises UserError for what is empty, too large, too small, damaged, or no picture at all.
    """
    if isinstance(source, bytes):
        size, stream = len(source), io.BytesIO(source)
    else:
        path = Path(source)
        if not path.is_file():
            raise UserError(f"The picture's file is no longer here; choose it again ({ALLOWED}).")
        size, stream = path.stat().st_size, path
    if size == 0:
        raise UserError(f"The file is empty; choose a picture ({ALLOWED}).")
    if size > MAX_BYTES:
        raise UserError(f"The file has {size / 1e6:.0f} MB; a picture may have up to 20 MB: save it smaller and try again.")
    try:
        image = Image.open(stream, formats=FORMATS)
    except Image.DecompressionBombError:
        raise UserError(f"The picture has far more pixels than can be shown; use {ALLOWED}.") from None
    except Exception:  # Pillow's parsers raise many kinds for bytes that are no picture
        raise UserError(f"This file is not a picture that can be read; use {ALLOWED}.") from None
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise UserError(f"The picture is {width:,} x {height:,} pixels; up to 50 megapixels are allowed: scale it down and try again.")
    if min(width, height) < MIN_SIDE:
        raise UserError(f"The picture is {width} x {height} pixels; at least {MIN_SIDE} x {MIN_SIDE} are needed.")
    try:
        image.load()
        image = ImageOps.exif_transpose(image)
    except Exception:  # a damaged file fails anywhere inside the decoder
        raise UserError("The picture is damaged: its file ends early or holds bytes that cannot be decoded; save it again.") from None
    return _plain(image)


def _plain(image: Image.Image) -> Image.Image:
    """Any PIL mode as RGB or L, 8 bits a channel."""
    if image.mode in ("RGB", "L") and "transparency" not in image.info:
        return image
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        values = np.nan_to_num(np.asarray(image, dtype=np.float64), nan=0, posinf=0, neginf=0)
        # 16-bit files say what white is; of 32-bit ones the brightest pixel has to tell
        top = 65535 if image.mode.startswith("I;16") or values.max() > 255 else 255 if values.max() > 1 else 1
        return Image.fromarray((values.clip(0, top) * (255 / top)).round().astype(np.uint8), "L")
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    return image.convert("RGB")


def to_pixels(image: Image.Image, model: nn.Module) -> Tensor:
    """A picture as the model wants it: (1, C, H, W) in [0, 1], each value a multiple of 1/255, on the CPU.

    Colour models: the shorter side is scaled to H / model.crop (bicubic) and the centre cut out. A picture that already has the
    model's size is left alone. Grey 28x28 models: anything else than 28x28 is treated as a drawing, see `centre_digit`.
    """
    channels, height, width = model.size
    image = _plain(image)
    if channels == 1:
        grey = image.convert("L")
        return _tensor(grey if grey.size == (width, height) else centre_digit(grey, height))
    image = image.convert("RGB")
    if image.size != (width, height):
        scale = height / getattr(model, "crop", 1.0) / min(image.size)
        wide, high = (max(round(side * scale), height) for side in image.size)
        left, top = (wide - width) // 2, (high - height) // 2
        # only the centre is computed: scaled whole, a picture of 8 x 60,000 would be 491 million pixels
        per_x, per_y = image.width / wide, image.height / high
        centre = (left * per_x, top * per_y, (left + width) * per_x, (top + height) * per_y)
        image = image.resize((width, height), Image.Resampling.BICUBIC, box=centre, reducing_gap=3.0)
    return _tensor(image)


def centre_digit(grey: Image.Image, side: int = 28) -> Image.Image:
    """A drawing the way MNIST was made: white on black, fitted into 20x20, its centre of mass in the middle of 28x28.

    Dark ink on light paper is inverted (the border tells). Raises UserError if nothing is drawn.
    """
    ink = np.asarray(grey, dtype=np.float32)
    border = np.concatenate([ink[0], ink[-1], ink[:, 0], ink[:, -1]])
    if np.median(border) > 127:
        ink = 255 - ink
    ink = np.where(ink < 0.15 * 255, 0, ink)
    rows, cols = np.flatnonzero(ink.max(1)), np.flatnonzero(ink.max(0))
    if len(rows) == 0:
        raise UserError("Nothing is drawn yet; draw a digit with the mouse or a finger.")
    if ink.min() > 0.85 * 255 or ink.std() < 2:
        raise UserError("The picture is one even area; draw or upload a digit with strokes on a plain ground.")
    box = Image.fromarray(ink[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1].astype(np.uint8))
    inner = round(side * 20 / 28)
    scale = inner / max(box.size)
    box = box.resize(tuple(max(1, round(s * scale)) for s in box.size), Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC)
    pixels = np.asarray(box, dtype=np.float32)
    total = pixels.sum()
    middle = side / 2
    top = round(middle - float((pixels.sum(1) * (np.arange(pixels.shape[0]) + 0.5)).sum() / total))
    left = round(middle - float((pixels.sum(0) * (np.arange(pixels.shape[1]) + 0.5)).sum() / total))
    top, left = (min(max(v, 0), side - s) for v, s in zip((top, left), pixels.shape, strict=True))
    canvas = Image.new("L", (side, side), 0)
    canvas.paste(box, (left, top))
    return canvas


def _tensor(image: Image.Image) -> Tensor:
    pixels = torch.from_numpy(np.array(image)).float() / 255
    return pixels[None, None] if pixels.ndim == 2 else pixels.permute(2, 0, 1)[None].contiguous()


def to_bytes(x: Tensor) -> Tensor:
    """Pixels (B, C, H, W) in [0, 1] as uint8, rounded to the nearest of 256 levels."""
    return (x.detach() * 255).round().clamp(0, 255).to(torch.uint8)


def eight_bit(x: Tensor) -> Tensor:
    """Pixels rounded to the 256 levels that a saved picture has; what is shown and what is classified is this."""
    return to_bytes(x).to(x.dtype) / 255


def to_image(x: Tensor) -> Image.Image:
    """(C, H, W) or (1, C, H, W) pixels in [0, 1] as a PIL picture, L for one channel, RGB for three."""
    values = to_bytes(x.reshape(x.shape[-3:])).cpu()
    return Image.fromarray(values[0].numpy() if len(values) == 1 else values.permute(1, 2, 0).contiguous().numpy())


def through_file(x: Tensor, kind: str) -> Tensor:
    """Pixels after saving as "PNG" or "JPEG" (quality 75) and reading back, one picture of the batch after the other."""
    saved = []
    for picture in x:
        buffer = io.BytesIO()
        to_image(picture).save(buffer, kind, **({"quality": JPEG_QUALITY} if kind == "JPEG" else {"compress_level": 1}))
        saved.append(_tensor(Image.open(buffer)))
    return torch.cat(saved).to(x.device)


def to_sheet(frames: Tensor) -> Image.Image:
    """Pictures (N, C, H, W) under one another, as one PIL picture of N * H rows."""
    return to_image(frames.transpose(0, 1).flatten(1, 2))


def tiles(pictures: Tensor, columns: int) -> Tensor:
    """Pictures (N, C, H, W) side by side, row by row, as one (C, rows * H, columns * W); what is left of the last row is black."""
    n, channels, height, width = pictures.shape
    filled = torch.cat([pictures, pictures.new_zeros(-n % columns, channels, height, width)])
    return filled.view(-1, columns, channels, height, width).permute(2, 0, 3, 1, 4).reshape(channels, -1, columns * width)


def strips(rows: list[list[Tensor]]) -> Tensor:
    """Rows of pictures (K, 1, 28, 28), as one grey picture (1, rows * 28, pictures of a row * 28)."""
    lines = [torch.cat([part.cpu() for part in row]) for row in rows]
    return torch.cat([tiles(line, len(line)) for line in lines], 1)
