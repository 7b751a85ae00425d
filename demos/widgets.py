"""Gradio's controls as this app needs them: what a visitor sends is checked by core, and a picture arrives as it was measured."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import ImageData
from PIL import Image


class Photo(gr.Image):
    """A picture as the visitor gave it: the handler gets the file's path, unopened, and core.images decides what it is."""

    is_template = True

    def preprocess(self, payload: Any) -> str | None:
        if payload is None or (payload.url or "").startswith("data:"):
            return super().preprocess(payload)
        return payload.path


class Picture(gr.Image):
    """A picture that a handler gives: PNG, so that every pixel arrives as it was measured.

    Its file is named by its content and is put in place in one step, once: Gradio itself writes such a file anew at every answer,
    which tears it for another visitor who is just being sent the same picture.
    """

    is_template = True

    def postprocess(self, value: Image.Image | None) -> ImageData | None:
        if value is None:
            return None
        name = hashlib.sha256(f"{value.mode} {value.size} ".encode() + value.tobytes()).hexdigest()
        path = Path(self.GRADIO_CACHE) / name / "image.png"
        if path.exists():
            os.utime(path)  # still wanted: the clearing goes by age
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".png", delete=False) as file:
                value.save(file, "PNG", compress_level=3)
            os.replace(file.name, path)
        self.temp_files.add(str(path))
        return ImageData(path=str(path), orig_name="image.png", mime_type="image/png")


class Choice(gr.Dropdown):
    """A list to choose from. What the API sends passes unchecked: core.checks says what is allowed, in one sentence."""

    is_template = True

    def preprocess(self, payload: Any) -> Any:
        return payload


class Radio(gr.Radio):
    """A few things to choose from; what the API sends passes unchecked, as in Choice."""

    is_template = True

    def preprocess(self, payload: Any) -> Any:
        return payload


class Number(gr.Number):
    """A number; what the API sends passes unchecked, as in Choice. A seed is one: the same page gives the same picture."""

    is_template = True

    def preprocess(self, payload: Any) -> Any:
        return payload


class Slider(gr.Slider):
    """A slider; what the API sends passes unchecked, as in Choice."""

    is_template = True

    def preprocess(self, payload: Any) -> Any:
        return payload
