"""The tab "Write": a net guesses one character after another; temperature decides how boldly it is taken at its word."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import gradio as gr
import numpy as np

from core import copied, runtime, text, writers, zoo
from core.checks import choice, whole
from demos import ui
from demos.sheets import Sheet, flow
from demos.write_words import METHODS, PRESETS, TEMPERATURES, labels_of, words_of

TITLE, NAME = "Write", "write"
DEFAULT = {"corpus": "nietzsche", "epoch": "60"}
QUESTION = (
    "**How boldly should a net take its own word?** It guesses character after character; drag the temperature, also while it writes."
)
FORMULA = r"""
### The formula
$$q_i = \frac{\exp(\log p_i / T)}{\sum_j \exp(\log p_j / T)}$$

The net gives each character of its vocabulary a probability $p_i$; the next one is drawn from $q$. $T = 1$ is the net's own opinion,
below it the likely becomes likelier (for $T \to 0$ the likeliest always wins: **greedy**), above it all come closer. **Top-k** draws among
the $k$ likeliest only, **top-p** among the fewest whose probabilities add up to $p$. A character that the net gave $p$ costs
$-\log_2 p$ bits; what it expects to pay is the **entropy** $-\sum_i p_i \log_2 p_i$. Both are the net's own, at $T = 1$.

**Copied** is the longest run of characters that the text shares with what the net was trained on, known between two bounds from
fingerprints of the corpus; **words** is the share of its words that the corpus has.
"""
REFERENCES = """
### References
Hochreiter & Schmidhuber, *Long Short-Term Memory*, Neural Computation 1997 ·
Graves, *Generating Sequences With Recurrent Neural Networks*, 2013 (arXiv:1308.0850) ·
Holtzman et al., *The Curious Case of Neural Text Degeneration*, ICLR 2020 (arXiv:1904.09751) ·
Fan, Lewis & Dauphin, *Hierarchical Neural Story Generation*, ACL 2018 (arXiv:1805.04833) ·
Merity, Keskar & Socher, *Regularizing and Optimizing LSTM Language Models*, ICLR 2018 (arXiv:1708.02182)
"""
_running: dict[str, dict[int, writers.Writer]] = {}  # by visitor, then by run; an entry lives as long as its generator


def _knobs(temperature: float, method: str, k: int, share: float) -> dict[str, Any]:
    """The page's controls as core.text takes them."""
    choice("method", method, METHODS)
    return {
        "temperature": 0.0 if method == "greedy" else temperature,
        "top_k": k if method == "top-k" else None,
        "top_p": share if method == "top-p" else None,
    }


def _net(corpus: str, epoch: str) -> text.CharLSTM:
    return zoo.load(f"{choice('corpus', corpus, text.CORPORA)}-lstm{text.POINTS[choice('epoch', str(epoch), text.POINTS)]}")


async def write(
    prompt: str,
    corpus: str,
    epoch: str,
    temperature: float,
    method: str,
    k: int,
    share: float,
    length: int,
    seed: int,
    pace: float,
    written: str,
    run: float,
    request: gr.Request,
) -> AsyncIterator[dict]:
    """Streams a text in pieces {"from", "text", "costs", ...} every 50 ms; the last one, "done", has the whole text, p and entropy of
    each character, and the measures.

    written: what stands after the prompt already; it goes on from there. pace: characters a second, 0 for all speed.
    costs: log probabilities of the whole vocabulary before each character, see core.text.packed.   run: returned as it is.
    """
    net = await asyncio.to_thread(_net, corpus, epoch)
    clean, notes = text.readable(prompt, corpus)
    before, _ = text.readable(written, corpus) if written else ("", [])
    knobs, generator = _knobs(temperature, method, k, share), runtime.generator(seed)
    mine = _running.setdefault(str(request.session_hash), {})
    for old in mine.values():
        old.stop()  # one text at a time for a visitor
    writer = writers.write(net, clean, written=before, length=length, generator=generator, pace=pace, **knobs)
    mine[int(run or 0)] = writer
    told = {"run": run, "corpus": corpus, "epoch": str(epoch), "seed": seed, "method": method, "temperature": temperature}
    sheet = Sheet(writer, corpus, told | {"prompt": clean, "before": before, "notes": notes})
    try:
        async with aclosing(flow([sheet])) as pieces:
            async for (piece,) in pieces:
                yield piece | {"run": run}
    finally:
        if mine.get(int(run or 0)) is writer:
            del mine[int(run or 0)]
        if not mine:
            _running.pop(str(request.session_hash), None)


