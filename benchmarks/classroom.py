"""A class at work: many students ask one server for attacks, over raw HTTP as the browser does.

    python -m benchmarks.classroom [--students 50 100] [--seconds 60] [--warm gallery|all] [--quick]

Each student acts every 5 s, from a random moment of the first 5 s on: draws a model (of those whose weights are here: the photo net half
the time), a method and a packaged picture, and does what the page does: the controls settle (one unqueued call, when model or method is
another than before), then the sweep is queued (POST queue/join), its event stream is read to the end, and both pictures are fetched as
soon as the first answer names them. The time of an answer runs from the act until the figure stands: the numbers of the whole slider and
both pictures are there, and a drag needs no server any more. The row "after JPEG" follows in the same stream; its time is given beside it.
A student who still waits for that when the next turn comes lets it pass, as people do; such turns are counted.

The mix: 70 % FGSM and 12 % targeted FGSM (two targets) on every packaged picture; 8 % BIM, 6 % PGD (seeds 0 and 1) and 4 % targeted
PGD, ten steps each, on the first four pictures of the model: the ones that a lecture would dwell on.

Every answer is checked to be its own: the report names the model, method, steps, seed, target and true label that were asked, and the
clean picture is, pixel by pixel, the one asked for. Before the class begins the server has loaded the models and computed nothing; with
--warm gallery it has FGSM, BIM and PGD (seed 0) of every packaged picture that will be asked, as after `python app.py --warm`: what
remains are targets and other seeds; with --warm all it has whatever will be asked.
FOOL_FORGE_CONCURRENCY and FOOL_FORGE_THREADS reach the server from the environment. The load comes from this process, on the same
machine: the seconds of CPU that the server (its start included) and the load took are printed.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import os
import random
import resource
import secrets
import statistics
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import httpx
import numpy as np
from PIL import Image

from benchmarks.serving import percentile, serve, table
from core import images, samples, sweep, zoo

EVERY = 5.0  # seconds between two acts of a student
PATIENCE = 60.0  # seconds that the class waits for the last answers
SHARES = {"imagenet-lite0": 2, "cifar10-resnet": 1, "mnist-cnn": 1}
MIX = {"fgsm": 70, "fgsm-targeted": 12, "bim": 8, "pgd": 6, "pgd-targeted": 4}
TARGETS = {"imagenet-lite0": ("strawberry", "goose"), "cifar10-resnet": ("frog", "ship"), "mnist-cnn": ("3", "8")}
DWELT_ON = 4
Wires = dict[str, tuple[int, int, list[str]]]


@dataclass(frozen=True)
class Ask:
    """What a student asks for."""

    model: str
    method: str
    sample: str
    target: str
    seed: int
    steps: int = 10


@dataclass
class Answer:
    """What came back.   error: "" or what went wrong.   seconds: until the figure stood.   whole: with its row after JPEG.   cached:
    not computed anew.   picture: the clean picture's PNG.   size: bytes of both pictures."""

    ask: Ask
    error: str = ""
    seconds: float = 0.0
    whole: float = 0.0
    cached: bool = False
    report: dict = field(default_factory=dict)
    picture: bytes = b""
    size: int = 0


def draw(chance: random.Random, models: list[str]) -> Ask:
    """One combination of the mix."""
    model = chance.choices(models, [SHARES[m] for m in models])[0]
    method = chance.choices(list(MIX), list(MIX.values()))[0]
    how = sweep.METHODS[method]
    pictures = [s for s in samples.SAMPLES.values() if s.group == samples.group_of(model)]
    sample = chance.choice(pictures if how.kind == "sign" else pictures[:DWELT_ON])
    target = chance.choice([t for t in TARGETS[model] if t != sample.label]) if how.targeted else ""
    return Ask(model, method, sample.name, target, chance.randrange(2) if method == "pgd" else 0)


def wires(config: dict) -> Wires:
    """Which number, trigger and inputs the page's endpoints have, from the server's /config."""
    names = {c["id"]: (c["props"].get("elem_id") or "").removeprefix("fgsm-") for c in config["components"]}
    found = {}
    for call in config["dependencies"]:
        inputs = [names[i].replace("picker", "sample") or "tick" for i in call["inputs"]]
        if call["api_name"] in ("fgsm_sweep", "settle"):
            found[call["api_name"]] = (call["id"], call["targets"][0][0], inputs)
    return found


def body(call: tuple[int, int, list[str]], ask: Ask, session: str) -> dict:
    """The JSON that the browser posts. A packaged picture goes by its name; there is no picture of the student's own."""
    index, trigger, inputs = call
    values = {"image": None, "tick": 1} | vars(ask)
    return {"data": [values[i] for i in inputs], "event_data": None, "fn_index": index, "trigger_id": trigger, "session_hash": session}


