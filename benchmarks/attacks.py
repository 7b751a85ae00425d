"""FGSM, BIM, PGD and L-BFGS beside torchattacks and foolbox:  python -m benchmarks.attacks [--quick]

One run, on the models whose weights are here and the labelled pictures in foolbox's package. The libraries take turns on the same
pictures. Pictures a second are by the clock on the wall, the median of the turns. A ratio is the median of the turns' ratios; on a CPU
it is one of processor time, so that what else the machine does has no say. Prints markdown tables.

Only the attack is timed: foolbox's attacks are called through `run`, without the measuring that its `__call__` adds.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version

import eagerpy
import foolbox
import numpy as np
import torch
import torch.nn.functional as F
import torchattacks
from foolbox.attacks import L2CarliniWagnerAttack, LinfBasicIterativeAttack, LinfFastGradientAttack, LinfPGD
from foolbox.criteria import TargetedMisclassification
from scipy.optimize import fmin_l_bfgs_b
from torch import Tensor, nn

from core import runtime, samples, zoo
from core.checks import UserError
from core.gradient_attacks import fgsm, lbfgs, pgd, pgd_steps
from core.images import open_image, to_pixels

EPS = {"mnist-cnn": 0.2, "cifar10-resnet": 8 / 255}
# Carlini and Wagner's c, and Adam's step in torchattacks and in foolbox: the best of a few tries for each model
CARLINI = {"mnist-cnn": (10, 0.05, 0.1), "cifar10-resnet": (1, 0.01, 0.01)}
PRICES = (10.0, 5.0, 2.0, 1.0, 0.5, 0.2)  # the ladder of c, of which the dearest that still reaches the target is taken
Row = list[str]


def table(title: str, head: Row, rows: list[Row]) -> None:
    """Prints one markdown table, its columns aligned."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    print(f"\n{title}\n")
    for row in [head, ["-" * width for width in widths], *rows]:
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |", flush=True)


def batch(model: nn.Module, group: str, count: int) -> tuple[Tensor, Tensor]:
    """The first `count` labelled pictures of the group that the model names rightly, and their classes."""
    chosen = [sample for sample in samples.SAMPLES.values() if sample.group == group]
    x = torch.cat([to_pixels(open_image(sample.path), model) for sample in chosen]).to(runtime.device())
    y = torch.tensor([model.labels.index(sample.label) for sample in chosen], device=x.device)
    right = model(x).argmax(1) == y
    return x[right][:count], y[right][:count]


@dataclass(frozen=True)
class Time:
    """Seconds: by the clock on the wall, and of the processor (on a GPU the wall's again, once it has done its work)."""

    wall: float
    processor: float


def timed(call: Callable[[], Tensor]) -> tuple[Tensor, Time]:
    """What the call gives, and the time it takes."""
    cuda = runtime.device().type == "cuda"
    if cuda:
        torch.cuda.synchronize()
    wall, processor = time.perf_counter(), time.process_time()
    result = call()
    if cuda:
        torch.cuda.synchronize()
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    return result, Time(wall, wall if cuda else processor)


def in_turns(contestants: dict[str, Callable[[], Tensor]], turns: int) -> dict[str, tuple[Tensor, list[Time]]]:
    """For each: its last result, and the times of its turns. Everyone has one call before the clock starts."""
    names = list(contestants)
    results, times = {name: contestants[name]() for name in names}, {name: [] for name in names}
    for turn in range(turns):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            results[name], spent = timed(contestants[name])
            times[name].append(spent)
    return {name: (results[name], times[name]) for name in names}


def ratio(theirs: list[Time], ours: list[Time]) -> float:
    """How many times as fast as they are we are: the median of the turns' ratios."""
    return statistics.median(a.processor / b.processor for a, b in zip(theirs, ours, strict=True))


def speed(pictures: int, times: list[Time]) -> float:
    """Pictures a second."""
    return pictures / statistics.median(spent.wall for spent in times)


def against_bare_gradients(model: nn.Module, x: Tensor, y: Tensor, *, eps: float, step: float, steps: int) -> tuple[float, float]:
    """Pictures a second of the gradients that PGD has to pay for, and PGD's speed as a share of that.

    A step of PGD and a bare forward and backward pass on the same pictures take turns, `steps` times each.
    """
    iterates = pgd_steps(model, x, y, eps=eps, step=step, steps=steps)
    z, bare, core = next(iterates), [], []

    def gradient() -> Tensor:
        leaf = z.detach().requires_grad_()
        return torch.autograd.grad(F.cross_entropy(model(leaf), y, reduction="sum"), leaf)[0]

    for i in range(steps):
        if i % 2:
            bare.append(timed(gradient)[1])
        next_z, spent = timed(lambda: next(iterates))
        core.append(spent)
        if not i % 2:
            bare.append(timed(gradient)[1])
        z = next_z
    return speed(len(x), bare) / steps, ratio(bare, core)


