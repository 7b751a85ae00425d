"""The tab "FGSM": a photo is attacked by dragging epsilon."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path

import gradio as gr
from PIL import Image

from core import gradient_attacks, images, samples, sweep, zoo
from core.checks import choice, number
from core.turns import Pause
from demos import compute, pictures, ui

TITLE, NAME = "FGSM", "fgsm"
DEFAULT = {"model": "imagenet-lite0", "method": "fgsm"}
QUESTION = "**How little must a picture change before the net sees something else?** Choose a picture, then drag ε."
FORMULA = r"""
### The formula
$$x' = \mathrm{clip}\big(x + \varepsilon \cdot \mathrm{sign}\,\nabla_{\!x} J(\theta, x, y),\ 0,\ 1\big)$$

Every pixel moves by the same small ε, in the direction that makes the loss *J* grow; a targeted attack moves against the gradient of
the target's loss. **BIM** repeats this in small steps and stays inside the ε-box, **PGD** starts it from a random point of the box.
**L-BFGS** has no ε: it minimises $c\,\|r\|_2 + J(x + r, \text{target})$ with $x + r \in [0, 1]$; the cheaper distance is,
the further it goes. ε is given in 255ths of the range, and every picture is rounded to 8 bits *before* the net sees it.
"""
REFERENCES = """
### References
Goodfellow, Shlens & Szegedy, *Explaining and Harnessing Adversarial Examples*, ICLR 2015 (arXiv:1412.6572) ·
Szegedy et al., *Intriguing properties of neural networks*, ICLR 2014 (arXiv:1312.6199) ·
Kurakin, Goodfellow & Bengio, *Adversarial examples in the physical world*, 2017 (arXiv:1607.02533) ·
Madry et al., *Towards Deep Learning Models Resistant to Adversarial Attacks*, ICLR 2018 (arXiv:1706.06083)
"""
PRESETS = {  # name: (sample, model, method, target, steps, epsilon in 255ths)
    "A cheetah becomes a jaguar": ("cheetah", "imagenet-lite0", "fgsm", "", 10, 8),
    "One step on a digit": ("digit-0", "mnist-cnn", "fgsm", "", 10, 40),
    "An espresso out of a lion": ("lion", "imagenet-lite0", "pgd-targeted", "espresso", 10, 4),
}


def _run(image: str | None, sample: str, model: str, method: str, target: str, steps: int, seed: int) -> Iterator[tuple]:
    """Yields (Sweep or Progress, report dict) of one attack."""
    net = zoo.load(model)
    choice("method", method, sweep.METHODS)
    x, label = pictures.read(image, sample, net)
    extra = {"model": model, "model_title": zoo.MODELS[model].title, "label": label}
    for found in sweep.sweep(net, x, method=method, target=target or "", steps=steps, seed=seed):
        if isinstance(found, sweep.Progress):
            yield found, {"progress": [found.done, found.total]}
        else:
            yield found, sweep.report(found, net.labels) | extra
            for whole in sweep.after_jpeg(net, found):
                yield whole, {} if isinstance(whole, sweep.Progress) else sweep.report(whole, net.labels) | extra


def fgsm_sweep(
    image: str | None, sample: str, model: str, method: str, target: str, steps: int, seed: int
) -> Iterator[tuple[Image.Image | None, Image.Image | None, dict]]:
    """What the page calls: the clean picture, the sign of the gradient (or the attacked frames under one another), the numbers."""
    sheets, told = None, time.monotonic()
    long = zoo.spec(model).size[0] > 1 and sweep.METHODS[choice("method", method, sweep.METHODS)].kind != "sign"
    for found, numbers in _run(image, sample, model, method, target, steps, seed):
        if isinstance(found, sweep.Sweep):
            if not sheets:
                middle = images.to_image((found.sign + 1) / 2) if found.sign is not None else images.to_sheet(found.frames)
                sheets = (images.to_image(found.x), middle)
            yield *sheets, numbers
        elif long and not sheets and time.monotonic() - told > 0.2:
            told = time.monotonic()
            yield gr.skip(), gr.skip(), numbers
        else:
            yield Pause(low=long or bool(sheets))  # the row after JPEG can wait, and what takes seconds


def attack(
    image: str | None, sample: str, model: str, method: str, eps: float, steps: int, target: str, seed: int
) -> tuple[Image.Image, dict]:
    """One attacked picture and its numbers. eps in 255ths, rounded to the nearest budget of the method's ladder;
    L-BFGS has no epsilon and gives the dearest price that reaches the target, or the cheapest if none does."""
    eps = number("epsilon (in 255ths)", eps, 0, 255)
    *_, (found, numbers) = _run(image, sample, model, method, target, steps, seed)
    if sweep.METHODS[method].kind == "price":
        k = found.fooled_at if found.fooled_at is not None else len(found.budgets) - 1
    else:
        k = min(range(len(found.budgets)), key=lambda i: abs(found.budgets[i] - eps))
    return images.to_image(found.frames[k]), {key: v for key, v in numbers.items() if key not in ("rungs", "curves")} | numbers["rungs"][k]


def content(given: dict) -> dict:
    """The cache's key: the picture's bytes instead of its path, without what the method leaves aside."""
    key = dict(given)
    if given["image"] and Path(given["image"]).is_file():
        key |= {"image": hashlib.sha256(Path(given["image"]).read_bytes()).hexdigest(), "sample": ""}
    how = sweep.METHODS.get(given["method"]) if isinstance(given["method"], str) else None
    if how:
        unused = {"target": not how.targeted, "steps": how.kind == "sign", "seed": not how.random_start}
        key |= {name: None for name, left_aside in unused.items() if left_aside}
    return key


def prepare() -> None:
    """Makes the first figure, so that the first visitor does not wait for the model to be loaded."""
    for _ in run(image=None, sample=pictures.FIRST["photo"], target="", steps=10, seed=0, **DEFAULT):
        pass


def warm() -> None:
    """Answers, while nobody asks, what every packaged picture will be asked with the controls untouched, so that a class finds it ready:
    FGSM first, then BIM and PGD."""
    models = {"photo": "imagenet-lite0", "cifar10": "cifar10-resnet", "digit": "mnist-cnn"}
    for method in ("fgsm", "bim", "pgd"):
        for name, sample in samples.SAMPLES.items():
            while not compute.idle():
                time.sleep(0.1)
            for _ in run(image=None, sample=name, model=models[sample.group], method=method, target="", steps=10, seed=0):
                pass


def settle(model: str, method: str, target: str, sample: str, image: str | None, tick: float) -> tuple:
    """Shows the controls and pictures that belong to the chosen model and method, then asks for a sweep."""
    zoo.spec(model)
    how = sweep.METHODS[choice("method", method, sweep.METHODS)]
    labels = zoo.labels(model) if how.targeted else ()
    if how.targeted and target not in labels:
        target = labels[min(954, len(labels) - 3)]
    several = how.kind != "sign"
    return (
        *pictures.suit(model, sample, image),
        gr.update(choices=pictures.models()),
        gr.update(visible=how.targeted, choices=list(labels), value=target),
        gr.update(visible=several),
        gr.update(visible=how.random_start),
        tick + 1,
    )


run = ui.computed(fgsm_sweep, key=content)


def build() -> ui.Built:
    """Lays out the tab, wires it, and names its controls for the address bar."""
    gr.Markdown(QUESTION, elem_classes="ff-question")
    with gr.Row():
        with gr.Column(scale=3, min_width=290):
            chooser = pictures.chooser(DEFAULT["model"], NAME)
            model = ui.Choice(pictures.models(building=True), value=DEFAULT["model"], label="Model", elem_id="fgsm-model")
            methods = [(m.title, name) for name, m in sweep.METHODS.items()]
            method = ui.Choice(methods, value=DEFAULT["method"], label="Method", elem_id="fgsm-method")
            target = ui.Choice(
                [], value="", allow_custom_value=True, label="Target class (type to search)", visible=False, elem_id="fgsm-target"
            )
            with gr.Row():
                steps = ui.Slider(1, sweep.MAX_STEPS, 10, step=1, label="Steps", visible=False, elem_id="fgsm-steps", min_width=120)
                seed = ui.Number(0, precision=0, minimum=0, label="Seed", visible=False, elem_id="fgsm-seed", min_width=90)
        with gr.Column(scale=8, min_width=320):
            source = ui.code_of(gradient_attacks.fgsm, gradient_attacks.gradient_sign)
            figure = ui.component("figure", elem_id="fgsm-figure", code=source)
            presets = ui.presets(PRESETS, NAME)
    ui.reading(FORMULA, REFERENCES, source, "core/gradient_attacks.py")
    # what has no place on the page: the answer on its way to the figure, and the controls of /attack
    report, x_out, sheet = gr.JSON(visible=False), ui.Picture(visible=False), ui.Picture(visible=False)
    eps = ui.Number(8, visible=False, label="epsilon in 255ths")
    attacked, numbers = ui.Picture(visible=False), gr.JSON(visible=False)
    once = gr.Button(visible=False)

    given = {"image": chooser.image, "sample": chooser.sample, "model": model, "method": method}
    inputs = given | {"target": target, "steps": steps, "seed": seed}
    triggers = [chooser.tick.change, chooser.image.change, target.input, steps.release, seed.submit]
    swept = ui.endpoint(triggers, run, inputs, [x_out, sheet, report], weight=ui.HEAVY)
    ui.pass_on(swept, run.__name__, report, figure, "(x, sheet, report) => ({x, sheet, report})", [x_out, sheet, report])
    one = given | {"eps": eps, "steps": steps, "target": target, "seed": seed}
    ui.endpoint([once.click], ui.computed(attack), one, [attacked, numbers], weight=ui.HEAVY)

    settled = [chooser.sample, chooser.draw, model, target, steps, seed, chooser.tick]
    follow = {"model": model, "method": method, "target": target, "sample": chooser.sample, "image": chooser.image, "tick": chooser.tick}
    for control in (model, method):
        ui.plumbing(control.input, settle, follow, settled)
    for button, (sample, *values, eps_value) in zip(presets, PRESETS.values(), strict=True):
        js = f"() => {{ FoolForge.tell('eps', {eps_value}); return {ui.js([sample, None, *values])}; }}"
        chosen = button.click(None, None, [chooser.sample, chooser.image, model, method, target, steps], js=js, api_visibility="private")
        ui.plumbing(chosen.then, settle, follow, settled)
    fields = [
        ui.Field("sample", chooser.sample, pictures.FIRST["photo"], ui.one_of(samples.SAMPLES)),
        ui.Field("model", model, DEFAULT["model"], ui.one_of(zoo.MODELS)),
        ui.Field("method", method, DEFAULT["method"], ui.one_of(sweep.METHODS)),
        ui.Field("target", target, ""),
        ui.Field("steps", steps, 10, ui.between(1, sweep.MAX_STEPS)),
        ui.Field("seed", seed, 0, ui.between(0, 2**32 - 1)),
    ]
    return ui.Built(fields, lambda trigger: ui.plumbing(trigger, settle, follow, settled))
