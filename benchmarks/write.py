"""Writing with the LSTM: alone, beside others, and through the server:

    python -m benchmarks.write [--length 300] [--writers 20] [--threads 2]

Plain loop. The reference: PyTorch's nn.LSTM called once per character, a softmax over the vocabulary, torch.multinomial, the state carried;
without gradients. With oneDNN, PyTorch's default, it packs the weights anew at every call; "without oneDNN" is the plain loop at its best,
and the goal, 3 times as fast, is counted against both. All ways take turns in one process and must write the same number of characters;
the best of three rounds counts, since whatever else the machine does only slows them. On a busy machine, where threads wait for one
another, the numbers hold with --threads 1.

Levers. The parts of a character's step, each timed where it stands, after the others have filled the cache: medians of 1,000 characters.
The products also as they would be in single precision, and through PyTorch's door for quantized nets.

Writers. So many texts at once on one desk (core.writers), from different seeds, at full speed: characters per second of all, of the slowest
and of the quickest text; first: from the start until each has its first character, all prompts read anew.

Server. The same over HTTP, as the page does it: /write is joined and its event stream read, once by one visitor and then by all of them at
once, each at 60 characters a second and at full speed; first: from the request to the first piece. Every text must be the one that
core.text.generate writes alone.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import statistics
import time
from collections.abc import Callable

import httpx
import torch

from benchmarks.serving import percentile, serve, table
from core import text, writers, zoo

NET, GOAL = "nietzsche-lstm", 3.0


def plain(model: text.CharLSTM, prompt: str, length: int, generator: torch.Generator) -> str:
    """The loop that everybody writes first."""
    written, state = "", None
    ids = torch.tensor([[model.vocabulary.index(c) for c in prompt]])
    with torch.inference_mode():
        for _ in range(length):
            logits, state = model(ids, state)
            p = torch.softmax(logits[0, -1], 0)
            ids = torch.multinomial(p, 1, generator=generator)[None]
            written += model.vocabulary[int(ids)]
    return written


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def alone(model: text.CharLSTM, prompt: str, length: int) -> None:
    """Characters per second of one writer, each way."""

    def without_onednn() -> None:
        with torch.backends.mkldnn.flags(enabled=False):
            plain(model, prompt, length, seeded(0))

    def generate() -> None:
        assert len(list(text.generate(model, prompt, length=length, generator=seeded(0), temperature=0.8))) == length

    def desk() -> None:
        assert len(writers.write(model, prompt, length=length, generator=seeded(0), temperature=0.8).all()) == length

    ways: dict[str, Callable[[], object]] = {
        "plain loop, nn.LSTM": lambda: plain(model, prompt, length, seeded(0)),
        "plain loop, nn.LSTM without oneDNN": without_onednn,
        "core.text.generate": generate,
        "core.writers, one writer": desk,
    }
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(3):
        for name, way in ways.items():
            writers.desk(model).read.clear()  # the prompt is read each time
            start = time.perf_counter()
            way()
            best[name] = min(best[name], time.perf_counter() - start)
    speeds = {name: length / seconds for name, seconds in best.items()}
    reference, at_best = list(speeds.values())[:2]
    rows = [[n, f"{s:.0f}", f"{s / reference:.1f}", f"{s / at_best:.1f}"] for n, s in speeds.items()]
    head = ["one writer", "characters a second", "to the plain loop", "to the plain loop without oneDNN"]
    table(f"{NET}, {length} characters after a prompt of {len(prompt)}, {torch.get_num_threads()} thread(s); goal {GOAL:.0f}", head, rows)


def levers(model: text.CharLSTM) -> None:
    """Where a character's time goes, and what its products would cost otherwise."""
    step, clock = text.stepper(model), time.perf_counter
    H, part = step.H, {name: value.float() for name, value in model.state_dict().items()}
    weights = [part["lstm.weight_hh_l0"], torch.cat([part["lstm.weight_ih_l1"], part["lstm.weight_hh_l1"]], 1), part["read_out.weight"]]
    h = torch.rand(1, 2 * H)
    inputs = [h[:, :H].contiguous(), h, h[:, H:].contiguous()]
    ways: dict[str, list[Callable[[], object]]] = {
        "products, single precision": [lambda x=x, w=w: torch.nn.functional.linear(x, w) for x, w in zip(inputs, weights, strict=True)],
    }
    if "fbgemm" in torch.backends.quantized.supported_engines:
        packs = [torch.ops.quantized.linear_prepack_fp16(w, None) for w in weights]
        quantized = torch.ops.quantized.linear_dynamic_fp16
        ways["products, half, as quantized nets"] = [lambda x=x, p=p: quantized(x, p) for x, p in zip(inputs, packs, strict=True)]
    products = zip((x.numpy() for x in inputs), (step.first, step.second, step.last), strict=True)
    ways["products (used)"] = [lambda x=x, product=product: product(x) for x, product in products]
    state, logits = step.start(1), torch.rand(len(step.vocabulary))
    ways["whole step"] = [lambda: step([3], state)]
    ways["draw"] = [lambda: text.choose(logits, step.vocabulary, 0.5, temperature=0.8)]
    taken: dict[str, list[float]] = {name: [] for name in ways}
    with torch.inference_mode():
        for _ in range(1000):
            for name, parts in ways.items():
                start = clock()
                for run in parts:
                    run()
                taken[name].append(clock() - start)
    table("A character", ["", "microseconds"], [[name, f"{1e6 * statistics.median(times):.0f}"] for name, times in taken.items()])


