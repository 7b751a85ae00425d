"""The tab "Smile": a face learns to smile by adding a vector."""

from __future__ import annotations

import inspect
from typing import Any

import gradio as gr
from PIL import Image

from core import concepts, edits, faces, images, invented, latent, runtime, zoo
from demos import ui

TITLE, NAME = "Smile", "smile"
QUESTION = "**What is a smile, to a net?** A direction. Add it to the code of a face, and the face that comes out smiles."
FORMULA = r"""
### The formula
$$v = \operatorname{mean}(z \mid \text{smiling}) - \operatorname{mean}(z \mid \text{not smiling})$$

$$z_{\text{smile}} = \mathrm{encode}(x) + a\,v, \qquad x' = \mathrm{decode}(z_{\text{smile}})$$

Of the faces that the vector was made from, more smiling ones are women's. So the difference of the means holds a little *woman*, too.
**Balanced**, the difference is taken among men and among women, young and old, and then averaged:

$$v = \sum_s \frac{n_s}{n}\,\big(\operatorname{mean}(z \mid \text{smiling}, s) - \operatorname{mean}(z \mid \text{not smiling}, s)\big)$$

How far a face lies along $v$ is its projection, $z \cdot v / \|v\|^2$: one step of the slider moves it by as much.
"""
NOTE = """
### What this net knows of faces
It was trained on 20,039 photos of **celebrities** (CelebA, for research only): mostly young, mostly light-skinned, mostly smiling into a
camera, hardly any children, few old people. None of them is shown here. The forty labels are the opinion of paid annotators, one yes or no
for each face: 5 to 10 in a hundred of *Smiling* are wrong, *Eyeglasses* includes sunglasses, *Male* knows two answers, *Young* and *Pale
skin* are a stranger's judgement. A net can only repeat that. The bars are the guesses of a second net that learned from the same labels.
"""
REFERENCES = """
### References
Larsen et al., *Autoencoding beyond Pixels using a Learned Similarity Metric*, ICML 2016 (arXiv:1512.09300): the attribute vectors ·
Hou et al., *Deep Feature Consistent Variational Autoencoder*, WACV 2017 (arXiv:1610.00291): the loss of this VAE ·
White, *Sampling Generative Networks*, 2016 (arXiv:1609.04468): why to balance · Liu et al., *Deep Learning Face Attributes in the Wild*,
ICCV 2015: CelebA · Buolamwini & Gebru, *Gender Shades*, FAT* 2018 · Xu et al., *CenterFace*, 2020 (arXiv:1911.03599): finds the eyes
"""
SOURCES = [("the VAE", "vae"), ("the GAN", "gan")]
KINDS = [("balanced", "balanced"), ("naive", "naive")]
PRESETS = {  # name: what the figure is told
    "Make the astronaut serious": {"face": "astronaut", "strengths": {"smile": -2}, "concept": "smile", "view": "moved"},
    "Glasses, and what came with them": {"face": "vae:0:0", "strengths": {"eyeglasses": 2}, "concept": "eyeglasses", "naive": True},
    "Twenty-four labels": {"face": "vae:0:0", "strengths": {}, "concept": "smile", "view": "own"},
}


def smile_faces(source: str, seed: int) -> tuple[Image.Image, dict]:
    """24 faces that do not exist, six in a row, drawn from the VAE or from the GAN ("vae" or "gan"), and their names."""
    x = invented.faces(source, seed)
    report = {"kind": "faces", "source": source, "seed": seed, "faces": [f"{source}:{int(seed)}:{i}" for i in range(len(x))]}
    return images.to_image(images.tiles(x, 6)), report


