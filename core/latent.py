"""Points of a latent space and the ways between them: straight, along the sphere, and over a grid of four corners.

A point has a name, "seed:index": the row `index` of the 100 that its seed draws, cut to the model's number of dimensions.
"""

from __future__ import annotations

import io
import math

import numpy as np
import torch
from torch import Tensor

from core import runtime
from core.checks import UserError, choice, number, shown, whole

PARALLEL = 1e-4  # radians: below this angle the arc is the line
MOST = 15  # of a grid's side
WAYS = ("lerp", "slerp")
SHEET, WIDEST = 100, 512  # points that a seed draws, and their dimensions
TRUNCATION = (0.1, 4.0)
LIMIT = 100.0  # of a coordinate that a visitor gives
BINS, DRAWN = 96, 10_000  # of the histogram of the norms


def sheet(seed: object, truncation: object = TRUNCATION[1]) -> Tensor:
    """The points (100, 512) that a seed draws from N(0, I), truncated; a model with D dimensions takes the first D coordinates.

    So equal seeds give equal points to every model. Raises UserError for a seed that is none, or a truncation outside [0.1, 4].
    """
    return truncate(torch.randn(SHEET, WIDEST, generator=runtime.generator(seed)), truncation)


def truncate(z: Tensor, limit: object) -> Tensor:
    """Moves samples of N(0, 1) to where they are samples of N(0, 1) truncated to [-c, c] (the trick of Brock et al. 2019):

        z' = F^-1(F(-c) + F(z) (F(c) - F(-c))),    F the distribution function of N(0, 1), c the limit, from 0.1 to 4

    Instead of drawing again what lies outside: the order is kept, and z' follows c without a jump. At c = 4 nearly nothing moves.
    """
    c = torch.tensor(number("The truncation", limit, *TRUNCATION), dtype=torch.double)
    low, high = torch.special.ndtr(-c), torch.special.ndtr(c)
    return torch.special.ndtri(low + torch.special.ndtr(z.double()) * (high - low)).to(z)


def point(name: str, given: object, dimensions: int, truncation: object) -> Tensor:
    """What a visitor calls a point, as (512,), of which the model takes the first `dimensions`: "seed:index", or as many numbers.

    Numbers are taken as they are; the coordinates behind them are those of "0:0". UserError for what is neither, or nothing at all.
    """
    if not given:
        raise UserError(f"{name} is not pinned; pin a sample as {name} first: click it, or give it as seed:index, such as 0:3.")
    if isinstance(given, str):
        seed, colon, index = given.partition(":")
        if not colon or not all(part.isascii() and part.isdecimal() and len(part) <= 12 for part in (seed, index)):
            raise UserError(f"{name} was {shown(given)!r}; give a sample as seed:index, such as 0:3.")
        return sheet(int(seed), truncation)[whole(f"The index of {name}", int(index), 0, SHEET - 1)]
    if not isinstance(given, list | tuple):
        raise UserError(f"{name} was {shown(given)!r}; give a sample as seed:index, such as 0:3, or {dimensions} numbers.")
    if len(given) != dimensions:
        raise UserError(f"{name} has {len(given)} numbers; this model has {dimensions} latent dimensions: give {dimensions} numbers.")
    z = sheet(0, truncation)[0].clone()
    z[:dimensions] = torch.tensor([number(f"{name}[{i}]", value, -LIMIT, LIMIT) for i, value in enumerate(given)])
    return z


def points(name: str, given: object, dimensions: int, truncation: object, most: int = 10) -> Tensor:
    """A list of one to `most` points, (K, dimensions); see `point`."""
    if not isinstance(given, list | tuple) or not 1 <= len(given) <= most:
        told = f"has {len(given)} samples" if isinstance(given, list | tuple) else f"was {shown(given)!r}"
        raise UserError(f"{name} {told}; pick 1 to {most} for it, each as seed:index, such as 0:3.")
    return torch.stack([point(f"{name}[{i}]", one, dimensions, truncation)[:dimensions] for i, one in enumerate(given)])


def between(a: Tensor, b: Tensor, frames: object) -> tuple[Tensor, Tensor]:
    """Both ways from a to b (D,): lerp and slerp at t = 0 ... 1, each (frames, D); frames from 2 to 60."""
    t = torch.linspace(0, 1, whole("The number of frames", frames, 2, 60), device=a.device)
    return lerp(a, b, t), slerp(a, b, t)


def arithmetic(first: Tensor, minus: Tensor, plus: Tensor) -> Tensor:
    """mean(first) - mean(minus) + mean(plus), the vector arithmetic of Radford et al. 2016; each (K, D), K may differ. Returns (D,)."""
    return first.mean(0) - minus.mean(0) + plus.mean(0)


def around(z: Tensor, count: int, spread: float, generator: torch.Generator) -> Tensor:
    """`count` neighbours (count, D) of a point z (D,): each coordinate moved by a draw from U(-spread, spread), as in that paper."""
    return z + spread * (2 * torch.rand(count, len(z), generator=generator).to(z) - 1)


