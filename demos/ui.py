"""The one doorway between the page and the compute, and what all tabs share: errors, permalinks, parts of the page.

A handler is a module-level function of picklable values (paths, strings, numbers -> pictures, JSON), so that it can run
in another process or on another machine. It reaches the page only through `handler`.
"""

from __future__ import annotations

import contextlib
import functools
import html
import inspect
import json
import logging
import os
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.caching import cache_hash

from core.checks import UserError
from demos import compute, flights
from demos.permalinks import Field, between, one_of, real, remember, restore
from demos.widgets import Choice, Number, Photo, Picture, Radio, Slider

__all__ = ["Choice", "Field", "Number", "Photo", "Picture", "Radio", "Slider", "between", "one_of", "real", "remember", "restore"]

log = logging.getLogger("fool_forge")
COMPONENTS = Path(__file__).parent / "components"
# queues: sweeps of about a second, answers of some milliseconds, searches of minutes, texts, which wait more than they work; and none at
# all, for a millisecond's work that a hand waits for. They let many in: core.turns says who computes
HEAVY, LIGHT, LONG, WRITE, AT_ONCE = "heavy", "light", "long", "write", ""
LIMITS = {HEAVY: 128, LIGHT: 8, LONG: 64, WRITE: 64}
THREADS = sum(LIMITS.values()) + 40  # whoever waits for its turn holds one


def on_zero_gpu(fn: Callable) -> Callable:
    """Wraps with spaces.GPU when the app runs on ZeroGPU hardware; anywhere else the function is left as it is."""
    if not os.environ.get("SPACES_ZERO_GPU"):
        return fn
    import spaces

    return spaces.GPU(fn)