def smile_edit(
    image: str | None, face: str, eyes: list | None, which: int, strengths: dict, kind: str, code: list | None
) -> tuple[Image.Image, dict]:
    """decode(encode(x) + sum a v): the picture, its reconstruction and the edit side by side, and P of 40 attributes of each.

    image: a photo; its face is searched for, or cut out by its two eyes, [[x, y], [x, y]]; which: of several faces, 0 the largest.
    face: without a photo, "astronaut" or the name of an invented face. code: a report's code of a face; then there is no picture before it.
    strengths: {concept: -3 to 3}. kind: "balanced" or "naive".
    """
    z, parts, report = edits.start(image, face, eyes, which, code)
    after = concepts.edit(z, strengths, kind)
    x, p = edits.pictured([z, after])
    report |= {"kind": "edit", "face": face, "strengths": strengths, "vectors": kind, "before": p[0], "after": p[1]}
    return images.to_image(images.tiles(latent.joined([*parts, x]), len(parts) + 2)), report


def concept_strip(
    image: str | None, face: str, eyes: list | None, which: int, concept: str, strengths: dict, kind: str, frames: int, code: list | None
) -> tuple[Image.Image, dict]:
    """A face with one concept from -2 to 2, the others at their strengths: `frames` pictures side by side (3 to 65), with P of each."""
    z, _, report = edits.start(image, face, eyes, which, code)
    at, line = edits.line(z, concept, strengths, kind, frames)
    x, p = edits.pictured([line])
    report |= {"kind": "strip", "face": face, "concept": concept, "strengths": strengths, "vectors": kind, "at": at, "p": p}
    return images.to_image(images.tiles(x, len(x))), report


