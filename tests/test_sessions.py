"""Sessions open without a description of the page, and keep apart what belongs to each visitor."""

from __future__ import annotations

import gradio as gr
import pytest
from gradio import state_holder
from gradio.blocks import BlocksConfig

from demos import sessions


@pytest.fixture
def holder(monkeypatch):
    monkeypatch.setattr(state_holder, "SessionState", state_holder.SessionState)  # put back afterwards
    with gr.Blocks() as blocks:
        gr.Textbox("as built"), gr.State([]), gr.Slider(0, 1)
    sessions.lighten()
    held = state_holder.StateHolder()
    held.set_blocks(blocks)
    return held


def test_neither_opening_a_session_nor_changing_a_part_describes_one(holder, monkeypatch):
    def described(*_):
        raise AssertionError("a part was described")

    monkeypatch.setattr(BlocksConfig, "config_for_block", described)
    visitor = holder["a visitor"]
    slider = next(k for k, b in holder.blocks.blocks.items() if isinstance(b, gr.Slider))
    visitor[slider] = gr.Slider(0, 5, render=False)
    assert not visitor.is_closed and visitor[slider].maximum == 5


def test_a_visitor_has_a_state_and_parts_of_his_own(holder):
    textbox, state = (next(k for k, b in holder.blocks.blocks.items() if isinstance(b, kind)) for kind in (gr.Textbox, gr.State))
    one, other = holder["one"], holder["other"]
    one[state].append("mine")
    one[textbox] = gr.Textbox("changed", render=False)
    assert (one[state], other[state]) == (["mine"], [])
    assert (one[textbox].value, other[textbox].value, holder.blocks.blocks[textbox].value) == ("changed", "as built", "as built")


def test_a_session_holds_what_gradios_own_holds():
    assert set(vars(sessions.Session(gr.Blocks()))) == set(vars(state_holder.SessionState(gr.Blocks())))
