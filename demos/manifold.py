"""The tab "Manifold": the latent plane of an autoencoder under the finger."""

from __future__ import annotations

import math

import gradio as gr
from PIL import Image

from core import images, planes, runtime, samples, vae, zoo
from core.checks import choice
from demos import files, pictures, ui

TITLE, NAME = "Manifold", "manifold"
DEFAULT = "mnist-vae"
QUESTION = "**What lies between two digits?** Move over the plane: every point is a digit that the decoder draws."
FORMULA = r"""
### The formula
$$\log p(x) \ \ge\ \underbrace{\mathbb{E}_{q(z|x)}[\log p(x|z)]}_{\text{reconstruction}}
- \underbrace{\mathrm{KL}\big(q(z|x)\,\|\,\mathcal{N}(0, I)\big)}_{\tfrac12\sum_j(\mu_j^2+\sigma_j^2-1-\log\sigma_j^2)}$$

$$z = \mu + e^{\log\sigma^2/2}\,\epsilon,\qquad \epsilon \sim \mathcal{N}(0, I)$$

The **encoder** turns a picture into a small cloud $q(z|x)$ on the plane (the ellipse, at one and two σ), the **decoder** turns every point
into a picture. Training maximises the right side with a weight on the KL. Weight 0 is the plain **autoencoder**: each picture is one point,
the clusters lie where they like, and between them are holes where the decoder was never asked. The larger the weight, the more the clouds
are drawn to $\mathcal{N}(0, I)$ and overlap: the holes close, and the digits blur. **PCA** is the same with straight lines only.
"""
REFERENCES = """
### References
Kingma & Welling, *Auto-Encoding Variational Bayes*, ICLR 2014 (arXiv:1312.6114) ·
Rezende, Mohamed & Wierstra, *Stochastic Backpropagation*, ICML 2014 (arXiv:1401.4082) ·
Higgins et al., *beta-VAE*, ICLR 2017: the weight on the KL ·
Hinton & Salakhutdinov, *Reducing the Dimensionality of Data with Neural Networks*, Science 2006
"""
MODELS = (  # name, what the button says, whether earlier points of its training are kept
    ("mnist-ae", "Autoencoder", True),
    ("mnist-vae-kl0.1", "VAE, KL × 0.1", False),
    ("mnist-vae", "VAE, KL × 1", True),
    ("mnist-vae-kl4", "VAE, KL × 4", False),
    ("mnist-pca", "PCA", False),
)
PLANES = tuple(name for name in zoo.AUTOENCODERS if name.startswith("mnist-"))
PRESETS = {  # name: (model, place in sigma, what is shown, range, digit)
    "Holes between the clusters": ("mnist-ae", (0.9, 0.9), "over", 3, "digit-0"),
    "The holes close": ("mnist-vae", (0.6, -0.4), "over", 3, "digit-0"),
    "Too much KL": ("mnist-vae-kl4", (0.0, 0.0), "beside", 3, "digit-8"),
}


def _load(model: str) -> object:
    return zoo.load(choice("model", model, PLANES))


def manifold_plane(model: str) -> tuple[Image.Image, dict]:
    """The atlas of a model's plane and its 10,000 test codes, as one grey picture, and how to read it."""
    net = _load(model)
    where = planes.plane(net)
    report = {"kind": "plane", "model": model, "title": zoo.MODELS[model].title, "centre": where.centre, "scale": where.scale}
    report |= {"side": planes.SIDE, "bend": planes.BEND, "reach": planes.REACH, "positions": planes.positions().tolist()}
    report["codes"] = len(net.codes)
    return images.to_image(planes.sheet(net)), report


def manifold_grid(model: str, n: int, reach: float, quantiles: bool) -> tuple[Image.Image, dict]:
    """The n x n manifold, decoded exactly: evenly from -reach to reach sigma, or at the prior's quantiles."""
    sheet = planes.manifold(_load(model), n=n, reach=reach, quantiles=quantiles)
    return images.to_image(sheet), {"kind": "grid", "model": model, "n": n, "reach": reach, "quantiles": bool(quantiles)}


