"""The latent plane in a browser, and its exact answers:  python -m benchmarks.manifold [--moves 300] [--quick]

Pointer. The mouse goes along a path over the plane. A time runs from a `pointermove` event until the frame in which the digit was drawn
anew has been laid out, painted and handed to the compositor: a message posted by that frame's animation callback arrives after it. Events
from a script come at any phase of the screen's clock and so hold the wait for the next frame (up to 16.7 ms at 60 Hz); "work" is that time
without the wait. The goal is for the hand: pointer event to repaint, p95 <= 16 ms, no request while moving.

Exact decode. The server's answer over HTTP (the event is posted, queued, computed, its picture written as PNG, the answer received) beside
the bare forward pass of the decoder on the same codes, in a process of its own with the same threads, in turns. One digit is little work;
the manifold of 30 x 30 digits is more. "handler" is the endpoint's function alone: checks, decode, and the picture.

Atlas. The bytes that the browser fetches once for a model, and the time from opening the page at this tab until the plane answers the
pointer.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import statistics
import time
from concurrent.futures import Executor, ProcessPoolExecutor
from multiprocessing import get_context

import httpx
import torch
from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.serving import CHROMIUM_FLAGS, PAINTING, chromium, percentile, serve, table
from core import images, planes, zoo

PATIENCE = 240_000  # ms
MODELS = ("mnist-ae", "mnist-vae-kl0.1", "mnist-vae", "mnist-vae-kl4", "mnist-pca")
TOOLS = """() => {
  const root = document.querySelector(".plane"), stage = root.querySelector(".stage.first");
  PAINTING
  const bench = (window.bench = { moved: [] });
  bench.move = async (moves) => {
    const took = [], box = stage.getBoundingClientRect();
    for (let i = 0; i < moves; i++) {
      const t = i / 40, across = 0.5 + 0.45 * Math.sin(3 * t), down = 0.5 + 0.45 * Math.cos(2 * t);
      const [x, y] = [box.left + box.width * across, box.top + box.height * down];
      await pause(33 * Math.random());
      const before = root.dataset.painted, begun = frame(), start = performance.now();
      stage.dispatchEvent(new PointerEvent("pointermove", { clientX: x, clientY: y, bubbles: true }));
      took.push(await repainted(before, [start, begun]));
    }
    return took;
  };
  let heard = null;
  stage.addEventListener("pointermove", () => { heard = [root.dataset.painted, [performance.now()]]; }, true);
  document.addEventListener("pointermove", async (event) => {
    if (event.isTrusted && heard) bench.moved.push(...(await repainted(...heard)));
  });
}""".replace("PAINTING", PAINTING)


def opened(browser: Browser, url: str, model: str) -> tuple[Page, float, int]:
    """A page at the plane of a model, the seconds until it answered the pointer, and the bytes of its atlas."""
    page = browser.new_page(viewport={"width": 1440, "height": 1000})
    page.set_default_timeout(PATIENCE)
    sizes: list[int] = []
    page.on("response", lambda r: sizes.append(int(r.headers.get("content-length", 0))) if r.url.endswith("image.png") else None)
    start = time.perf_counter()
    page.goto(f"{url}/?tab=manifold&model={model}", wait_until="commit")
    page.wait_for_selector('.plane[data-state="ready"]')
    page.wait_for_function("() => Number(document.querySelector('.plane').dataset.painted) > 0")
    seconds = time.perf_counter() - start
    page.wait_for_timeout(3000)  # until what the other tabs ask for is answered
    page.evaluate(TOOLS)
    return page, seconds, max(sizes)


def by_mouse(page: Page, moves: int) -> list[float]:
    """Moves the browser's own pointer over the plane, never resting as long as 150 ms."""
    page.locator(".plane .stage.first").scroll_into_view_if_needed()
    box, place = page.locator(".plane .stage.first").bounding_box(), [0.5, 0.5]
    page.evaluate("bench.moved = []")
    for _ in range(moves):
        place = [min(max(v + random.uniform(-0.05, 0.05), 0.03), 0.97) for v in place]
        page.mouse.move(box["x"] + place[0] * box["width"], box["y"] + place[1] * box["height"])
        time.sleep(random.uniform(0, 0.033))
    return page.evaluate("new Promise((done) => setTimeout(() => done(bench.moved), 60))")