def together(model: text.CharLSTM, prompt: str, length: int, many: int) -> None:
    """Many writers on one desk."""
    rows = []
    for count in (1, many):
        writers.desk(model).read.clear()
        start = time.perf_counter()
        crowd = [writers.write(model, prompt, length=length, generator=seeded(i), temperature=0.8) for i in range(count)]
        first, end = [0.0] * count, [0.0] * count
        while not all(end):
            time.sleep(0.0005)
            now = time.perf_counter() - start
            for i, writer in enumerate(crowd):
                first[i] = first[i] or (now if writer.steps else 0.0)
                end[i] = end[i] or (now if writer.done else 0.0)
        speeds = [length / seconds for seconds in end]
        for seed, writer in list(enumerate(crowd))[:3]:
            own = "".join(s.char for s in text.generate(model, prompt, length=length, generator=seeded(seed), temperature=0.8))
            if "".join(s.char for s in writer.take()) != own:
                raise SystemExit(f"writer {seed} wrote another text than alone")
        row = [f"{count}", f"{count * length / max(end):.0f}", f"{min(speeds):.0f}", f"{max(speeds):.0f}", f"{1000 * max(first):.0f} ms"]
        rows.append(row)
    table("On one desk, at full speed", ["writers", "characters a second", "slowest", "quickest", "last one's first character"], rows)


async def visit(http: httpx.AsyncClient, index: int, prompt: str, length: int, seed: int, pace: float) -> tuple[float, float, str]:
    """One text over HTTP: seconds to the first piece, to the end, and the text."""
    session, start, first = secrets.token_hex(6), time.perf_counter(), 0.0
    data = [prompt, "nietzsche", "60", 0.8, "stochastic", 5, 0.9, length, seed, pace, "", 1]
    body = {"data": data, "fn_index": index, "session_hash": session, "event_data": None, "trigger_id": None}
    (await http.post("/gradio_api/queue/join", json=body)).raise_for_status()
    async with http.stream("GET", "/gradio_api/queue/data", params={"session_hash": session}) as stream:
        async for line in stream.aiter_lines():
            if '"process_generating"' in line:
                first = first or time.perf_counter() - start
            elif '"process_completed"' in line:
                message = json.loads(line[6:])
                if not message["success"]:
                    raise SystemExit(f"the server refused: {message}")
                return first, time.perf_counter() - start, message["output"]["data"][0]["text"]
    raise SystemExit("the stream ended before the text")


async def served(url: str, model: text.CharLSTM, prompt: str, length: int, many: int) -> None:
    """Visitors at once over HTTP."""
    rows = []
    async with httpx.AsyncClient(base_url=url, timeout=300, trust_env=False, limits=httpx.Limits(max_connections=None)) as http:
        config = (await http.get("/config")).json()
        index = next(d["id"] for d in config["dependencies"] if d["api_name"] == "write")
        await visit(http, index, prompt, 5, 0, 0)  # the net is loaded
        for count, pace in ((1, 60), (1, 0), (many, 60), (many, 0)):
            fresh = f"{prompt} {secrets.choice('abcdefghij')}{secrets.choice('abcdefghij')}"  # a prompt whose state is not known yet
            answers = await asyncio.gather(*(visit(http, index, fresh, length, seed, pace) for seed in range(count)))
            own = "".join(s.char for s in text.generate(model, fresh, length=length, generator=seeded(0), temperature=0.8))
            if answers[0][2] != own:
                raise SystemExit("a visitor got another text than generate writes")
            firsts, speeds = [1000 * a[0] for a in answers], [length / a[1] for a in answers]
            first = [f"{percentile(firsts, 0.5):.0f} ms", f"{max(firsts):.0f} ms"]
            rows.append([f"{count}", f"{pace or 'all'}", *first, f"{min(speeds):.0f}", f"{max(speeds):.0f}"])
    head = ["visitors", "pace asked", "first character, p50", "the last one's", "slowest, characters a second", "quickest"]
    table("Over HTTP (goal: first character in 50 ms, none starving)", head, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--length", type=int, default=300)
    parser.add_argument("--writers", type=int, default=20)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model, prompt = zoo.load(NET), text.CORPORA["nietzsche"].prompt
    alone(model, prompt, options.length)
    levers(model)
    together(model, prompt, options.length, options.writers)
    with serve() as (url, _):
        asyncio.run(served(url, model, prompt, options.length, options.writers))


if __name__ == "__main__":
    main()
