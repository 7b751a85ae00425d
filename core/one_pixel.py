"""The one-pixel attack (Su, Vargas & Sakurai 2019, arXiv:1710.08864).

A candidate is k pixels, each a place and a colour. Differential evolution works on real vectors; what is evaluated, and shown, is the
vector rounded: whole places inside the picture, 8-bit colours, exactly k pixels other than the picture's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from core.candidates import Model, forward, label_of, log_odds, measured, name_of, painted, picture, rounded, rows_at_once, windowed
from core.checks import UserError, whole
from core.patch_forward import batch

F = 0.5  # the paper's factor of mutation
MOST_PIXELS, POPULATION, GENERATIONS = 64, (4, 2000), 1000


@dataclass(frozen=True)
class Step:
    """The best candidate so far. Every number was measured on `image` by the net's own forward.

    image: (1, C, H, W), 8-bit.   pixels: (row, column, colour), colour 0 ... 255 per channel, in reading order.
    confidence: the probability of class y, falling when y is to be left, rising when it is the target.
    probabilities: (K,) float64, `label` its first; fooled: label is not y, or is the target.
    generation: 0 is the initial population.   evaluations: different candidates that went through the net; repeats: known before.
    done: fooled, or the last generation.
    """

    image: Tensor
    confidence: float
    generation: int
    evaluations: int
    done: bool
    fooled: bool
    label: int
    probabilities: Tensor
    pixels: tuple[tuple[int, int, tuple[int, ...]], ...]
    repeats: int


def attack(
    model: Model, x: Tensor, y: Tensor, *, pixels: int, targeted: bool, population: int, generations: int, generator: torch.Generator
) -> Iterator[Step]:
    """Differential evolution, one Step per generation, until the net is fooled or the generations are used up.

        start    row, column ~ uniform,  colour ~ N(128, 127) per channel
        child    v = r1 + F (r2 - r3),  F = 0.5, no crossover; r1, r2, r3 members different from one another and from the parent
        next     the child takes its parent's place if it is fitter: less (targeted: more) probability p of class y

    Fitness is compared as log-odds, log p / (1 - p), which orders like p and does not saturate. The first candidate for which y is no
    longer first (targeted: is first) ends the attack. What leaves its range, of rows, columns or colours, is set to the range's end.

    model: (B, C, H, W) pixels in [0, 1] -> (B, K) logits.   x: (1, C, H, W), rounded to 8 bits first.   y: (1,) int64, the class to
    leave, which must be the one the net sees, or, if targeted, the class to reach, which must not be.
    pixels 1 ... 64 (at most H * W), population 4 ... 2000, generations 0 ... 1000.   generator: on the CPU, the only randomness.
    Raises UserError, at the call, for anything else.

    Two pixels at one place: the later takes the next free place in reading order. A colour that is the picture's own: its first channel
    moves by one level. Nothing is evaluated twice: a table is keyed by the rounded pixels in reading order.
    """
    x = picture(x)
    k = whole("The number of pixels", pixels, 1, min(MOST_PIXELS, x[0, 0].numel()))
    population = whole("The population", population, *POPULATION)
    generations = whole("The number of generations", generations, 0, GENERATIONS)
    clean = forward(model, x)[0]
    label, seen = label_of(y, clean), int(clean.argmax())
    if targeted and seen == label:
        raise UserError(f"The net already sees {name_of(model, seen)} here; choose another class as the target.")
    if not targeted and seen != label:
        raise UserError(
            f"The net already gets this picture wrong: it sees {name_of(model, seen)}, not {name_of(model, label)}; "
            f"attack its own answer, {name_of(model, seen)}, or choose another picture."
        )
    return _evolve(_judge(model, x, label, k, targeted), x, label, k, population, generations, generator)


def prepare(model: Model, x: Tensor) -> None:
    """Works out what an attack on this picture will ask for first: the net's weights and the picture's own values, as windows want them."""
    windowed(model, picture(x), 1)


def mutate(population: Tensor, r: Tensor) -> Tensor:
    """The children v_i = r1 + F (r2 - r3) of members (P, D); r: (P, 3) indices -> (P, D)."""
    r1, r2, r3 = (population[i] for i in r.T)
    return r1 + F * (r2 - r3)


@dataclass(frozen=True)
class _Verdict:
    """A measured candidate (k, 1 + C): cost is its log-odds, the smaller the better."""

    fooled: bool
    cost: float
    candidate: Tensor
    logits: Tensor

    def beats(self, other: _Verdict | None) -> bool:
        return other is None or (not self.fooled, self.cost) < (not other.fooled, other.cost)


Judge = Callable[[Tensor, _Verdict | None], tuple[Tensor, _Verdict]]


def _judge(model: Model, x: Tensor, label: int, k: int, targeted: bool) -> Judge:
    """A function (candidates (B, k, 1 + C), the best so far) -> (costs float64, the best of these); costs end where the net is fooled.

    The population is one batch, or, with windows or large pictures, a few. With windows, what is about to be shown as the best, or as
    fooling the net, is measured again by the net's own forward, which decides.
    """
    fast = windowed(model, x, k)
    size = batch(k) if fast else rows_at_once(x)

    @torch.no_grad()
    def judge(candidates: Tensor, best: _Verdict | None) -> tuple[Tensor, _Verdict]:
        costs = []
        for some in candidates.split(size):
            logits = measured(model, x, some, fast)
            exact = [fast is None] * len(some)
            while True:
                cost = log_odds(logits, label) * (-1 if targeted else 1)
                fooled = (logits.argmax(1) == label).cpu() == targeted
                i = int(torch.where(fooled | ~fooled.any(), cost, math.inf).argmin())
                found = _Verdict(bool(fooled[i]), float(cost[i]), some[i], logits[i])
                if exact[i] or not found.beats(best):
                    break
                logits[i], exact[i] = forward(model, painted(x, some[i : i + 1]))[0], True
            costs.append(cost)
            best = found if found.beats(best) else best
            if best.fooled:
                break
        return torch.cat(costs), best

    return judge


def _evolve(judge: Judge, x: Tensor, label: int, k: int, P: int, generations: int, generator: torch.Generator) -> Iterator[Step]:
    C, H, W = x.shape[1:]
    high = torch.tensor([H - 1, W - 1] + [255] * C, dtype=torch.float64).repeat(k)
    known: dict[bytes, float] = {}
    best: _Verdict | None = None
    repeats = 0

    def costs(vectors: Tensor) -> Tensor:
        """Only what is not known yet goes through the net."""
        nonlocal best, repeats
        candidates = rounded(vectors, x)
        keys = [candidate.tobytes() for candidate in candidates.numpy()]
        new = {key: i for i, key in enumerate(keys) if key not in known}
        repeats += len(keys) - len(new)
        if new:
            cost, best = judge(candidates[list(new.values())], best)
            known.update(zip(new, cost.tolist(), strict=False))  # the last are not evaluated once the net is fooled
        return torch.tensor([known.get(key, math.inf) for key in keys], dtype=torch.float64)

    place = torch.rand(P, k, 2, generator=generator, dtype=torch.float64) * torch.tensor([H, W]) - 0.5
    colour = torch.randn(P, k, C, generator=generator, dtype=torch.float64) * 127 + 128
    parents = torch.cat([place, colour], 2).flatten(1).clamp(min=0).minimum(high)
    fitness = costs(parents)
    for g in range(generations + 1):
        if g:
            r = torch.rand(P, P, generator=generator).fill_diagonal_(2).topk(3, largest=False).indices
            children = mutate(parents, r).clamp(min=0).minimum(high)
            of_children = costs(children)
            fitter = of_children < fitness
            parents, fitness = torch.where(fitter[:, None], children, parents), torch.where(fitter, of_children, fitness)
        probabilities = best.logits.cpu().double().softmax(0)
        yield Step(
            image=painted(x, best.candidate[None]),
            confidence=float(probabilities[label]),
            generation=g,
            evaluations=len(known),
            done=best.fooled or g == generations,
            fooled=best.fooled,
            label=int(probabilities.argmax()),
            probabilities=probabilities,
            pixels=tuple((p // W, p % W, tuple(c)) for p, *c in best.candidate.tolist()),
            repeats=repeats,
        )
        if best.fooled:
            return


@dataclass(frozen=True)
class Summary:
    """Of a batch so far. rate: fooled / attacked, with the 95 % Wilson interval low ... high.

    confidence: mean probability of the class that the net sees instead, over the fooled (the paper's measure), NaN without any.
    evaluations: mean over the attacked.   skipped: pictures that the net gets wrong untouched.
    """

    attacked: int
    fooled: int
    skipped: int
    rate: float
    low: float
    high: float
    confidence: float
    evaluations: float


@dataclass(frozen=True)
class Progress:
    """Picture `index` of a batch is at `step` (None: skipped); summary holds the pictures that are done."""

    index: int
    step: Step | None
    summary: Summary


def attack_batch(
    model: Model, x: Tensor, y: Tensor, *, pixels: int, population: int, generations: int, generator: torch.Generator
) -> Iterator[Progress]:
    """`attack`, untargeted, on the pictures x (N, C, H, W) of classes y (N,), one after the other; yields every generation."""
    if not isinstance(x, Tensor) or x.ndim != 4 or len(x) == 0 or y.shape != (len(x),):
        raise UserError("The batch is empty, or has not one class per picture; give at least one picture and its class.")
    return _each(model, x, y, pixels, population, generations, generator)


def _each(
    model: Model, x: Tensor, y: Tensor, pixels: int, population: int, generations: int, generator: torch.Generator
) -> Iterator[Progress]:
    ends: list[Step] = []
    skipped = 0
    for i in range(len(x)):
        if int(forward(model, picture(x[i : i + 1]))[0].argmax()) != int(y[i]):
            skipped += 1
            yield Progress(i, None, _summary(ends, skipped))
            continue
        for step in attack(
            model,
            x[i : i + 1],
            y[i : i + 1],
            pixels=pixels,
            targeted=False,
            population=population,
            generations=generations,
            generator=generator,
        ):
            if step.done:
                ends.append(step)
            yield Progress(i, step, _summary(ends, skipped))


def _summary(ends: list[Step], skipped: int) -> Summary:
    won = [s for s in ends if s.fooled]
    low, high = wilson(len(won), len(ends))
    confidence = sum(float(s.probabilities[s.label]) for s in won) / len(won) if won else math.nan
    n = len(ends) or math.nan
    return Summary(len(ends), len(won), skipped, len(won) / n, low, high, confidence, sum(s.evaluations for s in ends) / n)


def wilson(successes: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927), (0, 1) without any trial.

    (p + z^2 / 2n  -+  z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n)
    """
    if n == 0:
        return 0.0, 1.0
    p = successes / n
    middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(0.0, (middle - half) / (1 + z * z / n)), min(1.0, (middle + half) / (1 + z * z / n))