def manifold_decode(model: str, z: list[float]) -> tuple[Image.Image, dict]:
    """The digit at a point of the plane."""
    net = _load(model)
    return images.to_image(net.decode(planes.code(net, z))), {"kind": "decode", "model": model, "z": z}


def manifold_encode(model: str, drawing: str | None, sample: str, seed: int, draws: int, binarised: bool) -> tuple[Image.Image, dict]:
    """q(z | x) of a drawing (or of a packaged digit): its pictures side by side, its ellipse, and the terms of its ELBO in nats."""
    net = _load(model)
    x, _ = pictures.read(drawing, sample, net)
    found = vae.explain(net, x.to(zoo.device_of(net)), samples=draws, generator=runtime.generator(seed), binarised=bool(binarised))
    terms = {"reconstruction": found.bound.reconstruction, "kl": found.bound.kl, "error": found.bound.error}
    report = {key: _nats(value.item()) for key, value in terms.items()}
    report["elbo"] = None if report["kl"] is None else round(report["reconstruction"] - report["kl"], 2)
    way = f"one binarisation of the picture (seed {seed})" if binarised else "the grey picture: the mean over all its binarisations"
    told = f"Against {way}; the expectation from {draws} draws of z." if net.variational else f"Against {way}. A point has no ELBO."
    report |= {"kind": "encode", "model": model, "mu": found.mu.tolist(), "sigma": found.sigma.tolist(), "told": told}
    report |= {"samples": found.draws[:100].tolist(), "pictures": len(found.pictures), "binarised": bool(binarised)}
    return images.to_image(images.tiles(found.pictures, len(found.pictures))), report


def manifold_walk(model: str, start: list[float], end: list[float], steps: int) -> tuple[Image.Image, str, dict]:
    """The straight line from one point to another: its decodings side by side, and as a GIF that runs there and back."""
    net = _load(model)
    frames = planes.walk(net, planes.code(net, start, "start"), planes.code(net, end, "end"), steps)
    film = files.kept("walk.gif", files.gif([images.to_image(frame) for frame in frames], 8))
    report = {"kind": "walk", "model": model, "start": start, "end": end, "steps": len(frames)}
    return images.to_image(images.tiles(frames, len(frames))), film, report


def _nats(value: float) -> float | None:
    return round(value, 2) if math.isfinite(value) else None


plane = gr.cache(ui.computed(manifold_plane), max_size=40, max_memory="200mb")


