"""The one-pixel attack against torchattacks' OnePixel and ART's PixelAttack: same net, pictures, population, generations and threads.

    python -m benchmarks.one_pixel [--pictures 6] [--generations 10] [--population 400] [--pixels 1] [--seed 0] [--threads 2]

How the settings map. torchattacks: steps = generations, popsize = population, of which its scipy solver makes popsize // D * D
members, D = 5 k dimensions (400 for k = 1; 390 and 400 for 3 and 5). ART: es = 1 (differential evolution), th = k, max_iter =
generations, and a population fixed at 400 // D * D. Both mutate the best member with F drawn from 0.5 ... 1, evaluate two
populations at least before they look whether the net is fooled, and send batches of 128, their default. The methods take turns on
each picture, so that a busy machine is busy for all, and the processor's seconds stand beside the clock's: with --threads 1 they
hold on a busy machine too. The success of the others is measured on the picture as they return it, ours on 8 bits.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable

os.environ.setdefault("FOOL_FORGE_OFFLINE", "1")

import numpy as np
import torch
from torch import Tensor, nn

from core import candidates as candidates_
from core import one_pixel, patch_forward, zoo
from core.images import open_image, to_pixels
from core.samples import SAMPLES

Attack = Callable[[Tensor, Tensor, int], tuple[bool, int, int]]  # picture, class, seed -> fooled, evaluations, repeats


class Counting(nn.Module):
    """The net, counting the pictures that it is shown."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net, self.count = net, 0

    def forward(self, x: Tensor) -> Tensor:
        self.count += len(x)
        return self.net(x)


def pictures(model: nn.Module, n: int) -> tuple[Tensor, Tensor]:
    """The first n pictures that the net gets right: foolbox's 20, then the test set in its order."""
    chosen = [s for s in SAMPLES.values() if s.group == "cifar10"]
    x = torch.cat([to_pixels(open_image(s.path), model) for s in chosen])
    y = torch.tensor([model.labels.index(s.label) for s in chosen])
    if n > 16:
        from training.data import cifar10

        more, classes, _ = cifar10(train=False)
        x, y = torch.cat([x, more[: 2 * n].float() / 255]), torch.cat([y, classes[: 2 * n]])
    right = torch.cat([model(some) for some in x.split(100)]).argmax(1) == y
    return x[right][:n], y[right][:n]


def ours(model: nn.Module, k: int, population: int, generations: int) -> Attack:
    def attack(x: Tensor, y: Tensor, seed: int) -> tuple[bool, int, int]:
        generator = torch.Generator().manual_seed(seed)
        settings = {"pixels": k, "targeted": False, "population": population, "generations": generations, "generator": generator}
        for step in one_pixel.attack(model, x, y, **settings):
            pass
        return bool(model(step.image).argmax(1) != y), step.evaluations, step.repeats

    return attack


def torchattacks_(model: nn.Module, k: int, population: int, generations: int) -> Attack:
    import torchattacks

    counting = Counting(model)
    method = torchattacks.OnePixel(counting, pixels=k, steps=generations, popsize=population)

    def attack(x: Tensor, y: Tensor, seed: int) -> tuple[bool, int, int]:
        np.random.seed(seed)
        counting.count = 0
        adversarial = method(x, y)
        return bool(model(adversarial).argmax(1) != y), counting.count, 0

    return attack


def art_(model: nn.Module, k: int, population: int, generations: int) -> Attack:
    from art.attacks.evasion import PixelAttack
    from art.estimators.classification import PyTorchClassifier

    counting = Counting(model)
    classifier = PyTorchClassifier(counting, nn.CrossEntropyLoss(), model.size, len(model.labels), clip_values=(0, 1), device_type="cpu")
    method = PixelAttack(classifier, th=k, es=1, max_iter=generations)

    def attack(x: Tensor, y: Tensor, seed: int) -> tuple[bool, int, int]:
        np.random.seed(seed)
        counting.count = 0
        adversarial = torch.from_numpy(method.generate(x.numpy(), y.numpy()))
        return bool(model(adversarial).argmax(1) != y), counting.count, 0

    return attack


