"""Measures `faces-concepts`, the concept vectors of `faces-vae`:  python -m training.concepts

Every training face is encoded; per concept the difference of the class means is taken, as it is and balanced over the concept's
confounders. The card tells, on held-out faces: P(concept) before and after, how far the other concepts moved, and how many of the faces
without the concept have it afterwards. Before and after are both reconstructions, judged by `faces-attributes`, whose card tells how often
it is right.
"""

from __future__ import annotations

import json

import torch
from torch import Tensor

from core import concepts, latent, zoo
from training import cards, data
from training.faces_vae import HELD_OUT

EVALUATED = 300  # held-out faces of each side, at most
FULL = 2.0  # the strength at the end of a slider
LOW, HIGH = 0.3, 0.7  # of a probability: has it not, has it
FEWEST = 30  # faces on each side of a stratum


def codes_of(pictures: Tensor) -> Tensor:
    """The means of q(z | x) of uint8 pictures."""
    return torch.cat([concepts.encode(part.float() / 255) for part in pictures.split(200)])


def has(columns: Tensor, concept: concepts.Concept) -> Tensor:
    """Of labels or probabilities (N, 40): those of the concept, (N,)."""
    column = columns[:, zoo.ATTRIBUTES.index(concept.attribute)]
    return column if concept.has else 1 - column


def vector(name: str, z: Tensor, labels: Tensor, *, naive: bool) -> Tensor:
    """The concept's direction from codes and labels (N, 40)."""
    concept = concepts.CONCEPTS[name]
    with_ = has(labels, concept) > 0.5
    if naive:
        return concepts.concept_vector(z[with_], z[~with_])
    others = labels[:, [zoo.ATTRIBUTES.index(attribute) for attribute in concept.confounders]]
    return concepts.concept_vector(z[with_], z[~with_], (others[with_], others[~with_]), least=FEWEST)


def histograms(z: Tensor, with_: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """Counts (2, BINS) of the projections of codes without and with a concept, and where they begin and end (2,)."""
    p = concepts.projection(z, v)
    edges = torch.quantile(p, torch.tensor([0.001, 0.999]))
    return torch.stack([torch.histc(p[with_ == side], concepts.BINS, *edges.tolist()) for side in (0, 1)]), edges


def judged(name: str, v: Tensor, z: Tensor, labels: Tensor) -> dict:
    """What a vector does to held-out faces: codes and labels of both sides."""
    concept, found = concepts.CONCEPTS[name], {}
    for side, sign, told in ((0, 1, "added"), (1, -1, "taken_away")):
        chosen = z[(has(labels, concept) > 0.5) == bool(side)][:EVALUATED]
        before = concepts.attributes(concepts.decode(chosen))
        clear = has(before, concept) < LOW if sign > 0 else has(before, concept) > HIGH
        rows = {"faces": len(chosen), "p_before": round(has(before, concept).mean().item(), 3), "clear_before": int(clear.sum())}
        for a in (1.0, FULL):
            after = concepts.attributes(concepts.decode(chosen + sign * a * v))
            p = has(after, concept)
            done = (p > HIGH if sign > 0 else p < LOW)[clear]
            other = {
                key: round((has(after, c) - has(before, c)).abs().mean().item(), 3) for key, c in concepts.CONCEPTS.items() if key != name
            }
            rows[f"strength_{a:g}"] = {
                "p_after": round(p.mean().item(), 3),
                "reached": round(done.float().mean().item(), 3) if len(done) else None,
                "others_moved": other,
                "all_40_moved": round((after - before).abs().mean().item(), 4),
            }
        found[told] = rows
    return found


def main() -> None:
    pictures, rows = data.faces()
    labels = torch.tensor([[float(row[name]) for name in zoo.ATTRIBUTES] for row in rows])
    z, held = codes_of(pictures), torch.arange(len(rows)) % HELD_OUT == 0
    train, train_labels = z[~held], labels[~held]
    parts: dict[str, list[Tensor]] = {"balanced": [], "naive": [], "histograms": [], "edges": []}
    metrics: dict = {}
    for name, concept in concepts.CONCEPTS.items():
        both = [vector(name, train, train_labels, naive=naive) for naive in (False, True)]
        counted = [histograms(train, has(train_labels, concept), v) for v in both]
        for key, part in zip(parts, (*both, *(torch.stack(pair) for pair in zip(*counted, strict=True))), strict=True):
            parts[key].append(part)
        told = {kind: judged(name, v, z[held], labels[held]) for kind, v in zip(("balanced", "naive"), both, strict=True)}
        area = [round(concepts.accuracy(z[held], has(labels[held], concept), v), 4) for v in both]
        cosine = round(torch.cosine_similarity(*both, dim=0).item(), 3)
        length = [round(v.norm().item(), 3) for v in both]
        metrics[name] = told | {"confounders": list(concept.confounders), "area_under_roc": area, "lengths": length, "cosine": cosine}
        reached = {kind: [rows["added"][f"strength_{a}"]["reached"] for a in (1, 2)] for kind, rows in told.items()}
        moved = {kind: rows["added"]["strength_2"]["others_moved"].get("male") for kind, rows in told.items()}
        print(name, json.dumps({"reached": reached, "male moved": moved, "area": area}), flush=True)
    mean, spread = train.mean(0), torch.linalg.cholesky(torch.cov(train.T) + 1e-5 * torch.eye(train.shape[1]))
    drawn = [mean + latent.sheet(seed)[:, : len(mean)] @ spread.T for seed in range(concepts.POOL)]
    tensors = {key: torch.stack(part) for key, part in parts.items()} | {"mean": mean, "spread": spread}
    tensors["pool"] = torch.cat([concepts.attributes(concepts.decode(part)) for part in drawn]).half()
    cards.keep(
        concepts.FILE,
        tensors,
        architecture="core.concepts.Stored",
        remake="python -m training.concepts",
        data=f"the codes of {len(train):,} CelebA faces (for non-commercial research) and their labels; none of the faces is in the file. "
        "Known faults: 5 to 10 % of Smiling are labelled wrongly, Eyeglasses includes sunglasses, few elderly people, mostly light skin",
        held_out=int(held.sum()),
        metrics=metrics,
    )


if __name__ == "__main__":
    main()