def build() -> ui.Built:
    """Lays out the tab, wires it, and names its controls for the address bar."""
    gr.Markdown(QUESTION, elem_classes="ff-question")
    with gr.Row(elem_classes="ff-figure-after-0"):
        with gr.Column(scale=3, min_width=290):
            chooser = pictures.chooser("mnist-cnn", NAME)
            binarised = gr.Checkbox(True, label="Binarise the digit first, as in training", container=False, elem_id="manifold-binarised")
            with gr.Row():
                draws = ui.Number(100, precision=0, label="Samples of z", min_width=90, elem_id="manifold-draws")
                seed = ui.Number(0, precision=0, label="Seed", min_width=90, elem_id="manifold-seed")
            buttons = ui.presets(PRESETS, NAME)
        with gr.Column(scale=8, min_width=320):
            figure = ui.component("plane", elem_id="manifold-figure", models=MODELS)
    ui.reading(FORMULA, REFERENCES, ui.code_of(vae.kl, vae.reparameterise, vae.elbo), "core/vae.py")
    # what has no place on the page: what the figure asks, and the answers on their way to it
    model = ui.Choice(list(PLANES), value=DEFAULT, visible=False, allow_custom_value=True)
    z, start, end = (gr.JSON(visible=False) for _ in range(3))
    n, reach = ui.Number(20, visible=False), ui.Number(4, visible=False)
    steps, quantiles = ui.Number(24, visible=False), gr.Checkbox(False, visible=False)
    picture, sheet, grid, strip, line = (ui.Picture(visible=False) for _ in range(5))
    film = gr.File(visible=False)
    ticks = {name: gr.Number(0, visible=False) for name in ("ask", "exact", "grid", "line")}
    reports = {name: gr.JSON(visible=False) for name in ("ask", "exact", "grid", "line", "encode")}

    wishes = {  # what the figure triggers -> the controls that take what it wishes; the last one's change starts the work
        "ask": ([model], "(model, tick) => [FoolForge.plane.model || model, tick + (FoolForge.plane.known ? 0 : 1)]"),
        "exact": ([z], "(z, tick) => [FoolForge.plane.z, tick + 1]"),
        "grid": ([n, reach, quantiles], "(n, r, q, tick) => { const p = FoolForge.plane; return [p.n, p.reach, p.quantiles, tick + 1]; }"),
        "line": ([start, end], "(a, b, tick) => [FoolForge.plane.start, FoolForge.plane.end, tick + 1]"),
    }
    for name, (controls, js) in wishes.items():
        both = [*controls, ticks[name]]
        getattr(figure, name)(None, both, both, js=js, api_visibility="private")
    drawn = {"model": model, "drawing": chooser.image, "sample": chooser.sample, "seed": seed, "draws": draws, "binarised": binarised}
    triggers = [chooser.tick.change, chooser.image.change, ticks["ask"].change, model.change, seed.submit, draws.submit, binarised.change]
    work = {  # name: (triggers, handler, inputs, outputs before the report)
        "ask": ([ticks["ask"].change], plane, {"model": model}, [sheet]),
        "exact": ([ticks["exact"].change], ui.computed(manifold_decode), {"model": model, "z": z}, [picture]),
        "grid": (
            [ticks["grid"].change],
            ui.computed(manifold_grid),
            {"model": model, "n": n, "reach": reach, "quantiles": quantiles},
            [grid],
        ),
        "line": (
            [ticks["line"].change],
            ui.computed(manifold_walk),
            {"model": model, "start": start, "end": end, "steps": steps},
            [line, film],
        ),
        "encode": (triggers, ui.computed(manifold_encode), drawn, [strip]),
    }
    for name, (events, fn, inputs, outputs) in work.items():
        asked = ui.endpoint(events, fn, inputs, [*outputs, reports[name]], weight=ui.AT_ONCE if name == "exact" else ui.LIGHT)
        give = "(x, gif, report) => FoolForge.tell('plane', {x, gif, report})"
        give = give if len(outputs) == 2 else "(x, report) => FoolForge.tell('plane', {x, report})"
        reports[name].change(None, [*outputs, reports[name]], None, js=give, api_visibility="private")
        for ended in (asked.success, asked.failure):
            ended(None, None, None, js=f"() => FoolForge.tell('idle', {ui.js(fn.__name__)})", api_visibility="private")
    for button, (net, place, view, reached, digit) in zip(buttons, PRESETS.values(), strict=True):
        wish = ui.js({"model": net, "at": place, "view": view, "reach": reached})
        js = f"(tick) => {{ FoolForge.tell('plane-set', {wish}); return [{ui.js(digit)}, null, tick + 1]; }}"
        button.click(None, [chooser.tick], [chooser.sample, chooser.image, chooser.tick], js=js, api_visibility="private")
    fields = [
        ui.Field("sample", chooser.sample, pictures.FIRST["digit"], ui.one_of(samples.SAMPLES)),
        ui.Field("model", model, DEFAULT, ui.one_of(PLANES)),
        ui.Field("seed", seed, 0, ui.between(0, 2**32 - 1)),
        ui.Field("draws", draws, 100, ui.between(1, 1000)),
        ui.Field("binarised", binarised, True, lambda text: text != "false"),
    ]
    return ui.Built(fields, lambda trigger: None)  # it starts when it is first seen
