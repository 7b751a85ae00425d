"""The tab "One pixel": differential evolution looks for the pixel that fools the net; the visitor plays against it."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Iterator

import gradio as gr
from PIL import Image

from core import images, one_pixel, runtime, samples, zoo
from core import weak_pixels as core_weak_pixels
from core.checks import UserError, whole
from core.turns import Pause
from demos import pictures, ui

TITLE, NAME = "One pixel", "one-pixel"
DEFAULT = "cifar10-resnet"
QUESTION = "**Can a single pixel change what the net sees?** Attack with differential evolution, or click a pixel yourself."
FORMULA = r"""
### The formula
$$\min_{x'}\ p_y(x') \quad\text{subject to}\quad \|x' - x\|_0 \le k$$

No gradient is used, only the net's answer. A candidate is $k$ places with a colour each, $(row, column, r, g, b)$; 400 of them form the
population. **Differential evolution** makes each a child, $v = r_1 + 0.5\,(r_2 - r_3)$ from three other members, and keeps whichever of
parent and child gives the net less confidence in $y$ (with a target: more in the target). It stops as soon as the net is fooled.
**Weak pixels** asks every place instead: how far does the confidence fall with the worst of eight corner colours there?
"""
REFERENCES = """
### References
Su, Vargas & Sakurai, *One Pixel Attack for Fooling Deep Neural Networks*, IEEE TEVC 2019 (arXiv:1710.08864): one pixel takes 67.97 % of
Kaggle's CIFAR-10 test pictures to at least one other class, with 74.03 % confidence on average. A reimplementation on 100 pictures
(population 400, 75 generations) found 34 % for a ResNet, 63 % for LeNet. ·
Storn & Price, *Differential Evolution*, Journal of Global Optimization 1997
"""
PRESETS = {  # name: (sample, model, pixels, target, population, generations)
    "One pixel against a ship": ("cifar10-1", "cifar10-resnet", 1, "", 400, 100),
    "Three pixels, a plane": ("cifar10-3", "cifar10-resnet", 3, "", 400, 100),
    "A digit with five pixels": ("digit-8", "mnist-cnn", 5, "", 400, 100),
}


@functools.lru_cache(maxsize=32)  # a file keeps its content: its name tells it
def _subject(image: str | None, sample: str, model: str) -> tuple:
    """The net, the picture, its true label or "", the probabilities, and what every report holds."""
    net = zoo.load(model)
    x, label = pictures.read(image, sample, net)
    x = x.to(zoo.device_of(net))
    p = zoo.predictions(net(x))[0]
    seen = net.labels[int(p.argmax())]
    base = {"model": model, "size": list(x.shape[1:]), "class": seen, "label": label, "top": zoo.top(p, net.labels)}
    return net, x, label if label in net.labels else "", base


def look(image: str | None, sample: str, model: str) -> tuple[Image.Image, dict]:
    """The picture as the net gets it, and what the net sees."""
    _, x, _, base = _subject(image, sample, model)
    return images.to_image(x), base | {"phase": "look"}


def ready(image: str | None, sample: str, model: str) -> None:
    """Once the picture is shown: what an attack on it will ask for first, so that its first generation does not wait for it."""
    net, x, _, _ = _subject(image, sample, model)
    one_pixel.prepare(net, x)


def one_pixel_attack(
    image: str | None, sample: str, model: str, pixels: int, target: str, own: bool, population: int, generations: int, seed: int
) -> Iterator[tuple[Image.Image, Image.Image, dict]]:
    """Streams the clean picture, the best attacked picture and the numbers, once a generation, or every 60 ms where those are shorter."""
    net, x, label, base = _subject(image, sample, model)
    goal = target or (base["class"] if own or not label else label)
    generator, start, sent, curve, clean = runtime.generator(seed), time.perf_counter(), 0.0, [], images.to_image(x)
    knobs = {"pixels": pixels, "targeted": bool(target), "population": population, "generations": generations}
    for step in one_pixel.attack(net, x, zoo.class_of(net, goal), **knobs, generator=generator):
        curve.append(round(step.confidence, 5))
        if time.perf_counter() - sent < 0.06 and not step.done:
            yield Pause()
            continue
        sent = time.perf_counter()
        numbers = base | {
            "phase": "attack",
            "class": base["class"] if target else goal,
            "target": target or None,
            "pixel_count": len(step.pixels),
            "population": population,
            "generations": generations,
            "generation": step.generation,
            "confidence": step.confidence,
            "evaluations": step.evaluations,
            "repeats": step.repeats,
            "seconds": round(time.perf_counter() - start, 2),
            "pixels": step.pixels,
            "fooled": step.fooled,
            "done": step.done,
            "top": zoo.top(step.probabilities, net.labels),
            "curve": curve,
        }
        yield clean, images.to_image(step.image), numbers


def weak_pixels(image: str | None, sample: str, model: str) -> Iterator[dict]:
    """Streams the map of the largest drop in confidence that one pixel of a corner colour gives at each place."""
    net, x, _, base = _subject(image, sample, model)
    y = zoo.class_of(net, base["class"])
    for weak in core_weak_pixels.weak_pixels(net, x, y):
        yield {
            "phase": "weak",
            "class": base["class"],
            "confidence": weak.confidence,
            "drop": [[None if math.isnan(v) else round(v, 5) for v in row] for row in weak.drop.tolist()],
            "colour": weak.colour.tolist(),
            "colours": weak.colours,
            "rows": weak.rows,
            "columns": weak.columns,
            "holes": int(weak.fooled.sum()),
            "evaluations": weak.evaluations,
            "share": round(weak.share, 4),
        }


def set_pixel(image: str | None, sample: str, model: str, place: dict) -> tuple[Image.Image, dict]:
    """The visitor's own pixel, place = {"row", "column", "colour": [0 ... 255 per channel]}: the picture and what the net sees."""
    if not isinstance(place, dict) or not isinstance(place.get("colour"), list):
        raise UserError('A pixel is given as {"row": 3, "column": 4, "colour": [255, 255, 0]}.')
    net, x, _, base = _subject(image, sample, model)
    y = zoo.class_of(net, base["class"])
    row, column, colour = place.get("row"), place.get("column"), tuple(place["colour"])
    made = core_weak_pixels.set_pixel(net, x, y, row=row, column=column, colour=colour)
    report = {"phase": "try", "row": row, "column": column, "colour": colour, "confidence": made.confidence, "fooled": made.fooled}
    return images.to_image(made.image), report | {"class": base["class"], "top": zoo.top(made.probabilities, net.labels)}


