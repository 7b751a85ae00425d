"""A face under its concepts, as the page shows it: where it begins, the frames of a slider, a vector from a visitor's own labels."""

from __future__ import annotations

import functools
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from core import concepts, faces, images, invented, planes, samples, zoo
from core.checks import UserError, choice, whole

END = 2.0  # where a slider ends, on both sides
FRAMES, SHOWN = (3, 65), 9  # frames of a slider; pictures of a row
SIZES = (4, 8, 16, 32, 64, 128, 256)  # numbers of labels
DRAWS = 20  # choices of so many labels
TOLD_APART = 0.7  # balanced accuracy from which on the judging net's word about an attribute is shown


def start(image: str | None, face: object, eyes: object, which: object, code: object) -> tuple[Tensor, list[Tensor], dict]:
    """The code (1, D) of a face, the picture it came from (1, 3, 64, 64) if there is one, and what there is to tell about it.

    code: numbers of an earlier answer; else image: a photo's file; else face: "astronaut" or the name of an invented face.
    """
    if code:
        z = planes.code(zoo.load("faces-vae"), code, "The code").cpu()
        return z, [], {"code": code}
    found: list[faces.Face] = []
    if image or face in samples.PORTRAITS:
        photo = images.open_image(image or samples.PORTRAITS[face].path)
        cut, found = faces.crop(photo, eyes, which)
        x, size = images.to_pixels(cut, zoo.load("faces-attributes")), photo.size
    else:
        x, size = images.eight_bit(invented.face(face)), (faces.SIDE, faces.SIDE)
    z = concepts.encode(x)
    told = {"code": [round(v, 4) for v in z[0].tolist()], "photo": _listed(concepts.attributes(x))[0], "size": list(size)}
    return z, [x], told | {"found": [asdict(one) for one in found], "which": which if found else None}


def pictured(codes: list[Tensor], *, judged: bool = True) -> tuple[Tensor, list[list[float]]]:
    """The pictures of codes (B, D), and P of the 40 attributes of each, as a list of lists."""
    x = concepts.decode(torch.cat(codes))
    return x, _listed(concepts.attributes(x)) if judged else []


def line(z: Tensor, concept: object, strengths: object, kind: str, frames: object) -> tuple[list[float], Tensor]:
    """Strengths of one concept from -END to END, and the codes there, (frames, D), with the other concepts at their strengths."""
    name, count = choice("concept", concept, concepts.CONCEPTS), whole("The number of frames", frames, *FRAMES)
    base = concepts.edit(z, {k: a for k, a in strengths.items() if k != name} if isinstance(strengths, dict) else strengths, kind)
    at = torch.linspace(-END, END, count)
    return [round(a, 4) for a in at.tolist()], base + at[:, None] * concepts.vectors(kind)[name]


def along(z: Tensor, v: Tensor) -> Tensor:
    """A row of codes from z - END v to z + END v, (SHOWN, D)."""
    return z + torch.linspace(-END, END, SHOWN)[:, None] * v


@dataclass(frozen=True)
class Own:
    """vector: from a visitor's labels, as long as the one of all labels, `full`; told: how good both are."""

    vector: Tensor
    full: Tensor
    told: dict


def own(seed: object, yes: object, no: object, concept: object, generator: torch.Generator) -> Own:
    """The naive vector of the faces of a seed that a visitor marked, numbers from 0 to 23, as having a concept and as having it not.

    Both vectors are tested on the second half of the invented faces of `invented.pool`, whose concepts `faces-attributes` tells.
    """
    k = list(concepts.CONCEPTS).index(choice("concept", concept, concepts.CONCEPTS))
    sides = [invented.labelled(seed, numbers, side) for numbers, side in ((yes, "having it"), (no, "having it not"))]
    if both := set(sides[0]) & set(sides[1]):
        raise UserError(f"Face {min(both)} is marked as having it and as having it not; mark it once.")
    sheet, full = invented.codes(seed), concepts.stored().naive[k]
    z, has = invented.pool()
    tested, test_has = z[len(z) // 2 :], has[len(z) // 2 :, k]

    def area(v: Tensor) -> float:
        return round(concepts.accuracy(tested, test_has, v), 4)

    v = concepts.concept_vector(sheet[sides[0]], sheet[sides[1]])
    growing = []  # the same labels, as they came
    for n in range(concepts.LEAST, min(map(len, sides)) + 1):
        growing.append([2 * n, area(concepts.concept_vector(sheet[sides[0][:n]], sheet[sides[1][:n]]))])
    reference = _learning(k)
    told = {"area": area(v), "area_full": area(full), "growing": growing, "labels": sum(map(len, sides))}
    told |= {"sizes": list(SIZES[: len(reference)]), "reference": reference, "tested": len(tested)}
    told["cosine"] = round(torch.cosine_similarity(v, full, dim=0).item(), 3)
    return Own(v * (full.norm() / v.norm()), full, told)


@functools.cache
def _learning(k: int) -> list[float]:
    z, has = invented.pool()
    return [round(a, 4) for a in concepts.learning(z, has[:, k], SIZES, draws=DRAWS, generator=torch.Generator().manual_seed(0))]


def facts() -> dict:
    """Of both kinds of vectors: histograms, their ends, v_j . v_k / |v_k|^2 (row j: how far a step along v_j moves the projection on v_k),
    and v_k / |v_k|^2, with which the page projects a code; and which attributes are shown."""
    s, told = concepts.stored(), {}
    for i, kind in enumerate(concepts.KINDS):
        v = getattr(s, kind)
        duals = v / v.square().sum(1, keepdim=True)
        told[kind] = {"counts": s.histograms[:, i].int().tolist(), "edges": s.edges[:, i].tolist()}
        told[kind] |= {"leans": (v @ duals.T).tolist(), "duals": [[round(a, 5) for a in row] for row in duals.tolist()]}
    right = zoo.card("faces-attributes")["metrics"]["test_balanced_accuracy"]
    own_ones = [c.attribute for c in concepts.CONCEPTS.values()]
    rest = [name for name in zoo.ATTRIBUTES if name not in own_ones and (right[name] or 0) >= TOLD_APART]
    return told | {"kind": "facts", "shown": [*own_ones, *rest], "right": {name: right[name] for name in (*own_ones, *rest)}}


def _listed(p: Tensor) -> list[list[float]]:
    return [[round(v, 3) for v in row] for row in p.tolist()]
