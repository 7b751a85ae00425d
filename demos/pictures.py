"""Choosing a picture: packaged, the visitor's own, or drawn. Shared by the tabs that attack classifiers."""

from __future__ import annotations

import base64
import functools
import io
from dataclasses import dataclass

import gradio as gr
from PIL import Image

from core import images, samples, zoo
from core.checks import UserError
from demos import ui

FIRST = {"photo": "cheetah", "cifar10": "cifar10-1", "digit": "digit-0", "clothes": "clothes-0"}


def thumbnails(_: object = None) -> dict[str, list[dict]]:
    """Every packaged picture as {name, title, small, src}, by group; made when the first page asks."""
    return _thumbnails()


@functools.cache
def _thumbnails() -> dict[str, list[dict]]:
    groups: dict[str, list[dict]] = {}
    for sample in (samples.SAMPLES | samples.CLOTHES).values():
        buffer = io.BytesIO()
        with Image.open(sample.path) as file:
            small = max(file.size) <= 64
            if not small:
                file.draft("RGB", (192, 192))
            picture = file.convert("RGB")
        if not small:
            side = min(picture.size)
            box = ((picture.width - side) // 2, (picture.height - side) // 2)
            picture = picture.resize((96, 96), Image.Resampling.BILINEAR, (*box, box[0] + side, box[1] + side))
        picture.save(buffer, "PNG" if small else "JPEG")
        src = f"data:image/{'png' if small else 'jpeg'};base64,{base64.b64encode(buffer.getvalue()).decode()}"
        groups.setdefault(sample.group, []).append({"name": sample.name, "title": sample.title, "small": small, "src": src})
    return groups


@dataclass(frozen=True)
class Chooser:
    """The controls: sample (its value is the packaged picture's name), image (the visitor's own, which wins over sample), the tab
    to draw in, and tick, whose change means: the choice is complete, start."""

    sample: gr.HTML
    image: ui.Photo
    draw: gr.Tab
    tick: gr.Number


def chooser(model: str, prefix: str) -> Chooser:
    """Builds the controls of a tab; `prefix` starts their elem_ids."""
    group = samples.group_of(model)
    with gr.Tabs():
        with gr.Tab("Packaged"):
            sample = ui.component("picker", FIRST[group], elem_id=f"{prefix}-picker", group=group, server_functions=[thumbnails])
        with gr.Tab("Your own"):
            image = ui.Photo(
                type="filepath",
                image_mode=None,
                label="Upload, webcam or clipboard",
                show_label=False,  # it would lie over the picture
                sources=["upload", "webcam", "clipboard"],
                buttons=[],
                height=230,
                elem_id=f"{prefix}-image",
            )
        with gr.Tab("Draw a digit", visible=group == "digit", elem_id=f"{prefix}-draw") as draw:
            pad = ui.component("pad", elem_id=f"{prefix}-pad")
    to_image = "(url) => ({path: null, url, orig_name: 'drawing.png', meta: {_type: 'gradio.FileData'}})"
    pad.draw(None, [pad], [image], js=to_image, api_visibility="private")
    tick = gr.Number(0, visible=False)
    sample.pick(None, [tick], [image, tick], js="(tick) => [null, tick + 1]", api_visibility="private")
    return Chooser(sample, image, draw, tick)


def suit(model: str, sample: str, image: str | None) -> tuple[dict, dict]:
    """The picker's pictures for a model, and whether digits can be drawn."""
    group = samples.group_of(model)
    known = (samples.SAMPLES | samples.CLOTHES).get(sample)
    name = sample if image or (known and known.group == group) else FIRST[group]
    return gr.update(value=name, group=group), gr.update(visible=group == "digit")


def read(image: str | None, sample: str, model: object) -> tuple[object, str]:
    """The chosen picture as pixels for the model, and its true label, "" where none is known. UserError for what is no picture."""
    if image:
        return images.to_pixels(images.open_image(image), model), ""
    if not sample:
        raise UserError("No picture is chosen: pick a packaged one, or upload, photograph, paste or draw one.")
    chosen = samples.sample(sample)
    return _packaged(chosen.name, model), chosen.label


@functools.lru_cache(maxsize=128)
def _packaged(name: str, model: object) -> object:
    """A packaged picture as pixels for the model, which nobody may change."""
    return images.to_pixels(images.open_image(samples.sample(name).path), model)


def models(*, building: bool = False) -> list[tuple[str, str]]:
    """(title, name) of the classifiers to choose from: those whose weights are here and, unless the page is only being built,
    those that can be fetched now."""
    rows = [(name, spec) for name, spec in zoo.MODELS.items() if spec.labels and not spec.many]
    return [(spec.title, name) for name, spec in rows if (not spec.fetched if building else spec.available())]