def levers(model: nn.Module, x: Tensor, k: int, population: int) -> None:
    """Processor seconds for one population of different candidates, measured in turns, the best of three rounds each."""
    g = torch.Generator().manual_seed(0)
    places = torch.rand(population, 1024, generator=g).topk(k).indices.sort(1).values
    colours = torch.randint(0, 256, (population, k, 3), generator=g)
    candidates = torch.cat([places[..., None], colours], 2)

    def windows(tiles: tuple[int, ...]) -> Callable[[], Tensor]:
        usual, patch_forward.TILES = patch_forward.TILES, tiles
        patch_forward._prepared.cache_clear()
        evaluator = patch_forward.evaluator(model, x, pixels=k)
        patch_forward._prepared.cache_clear()
        patch_forward.TILES = usual
        return lambda: candidates_.measured(model, x, candidates, evaluator)

    def bf16() -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return model(candidates_.painted(x, candidates).contiguous(memory_format=torch.channels_last))

    ways = {
        "batches of 128, fp32 (the others' way)": lambda: torch.cat([model(p) for p in candidates_.painted(x, candidates).split(128)]),
        "one batch, fp32": lambda: model(candidates_.painted(x, candidates)),
        "one batch, channels last": lambda: candidates_.forward(model, candidates_.painted(x, candidates)),
        "one batch, channels last, bf16 (not used)": bf16,
        "windows, norms folded": windows(()),
        "windows, norms folded, Winograd (used)": windows(patch_forward.TILES),
    }
    truth = model(candidates_.painted(x, candidates))
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(3):
        for name, way in ways.items():
            start = time.process_time()
            logits = way()
            best[name] = min(best[name], time.process_time() - start)
            if "bf16" not in name and (logits - truth).abs().max() > 1e-3:
                raise SystemExit(f"{name}: the logits differ by {(logits - truth).abs().max():.2g}")
    print(f"\nOne population of {population} candidates, {k} pixel(s) each, no table, no early stop")
    print(f"{'':44}{'processor s':>12}{'times as fast':>15}")
    slowest = next(iter(best.values()))
    for name, seconds in best.items():
        print(f"{name:44}{seconds:12.3f}{slowest / seconds:15.2f}")


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (
        ("pictures", 6),
        ("generations", 10),
        ("population", 400),
        ("pixels", 1),
        ("seed", 0),
        ("threads", torch.get_num_threads()),
    ):
        parser.add_argument(f"--{name}", type=int, default=default)
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    model = zoo.load("cifar10-resnet")
    x, y = pictures(model, a.pictures)
    methods = {"ours": ours, "torchattacks OnePixel": torchattacks_, "ART PixelAttack": art_}
    attacks = {name: make(model, a.pixels, a.population, a.generations) for name, make in methods.items()}
    rows: dict[str, list[tuple[float, float, bool, int, int]]] = {name: [] for name in attacks}
    ours(model, a.pixels, 8, 0)(x[:1], y[:1], 0)  # the weights are transformed once for a net, not once for a picture
    for i in range(len(x)):
        for name, attack in attacks.items():
            start, processor = time.perf_counter(), time.process_time()
            with torch.enable_grad():
                result = attack(x[i : i + 1], y[i : i + 1], a.seed + i)
            rows[name].append((time.perf_counter() - start, time.process_time() - processor, *result))
            print(f"\rpicture {i + 1} of {len(x)}: {name:24}", end="", flush=True)
    print(f"\r{len(x)} pictures of CIFAR-10, {a.pixels} pixel(s), population {a.population}, at most {a.generations} generations,", end=" ")
    print(f"untargeted, {torch.get_num_threads()} threads, fp32")
    print(f"{'':24}{'s / picture':>12}{'to ours':>9}{'processor s':>13}{'to ours':>9}{'evaluations':>13}", end="")
    print(f"{f'processor s / {a.population}':>18}{'to ours':>9}{'fooled':>8}{'95 %':>13}")
    mine = np.array(rows["ours"], dtype=float)
    for name, row in rows.items():
        wall, processor, fooled, evaluations, _ = np.array(row, dtype=float).T
        each, ours_each = (t.sum() / n.sum() * a.population for t, n in ((processor, evaluations), (mine[:, 1], mine[:, 3])))
        low, high = one_pixel.wilson(int(fooled.sum()), len(fooled))
        print(
            f"{name:24}{wall.mean():12.2f}{wall.mean() / mine[:, 0].mean():8.1f}x{processor.mean():13.2f}"
            f"{processor.mean() / mine[:, 1].mean():8.1f}x{evaluations.mean():13.0f}{each:18.3f}{each / ours_each:8.1f}x"
            f"{fooled.mean():8.0%}{low:7.0%} -{high:4.0%}"
        )
    repeats, drawn, full = mine[:, 4].sum(), mine[:, 3:].sum(), a.population * (a.generations + 1) * len(x)
    print(f"\nTable of known candidates: {repeats:.0f} of {drawn:.0f} ({repeats / drawn:.1%}) cost nothing.")
    print(f"Early stop: {drawn:.0f} candidates of at most {full} were drawn, {full / drawn:.1f} times fewer.")
    held = mine[:, 2] == 0
    if held.any():
        for name, row in rows.items():
            both = np.array([r[1] for r, h in zip(row, held, strict=True) if h])
            print(f"Where ours failed ({held.sum()} pictures), {name}: {both.mean():.2f} processor s a picture")
    levers(model, x[:1], a.pixels, a.population)


if __name__ == "__main__":
    main()
