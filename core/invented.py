"""Faces that do not exist: drawn from `faces-vae` or from `faces-gan`, each with a name, "source:seed:index"."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from core import concepts, gan, latent, zoo
from core.checks import UserError, choice, shown, whole

SOURCES = ("vae", "gan")
SHOWN = 24  # faces of a sheet


def codes(seed: object) -> Tensor:
    """The codes (100, D) of the VAE's faces of a seed, from the normal distribution fitted to the codes of the training faces:

        z = mean + spread @ eps,   eps the points of the seed (`latent.sheet`)

    The fit is nearer to where faces are than N(0, I) is.
    """
    s = concepts.stored()
    return s.mean + latent.sheet(seed)[:, : len(s.mean)] @ s.spread.T


def faces(source: object, seed: object, chosen: slice = slice(SHOWN)) -> Tensor:
    """The faces of a seed, (N, 3, 64, 64) pixels in [0, 1] on the CPU. UserError for another source or a seed that is none."""
    if choice("source of faces", source, SOURCES) == "vae":
        return concepts.decode(codes(seed)[chosen])
    net = zoo.load("faces-gan")
    return gan.sample(net, latent.sheet(seed)[chosen, : net.latent_dim])


def face(name: object) -> Tensor:
    """One face, (1, 3, 64, 64): "vae:3:17" is number 17 of the seed 3. UserError for what is no such name."""
    source, seed, index = name.split(":") if isinstance(name, str) and name.count(":") == 2 else ("", "", "")
    if not (seed.isdecimal() and index.isdecimal()):
        raise UserError(f'There is no face {shown(name)!r}; give a name such as "vae:0:17": source, seed and number.')
    number = whole("The number of the face", int(index), 0, latent.SHEET - 1)
    return faces(source, int(seed), slice(number, number + 1))


def pool() -> tuple[Tensor, Tensor]:
    """The VAE's faces whose attributes are kept: codes (100 POOL, D), and which of CONCEPTS they have, (100 POOL, K)."""
    columns = torch.tensor([zoo.ATTRIBUTES.index(c.attribute) for c in concepts.CONCEPTS.values()])
    wanted = torch.tensor([c.has for c in concepts.CONCEPTS.values()])
    return _pool_codes(), ((concepts.stored().pool[:, columns] > 0.5).int() == wanted).float()


@functools.cache
def _pool_codes() -> Tensor:
    return torch.cat([codes(seed) for seed in range(concepts.POOL)])


def labelled(seed: object, numbers: object, side: str) -> list[int]:
    """What a visitor labelled among the faces of a seed's sheet: numbers from 0 to 23. UserError for what is none, or none at all."""
    if not isinstance(numbers, list) or not numbers:
        raise UserError(f"No face is marked as {side}; mark at least {concepts.LEAST} faces on each side.")
    return [whole(f"A face marked as {side}", number, 0, SHOWN - 1) for number in dict.fromkeys(map(_hashable, numbers))]


def _hashable(value: object) -> object:
    return value if isinstance(value, int | float) else shown(value)
