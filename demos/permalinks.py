"""The address bar holds the state of a tab: each control that a link restores is declared once, for both directions."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import gradio as gr


@dataclass(frozen=True)
class Field:
    """One control in the address bar. read: text of the URL -> the control's value, ValueError for nonsense (then: default)."""

    key: str
    control: gr.components.Component
    default: Any
    read: Callable[[str], Any] = str


def one_of(options: Collection[str]) -> Callable[[str], str]:
    """Reads a value that must be among the options."""

    def read(text: str) -> str:
        if text not in options:
            raise ValueError(text)
        return text

    return read


def between(low: int, high: int) -> Callable[[str], int]:
    """Reads a whole number in [low, high]."""

    def read(text: str) -> int:
        if not low <= int(text) <= high:
            raise ValueError(text)
        return int(text)

    return read


def real(low: float, high: float) -> Callable[[str], float]:
    """Reads a number in [low, high]."""

    def read(text: str) -> float:
        if not low <= float(text) <= high:
            raise ValueError(text)
        return float(text)

    return read


def remember(tab: str, fields: list[Field], loaded: gr.events.Dependency) -> None:
    """Keeps the address bar in step with the controls of a tab, from the page's first state on, without a request."""
    controls = [f.control for f in fields]
    note = f"(...values) => FoolForge.remember({json.dumps(tab)}, {json.dumps([f.key for f in fields])}, values)"
    for trigger in (loaded.then, *(control.change for control in controls)):
        trigger(None, controls, None, js=note, api_visibility="private")


def restore(fields: list[Field], request: gr.Request) -> list[Any]:
    """The values of the fields from the page's query string; what is missing or cannot be read takes its default."""
    values = []
    for f in fields:
        text = request.query_params.get(f.key)
        try:
            values.append(f.default if text is None else f.read(text))
        except ValueError:
            values.append(f.default)
    return values
