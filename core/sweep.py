"""One attack over a whole ladder of budgets: everything the page shows while a hand drags epsilon, from one call.

Every number is measured on the 8-bit picture: the frames are rounded first and classified afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from core import gradient_attacks, images
from core.checks import UserError, choice, whole
from core.zoo import device_of, predictions, top


@dataclass(frozen=True)
class Method:
    """title: for people; kind: "sign" (one direction, any epsilon), "iterated" (one attack per epsilon) or "price" (one per c)."""

    title: str
    kind: str
    targeted: bool = False
    random_start: bool = False
    steps: int = 1


METHODS = {
    "fgsm": Method("FGSM", "sign"),
    "fgsm-targeted": Method("FGSM, targeted", "sign", targeted=True),
    "bim": Method("BIM: FGSM in small steps", "iterated", steps=10),
    "pgd": Method("PGD: BIM from a random start", "iterated", random_start=True, steps=10),
    "pgd-targeted": Method("PGD, targeted", "iterated", targeted=True, random_start=True, steps=10),
    "lbfgs": Method("L-BFGS, targeted: the smallest change", "price", targeted=True, steps=20),
}
MAX_STEPS = 40
PRICES = (4.0, 2.0, 1.0, 0.5, 0.25, 0.1, 0.03)


def ladder(kind: str, size: tuple[int, int, int]) -> tuple[float, ...]:
    """The budgets of a sweep: epsilons in 255ths from 0 to 32 (to 80 for digits), or prices c of distance, dear to cheap.

    A sign method has every whole epsilon. An iterated one has fewer, the closer together the smaller they are.
    """
    if kind == "price":
        return PRICES
    if size[0] == 1:
        return tuple(range(81)) if kind == "sign" else tuple(range(0, 81, 4))
    if kind == "sign":
        return tuple(range(33))
    small = (0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
    return small if size[1] > 64 else tuple(sorted({*small, 5, 7, 10, 14, 20, 28}))


@dataclass(frozen=True)
class Sweep:
    """What one call found.   N rungs on the ladder, K classes.

    x: (1, C, H, W) the clean 8-bit picture.   sign: (1, C, H, W) of -1, 0, 1 for a sign method, else None.
    frames: (N, C, H, W) 8-bit pictures.   p: (N, K) probabilities of the frames; p_clean: (K,) of x itself.
    p_jpeg: (N, K) after JPEG quality 75, None until measured.   y: the class the net sees in x.   target: or None.
    linf: (N,) in 255ths.   l2: (N,) in [0, 1] units.
    """

    method: str
    budgets: tuple[float, ...]
    steps: int
    seed: int
    y: int
    target: int | None
    x: Tensor
    frames: Tensor
    p_clean: Tensor
    p: Tensor
    linf: tuple[int, ...]
    l2: tuple[float, ...]
    sign: Tensor | None = None
    p_jpeg: Tensor | None = None

    @property
    def fooled_at(self) -> int | None:
        """The first rung on which the attack has its aim: another class than y first, or the target first."""
        winners = self.p.argmax(1).tolist()
        hits = [k for k, w in enumerate(winners) if (w != self.y if self.target is None else w == self.target)]
        return hits[0] if hits else None


@dataclass(frozen=True)
class Progress:
    """Between the start and the result: `done` of `total` gradients; while the frames are being measured, all of them."""

    done: int
    total: int
    sweep: None = field(default=None)


def sweep(
    model: torch.nn.Module, x: Tensor, *, method: str, target: str = "", steps: int = 10, seed: int = 0
) -> Iterator[Progress | Sweep]:
    """Attacks x with every budget of the ladder, as one batch, and measures each frame. Yields Progress, then the Sweep; p_jpeg is
    left to `after_jpeg`. No step between two yields is long: others can compute in between.

    model: a classifier of the zoo (labels, size).   x: (1, C, H, W) pixels in [0, 1], one picture.
    method: a key of METHODS.   target: a class name, used by the targeted methods alone.
    steps: gradients per frame, 1 to 40, used by all but the sign methods (the step of BIM and PGD is 2.5 eps / steps).
    seed: of the random start.   Raises UserError for an unknown method or class, or a target the net already sees.
    """
    how = METHODS[choice("method", method, METHODS)]
    steps = whole("steps", steps, 1, MAX_STEPS) if how.kind != "sign" else 1
    seed = whole("seed", seed, 0, 2**32 - 1)
    device = device_of(model)
    x = images.eight_bit(x.to(device))
    p_clean = _probabilities(model, x)[0]
    y = int(p_clean.argmax())
    goal = _target(model, target, y) if how.targeted else None
    budgets = ladder(how.kind, model.size)
    label = torch.tensor([y if goal is None else goal], device=device)
    sign = None

    if how.kind == "sign":
        sign = gradient_attacks.gradient_sign(model, x, label, targeted=how.targeted)
        eps = torch.tensor(budgets, device=device).view(-1, 1, 1, 1)
        frames = (x * 255 + eps * sign).round().clamp(0, 255) / 255
    else:
        tries = [b for b in budgets if b > 0]
        batch, labels = x.expand(len(tries), -1, -1, -1), label.expand(len(tries))
        knob = torch.tensor(tries, device=device)
        if how.kind == "iterated":
            eps = knob / 255
            generator = torch.Generator().manual_seed(seed) if how.random_start else None
            step = 2.5 * eps / steps
            run = gradient_attacks.pgd_steps(
                model, batch, labels, eps=eps, step=step, steps=steps, targeted=how.targeted, generator=generator
            )
        else:
            run = gradient_attacks.lbfgs_steps(model, batch, labels, c=knob, steps=steps)
        for done, attacked in enumerate(run):
            yield Progress(done, steps)
        frames = torch.cat([x] * (len(budgets) - len(tries)) + [images.eight_bit(attacked)])

    measured = []
    for part in frames.split(_chunk(model)):
        yield Progress(steps, steps)
        measured.append(_probabilities(model, part))
    change = frames - x
    result = Sweep(
        method=method,
        budgets=budgets,
        steps=steps,
        seed=seed,
        y=y,
        target=goal,
        x=x,
        frames=frames,
        sign=sign,
        p_clean=p_clean,
        p=torch.cat(measured),
        linf=tuple((change.abs().amax((1, 2, 3)) * 255).round().int().tolist()),
        l2=tuple(change.flatten(1).norm(dim=1).tolist()),
    )
    yield result


def after_jpeg(model: torch.nn.Module, result: Sweep) -> Iterator[Progress | Sweep]:
    """Measures what the net sees in each frame after saving as JPEG. Yields Progress, then the Sweep with p_jpeg."""
    p_jpeg: list[Tensor] = []
    for part in result.frames.split(_chunk(model)):
        p_jpeg.append(_probabilities(model, images.through_file(part, "JPEG")))
        yield Progress(len(p_jpeg), -(-len(result.frames) // _chunk(model)))
    yield replace(result, p_jpeg=torch.cat(p_jpeg))


def _chunk(model: torch.nn.Module) -> int:
    """How many pictures go through a net at once: few large ones, whose activations would outgrow a CPU's cache."""
    return 4 if model.size[1] > 64 and device_of(model).type == "cpu" else 64


