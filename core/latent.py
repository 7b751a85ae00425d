"""Ways between points of a latent space: straight, along the sphere, and over a grid of four corners."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from core.checks import UserError, choice, whole

PARALLEL = 1e-4  # radians: below this angle the arc is the line
MOST = 15  # of a grid's side
WAYS = ("lerp", "slerp")


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