async def compare(
    what: str,
    prompt: str,
    corpus: str,
    epoch: str,
    temperature: float,
    method: str,
    k: int,
    share: float,
    length: int,
    seed: int,
    run: float,
) -> AsyncIterator[dict]:
    """Streams several texts at once from one prompt and one seed. what: "temperatures" 0.2, 0.5, 1 and 1.5, or "epochs" 1, 20 and 60."""
    choice("comparison", what, ("temperatures", "epochs"))
    clean, notes = text.readable(prompt, corpus)
    if what == "temperatures":
        choice("method", method, METHODS)
        rows = [(str(epoch), t) for t in TEMPERATURES]
        method = "stochastic" if method == "greedy" else method
    else:
        rows = [(e, temperature) for e in text.POINTS]
    whole("The length", length, *text.LENGTH)
    nets = [await asyncio.to_thread(_net, corpus, e) for e, _ in rows]
    sheets = []
    for net, (e, t) in zip(nets, rows, strict=True):
        told = {"corpus": corpus, "epoch": e, "temperature": t, "method": method, "prompt": clean, "before": "", "notes": notes}
        knobs = _knobs(t, method, k, share)
        writer = writers.write(net, clean, length=length, generator=runtime.generator(seed), **knobs)
        sheets.append(Sheet(writer, corpus, told))
    async with aclosing(flow(sheets)) as every:
        async for pieces in every:
            yield {"run": run, "what": what, "seed": seed, "columns": pieces, "done": all(piece["done"] for piece in pieces)}


def next_char(prompt: str, corpus: str, epoch: str, temperature: float, method: str, k: int, share: float) -> dict:
    """What the net expects after a prompt: "next" = [character, the net's own p, q after temperature and cut], the likeliest first."""
    net, knobs = _net(corpus, epoch), _knobs(temperature, method, k, share)
    clean, notes = text.readable(prompt, corpus)
    step = writers.write(net, clean, length=1, generator=runtime.generator(0), **knobs).all()[0]
    log_p = text.log_softmax(step.logits)
    p, q = np.exp(log_p), text.shaped(log_p, *knobs.values())
    return {
        "corpus": corpus,
        "epoch": str(epoch),
        "prompt": clean,
        "notes": notes,
        "entropy": round(step.entropy, 4),
        "next": [[net.vocabulary[i], round(float(p[i]), 6), round(float(q[i]), 6)] for i in (-p).argsort(kind="stable")],
        "costs": text.packed([step.logits]),
    }


def tune(heat: dict, request: gr.Request) -> None:
    """The temperature under the visitor's hand, for the text that is being written: its next character obeys."""
    writer = _running.get(str(request.session_hash), {}).get(int(heat["run"])) if heat else None
    if writer:
        writer.temperature = _knobs(heat["temperature"], heat["method"], 1, 1)["temperature"]


def halt(request: gr.Request) -> dict:
    """Ends the visitor's text within a step; what was written stays and is measured. {"stopped": how many were being written}"""
    mine = list(_running.get(str(request.session_hash), {}).values())
    for writer in mine:
        writer.stop()
    return {"stopped": len(mine)}