def pointer(browser: Browser, url: str, moves: int) -> None:
    """The table of the moves, and that of the atlases."""
    rows, sizes = [], []
    for model in MODELS:
        page, seconds, size = opened(browser, url, model)
        sizes.append([model, f"{size:,}", f"{seconds:.2f}"])
        if model in ("mnist-ae", "mnist-vae"):
            for mover in ("mouse", "script"):
                page.mouse.move(2, 2)
                page.wait_for_timeout(1500)
                asked: list[str] = []
                page.on("request", lambda request, asked=asked: asked.append(request.url))
                hand = mover == "mouse"
                took = [[t, t] for t in by_mouse(page, moves)] if hand else page.evaluate("(moves) => bench.move(moves)", moves)
                count = len(asked)
                first, work = ([t[i] for t in took] for i in (0, 1))
                columns = [f"{percentile(first, share):.1f}" for share in (0.5, 0.95, 1)]
                worked = "-" if mover == "mouse" else f"{percentile(work, 0.95):.1f}"
                rows.append([f"{model}, {mover}", str(len(took)), *columns, worked, str(count)])
        page.close()
    head = ["move over the plane, ms", "repaints", "event p50", "event p95", "max", "work p95", "requests"]
    table("Pointer event to repaint (goal: by the mouse, p95 <= 16 ms; 0 requests)", head, rows)
    table("The atlas with 10,000 codes (goal: <= 1,500,000 bytes)", ["model", "bytes", "seconds until interactive"], sizes)


def ask(client: httpx.Client, url: str, name: str, data: list) -> dict:
    """One call of an endpoint over HTTP, its answer received."""
    event = client.post(f"{url}/gradio_api/call/{name}", json={"data": data}).json()["event_id"]
    text = client.get(f"{url}/gradio_api/call/{name}/{event}").text
    assert "event: complete" in text, text
    return json.loads(text.split("data: ")[-1])


def bare(codes: list[list[float]] | int, repeats: int) -> tuple[list[float], list[float]]:
    """Seconds of the decoder's forward pass alone, and of all that the handler does with it, without a server. An int: n x n codes."""
    net, decode, handler = zoo.load("mnist-vae"), [], []
    for i in range(repeats):
        with torch.no_grad():
            lattice = isinstance(codes, int)
            z = planes.mesh(planes.axis(codes, 3.0, False), planes.plane(net)) if lattice else torch.tensor([codes[i]])
            start = time.perf_counter()
            net.decode(z)
            decode.append(time.perf_counter() - start)
            start = time.perf_counter()
            if lattice:
                picture = images.to_image(planes.manifold(net, n=codes, reach=3.0, quantiles=False))
            else:
                picture = images.to_image(net.decode(planes.code(net, codes[i])))
            picture.save(io.BytesIO(), "PNG", compress_level=3)
            handler.append(time.perf_counter() - start)
    return decode, handler


def exact(url: str, pool: Executor, repeats: int) -> None:
    """The table of the exact answers."""
    rows = []
    with httpx.Client(timeout=60) as client:
        for title, n in (("one digit", None), ("the manifold, 30 x 30", 30)):
            codes = [[random.gauss(0, 1), random.gauss(0, 1)] for _ in range(repeats)]
            parts: list[list[float]] = [[], [], []]
            for turn in range(repeats + 2):
                z = codes[turn % repeats]
                # another range each time, so that nothing comes out of a cache
                call = ("manifold_decode", ["mnist-vae", z]) if n is None else ("manifold_grid", ["mnist-vae", n, 3 + turn / 100, False])
                start = time.perf_counter()
                ask(client, url, *call)
                whole = time.perf_counter() - start
                decode, handler = pool.submit(bare, [z] if n is None else n, 1).result()
                if turn >= 2:  # the first calls of a process are no measure
                    for found, value in zip(parts, (decode[0], handler[0], whole), strict=True):
                        found.append(value)
            medians = [1000 * statistics.median(found) for found in parts]
            ratios = [f"{medians[1] / medians[0]:.2f}", f"{medians[2] / medians[0]:.2f}"]
            rows.append([title, str(repeats), *(f"{m:.2f}" for m in medians), *ratios])
    head = ["exact decode, ms, medians", "n", "bare decode", "handler", "end to end", "handler / bare", "end to end / bare"]
    table("The server's exact answer beside the bare forward pass (goal: end to end / bare <= 1.3)", head, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description="The latent plane: pointer, exact decode, atlas")
    parser.add_argument("--moves", type=int, default=300)
    parser.add_argument("--quick", action="store_true", help="few moves: does the script work?")
    options = parser.parse_args()
    with serve() as (url, _), sync_playwright() as playwright, ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        browser = playwright.chromium.launch(executable_path=chromium(), args=list(CHROMIUM_FLAGS))
        pointer(browser, url, 40 if options.quick else options.moves)
        browser.close()
        exact(url, pool, 5 if options.quick else 40)


if __name__ == "__main__":
    main()