def sign_attacks(name: str, model: nn.Module, x: Tensor, y: Tensor, steps: int, turns: int) -> list[Row]:
    """The rows of FGSM, BIM and PGD for one model."""
    eps = EPS[name]
    step = eps / 10
    peer, criterion = foolbox.PyTorchModel(model, bounds=(0, 1), device=x.device), foolbox.Misclassification(eagerpy.astensor(y))
    iterated = {"abs_stepsize": step, "steps": steps}
    started = torch.Generator().manual_seed(0)

    def theirs(attack: foolbox.Attack) -> Callable[[], Tensor]:
        return lambda: attack.run(peer, x, criterion, epsilon=eps)

    kinds = {
        "FGSM": {
            "core": lambda: fgsm(model, x, y, eps=eps),
            "torchattacks": partial(torchattacks.FGSM(model, eps=eps), x, y),
            "foolbox": theirs(LinfFastGradientAttack()),
        },
        f"BIM-{steps}": {
            "core": lambda: pgd(model, x, y, eps=eps, step=step, steps=steps),
            "torchattacks": partial(torchattacks.BIM(model, eps=eps, alpha=step, steps=steps), x, y),
            "foolbox": theirs(LinfBasicIterativeAttack(**iterated)),
        },
        f"PGD-{steps}": {
            "core": lambda: pgd(model, x, y, eps=eps, step=step, steps=steps, generator=started),
            "torchattacks": partial(torchattacks.PGD(model, eps=eps, alpha=step, steps=steps), x, y),
            "foolbox": theirs(LinfPGD(**iterated, random_start=True)),
        },
    }
    rows = []
    for kind, contestants in kinds.items():
        measured = in_turns(contestants, 10 * turns if kind == "FGSM" else turns)
        ours, our_times = measured["core"]
        for library, (result, times) in measured.items():
            success = f"{(model(result).argmax(1) != y).sum().item()}/{len(x)}"
            largest = f"{(result - x).abs().max().item():.5f}"
            difference = f"{(result - ours).abs().max().item():.1e}" if library != "core" and "PGD" not in kind else ""
            pace, faster = f"{speed(len(x), times):.2f}", f"{ratio(times, our_times):.2f}"
            rows.append([name, kind, library, pace, faster, success, largest, difference])
    pace, share = against_bare_gradients(model, x, y, eps=eps, step=step, steps=steps)
    rows.append([name, f"PGD-{steps}", "bare gradients", f"{pace:.2f}", f"{share:.3f}", "", "", ""])
    return rows


def counted(model: nn.Module, attack: Callable[[], Tensor]) -> tuple[Tensor, Time, int]:
    """What the attack gives, the time it takes, and how many pictures it shows to the model."""
    shown = []
    hook = model.register_forward_pre_hook(lambda _, given: shown.append(len(given[0])))
    try:
        result, spent = timed(attack)
    finally:
        hook.remove()
    return result, spent, sum(shown)


def objective(model: nn.Module, x: Tensor, z: Tensor, target: Tensor, c: float) -> Tensor:
    """c |z - x| + J(model(z), target), one number per picture."""
    return c * (z - x).flatten(1).norm(dim=1) + F.cross_entropy(model(z), target, reduction="none")


def scipy_lbfgs(model: nn.Module, x: Tensor, target: Tensor, c: float, steps: int) -> Tensor:
    """The same problem, one picture after the other, by the Fortran code's heir in scipy."""
    results = []
    for i in range(len(x)):

        def value_and_gradient(flat: np.ndarray, i: int = i) -> tuple[float, np.ndarray]:
            z = torch.from_numpy(flat).to(x).view_as(x[i : i + 1]).requires_grad_()
            f = objective(model, x[i : i + 1], z, target[i : i + 1], c).sum()
            return f.item(), torch.autograd.grad(f, z)[0].flatten().cpu().double().numpy()

        start = x[i].flatten().cpu().double().numpy()
        best = fmin_l_bfgs_b(value_and_gradient, start, bounds=[(0, 1)] * start.size, maxiter=steps, m=10)[0]
        results.append(torch.from_numpy(best).to(x).view_as(x[i]))
    return torch.stack(results)


def against_scipy(name: str, model: nn.Module, x: Tensor, target: Tensor, steps: int) -> list[Row]:
    """The rows of L-BFGS against scipy's for one model: the value that is reached, and what it costs."""
    rows = []
    for c in (2.0, 0.2):
        values, times = {}, {}
        for library, attack in (
            ("core", partial(lbfgs, model, x, target, c=c, steps=steps)),
            ("scipy", partial(scipy_lbfgs, model, x, target, c, steps)),
        ):
            z, times[library], shown = counted(model, attack)
            values[library] = objective(model, x, z, target, c)
            rows.append([name, f"{c:g}", library, f"{values[library].mean():.4f}", f"{times[library].wall / len(x):.2f}"])
            rows[-1] += [f"{shown / len(x):.0f}", f"{(model(z).argmax(1) == target).sum()}/{len(x)}"]
        faster, relation = ratio([times["scipy"]], [times["core"]]), values["core"] / values["scipy"]
        rows[-2] += [f"{faster:.2f}", f"{relation.median():.3f} ({relation.min():.3f} to {relation.max():.3f})"]
        rows[-1] += ["1.00", "1"]
    return rows


