"""The plane of a model with two latent dimensions: its codes, its atlas for the browser, its manifold, a walk over it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core import latent
from core.checks import UserError, number, shown, whole
from core.images import tiles

LIMIT = 1000.0  # of a latent coordinate; trained codes stay within some tens
SIDE, REACH, BEND = 55, 15.0, 3.8  # tiles of the atlas a side; how far it goes, in sigma; how much denser it is in the middle
GRID, RANGE, STEPS = (10, 30), (1.0, 15.0), (2, 60)


@dataclass(frozen=True)
class Plane:
    """Where a model's plane is drawn: z = centre + scale * u, u in sigma: of the prior N(0, I) if the model has one, else of its codes."""

    centre: tuple[float, float]
    scale: tuple[float, float]


def plane(model: nn.Module) -> Plane:
    """The plane of a model with two latent dimensions; UserError for another model."""
    if model.latent_dim != 2:
        raise UserError(f"{model.name} has {model.latent_dim} latent dimensions; a plane needs 2: choose a model that has two.")
    return first_plane(model)


def first_plane(model: nn.Module) -> Plane:
    """The plane of the first two latent dimensions, of however many."""
    if model.variational:
        return Plane((0.0, 0.0), (1.0, 1.0))
    first = model.codes[:, :2]
    return Plane(tuple(first.mean(0).tolist()), tuple(first.std(0).tolist()))


def code(model: nn.Module, z: object, name: str = "z") -> Tensor:
    """A visitor's list of numbers as a latent code (1, latent_dim) on the model's device; UserError unless it fits and is finite."""
    if not isinstance(z, list | tuple):
        raise UserError(f"{name} was {shown(z)!r}; give a list of {model.latent_dim} numbers, such as {[0.5] * model.latent_dim}.")
    if len(z) != model.latent_dim:
        raise UserError(
            f"{name} has {len(z)} numbers; {model.name} has {model.latent_dim} latent dimensions: give {model.latent_dim} numbers."
        )
    values = [number(f"{name}[{i}]", value, -LIMIT, LIMIT) for i, value in enumerate(z)]
    return torch.tensor([values], device=next(model.parameters()).device)


def positions() -> Tensor:
    """Where the atlas has its tiles on each axis, (SIDE,) in sigma: u = REACH sinh(BEND t) / sinh(BEND), t from -1 to 1."""
    return REACH * torch.sinh(BEND * torch.linspace(-1, 1, SIDE)) / math.sinh(BEND)


def mesh(across: Tensor, where: Plane) -> Tensor:
    """The codes of a square lattice, (n * n, 2), row by row from the top left: u runs to the right and upwards over `across` (n,)."""
    up, right = torch.meshgrid(across.flip(0), across, indexing="ij")
    return torch.tensor(where.centre) + torch.tensor(where.scale) * torch.stack([right, up], -1).view(-1, 2)


@torch.no_grad()
def atlas(model: nn.Module) -> Tensor:
    """The decoded plane at every pair of `positions`, as one picture (1, SIDE * 28, SIDE * 28) in [0, 1]."""
    z = mesh(positions(), plane(model)).to(next(model.parameters()).device)
    return tiles(model.decode(z).cpu(), SIDE)


def packed_codes(model: nn.Module) -> Tensor:
    """The first two coordinates of the test codes as bytes (10000, 5): u_x, u_y in 1/65535 of [-16, 16], high byte first; the class."""
    where = first_plane(model)
    u = (model.codes[:, :2].cpu() - torch.tensor(where.centre)) / torch.tensor(where.scale)
    whole_numbers = ((u + 16) / 32 * 65535).round().clamp(0, 65535).int()
    parts = [whole_numbers[:, 0] >> 8, whole_numbers[:, 0] & 255, whole_numbers[:, 1] >> 8, whole_numbers[:, 1] & 255]
    return torch.stack([*parts, model.labels_of_codes.cpu().int()], 1).to(torch.uint8)


def sheet(model: nn.Module) -> Tensor:
    """All that the browser needs of a plane, as one grey picture (1, H, SIDE * 28): the atlas, and below it the bytes of the codes."""
    pixels = atlas(model)
    return torch.cat([pixels, as_rows(packed_codes(model), pixels.shape[-1])], 1)


def codes_sheet(models: list[nn.Module]) -> Tensor:
    """The packed codes of several models, one block of rows after the other, as one grey picture (1, H, 500)."""
    return torch.cat([as_rows(packed_codes(model), 500) for model in models], 1)


def as_rows(data: Tensor, width: int) -> Tensor:
    """Bytes as the pixels of a grey picture (1, rows, width), the last row filled up with zeros."""
    values = data.flatten().float() / 255
    rows = -(-len(values) // width)
    return F.pad(values, (0, rows * width - len(values))).view(1, rows, width)


def axis(n: object, reach: object, quantiles: object) -> Tensor:
    """Where the n x n manifold has its rows, (n,) in sigma: evenly from -reach to reach, or at the prior's quantiles (i + 1/2) / n."""
    n, reach = whole("n", n, *GRID), number("range", reach, *RANGE)
    if not quantiles:
        return torch.linspace(-reach, reach, n)
    return math.sqrt(2) * torch.erfinv(2 * (torch.arange(n) + 0.5) / n - 1)


@torch.no_grad()
def manifold(model: nn.Module, *, n: object, reach: object, quantiles: object) -> Tensor:
    """n x n decoded codes as one picture (1, n * 28, n * 28); n from 10 to 30, reach from 1 to 15 sigma. See `axis`."""
    z = mesh(axis(n, reach, quantiles), plane(model))
    return tiles(model.decode(z.to(next(model.parameters()).device)).cpu(), round(math.sqrt(len(z))))


@torch.no_grad()
def walk(model: nn.Module, start: Tensor, end: Tensor, steps: object) -> Tensor:
    """The decodings (steps, 1, 28, 28) of z = (1 - t) start + t end, t = 0 ... 1; start, end: (1, latent_dim)."""
    t = torch.linspace(0, 1, whole("the number of steps", steps, *STEPS), device=start.device)
    return model.decode(latent.lerp(start[0], end[0], t)).cpu()
