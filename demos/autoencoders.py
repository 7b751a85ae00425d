"""The tab "Autoencoders": an autoencoder, a variational one and PCA side by side; denoising, anomalies, an untrained net."""

from __future__ import annotations

import gradio as gr
from PIL import Image

from core import comparisons, images, planes, runtime, samples, vae, zoo
from core.checks import choice
from demos import pictures, ui

TITLE, NAME = "Autoencoders", "autoencoders"
QUESTION = "**How much of a picture fits through a narrow gate?** Three models squeeze the same picture through equally few numbers."
FORMULA = r"""
### The formulas
$$\text{PCA:}\quad z = W(x - \bar x),\qquad x' = \bar x + W^\top z$$

$$\text{AE:}\quad \min_\theta \textstyle\sum_x L\big(x, d_\theta(e_\theta(x))\big)$$

$$\text{VAE:}\quad \min_\theta \textstyle\sum_x \mathbb{E}_{q}\big[L(x, d_\theta(z))\big]
+ \mathrm{KL}\big(q(z|x)\,\|\,\mathcal N(0, I)\big)$$

The loss $L$ is what a pixel is believed to be: **Bernoulli** $-x \log p - (1 - x) \log(1 - p)$, **squared** $(x - p)^2$ (a Gaussian pixel),
**absolute** $|x - p|$ (a Laplacian pixel). Only the VAE says how its codes are distributed, so only its samples from $\mathcal N(0, I)$
must look right; to sample from the others, fit a normal distribution to their codes first. A model gives back what it knows: that
**denoises**, and a large error tells a **stranger**. KL in nats: $\mathrm{KL}(p\,\|\,q) = \sum_i p_i \log \frac{p_i}{q_i}$.
"""
REFERENCES = """
### References
Hinton & Salakhutdinov, *Reducing the Dimensionality of Data with Neural Networks*, Science 2006 ·
Kingma & Welling, *Auto-Encoding Variational Bayes*, ICLR 2014 (arXiv:1312.6114) ·
Vincent et al., *Extracting and Composing Robust Features with Denoising Autoencoders*, ICML 2008 ·
An & Cho, *Variational Autoencoder based Anomaly Detection using Reconstruction Probability*, 2015 ·
Fawcett, *An introduction to ROC analysis*, 2006 · He et al., *Delving Deep into Rectifiers*, 2015 (arXiv:1502.01852)
"""
KINDS = {"mnist": "Digits through 2 numbers", "fashion": "Clothes through 16 numbers"}
LOSSES = {"bernoulli": "Bernoulli", "squared": "squared", "absolute": "absolute"}
MODELS = {"mnist": ("mnist-ae", "mnist-vae", "mnist-pca"), "fashion": ("fashion-ae16", "fashion-vae16", "fashion-pca16")}
SCORES = {"squared error": "squared", "absolute error": "absolute", "Bernoulli": "bernoulli", "−ELBO (VAE only)": "negative_elbo"}
LEVELS = [round(0.05 * k, 2) for k in range(31)]  # standard deviations of the noise
PRESETS = {  # name: (kind, loss, sample, tab)
    "An eight for all three": ("mnist", "bernoulli", "digit-8", "compare"),
    "A shoe through 16 numbers": ("fashion", "bernoulli", "clothes-0", "compare"),
    "Pull a digit out of the snow": ("mnist", "bernoulli", "digit-3", "denoise"),
}


def _models(kind: str, loss: str) -> list:
    """The AE, the VAE and the PCA of a kind; the digits' AE exists for every loss."""
    names = list(MODELS[choice("kind of picture", kind, MODELS)])
    if choice("loss", loss, LOSSES) != "bernoulli" and kind == "mnist":
        names[0] += f"-{loss}"
    return [zoo.load(name) for name in names]


def _picture(drawing: str | None, sample: str, net: object) -> object:
    return pictures.read(drawing, sample, net)[0].to(zoo.device_of(net))


