"""Concept vectors: a direction of a latent space along which one attribute changes, and as little else as can be."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from core import images, zoo
from core.checks import UserError, choice, number, shown

LEAST = 2  # codes that a class needs
REACH = 3.0  # the largest strength
FILE = "faces-concepts"
KINDS = ("balanced", "naive")
BINS, POOL = 40, 20  # of the histograms of the projections; seeds whose 100 invented faces' attributes are kept (core.invented)


@dataclass(frozen=True)
class Concept:
    """title: for people; attribute: of `zoo.ATTRIBUTES`; has: its value in those who have the concept; confounders: attributes
    that go together with it in the training faces, over which the vector is balanced."""

    title: str
    attribute: str
    confounders: tuple[str, ...]
    has: int = 1


CONCEPTS: dict[str, Concept] = {
    "smile": Concept("smile", "Smiling", ("Male", "Young", "Eyeglasses", "Heavy_Makeup")),
    "eyeglasses": Concept("eyeglasses", "Eyeglasses", ("Male", "Young", "Smiling")),
    "male": Concept("male", "Male", ("Young", "Smiling", "Eyeglasses")),
    "young": Concept("young", "Young", ("Male", "Smiling", "Eyeglasses")),
    "blond": Concept("blond hair", "Blond_Hair", ("Male", "Young", "Smiling", "Pale_Skin")),
    "black_hair": Concept("black hair", "Black_Hair", ("Male", "Young", "Smiling")),
    "beard": Concept("beard", "No_Beard", ("Male", "Young", "Smiling"), has=0),
    "bangs": Concept("bangs", "Bangs", ("Male", "Young", "Smiling", "Blond_Hair")),
    "pale": Concept("pale skin", "Pale_Skin", ("Male", "Young", "Smiling", "Blond_Hair")),
    "mouth_open": Concept("mouth open", "Mouth_Slightly_Open", ("Male", "Young", "Smiling")),
}


def concept_vector(z_with: Tensor, z_without: Tensor, confounders: tuple[Tensor, Tensor] | None = None, *, least: int = 1) -> Tensor:
    """The direction of an attribute: the difference of the class means in z, as in Larsen et al. 2016 (arXiv:1512.09300, section 4.2).

        v = mean(z | with) - mean(z | without)

    If a confounder goes together with the attribute (more women smile in these photos), the difference holds the confounder's direction,
    too. Balanced, it is taken within each stratum s of equal confounders, and the strata are averaged by their share of all codes:

        v = sum_s n_s / n (mean(z | with, s) - mean(z | without, s)),   n_s the codes in s, on both sides

    z_with (N, D), z_without (M, D): codes of pictures with and without the attribute.
    confounders: ((N, K), (M, K)) of 0 and 1, K attributes of the same pictures, which v shall not carry; None is the naive difference.
    least: a stratum with fewer codes than that on one side is left out, since its mean is noise.
    Returns v (D,); z + v is strength 1. Raises UserError if a side has fewer than 2 codes, if the shapes do not match, or if no stratum
    has codes on both sides.
    """
    for name, z in (("with", z_with), ("without", z_without)):
        if z.ndim != 2 or len(z) < LEAST:
            raise UserError(f"There are {len(z) if z.ndim else 0} faces {name} the attribute; give at least {LEAST} of each side.")
    if z_with.shape[1] != z_without.shape[1]:
        raise UserError(f"The codes have {z_with.shape[1]} and {z_without.shape[1]} dimensions; take both from one model.")
    if confounders is None:
        return z_with.mean(0) - z_without.mean(0)
    sides = [(z, _strata(c, z)) for z, c in zip((z_with, z_without), confounders, strict=True)]
    shared = set(sides[0][1].tolist()) & set(sides[1][1].tolist())
    if not any(min((strata == s).sum() for _, strata in sides) >= least for s in shared):
        raise UserError("No faces with and without the attribute are alike in all confounders; balance over fewer of them.")
    v, n = torch.zeros_like(z_with[0]), 0
    for s in sorted(shared):
        inside = [z[strata == s] for z, strata in sides]
        if min(map(len, inside)) < least:
            continue
        n_s = sum(len(part) for part in inside)
        v, n = v + n_s * (inside[0].mean(0) - inside[1].mean(0)), n + n_s
    return v / n


def _strata(confounders: Tensor, z: Tensor) -> Tensor:
    """(N, K) of 0 and 1 -> (N,), the number of the stratum: the K digits read as a binary number."""
    if confounders.ndim != 2 or len(confounders) != len(z):
        raise UserError(f"There are confounders of {len(confounders)} faces and codes of {len(z)}; give one row for each face.")
    return (confounders.round().long() * 2 ** torch.arange(confounders.shape[1], device=confounders.device)).sum(1)


def projection(z: Tensor, v: Tensor) -> Tensor:
    """How far codes lie along a concept: z . v / |v|^2, (N, D), (D,) -> (N,). z + a v lies a further."""
    return z @ v / v.dot(v)


def accuracy(z: Tensor, has: Tensor, v: Tensor) -> float:
    """How well the projections on v tell faces with (1) from without (0): the area under the ROC curve, 0.5 where v says nothing.

    z (N, D), has (N,). It is the share of pairs, one of each side, in the right order; a tie counts half (Mann & Whitney 1947).
    """
    p = projection(z, v)
    with_, without = p[has > 0.5].double(), p[has < 0.5].double()
    if not len(with_) or not len(without):
        raise UserError("All faces are on one side; label some with the attribute and some without.")
    order = without.sort().values
    below, not_above = (torch.searchsorted(order, with_, right=right).double() for right in (False, True))
    return ((below + not_above) / 2).mean().item() / len(without)


@dataclass(frozen=True)
class Stored:
    """What `python -m training.concepts` measured; K concepts in the order of CONCEPTS, D latent dimensions.

    balanced, naive: (K, D).
    histograms: (K, 2, 2, BINS), how many faces without and with the concept have such a projection; balanced first, then naive.
    edges: (K, 2, 2), where a histogram begins and ends.
    mean (D,), spread (D, D): of the codes of the training faces, spread @ spread.T their covariance.
    pool: (100 POOL, 40), the probabilities of the attributes of the invented faces of the seeds 0 to POOL - 1, as `faces-attributes` sees
    them.
    """

    balanced: Tensor
    naive: Tensor
    histograms: Tensor
    edges: Tensor
    mean: Tensor
    spread: Tensor
    pool: Tensor


@functools.cache
def stored(folder: Path = zoo.WEIGHTS) -> Stored:
    """The file weights/faces-concepts.safetensors, checked against its card. UserError naming the remedy if it is not there."""
    from safetensors.torch import load_file

    path = zoo.checked(folder / f"{FILE}.safetensors", "python -m training.concepts")
    parts = load_file(path)
    return Stored(**{name: parts[name].float() for name in Stored.__dataclass_fields__})


def vectors(kind: str = "balanced") -> dict[str, Tensor]:
    """The concept vectors (D,) of `faces-vae` by name ("smile", "eyeglasses", "male", ...): z + v is strength 1. kind: one of KINDS."""
    return dict(zip(CONCEPTS, getattr(stored(), choice("kind of vectors", kind, KINDS)), strict=True))


def edit(z: Tensor, strengths: object, kind: str = "balanced") -> Tensor:
    """z + sum_k a_k v_k: (B, D) -> (B, D). strengths: {concept: a}, each a from -3 to 3. UserError for other concepts or strengths."""
    if not isinstance(strengths, dict):
        raise UserError(f'The strengths were {shown(strengths)!r}; give an object such as {{"smile": 1.5}}.')
    known = vectors(kind)
    for name, a in strengths.items():
        z = z + number(f"The strength of {choice('concept', name, CONCEPTS)}", a, -REACH, REACH) * known[name].to(z.device)
    return z


@torch.no_grad()
def encode(x: Tensor) -> Tensor:
    """The mean of q(z | x) of `faces-vae`: pixels (B, 3, 64, 64) in [0, 1] -> (B, D), on the CPU."""
    net = zoo.load("faces-vae")
    return net.encode(x.to(zoo.device_of(net)))[0].cpu()


@torch.no_grad()
def decode(z: Tensor, batch: int = 50) -> Tensor:
    """What `faces-vae` makes of codes (B, D): pixels (B, 3, 64, 64) in [0, 1], on the CPU."""
    net = zoo.load("faces-vae")
    return torch.cat([net.decode(part.to(zoo.device_of(net))).cpu() for part in z.split(batch)])


@torch.no_grad()
def attributes(x: Tensor, batch: int = 100) -> Tensor:
    """P(attribute) of faces (B, 3, 64, 64), rounded to 8 bits first, as `faces-attributes` sees them: (B, 40) on the CPU."""
    net = zoo.load("faces-attributes")
    seen = images.eight_bit(x).to(zoo.device_of(net), memory_format=torch.channels_last)  # on a CPU twice as fast in this order
    return torch.cat([net(part).sigmoid().cpu() for part in seen.split(batch)])


def learning(z: Tensor, has: Tensor, sizes: tuple[int, ...], *, draws: int, generator: torch.Generator) -> list[float]:
    """How good a naive vector from n labels is: for each n of `sizes`, half of each side, the mean `accuracy` over `draws` choices.

    z (N, D), has (N,): the first half is chosen from, the second half is what the vector is tested on. A size that one side cannot give is
    left out at the end of the list.
    """
    cut = len(z) // 2
    sides, found = [(has[:cut] == side).nonzero()[:, 0] for side in (1, 0)], []
    for n in sizes:
        if min(map(len, sides)) < max(n // 2, LEAST):
            break
        runs = []
        for _ in range(draws):
            chosen = [side[torch.randperm(len(side), generator=generator)[: n // 2]] for side in sides]
            runs.append(accuracy(z[cut:], has[cut:], concept_vector(z[chosen[0]], z[chosen[1]])))
        found.append(sum(runs) / draws)
    return found
