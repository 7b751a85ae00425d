"""Sessions that open at once.

When a visitor first acts, Gradio 6.31 describes every part of the page anew for the session, in the server's one loop: 0.1 to 0.3 s with
this page's parts, in which nobody else is answered; a class that opens the page together waits for all of them. At every later answer it
describes the parts that were changed. The description serves Gradio's deep links alone, which this app does not offer: its links hold
the state themselves.
"""

from __future__ import annotations

from copy import copy
from types import SimpleNamespace
from typing import Any

import gradio as gr
from gradio import state_holder


class Session(state_holder.SessionState):
    """What belongs to one visitor: Gradio's own session without the description of the page."""

    def __init__(self, blocks: Any) -> None:
        self.blocks_config = copy(blocks.default_config)
        self.config_values: dict[int, dict] = {}
        self.state_data: dict[int, Any] = {}
        self._state_ttl: dict[int, Any] = {}
        self.is_closed = False
        self.STATE_TTL_WHEN_CLOSED = 3600

    def __setitem__(self, key: int, value: Any) -> None:
        if isinstance(self.blocks_config.blocks.get(key), gr.State):
            super().__setitem__(key, value)
        else:
            self.blocks_config.blocks[key] = value

    def _update_config(self, key: int) -> None:
        pass

    def _update_value_in_config(self, key: int, value: Any) -> None:
        pass


def lighten() -> None:
    """Makes Gradio open such sessions from now on. A Gradio whose sessions hold anything else keeps its own."""
    empty: Any = SimpleNamespace(default_config=SimpleNamespace(blocks={}), blocks={})  # making a gr.Blocks takes a fifth of a second
    if set(vars(state_holder.SessionState(empty))) == set(vars(Session(empty))):
        state_holder.SessionState = Session