def settle(corpus: str, epoch: str, prompt: str, tick: float) -> tuple:
    """The words, the seed text and the measures that belong to the chosen corpus and epoch; then asks what the net expects."""
    known = text.CORPORA[choice("corpus", corpus, text.CORPORA)]
    words, card = words_of(corpus), zoo.card(f"{corpus}-lstm{text.POINTS[choice('epoch', str(epoch), text.POINTS)]}")
    if not prompt or any(prompt == other.prompt for other in text.CORPORA.values()):
        prompt = known.prompt
    info = {"corpus": corpus, "rtl": known.rtl, "vocabulary": known.vocabulary, "labels": labels_of(corpus), "words": words}
    info |= {"bits": card["metrics"]["held_out_bits_per_character"], "sweep": card.get("sweep"), "nats": text.NATS}
    methods = list(zip(words["methods"], METHODS, strict=True))
    controls = [gr.update(label=words[name]) for name in ("epoch", "temperature", "k", "share", "length", "seed", "pace")]
    buttons = [gr.update(value=words[name]) for name in ("write", "stop", "again", "more", "temperatures", "epochs")]
    box = gr.update(value=prompt, label=words["prompt"], rtl=known.rtl)
    return (box, gr.update(choices=methods, label=words["method"]), *controls, *buttons, info, tick + 1)


def cut(method: str) -> tuple:
    """Shows the knob that belongs to the method."""
    return gr.update(visible=method == "top-k"), gr.update(visible=method == "top-p")


def prepare() -> None:
    """Loads the first net and its fingerprints, so that the first visitor does not wait for them."""
    text.stepper(zoo.load(f"{DEFAULT['corpus']}-lstm"))
    copied.index(DEFAULT["corpus"])


