"""The one doorway between the page and the compute, and what all tabs share: errors, permalinks, parts of the page.

A handler is a module-level function of picklable values (paths, strings, numbers -> pictures, JSON), so that it can run
in another process or on another machine. It reaches the page only through `handler`.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import html
import inspect
import json
import logging
import os
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import ImageData
from PIL import Image

from core.checks import UserError
from demos import compute

log = logging.getLogger("fool_forge")
COMPONENTS = Path(__file__).parent / "components"
# queues: sweeps of about a second, answers of some milliseconds, searches of minutes, texts, which wait more than they work; and none at
# all, for a millisecond's work that a hand waits for. They let many in: core.turns says who computes
HEAVY, LIGHT, LONG, WRITE, AT_ONCE = "heavy", "light", "long", "write", ""
LIMITS = {HEAVY: 128, LIGHT: 8, LONG: 64, WRITE: 64}
THREADS = sum(LIMITS.values()) + 40  # whoever waits for its turn holds one


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

    key(arguments) makes equal questions one: those asked at the same time are computed once, later ones are answered from the cache.
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
    return gr.cache(handler(_shared(stream, key)), key=key, max_size=400, max_memory="400mb")


@dataclass
class _Flight:
    """A generator that several visitors read: whoever needs an item that is not there yet makes it, the others wait for it."""

    steps: Iterator[Any]
    readers: int = 0
    made: int = 0
    item: Any = None
    ended: bool = False
    error: Exception | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def after(self, seen: int) -> tuple[int, Any]:
        """(number of items made, the newest one), newer than `seen` unless there is none."""
        with self.lock:
            if self.made == seen and not self.ended:
                try:
                    self.item = next(self.steps)
                    self.made += 1
                except StopIteration:
                    self.ended = True
                except Exception as error:
                    self.ended, self.error = True, error
            if self.made == seen and self.error:
                raise self.error
            return self.made, self.item


def _shared(fn: Callable, key: Callable[[dict], Any]) -> Callable:
    """A handler whose equal questions, when they are asked at the same time, are computed once. Each asker sees the newest item
    whenever it looks, and the last one; when the last asker has gone, the computation ends."""
    flights: dict[str, _Flight] = {}
    guard = threading.Lock()
    signature = inspect.signature(fn)

    @functools.wraps(fn)
    def stream(*args: Any, **kwargs: Any) -> Iterator[Any]:
        given = signature.bind(*args, **kwargs).arguments
        name = repr(sorted(key(dict(given)).items()))
        with guard:
            flight = flights.setdefault(name, _Flight(iter(())))
            if not flight.readers:
                flight.steps = fn(**given)
            flight.readers += 1
        try:
            seen = 0
            while (news := flight.after(seen))[0] > seen:
                seen = news[0]
                yield news[1]
        finally:
            with guard:
                flight.readers -= 1
                if not flight.readers:
                    del flights[name]
                    flight.steps.close()

    return stream


def _for_people(error: Exception) -> gr.Error:
    if isinstance(error, UserError):
        return gr.Error(html.escape(str(error), quote=False), title="Not possible", duration=12, print_exception=False)
    log.error("a handler failed", exc_info=error)
    return gr.Error("Something went wrong on the server; your input is kept, please try again.", title="Error", print_exception=False)


def component(name: str, value: Any = None, **props: Any) -> gr.HTML:
    """A browser component from demos/components/<name>.html, .css and .js."""
    read = {kind: (COMPONENTS / f"{name}.{kind}").read_text(encoding="utf-8") for kind in ("html", "css", "js")}
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
class Field:
    """One control in the address bar. read: text of the URL -> the control's value, ValueError for nonsense (then: default)."""

    key: str
    control: gr.components.Component
    default: Any
    read: Callable[[str], Any] = str


@dataclass(frozen=True)
class Built:
    """A tab that stands: its controls for the address bar, and start(trigger), which wires its first work to a trigger."""

    fields: list[Field]
    start: Callable[[Any], Any]


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
    note = f"(...values) => FoolForge.remember({js(tab)}, {js([f.key for f in fields])}, values)"
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