def one_pixel_batch(count: int, pixels: int, population: int, generations: int, seed: int) -> Iterator[str]:
    """Attacks `count` labelled CIFAR-10 test pictures, one after the other; streams a table beside the paper's numbers."""
    net = zoo.load(DEFAULT)
    x, y, source = samples.cifar10_test(whole("The number of pictures", count, 1, samples.CIFAR10_MOST))
    knobs = {"pixels": pixels, "population": population, "generations": generations, "generator": runtime.generator(seed)}
    device = zoo.device_of(net)
    shown = 0.0
    for now in one_pixel.attack_batch(net, x.to(device), y.to(device), **knobs):
        if time.perf_counter() - shown > 0.3 or (now.index == len(x) - 1 and (now.step is None or now.step.done)):
            shown = time.perf_counter()
            yield _table(now, len(x), source, pixels, population, generations)
        else:
            yield Pause()


def _table(now: one_pixel.Progress, total: int, source: str, pixels: int, population: int, generations: int) -> str:
    s = now.summary

    def share(p: float) -> str:
        return f"{100 * p:.0f} %"

    rate = f"{share(s.rate)} ({s.fooled} of {s.attacked}; 95 % interval {share(s.low)} to {share(s.high)})" if s.attacked else "–"
    confidence = share(s.confidence) if s.fooled else "–"
    evaluations = f"{s.evaluations:,.0f}" if s.attacked else "–"
    many, long = (f"{n} {word}{'' if n == 1 else 's'}" for n, word in ((pixels, "pixel"), (generations, "generation")))
    here = f"**here**: {zoo.MODELS[DEFAULT].title}, {many}, population {population}, {long}"
    rows = [
        ("", "success, untargeted", "mean confidence in the wrong class", "mean evaluations"),
        ("---",) * 4,
        (here, rate, confidence, evaluations),
        ("reimplementation, ResNet, 1 pixel, population 400", "34 % of 100", "", ""),
        ("Su et al. 2019, Kaggle CIFAR-10, 1 pixel, to at least one class", "67.97 %", "74.03 %", ""),
    ]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    left_out = f"{s.skipped} left out: the net gets them wrong without any attack."
    return f"{table}\n\nPicture {now.index + 1} of {total}, {source}. {left_out}"


def settle(model: str, sample: str, image: str | None, target: str, population: int, tick: float) -> tuple:
    """Shows the pictures and classes that belong to the chosen model, then asks for the picture. A large picture gets a small population
    unless the visitor chose one: every candidate is a forward pass of a large net."""
    labels, large = zoo.labels(model), zoo.spec(model).size[1] > 64
    usual = {400: 60} if large else {60: 400}
    kept = target if target in labels else ""
    return (
        *pictures.suit(model, sample, image),
        gr.update(choices=pictures.models()),
        gr.update(choices=["", *labels], value=kept),
        usual.get(population, population),
        tick + 1,
    )