def build() -> ui.Built:
    """Lays out the tab, wires it, and names its controls for the address bar."""
    say, first = ui.js, text.CORPORA[DEFAULT["corpus"]]
    words = words_of(DEFAULT["corpus"])
    gr.Markdown(QUESTION, elem_classes="ff-question")
    with gr.Row(elem_classes="ff-figure-after-2"):
        with gr.Column(scale=3, min_width=290):
            with gr.Row():
                corpora = [(known.title, name) for name, known in text.CORPORA.items()]
                corpus = ui.Choice(corpora, value=DEFAULT["corpus"], label="Corpus · پیکره", elem_id="write-corpus", min_width=130)
                epoch = ui.Choice(list(text.POINTS), value=DEFAULT["epoch"], label=words["epoch"], elem_id="write-epoch", min_width=130)
            prompt = gr.Textbox(first.prompt, label=words["prompt"], lines=3, max_lines=6, elem_id="write-prompt")
            with gr.Row():
                start = gr.Button(words["write"], variant="primary", elem_id="write-start", min_width=90)
                stop = gr.Button(words["stop"], elem_id="write-stop", min_width=90)
            temperature = ui.Slider(0.05, 2, 0.8, step=0.05, label=words["temperature"], elem_id="write-temperature")
            method = ui.Choice(list(METHODS), value="stochastic", label=words["method"], elem_id="write-method")
            k = ui.Slider(1, 60, 5, step=1, label=words["k"], visible=False, elem_id="write-k")
            share = ui.Slider(0.05, 1, 0.9, step=0.05, label=words["share"], visible=False, elem_id="write-share")
            with gr.Row():
                again = gr.Button(words["again"], elem_id="write-again", min_width=90)
                more = gr.Button(words["more"], elem_id="write-more", min_width=90)
            with gr.Row():
                length = ui.Number(400, precision=0, label=words["length"], min_width=80, elem_id="write-length")
                seed = ui.Number(0, precision=0, label=words["seed"], min_width=80, elem_id="write-seed")
            pace = ui.Slider(0, 200, 60, step=5, label=words["pace"], elem_id="write-pace")
            by_temperature = gr.Button(words["temperatures"], elem_id="write-temperatures")
            by_epoch = gr.Button(words["epochs"], elem_id="write-epochs")
        with gr.Column(scale=8, min_width=320):
            figure = ui.component("writing", elem_id="write-figure")
            presets = ui.presets(PRESETS, NAME)
    ui.reading(FORMULA, REFERENCES, ui.code_of(text.reweight, text.choose, text._generate), "core/text.py")
    # what has no place on the page: the answers' parts, and controls that only the API and the figure have
    report, columns, expected, info, heat, halted = (gr.JSON(visible=False) for _ in range(6))
    written, what = gr.Textbox("", visible=False, label="written"), gr.Textbox("temperatures", visible=False, label="what")
    run, tick, once = ui.Number(0, visible=False), ui.Number(0, visible=False), gr.Button(visible=False)

    given = {"prompt": prompt, "corpus": corpus, "epoch": epoch}
    knobs = {"temperature": temperature, "method": method, "k": k, "share": share}
    texts = given | knobs | {"length": length, "seed": seed}
    # the figure reads these streams itself: a piece every 50 ms through Gradio's components would keep the page busy
    ui.endpoint([once.click], ui.handler(write), texts | {"pace": pace, "written": written, "run": run}, [report], weight=ui.WRITE)
    ui.endpoint([once.click], ui.handler(compare), texts | {"what": what, "run": run}, [columns], weight=ui.WRITE)
    ui.endpoint([tick.change, prompt.input], ui.handler(next_char), given | knobs, [expected], weight=ui.AT_ONCE)
    for json, topic in ((expected, "expected"), (info, "info")):
        json.change(None, [json], None, js=f"(told) => FoolForge.tell('write-{topic}', told)", api_visibility="private")

    values = [*texts.values(), pace]
    go = "(...values) => FoolForge.tell('write-go', {values, written: %s})"
    start.click(None, values, None, js=go % "''", api_visibility="private")
    more.click(None, values, None, js=go % "null", api_visibility="private")
    figure.whatif(None, values, None, js=go % "FoolForge.wish", api_visibility="private")
    dice = f"(...values) => {{ values[8] = Math.floor(Math.random() * 1e6); ({go % repr('')})(...values); return values[8]; }}"
    again.click(None, values, [seed], js=dice, api_visibility="private")
    for button, name in ((by_temperature, "temperatures"), (by_epoch, "epochs")):
        aside = f"(...values) => FoolForge.tell('write-aside', {{values, what: {say(name)}}})"
        button.click(None, values, None, js=aside, api_visibility="private")
    stop.click(None, None, None, js="() => FoolForge.tell('write-halt')", api_visibility="private")
    ui.plumbing(once.click, tune, {"heat": heat}, [])
    ui.plumbing(once.click, halt, {}, [halted])
    note = "(temperature, method, k, share) => FoolForge.tell('write-knobs', {temperature, method, k, share})"
    for control in (temperature, method, k, share):
        control.change(None, [temperature, method, k, share], None, js=note, trigger_mode="multiple", api_visibility="private")
    ui.plumbing(method.change, cut, {"method": method}, [k, share])

    follow = {"corpus": corpus, "epoch": epoch, "prompt": prompt, "tick": tick}
    named = [prompt, method, epoch, temperature, k, share, length, seed, pace, start, stop, again, more, by_temperature, by_epoch]
    settled = [*named, info, tick]
    for control in (corpus, epoch):
        ui.plumbing(control.input, settle, follow, settled)
    for button, preset in zip(presets, PRESETS.values(), strict=True):
        js = f"() => {say([*preset])}"
        chosen = button.click(None, None, [corpus, epoch, prompt, temperature, method, length], js=js, api_visibility="private")
        settling = ui.plumbing(chosen.then, settle, follow, settled)
        settling.then(None, values, None, js=go % "''", api_visibility="private")
    fields = [
        ui.Field("corpus", corpus, DEFAULT["corpus"], ui.one_of(text.CORPORA)),
        ui.Field("epoch", epoch, DEFAULT["epoch"], ui.one_of(text.POINTS)),
        ui.Field("text", prompt, first.prompt),
        ui.Field("temperature", temperature, 0.8, ui.real(0.05, 2)),
        ui.Field("method", method, "stochastic", ui.one_of(METHODS)),
        ui.Field("k", k, 5, ui.between(1, 60)),
        ui.Field("p", share, 0.9, ui.real(0.05, 1)),
        ui.Field("length", length, 400, ui.between(*text.LENGTH)),
        ui.Field("seed", seed, 0, ui.between(0, 2**32 - 1)),
        ui.Field("pace", pace, 60, ui.between(0, 200)),
    ]
    return ui.Built(fields, lambda trigger: ui.plumbing(trigger, settle, follow, settled))