def own_vector(
    image: str | None, face: str, eyes: list | None, which: int, seed: int, yes: list, no: list, concept: str, code: list | None
) -> tuple[Image.Image, dict]:
    """A vector from a visitor's own labels of the VAE's faces of a seed: the face from -2 to 2 along it, and in the row below along the
    vector of all labels, nine pictures each; how well each tells the concept among 1,000 other invented faces, and how that grows with
    the number of labels."""
    z, _, report = edits.start(image, face, eyes, which, code)
    own = edits.own(seed, yes, no, concept, runtime.generator(0))
    x, _ = edits.pictured([edits.along(z, own.vector), edits.along(z, own.full)], judged=False)
    report |= {"kind": "own", "face": face, "seed": seed, "yes": yes, "no": no, "concept": concept} | own.told
    return images.to_image(images.tiles(x, len(x) // 2)), report


def concept_facts() -> dict:
    """What was measured of the concepts: histograms of the projections of training faces, how the vectors lean on one another, and which
    attributes the judging net tells apart well enough to be shown."""
    return edits.facts()


facts = gr.cache(ui.computed(concept_facts), max_size=1)


def prepare() -> None:
    """Loads what the first visitor needs."""
    for name in ("faces-vae", "faces-attributes"):
        zoo.load(name)


def build() -> ui.Built:
    """Lays out the tab, wires it, and names its controls for the address bar."""
    gr.Markdown(QUESTION, elem_classes="ff-question")
    with gr.Row(elem_classes="ff-figure-after-0"):
        with gr.Column(scale=3, min_width=290):
            with gr.Tabs():
                with gr.Tab("Faces that do not exist"):
                    source = ui.Radio(SOURCES, value="vae", label="Drawn from", elem_id="smile-source")
                    seed = ui.Number(0, precision=0, label="Seed", elem_id="smile-seed")
                    another = gr.Button("New faces", variant="primary", elem_id="smile-another")
                with gr.Tab("Your own"):
                    image = ui.Photo(
                        type="filepath",
                        image_mode=None,
                        label="Upload, webcam or clipboard",
                        sources=["upload", "webcam", "clipboard"],
                        buttons=[],
                        height=230,
                        elem_id="smile-image",
                    )
                    gr.Markdown("A photo stays in this page and in a temporary file that is deleted within the hour.")
            kind = ui.Radio(KINDS, value="balanced", label="Vectors", elem_id="smile-kind")
            buttons = ui.presets(PRESETS, NAME)
        with gr.Column(scale=8, min_width=320):
            titles = [(name, concept.title) for name, concept in concepts.CONCEPTS.items()]
            figure = ui.component("smile", elem_id="smile-figure", concepts=titles, labels=zoo.ATTRIBUTES)
            gr.Markdown(NOTE)
    ui.reading(FORMULA, REFERENCES, ui.code_of(concepts.concept_vector, concepts.projection, faces.similarity), "core/concepts.py")
    # what has no place on the page: what the figure asks, and the answers on their way to it
    asked: dict[str, Any] = {"face": ui.Choice(["vae:0:0"], value="vae:0:0", visible=False, allow_custom_value=True)}
    asked |= {"concept": ui.Choice(list(concepts.CONCEPTS), value="smile", visible=False, allow_custom_value=True)}
    asked |= {name: gr.JSON(visible=False) for name in ("eyes", "strengths", "code", "yes", "no")}
    asked |= {"which": ui.Number(0, visible=False), "frames": ui.Number(33, visible=False)}
    controls = asked | {"image": image, "source": source, "seed": seed, "kind": kind}
    work = {"faces": smile_faces, "edit": smile_edit, "strip": concept_strip, "own": own_vector, "facts": concept_facts}
    wishes = {  # event of the figure: the controls that take what it wishes
        "faces": [],
        "edit": ["face", "eyes", "which", "strengths", "code"],
        "strip": ["face", "eyes", "which", "concept", "strengths", "code"],
        "own": ["face", "eyes", "which", "concept", "code", "yes", "no"],
        "facts": [],
    }
    for name, fn in work.items():
        tick = gr.Number(0, visible=False)
        taking = [*(asked[key] for key in wishes[name]), tick]
        js = f"(...old) => [...{ui.js(wishes[name])}.map((key) => FoolForge.smile[key]), old.at(-1) + 1]"
        getattr(figure, name)(None, taking, taking, js=js, api_visibility="private")
        events = [tick.change, *([source.change, seed.change] if name == "faces" else [])]
        inputs = {key: controls[key] for key in inspect.signature(fn).parameters}  # the API gives them in this order
        outputs = [*([] if name == "facts" else [ui.Picture(visible=False)]), gr.JSON(visible=False)]
        doorway = facts if name == "facts" else ui.computed(fn)
        sent = ui.endpoint(events, doorway, inputs, outputs, weight=ui.LIGHT, public=name != "facts")
        give = "(...all) => FoolForge.tell('smile', {x: all.at(-2), report: all.at(-1)})"
        sent.success(None, outputs, None, js=give, api_visibility="private")  # also where the same answer comes twice
        sent.failure(None, None, None, js=f"() => FoolForge.tell('smile', {{failed: {ui.js(name)}}})", api_visibility="private")
    another.click(None, [seed], [seed], js="(seed) => (Number(seed) + 1) % 4294967296", api_visibility="private")
    tell = "FoolForge.tell('smile-{}', {})"
    image.change(None, [image], None, js=f"(file) => {tell.format('photo', 'file')}", api_visibility="private")
    kind.change(None, [kind], None, js=f"(kind) => {tell.format('kind', 'kind')}", api_visibility="private")
    figure.invent(None, None, [image], js="() => null", api_visibility="private")  # an invented face was chosen: the photo goes
    for button, wish in zip(buttons, PRESETS.values(), strict=True):
        vectors = "naive" if wish.get("naive") else "balanced"
        js = f"() => {{ {tell.format('set', ui.js(wish))}; return [null, {ui.js(vectors)}]; }}"
        button.click(None, None, [image, kind], js=js, api_visibility="private")
    fields = [
        ui.Field("source", source, "vae", ui.one_of(invented.SOURCES)),
        ui.Field("seed", seed, 0, ui.between(0, 2**32 - 1)),
        ui.Field("vectors", kind, "balanced", ui.one_of(concepts.KINDS)),
    ]
    return ui.Built(fields, lambda trigger: None)  # it starts when it is first seen