def reconstruct(kind: str, loss: str, drawing: str | None, sample: str, seed: int) -> tuple[Image.Image, Image.Image, dict]:
    """A picture through the AE, the VAE and PCA.

    Gives a sheet with a row for each model (x, its reconstruction, 10 samples from N(0, I), 10 from the normal distribution fitted to its
    codes), the packed codes of the three, and the numbers.
    """
    nets = _models(kind, loss)
    x = _picture(drawing, sample, nets[0])
    found = [comparisons.compare(net, x, seed_of_samples=runtime.generator(seed)) for net in nets]
    rows = []
    for net, one in zip(nets, found, strict=True):
        where = planes.first_plane(net)
        errors = {name: round(value, 3) for name, value in one.errors.items()}
        row = {"model": net.name, "title": zoo.MODELS[net.name].title, "errors": errors, "code": one.mu.tolist()}
        row["epochs"] = zoo.card(net.name).get("epochs")
        row |= {"mean": one.mean.tolist(), "covariance": one.covariance.tolist(), "centre": where.centre, "scale": where.scale}
        rows.append(row)
    sheet = images.strips([[x, one.picture, one.from_prior, one.from_codes] for one in found])
    report = {"kind": kind, "loss": loss, "seed": seed, "models": rows, "samples": len(found[0].from_prior)}
    return images.to_image(sheet), images.to_image(planes.codes_sheet(nets)), report


def denoise(kind: str, loss: str, drawing: str | None, sample: str, seed: int) -> tuple[Image.Image, dict]:
    """A picture under 31 levels of noise (rows: noisy, AE, VAE, PCA), and the squared errors against the clean one."""
    nets = _models(kind, loss)
    rows, errors = comparisons.denoise(nets, _picture(drawing, sample, nets[0]), comparisons.levels(LEVELS), runtime.generator(seed))
    report = {"levels": LEVELS, "titles": ["noisy", *(zoo.MODELS[net.name].title for net in nets)], "seed": seed}
    return images.to_image(images.strips([[row] for row in rows])), report | {"errors": errors.tolist()}


def anomalies(kind: str, loss: str, model: str, score: str, drawing: str | None, sample: str, seed: int) -> tuple[Image.Image, dict]:
    """How strange a model finds pictures: scores of 2,000 test pictures of its kind and 2,000 of the other, its ROC area; and, scored now,
    40 packaged pictures and the visitor's, as a strip of pictures with their scores."""
    which = {"ae": 0, "vae": 1, "pca": 2}[choice("model", model, ("ae", "vae", "pca"))]
    net, column = _models(kind, loss)[which], vae.SCORES.index(choice("score", score, vae.SCORES))
    stored = comparisons.stored_scores(net, column)
    chosen = [s for s in samples.SAMPLES.values() if s.group == "digit"] + list(samples.CLOTHES.values())
    x = comparisons.joined([pictures.read(None, s.name, net)[0] for s in chosen] + [_picture(drawing, sample, net)], net)
    b = vae.binarise(x, runtime.generator(seed))
    values = vae.scores(net, b.flatten(1), samples=32, generator=runtime.generator(seed))[:, column].tolist()
    own = "digit" if kind == "mnist" else "clothes"
    marks = [{"title": s.title, "own": s.group == own, "score": round(v, 2)} for s, v in zip(chosen, values, strict=False)]
    area, (normal, strange) = comparisons.roc(*stored).area, map(comparisons.rounded, stored)
    report = {"model": net.name, "title": zoo.MODELS[net.name].title, "score": score, "kind": kind, "area": round(area, 4)}
    report |= {"normal": normal, "strange": strange, "marks": marks, "yours": round(values[-1], 2)}
    return images.to_image(images.strips([[x]])), report


def random_net(seed: int) -> tuple[Image.Image, dict]:
    """What an untrained net makes of 100,000 points of N(0, I): the density, its square root in grey, and the box that is shown."""
    counts, box = comparisons.density(comparisons.random_net(100_000, generator=runtime.generator(seed)))
    return images.to_image(comparisons.as_grey(counts)), {"seed": seed, "box": box, "points": 100_000, "shown": int(counts.sum())}


def settle(kind: str, sample: str, drawing: str | None, tick: float) -> tuple:
    """Shows the pictures that belong to the kind, then asks for the work."""
    update, _ = pictures.suit(MODELS[choice("kind of picture", kind, MODELS)][0] if kind == "fashion" else "mnist-cnn", sample, drawing)
    return update, gr.update(visible=kind == "mnist"), tick + 1