def bubble(seed: object = 0) -> Tensor:
    """How far 10,000 samples of N(0, I) lie from the origin, for every number of dimensions: counts (512, 96), row D - 1 for D.

    The bins of row D - 1 go evenly from 0 to sqrt(D) + 4. The norm follows the chi distribution with D degrees of freedom, of mean about
    sqrt(D) and standard deviation about 0.7: in many dimensions all samples lie on a thin shell.
    """
    g, squares = runtime.generator(seed), torch.zeros(DRAWN)
    counts = torch.zeros(WIDEST, BINS, dtype=torch.long)
    for d in range(1, WIDEST + 1):
        squares += torch.randn(DRAWN, generator=g).square()
        bins = (squares.sqrt() / (math.sqrt(d) + 4) * BINS).long().clamp(max=BINS - 1)
        counts[d - 1] = torch.bincount(bins, minlength=BINS)
    return counts


def norms(z: Tensor) -> list[float]:
    """||z|| of points (N, D), three digits after the point."""
    return [round(v, 3) for v in z.norm(dim=1).tolist()]


def rounded(z: Tensor) -> list[float]:
    """The coordinates of a point (D,), four digits after the point."""
    return [round(v, 4) for v in z.tolist()]


def joined(parts: list[Tensor] | tuple[Tensor, ...], dim: int = 0) -> Tensor:
    """Parts one after the other along a dimension."""
    return torch.cat(list(parts), dim)


def stacked(points: list[Tensor]) -> Tensor:
    """Points (D,), or pictures, as one batch."""
    return torch.stack(points)


def as_pixels(counts: Tensor) -> Tensor:
    """Whole numbers below 65,536, (R, C), as one grey picture (1, R, 2 C): the high bytes at the left, the low bytes at the right."""
    return torch.cat([counts >> 8, counts & 255], 1)[None].float() / 255


def npy(z: Tensor) -> bytes:
    """Points as the bytes of a .npy file, float32."""
    buffer = io.BytesIO()
    np.save(buffer, z.cpu().numpy().astype(np.float32), allow_pickle=False)
    return buffer.getvalue()


def lerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """The straight way:  (1 - t) a + t b.

    a, b: (D,) or (..., D), of one shape after broadcasting.   t: (T,) any real numbers; 0 gives a, 1 gives b, exactly.
    Returns (T, ..., D).
    """
    a, b, t = _given(a, b, t)
    return torch.where(t == 1, b, a + t * (b - a))


def slerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """The way along the great circle (Shoemake 1985), at constant angular speed:

        sin((1 - t) W) / sin(W) a + sin(t W) / sin(W) b,    W = the angle between a and b

    Points of one norm keep it on the whole way; other norms pass from one to the other. Samples of N(0, I) in many dimensions have nearly
    one norm, sqrt(D), and the straight way between them leaves the shell on which they lie.
    Arguments as of `lerp`. Below an angle of 1e-4 it is the line. Raises UserError for opposite points, between which every great circle
    is as good as the next, and for a point at 0, which has no direction.
    """
    a, b, t = _given(a, b, t)
    norms = a.norm(dim=-1, keepdim=True), b.norm(dim=-1, keepdim=True)
    if bool((norms[0] == 0).any() or (norms[1] == 0).any()):
        raise UserError("One of the points is 0, which has no direction; choose another sample, or go straight (lerp).")
    u, v = a / norms[0], b / norms[1]
    angle = 2 * torch.atan2((u - v).norm(dim=-1, keepdim=True), (u + v).norm(dim=-1, keepdim=True))  # exact for small angles, too
    if bool((math.pi - angle < PARALLEL).any()):
        raise UserError("The two points are opposite: no great circle between them is shorter than the others; move one, or use lerp.")
    straight = angle < PARALLEL
    safe = torch.where(straight, torch.ones_like(angle), angle)
    arc = (torch.sin((1 - t) * safe) * a + torch.sin(t * safe) * b) / torch.sin(safe)
    return torch.where(t == 0, a, torch.where(t == 1, b, torch.where(straight, a + t * (b - a), arc)))


def grid(corners: Tensor, n: int, *, way: str = "lerp") -> Tensor:
    """(n, n, D) points between four corners (4, D): A upper left, B upper right, C lower left, D lower right; n from 2 to 15.

    way "lerp": bilinear.   "slerp": down the sides A-C and B-D first, then across. The corners are exact.
    """
    n = whole("n", n, 2, MOST)
    go = {"lerp": lerp, "slerp": slerp}[choice("way", way, WAYS)]
    if corners.ndim != 2 or len(corners) != 4:
        raise UserError(f"The corners have the shape {tuple(corners.shape)}; give four points, (4, D).")
    a, b, c, d = corners
    t = torch.linspace(0, 1, n, dtype=corners.dtype, device=corners.device)
    return go(go(a, c, t), go(b, d, t), t).transpose(0, 1)


def _given(a: Tensor, b: Tensor, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """a, b and t (T, 1, ..., 1), ready to be broadcast; UserError for shapes that do not fit or what is not finite."""
    try:
        a, b = torch.broadcast_tensors(a, b)
    except RuntimeError:
        raise UserError(f"The points have the shapes {tuple(a.shape)} and {tuple(b.shape)}; give two of one length.") from None
    if t.ndim != 1:
        raise UserError(f"t has the shape {tuple(t.shape)}; give a row of numbers, (T,).")
    if not bool(a.isfinite().all() and b.isfinite().all() and t.isfinite().all()):
        raise UserError("A point or t is not finite; give real numbers.")
    return a, b, t.to(a).view(-1, *(1,) * a.ndim)
