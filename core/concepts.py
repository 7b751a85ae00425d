"""Concept vectors: a direction of a latent space along which one attribute changes, and as little else as can be."""

from __future__ import annotations

import torch
from torch import Tensor

from core.checks import UserError

LEAST = 2  # codes that a class needs


def concept_vector(z_with: Tensor, z_without: Tensor, confounders: tuple[Tensor, Tensor] | None = None) -> Tensor:
    """The direction of an attribute: the difference of the class means in z, as in Larsen et al. 2016 (arXiv:1512.09300, section 4.2).

        v = mean(z | with) - mean(z | without)

    If a confounder goes together with the attribute (more women smile in these photos), the difference holds the confounder's direction,
    too. Balanced, it is taken within each stratum s of equal confounders, and the strata are averaged by their share of all codes:

        v = sum_s n_s / n (mean(z | with, s) - mean(z | without, s)),   n_s the codes in s, on both sides

    z_with (N, D), z_without (M, D): codes of pictures with and without the attribute.
    confounders: ((N, K), (M, K)) of 0 and 1, K attributes of the same pictures, which v shall not carry; None is the naive difference.
    Returns v (D,); z + v is strength 1. A stratum that is empty on one side is left out. Raises UserError if a side has fewer than 2
    codes, if the shapes do not match, or if no stratum has codes on both sides.
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
    if not shared:
        raise UserError("No faces with and without the attribute are alike in all confounders; balance over fewer of them.")
    v, n = torch.zeros_like(z_with[0]), 0
    for s in sorted(shared):
        inside = [z[strata == s] for z, strata in sides]
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