async def ask_for(http: httpx.AsyncClient, wired: Wires, ask: Ask, session: str, settle: bool, calls: Counter) -> Answer:
    """One act of a student. `calls` counts the requests by kind."""
    answer, start = Answer(ask), time.perf_counter()

    async def fetch(url: str) -> bytes:
        calls["pictures"] += 1
        reply = await http.get(url)
        reply.raise_for_status()
        answer.seconds = time.perf_counter() - start
        return reply.content

    fetched: list[asyncio.Task] = []
    try:
        if settle:
            calls["settle"] += 1
            (await http.post("/gradio_api/run/predict", json=body(wired["settle"], ask, session))).raise_for_status()
        calls["join"] += 1
        joined = await http.post("/gradio_api/queue/join", json=body(wired["fgsm_sweep"], ask, session))
        if joined.status_code == 503:
            raise RuntimeError("the queue is full")
        event = joined.raise_for_status().json()["event_id"]
        calls["stream"] += 1
        async with http.stream("GET", "/gradio_api/queue/data", params={"session_hash": session}) as stream:
            stream.raise_for_status()
            async for line in stream.aiter_lines():
                if not line.startswith("data:"):
                    continue
                message = json.loads(line[5:])
                if message.get("event_id") not in (None, event):
                    raise RuntimeError("an event of somebody else's in this student's stream")
                kind, output = message["msg"], message.get("output") or {}
                if kind in ("process_generating", "process_completed") and not message["success"]:
                    raise RuntimeError(f"refused: {output}")
                data = output.get("data") or []
                if not fetched and data and isinstance(data[0], dict) and data[0].get("url"):
                    fetched = [asyncio.create_task(fetch(picture["url"])) for picture in data[:2]]
                if kind == "process_completed":
                    answer.report, answer.cached = data[2], message.get("used_cache") == "full"
                elif kind == "close_stream":
                    break
                elif kind == "unexpected_error":
                    raise RuntimeError(f"unexpected: {message['message']}")
        if not answer.report or not fetched:
            raise RuntimeError("the stream ended without an answer")
        answer.picture, sheet = await asyncio.gather(*fetched)
        answer.size = len(answer.picture) + len(sheet)
    except (httpx.HTTPError, RuntimeError, KeyError, ValueError) as error:
        answer.error = f"{type(error).__name__}: {error}"[:200]
    answer.whole = time.perf_counter() - start
    return answer


async def study(http: httpx.AsyncClient, wired: Wires, asks: list[Ask], start: float, calls: Counter, answers: list[Answer]) -> None:
    """One student from `start` (on the loop's clock) on; adds to `calls` and `answers`. A turn let pass is an act less than asks."""
    loop, before, session = asyncio.get_running_loop(), None, secrets.token_hex(6)
    for turn, ask in enumerate(asks):
        due = start + turn * EVERY
        if loop.time() > due + 0.5:
            calls["passed"] += 1
            continue
        await asyncio.sleep(max(due - loop.time(), 0))
        answers.append(await ask_for(http, wired, ask, session, before != (ask.model, ask.method), calls))
        before = (ask.model, ask.method)


async def hold_class(url: str, students: int, seconds: float, models: list[str], warm: str) -> dict:
    """The whole class. Returns its answers, the turns let pass, the acts without an answer, requests, length, CPU time of this process."""
    chance = random.Random(students)
    plans = [[draw(chance, models) for _ in range(round(seconds / EVERY))] for _ in range(students)]
    calls, answers = Counter(), []
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=2 * students)
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=seconds + PATIENCE, trust_env=False) as http:
        wired = wires((await http.get("/config")).json())
        first = [replace(plans[0][0], model=m, method="fgsm", sample="", target="") for m in models]
        for ask in first:  # a picture that nobody chooses: the models are loaded, the cache stays empty
            await ask_for(http, wired, ask, secrets.token_hex(6), True, Counter())
        before = {"": [], "all": [ask for plan in plans for ask in plan]}
        before["gallery"] = [ask for ask in before["all"] if ask.method in ("fgsm", "bim", "pgd") and ask.seed == 0]
        for ask in dict.fromkeys(before[warm]):
            await ask_for(http, wired, ask, secrets.token_hex(6), False, Counter())
        loop = asyncio.get_running_loop()
        begin, cpu = loop.time() + 0.5, time.process_time()
        tasks = [asyncio.create_task(study(http, wired, p, begin + chance.uniform(0, EVERY), calls, answers)) for p in plans]
        _, late = await asyncio.wait(tasks, timeout=seconds + EVERY + PATIENCE)
        length, cpu = loop.time() - begin, time.process_time() - cpu
        for task in late:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    passed = calls.pop("passed", 0)
    requests = calls.total() / length
    return {"answers": answers, "passed": passed, "unanswered": len(late), "requests": requests, "seconds": length, "cpu": cpu}