def least_distances(name: str, model: nn.Module, x: Tensor, target: Tensor, steps: int) -> list[Row]:
    """The rows of the attacks that look for the nearest picture of the target class, for one model."""
    c, step, peer_step = CARLINI[name]

    def ours() -> Tensor:
        """All prices at once, one batch element each; per picture the nearest result that the model takes for the target."""
        k = len(PRICES)
        prices = torch.tensor(PRICES, device=x.device).repeat(len(x))
        z = lbfgs(model, x.repeat_interleave(k, 0), target.repeat_interleave(k), c=prices, steps=steps)
        distance = (z - x.repeat_interleave(k, 0)).flatten(1).norm(dim=1)
        distance[model(z).argmax(1) != target.repeat_interleave(k)] = float("inf")
        best = distance.view(-1, k).argmin(1)
        return z.view(-1, k, *x.shape[1:])[torch.arange(len(x)), best]

    def carlini_wagner() -> Tensor:
        attack = torchattacks.CW(model, c=c, steps=4 * steps, lr=step)
        attack.set_mode_targeted_by_label(quiet=True)
        return attack(x, target)

    def carlini_wagner_searched() -> Tensor:
        peer = foolbox.PyTorchModel(model, bounds=(0, 1), device=x.device)
        attack = L2CarliniWagnerAttack(binary_search_steps=4, steps=2 * steps, stepsize=peer_step, initial_const=c)
        return attack.run(peer, x, TargetedMisclassification(target))

    contestants = {
        f"core L-BFGS, {len(PRICES)} prices": ours,
        f"torchattacks CW, c = {c}": carlini_wagner,
        "foolbox CW, 4 searches": carlini_wagner_searched,
    }
    found = {}
    for label, attack in contestants.items():
        z, spent, shown = counted(model, attack)
        found[label] = ((z - x).flatten(1).norm(dim=1), model(z).argmax(1) == target, spent, shown)
    common = torch.stack([reached for _, reached, *_ in found.values()]).all(0)
    rows = []
    for label, (distance, reached, spent, shown) in found.items():
        nearness = f"{distance[common].mean():.3f}" if common.any() else "none"
        cost = [f"{spent.wall / len(x):.2f}", f"{shown / len(x):.0f}"]
        rows.append([name, label, f"{reached.sum()}/{len(x)}", nearness, *cost])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few pictures, steps and turns: shows that it runs; the numbers mean little")
    options = parser.parse_args()
    steps, few = (5, 2) if options.quick else (40, 8)
    device = runtime.device()  # sets the threads too
    print(f"torch {version('torch')}, {device}, {torch.get_num_threads()} threads; ", end="")
    print(", ".join(f"{package} {version(package)}" for package in ("torchattacks", "foolbox", "scipy")), flush=True)
    signs, solvers, nearest = [], [], []
    for name, count, turns in (("mnist-cnn", 20, 5), ("cifar10-resnet", 10, 3)):
        try:
            model = zoo.load(name)
        except UserError as missing:
            print(f"left out: {missing}")
            continue
        print(f"{name} ...", flush=True)
        x, y = batch(model, samples.group_of(name), 4 if options.quick else count)
        signs += sign_attacks(name, model, x, y, steps, 1 if options.quick else turns)
        x, target = x[:few], (y[:few] + 1) % 10
        solvers += against_scipy(name, model, x, target, steps)
        nearest += least_distances(name, model, x, target, steps)
    table(
        "Same model, same pictures, same eps (0.2 for MNIST, 8/255 for CIFAR-10), step eps / 10",
        ["model", "attack", "library", "pictures/s", "its time / core's", "fooled", "L-inf", "largest difference from core"],
        signs,
    )
    table(
        f"L-BFGS, {steps} iterations, on c |r| + J(x + r, next class). Neither library has it any more; scipy's L-BFGS-B does the same",
        [
            "model",
            "c",
            "library",
            "objective",
            "s/picture",
            "gradients",
            "target reached",
            "scipy's time / core's",
            "objective, core / scipy",
        ],
        solvers,
    )
    table(
        "The nearest picture of the next class: L-BFGS with a ladder of prices, and the nearest that the libraries still have",
        ["model", "attack", "target reached", "mean L2 where all reach it", "s/picture", "pictures shown to the model"],
        nearest,
    )


if __name__ == "__main__":
    main()