def handler(fn: Callable) -> Callable:
    """The doorway. UserError becomes a sentence on the page; any other exception goes to the log, with its traceback, and the
    visitor sees one neutral sentence. The outputs keep what they showed."""
    inner = on_zero_gpu(fn)

    if inspect.isgeneratorfunction(fn):

        @functools.wraps(fn)
        def stream(*args: Any, **kwargs: Any) -> Iterator[Any]:
            try:
                yield from inner(*args, **kwargs)
            except Exception as error:
                raise _for_people(error) from None

        return stream

    if inspect.isasyncgenfunction(fn):

        @functools.wraps(fn)
        async def flow(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            try:
                async with contextlib.aclosing(inner(*args, **kwargs)) as steps:  # so that its `finally` runs when the visitor is gone
                    async for step in steps:
                        yield step
            except Exception as error:
                raise _for_people(error) from None

        return flow

    @functools.wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return inner(*args, **kwargs)
        except Exception as error:
            raise _for_people(error) from None

    return call


def computed(fn: Callable, *, key: Callable[[dict], Any] | None = None) -> Callable:
    """The doorway for a handler that computes: it runs where demos.compute says, in turn with others, and takes part in no session.
    A generator may yield turns.Pause() to let others compute.

    key(arguments) makes equal questions one: those asked at the same time are computed once, later ones are answered from the cache,
    with the last item alone.
    """
    signature = inspect.signature(fn)

    @functools.wraps(fn)
    def stream(*args: Any, **kwargs: Any) -> Iterator[Any]:
        yield from compute.stream(fn.__module__, fn.__name__, dict(signature.bind(*args, **kwargs).arguments))

    if not inspect.isgeneratorfunction(fn):

        @functools.wraps(fn)
        def once(*args: Any, **kwargs: Any) -> Any:
            return next(stream(*args, **kwargs))

        return handler(once)
    if key is None:
        return handler(stream)
    cached = gr.cache(handler(flights.shared(stream, key)), key=key, max_size=400, max_memory="400mb")

    @functools.wraps(cached)
    def remembered(*args: Any, **kwargs: Any) -> Iterator[Any]:
        yield from cached(*args, **kwargs)
        entry = cached.cache.get(cache_hash(key(dict(signature.bind(*args, **kwargs).arguments))))
        if entry:  # how far the work was, at each item, concerns nobody any more
            entry["yields"] = entry["yields"][-1:]

    return remembered


def _for_people(error: Exception) -> gr.Error:
    if isinstance(error, UserError):
        return gr.Error(html.escape(str(error), quote=False), title="Not possible", duration=12, print_exception=False)
    log.error("a handler failed", exc_info=error)
    return gr.Error("Something went wrong on the server; your input is kept, please try again.", title="Error", print_exception=False)


def component(name: str, value: Any = None, **props: Any) -> gr.HTML:
    """A browser component from demos/components/<name>.html, .css and .js; a long script goes on in <name>_*.js, in order of name."""
    read = {kind: (COMPONENTS / f"{name}.{kind}").read_text(encoding="utf-8") for kind in ("html", "css", "js")}
    read["js"] = "\n".join([read["js"], *(part.read_text(encoding="utf-8") for part in sorted(COMPONENTS.glob(f"{name}_*.js")))])
    return gr.HTML(
        value,
        html_template=read["html"],
        css_template=read["css"],
        js_on_load=read["js"],
        apply_default_css=False,
        elem_id=props.pop("elem_id", name),
        **props,
    )


def endpoint(
    triggers: list,
    fn: Callable,
    inputs: dict[str, Any],
    outputs: list,
    *,
    weight: str,
    name: str = "",
    public: bool = True,
    trigger_mode: str = "always_last",
) -> gr.events.Dependency:
    """An action of a tab, in the queue of its weight (AT_ONCE: in none); its name in the API is the function's, or `name`."""
    name = name or fn.__name__
    gr.on(triggers, None, None, None, js=f"() => FoolForge.tell('busy', {js(name)})", api_visibility="private")
    return gr.on(
        triggers,
        fn,
        inputs_kwargs=inputs,
        outputs=outputs,
        api_name=name,
        api_visibility="public" if public else "private",
        show_progress="hidden",
        trigger_mode=trigger_mode,
        queue=weight != AT_ONCE,
        concurrency_id=weight or None,
        concurrency_limit=LIMITS.get(weight, "default"),
    )


def plumbing(trigger: Callable, fn: Callable, inputs: dict[str, Any], outputs: list) -> gr.events.Dependency:
    """A quick step inside the page: not in the API, not in the queue. trigger: such as `button.click` or `dependency.then`."""
    return trigger(
        handler(fn),
        inputs_kwargs=inputs,
        outputs=outputs,
        queue=False,
        show_progress="hidden",
        show_progress_on=outputs[0] if outputs else None,  # each part named here costs the page time at every later answer
        trigger_mode="always_last",
        api_visibility="private",
    )


def pass_on(source: gr.events.Dependency, name: str, report: gr.JSON, component: gr.HTML, glue: str, inputs: list) -> None:
    """Hands an endpoint's outputs to a browser component, and tells it when the endpoint has ended, well or not."""
    report.change(None, inputs, [component], js=glue, api_visibility="private")
    for ended in (source.success, source.failure):
        ended(None, None, None, js=f"() => FoolForge.tell('idle', {js(name)})", api_visibility="private")


def presets(names: Any, prefix: str) -> list[gr.Button]:
    """A row of buttons under "What to try"; the tab says what each one sets."""
    gr.Markdown("### What to try")
    with gr.Row():
        return [gr.Button(name, size="md", min_width=140, elem_id=f"{prefix}-preset-{i}") for i, name in enumerate(names)]


def reading(formula: str, references: str, source: str, file: str) -> None:
    """The lower half of a tab: the formula and the references at the left, the core function's source at the right."""
    delimiters = [{"left": "$$", "right": "$$", "display": True}, {"left": "$", "right": "$", "display": False}]
    with gr.Row(equal_height=False):
        with gr.Column(min_width=320):
            gr.Markdown(formula, latex_delimiters=delimiters)
            gr.Markdown(references)
        with gr.Column(min_width=320):
            gr.Markdown(f"### The code\nThe function that ran, from `{file}`:")
            gr.Code(source, language="python", show_label=False, interactive=False, max_lines=30)


def js(value: Any) -> str:
    """A value as JavaScript."""
    return json.dumps(value)


@dataclass(frozen=True)
class Built:
    """A tab that stands: its controls for the address bar, and start(trigger), which wires its first work to a trigger."""

    fields: list[Field]
    start: Callable[[Any], Any]


def code_of(*functions: Callable) -> str:
    """The source of the core functions, as it runs."""
    return "\n\n".join(inspect.getsource(f).rstrip() for f in functions)


def theme() -> gr.themes.Base:
    """System fonts only: nothing is fetched from outside."""
    return gr.themes.Soft(
        primary_hue="indigo",
        secondary_hue="indigo",
        neutral_hue="slate",
        font=["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"],
        font_mono=["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"],
    ).set(
        block_title_background_fill="none",
        block_title_background_fill_dark="none",
        block_title_padding="0",
        block_title_text_color="*body_text_color",
        block_title_text_color_dark="*body_text_color",
        block_title_text_weight="500",
        block_label_background_fill="none",
        block_label_background_fill_dark="none",
        block_label_text_color="*body_text_color",
        block_label_text_color_dark="*body_text_color",
    )


def assets() -> dict[str, str]:
    """The page's own css and the script that keeps the address bar, for `launch`."""
    script = "\n".join((COMPONENTS / name).read_text(encoding="utf-8") for name in ("page.js", "plot.js"))
    return {"css": (COMPONENTS / "page.css").read_text(encoding="utf-8"), "head": f"<script>{script}</script>"}