def wrong(answer: Answer, pixels: dict[tuple[str, str], np.ndarray]) -> str:
    """In which point an answer is not the one to its question; "" if in none."""
    ask, report = answer.ask, answer.report
    how = sweep.METHODS[ask.method]
    said = {
        "model": ask.model,
        "method": ask.method,
        "label": samples.sample(ask.sample).label,
        "target": ask.target if how.targeted else None,
        "seed": ask.seed,
        "steps": ask.steps if how.kind != "sign" else 1,
    }
    differing = [f"{key} {report.get(key)!r} instead of {value!r}" for key, value in said.items() if report.get(key) != value]
    shown = np.asarray(Image.open(io.BytesIO(answer.picture)).convert("RGB"))
    if not np.array_equal(shown, pixels[ask.model, ask.sample]):
        differing.append("another picture")
    return ", ".join(differing)


def expected(models: list[str]) -> dict[tuple[str, str], np.ndarray]:
    """Each packaged picture as each model must see it, (H, W, 3) of 0..255."""
    found = {}
    for model in models:
        shape = SimpleNamespace(size=zoo.MODELS[model].size, crop=zoo.MODELS[model].crop)
        for sample in samples.SAMPLES.values():
            if sample.group == samples.group_of(model):
                x = images.to_pixels(images.open_image(sample.path), shape)
                found[model, sample.name] = np.asarray(images.to_image(x).convert("RGB"))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="A class of students before one server")
    parser.add_argument("--students", type=int, nargs="+", default=[50, 100])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--warm", choices=["gallery", "all"], default="", help="what was asked for once before the class begins")
    parser.add_argument("--quick", action="store_true", help="five students, 15 s: does the script work?")
    options = parser.parse_args()
    if options.quick:
        options.students, options.seconds = [5], 15
    models = [name for name in SHARES if not zoo.MODELS[name].file or (zoo.WEIGHTS / zoo.MODELS[name].file).exists()]
    for name in SHARES.keys() - set(models):
        print(f"left out, as its weights are not here: {name}")
    pixels = expected(models)
    rows, kinds, trouble = [], [], Counter()
    for students in options.students:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        with serve() as (url, _):
            found = asyncio.run(hold_class(url, students, options.seconds, models, options.warm))
        after = resource.getrusage(resource.RUSAGE_CHILDREN)  # of servers that have ended
        good = [a for a in found["answers"] if not a.error]
        mixed = [text for a in good if (text := wrong(a, pixels))]
        trouble.update(a.error for a in found["answers"] if a.error)
        trouble.update(mixed)
        errors = len(found["answers"]) - len(good) + found["unanswered"]
        times = [a.seconds for a in good]
        rows.append(
            [
                f"{students}, {f'warm: {options.warm}' if options.warm else 'cold'}",
                str(len(good)),
                *(f"{percentile(times, share):.2f}" for share in (0.5, 0.95, 0.99, 1)),
                f"{percentile([a.whole for a in good], 0.95):.2f}",
                str(errors),
                str(len(mixed)),
                str(found["passed"]),
                f"{sum(a.cached for a in good) / max(len(good), 1):.0%}",
                f"{found['requests']:.0f}",
                f"{sum(a.size for a in good) / 1e6 / found['seconds']:.1f}",
                f"{after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime:.0f} + {found['cpu']:.0f}",
            ]
        )
        for model in models:
            for kind, word in (("sign", "FGSM"), ("iterated", "BIM, PGD")):
                some = [a for a in good if a.ask.model == model and sweep.METHODS[a.ask.method].kind == kind]
                for cached in (False, True):
                    part = [a.seconds for a in some if a.cached == cached]
                    if part:
                        numbers = [f"{statistics.median(part):.2f}", f"{percentile(part, 0.95):.2f}"]
                        size = f"{statistics.median(a.size for a in some) / 1000:.0f}"
                        kinds.append(
                            [str(students), f"{model}, {word}", "cached" if cached else "computed", str(len(part)), *numbers, size]
                        )
    settings = ", ".join(f"{key}={os.environ.get(key, 'unset')}" for key in ("FOOL_FORGE_CONCURRENCY", "FOOL_FORGE_THREADS"))
    head = ["students", "answers", "p50 s", "p95 s", "p99 s", "max s", "after JPEG p95 s", "errors", "mixed"]
    head += ["turns let pass", "cached", "requests/s", "MB/s", "CPU s, server + load"]
    title = (
        f"One act every {EVERY:.0f} s for {options.seconds:.0f} s, {settings}, {os.cpu_count()} cores (goals: p95 < 1 s, 0 errors, 0 mixed)"
    )
    table(title, head, rows)
    table("The same answers by what was asked", ["students", "asked", "answer", "answers", "p50 s", "p95 s", "kB of pictures"], kinds)
    for text, count in trouble.most_common(10):
        print(f"{count} x {text}")


if __name__ == "__main__":
    main()