def build() -> ui.Built:
    """Lays out the tab, wires it, and names its controls for the address bar."""
    gr.Markdown(QUESTION, elem_classes="ff-question")
    with gr.Row(elem_classes="ff-figure-after-2"):
        with gr.Column(scale=3, min_width=290):
            kind = ui.Radio([(title, name) for name, title in KINDS.items()], value="mnist", label="Pictures", elem_id="autoencoders-kind")
            chooser = pictures.chooser("mnist-cnn", NAME)
            loss = ui.Choice(
                [(title, name) for name, title in LOSSES.items()],
                value="bernoulli",
                label="Loss of the autoencoder",
                elem_id="autoencoders-loss",
            )
            seed = ui.Number(0, precision=0, label="Seed", elem_id="autoencoders-seed")
            buttons = ui.presets(PRESETS, NAME)
        with gr.Column(scale=8, min_width=320), gr.Tabs(selected="compare", elem_id="autoencoders-views") as views:
            with gr.Tab("Side by side", id="compare"):
                trio = ui.component("trio", elem_id="autoencoders-trio")
            with gr.Tab("Denoise", id="denoise"):
                snow = ui.component("snow", elem_id="autoencoders-snow")
            with gr.Tab("Anomalies", id="anomalies"):
                with gr.Row():
                    model = ui.Radio([("AE", "ae"), ("VAE", "vae"), ("PCA", "pca")], value="vae", label="Model", min_width=200)
                    score = ui.Choice(list(SCORES.items()), value="negative_elbo", label="Score", min_width=180)
                detector = ui.component("detector", elem_id="autoencoders-detector")
            with gr.Tab("Untrained net", id="random"):
                cloud = ui.component("cloud", elem_id="autoencoders-cloud")
            with gr.Tab("KL calculator", id="kl"):
                ui.component("divergence", elem_id="autoencoders-kl")
    ui.reading(FORMULA, REFERENCES, ui.code_of(vae.bernoulli, vae.squared, vae.absolute, vae.PCA, vae.kl_discrete), "core/vae.py")
    sheets = [ui.Picture(visible=False) for _ in range(5)]
    reports = [gr.JSON(visible=False) for _ in range(4)]
    own_seed, scored, seen = ui.Number(0, visible=False), gr.Number(0, visible=False), gr.Number(0, visible=False)

    given = {"kind": kind, "loss": loss, "drawing": chooser.image, "sample": chooser.sample, "seed": seed}
    changed = [chooser.tick.change, chooser.image.change, loss.input, seed.submit]
    cloud.another(None, [own_seed], [own_seed], js="() => FoolForge.cloud", api_visibility="private")
    only_vae = "(model, score, tick) => [model !== 'vae' && score === 'negative_elbo' ? 'bernoulli' : score, tick + 1]"
    model.input(None, [model, score, scored], [score, scored], js=only_vae, api_visibility="private")
    detected = given | {"model": model, "score": score}
    for events, fn, inputs, outputs, report, figure in (
        (changed, reconstruct, given, sheets[:2], reports[0], trio),
        (changed, denoise, given, sheets[2:3], reports[1], snow),
        ([*changed, scored.change, score.input], anomalies, detected, sheets[3:4], reports[2], detector),
        ([own_seed.change], random_net, {"seed": own_seed}, sheets[4:], reports[3], cloud),
    ):
        asked = ui.endpoint(events, ui.computed(fn), inputs, [*outputs, report], weight=ui.LIGHT)
        glue = "(x, codes, report) => ({x, codes, report})" if len(outputs) == 2 else "(x, report) => ({x, report})"
        ui.pass_on(asked, fn.__name__, report, figure, glue, [*outputs, report])
    settled = [chooser.sample, loss, chooser.tick]
    follow = {"kind": kind, "sample": chooser.sample, "drawing": chooser.image, "tick": chooser.tick}
    trio.seen(None, None, [seen], js="() => 1", api_visibility="private")
    for trigger in (kind.input, seen.change):
        ui.plumbing(trigger, settle, follow, settled)
    for button, (what, how, sample, view) in zip(buttons, PRESETS.values(), strict=True):
        js = f"() => {ui.js([what, how, sample, None])}"
        clicked = button.click(None, None, [kind, loss, chooser.sample, chooser.image], js=js, api_visibility="private")
        ui.plumbing(clicked.then, settle, follow, settled)
        button.click(lambda view=view: gr.Tabs(selected=view), None, [views], queue=False, show_progress="hidden", api_visibility="private")
    fields = [
        ui.Field("kind", kind, "mnist", ui.one_of(KINDS)),
        ui.Field("sample", chooser.sample, pictures.FIRST["digit"], ui.one_of(samples.SAMPLES | samples.CLOTHES)),
        ui.Field("loss", loss, "bernoulli", ui.one_of(LOSSES)),
        ui.Field("seed", seed, 0, ui.between(0, 2**32 - 1)),
        ui.Field("model", model, "vae", ui.one_of(("ae", "vae", "pca"))),
        ui.Field("score", score, "negative_elbo", ui.one_of(vae.SCORES)),
    ]
    return ui.Built(fields, lambda trigger: None)  # it starts when it is first seen