@torch.no_grad()
def _probabilities(model: torch.nn.Module, x: Tensor) -> Tensor:
    return predictions(model(x))


def _target(model: torch.nn.Module, target: str, y: int) -> int:
    if not target:
        raise UserError("This method needs a target: choose the class that the picture shall become.")
    goal = model.labels.index(choice("class", target, model.labels))
    if goal == y:
        raise UserError(f"The net already sees {target!r} in this picture; choose another target class.")
    return goal


def report(result: Sweep, labels: tuple[str, ...]) -> dict:
    """The numbers of a Sweep as one JSON object. Confidences are probabilities from 0 to 1; epsilons and L-inf are 255ths.

    `rungs`: one row per budget with `top` (the five likeliest classes), `linf`, `linf_fraction`, `l2` and `jpeg` (likeliest class
    after JPEG quality 75; None until measured). PNG is lossless: after it the prediction is the shown one. `curves`: confidence per
    rung of the clean picture's class, the target and every class that wins somewhere. `fooled_at`: index of the first rung that
    reaches the aim, or None.
    """
    how = METHODS[result.method]
    winners = [int(w) for w in result.p.argmax(1)]
    drawn = dict.fromkeys([result.y, *([result.target] if result.target is not None else []), *winners])
    return {
        "method": result.method,
        "kind": how.kind,
        "targeted": how.targeted,
        "steps": result.steps,
        "seed": result.seed,
        "size": list(result.x.shape[1:]),
        "budgets": list(result.budgets),
        "class": labels[result.y],
        "target": None if result.target is None else labels[result.target],
        "fooled_at": result.fooled_at,
        "clean": {"top": top(result.p_clean, labels)},
        "rungs": [
            {
                "budget": budget,
                "top": top(result.p[k], labels),
                "linf": result.linf[k],
                "linf_fraction": round(result.linf[k] / 255, 5),
                "l2": round(result.l2[k], 4),
                "jpeg": None if result.p_jpeg is None else top(result.p_jpeg[k], labels)[0],
            }
            for k, budget in enumerate(result.budgets)
        ],
        "curves": {labels[c]: [round(p, 6) for p in result.p[:, c].tolist()] for c in drawn},
    }