def build() -> ui.Built:
    """Lays out the tab, wires it, and names its controls for the address bar."""
    gr.Markdown(QUESTION, elem_classes="ff-question")
    with gr.Row(elem_classes="ff-figure-after-1"):
        with gr.Column(scale=3, min_width=290):
            chooser = pictures.chooser(DEFAULT, NAME)
            model = ui.Choice(pictures.models(building=True), value=DEFAULT, label="Model", elem_id="one-pixel-model")
            with gr.Row():
                pixels = ui.Choice([1, 3, 5], value=1, label="Pixels", elem_id="one-pixel-pixels", min_width=90)
                target = ui.Choice([""], value="", label="Target (or none)", allow_custom_value=True, min_width=150)
            own = gr.Checkbox(False, label="If the net is wrong already, attack its own answer", container=False, elem_id="one-pixel-own")
            with gr.Row():
                population = ui.Number(400, precision=0, label="Population", min_width=80)
                generations = ui.Number(100, precision=0, label="Generations", min_width=80)
                seed = ui.Number(0, precision=0, label="Seed", min_width=80)
            with gr.Row():
                start = gr.Button("Attack", variant="primary", elem_id="one-pixel-start", min_width=90)
                stop = gr.Button("Stop", elem_id="one-pixel-stop", min_width=90)
            weak = gr.Button("Weak pixels: ask every place", elem_id="one-pixel-weak")
        with gr.Column(scale=8, min_width=320):
            figure = ui.component("pixels", elem_id="one-pixel-figure")
            presets = ui.presets(PRESETS, NAME)
    with gr.Accordion("A whole batch: how often does it work?", open=False, elem_id="one-pixel-batch"):
        with gr.Row():
            count = ui.Slider(1, samples.CIFAR10_MOST, 50, step=1, label="CIFAR-10 test pictures")
            begin, end = gr.Button("Attack them all", variant="primary", elem_id="one-pixel-begin"), gr.Button("Stop")
        table = gr.Markdown(elem_id="one-pixel-table")
    source = ui.code_of(one_pixel.attack, one_pixel.mutate)
    ui.reading(FORMULA, REFERENCES, source, "core/one_pixel.py")
    clean, attacked = ui.Picture(visible=False), ui.Picture(visible=False)
    report, seen, map_, made, place = (gr.JSON(visible=False) for _ in range(5))

    given = {"image": chooser.image, "sample": chooser.sample, "model": model}
    knobs = {"pixels": pixels, "target": target, "own": own, "population": population, "generations": generations, "seed": seed}
    another = [chooser.tick.change, chooser.image.change]
    looked = ui.endpoint(another, ui.computed(look), given, [clean, seen], weight=ui.LIGHT, public=False)
    ui.plumbing(looked.success, ui.computed(ready), given, [])
    ran = ui.endpoint(
        [start.click], ui.computed(one_pixel_attack), given | knobs, [clean, attacked, report], weight=ui.LONG, name="one_pixel"
    )
    mapped = ui.endpoint([weak.click], ui.computed(weak_pixels), given, [map_], weight=ui.LONG)
    figure.place(None, None, [place], js="() => FoolForge.wish", api_visibility="private")
    ui.endpoint([place.change], ui.computed(set_pixel), given | {"place": place}, [attacked, made], weight=ui.LIGHT)
    for json in (seen, report, map_, made):
        json.change(None, [clean, json], [figure], js="(x, report) => ({x, report})", api_visibility="private")
    everything = {"count": count, "pixels": pixels, "population": population, "generations": generations, "seed": seed}
    counted = ui.endpoint([begin.click], ui.computed(one_pixel_batch), everything, [table], weight=ui.LONG)
    stopped = "() => FoolForge.tell('stopped')"
    stop.click(None, None, None, cancels=[ran, mapped], js=stopped, api_visibility="private")
    end.click(None, None, None, cancels=[counted], api_visibility="private")
    for trigger in (*another, looked.then):  # another picture ends the attack on the last one
        trigger(None, None, None, cancels=[ran, mapped], api_visibility="private")

    follow = given | {"target": target, "population": population, "tick": chooser.tick}
    settled = [chooser.sample, chooser.draw, model, target, population, chooser.tick]
    ui.plumbing(model.input, settle, follow, settled)
    for button, (sample, net, k, goal, many, rounds) in zip(presets, PRESETS.values(), strict=True):
        js = f"() => {ui.js([sample, None, net, k, goal, many, rounds])}"
        outputs = [chooser.sample, chooser.image, model, pixels, target, population, generations]
        ui.plumbing(button.click(None, None, outputs, js=js, api_visibility="private").then, settle, follow, settled)
    fields = [
        ui.Field("sample", chooser.sample, pictures.FIRST["cifar10"], ui.one_of(samples.SAMPLES)),
        ui.Field("model", model, DEFAULT, ui.one_of(zoo.MODELS)),
        ui.Field("pixels", pixels, 1, ui.between(1, one_pixel.MOST_PIXELS)),
        ui.Field("target", target, ""),
        ui.Field("population", population, 400, ui.between(*one_pixel.POPULATION)),
        ui.Field("generations", generations, 100, ui.between(0, one_pixel.GENERATIONS)),
        ui.Field("seed", seed, 0, ui.between(0, 2**32 - 1)),
    ]
    return ui.Built(fields, lambda trigger: ui.plumbing(trigger, settle, follow, settled))
