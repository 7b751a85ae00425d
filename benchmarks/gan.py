"""Samples, the slider between two of them, and a grid of four corners:  python -m benchmarks.gan [--moves 200] [--quick]

Samples. What `core.gan.sample` gives a second, beside the bare generator on the same 100 points in one batch (the goal is 0.9 of it) and
beside the generator asked for one point at a time; in turns, in one process. "handler" is the endpoint's function: the points of a seed,
the samples, their scores by the discriminator, the picture and its PNG.

Slider. A time runs from an `input` event on the slider between A and B until the frame in which both pictures, the caret and the plot were
drawn has been laid out, painted and handed to the compositor. Events come at any phase of the screen's clock and so hold the wait for the
next frame (up to 16.7 ms at 60 Hz); "work" is that time without the wait. The goal: p95 <= 16 ms of work and no request.

Grid. 15 x 15 samples between four corners over HTTP (posted, queued, computed, the PNG written, the answer received), beside the bare
forward pass on as many points.
"""

from __future__ import annotations

import argparse
import io
import statistics
import time

import httpx
import torch
from playwright.sync_api import Browser, sync_playwright

from benchmarks.manifold import ask
from benchmarks.serving import CHROMIUM_FLAGS, chromium, percentile, serve, table
from core import gan, latent, zoo
from demos import gan as tab

PATIENCE = 240_000  # ms
MODELS = tuple(tab.MODELS)
TOOLS = """async (moves) => {
  const root = document.querySelector(".gan"), slider = root.querySelector(".t"), took = [];
  const frame = () => new Promise((done) => requestAnimationFrame(() => done(performance.now())));
  const painted = () => new Promise((done) => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => { channel.port1.close(); done(performance.now()); };
    channel.port2.postMessage(0);
  });
  for (let i = 0; i < moves; i++) {
    await new Promise((done) => setTimeout(done, 33 * Math.random()));
    const before = root.dataset.painted, begun = frame(), start = performance.now();
    slider.value = Math.round(16 + 16 * Math.sin(i / 5));
    slider.dispatchEvent(new Event("input", { bubbles: true }));
    do await frame(); while (root.dataset.painted === before);
    const end = await painted();
    took.push([end - start, end - (await begun)]);
  }
  return took;
}"""


def seconds(call) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


@torch.no_grad()
def samples(repeats: int) -> None:
    """The table of samples a second."""
    rows = []
    for name in MODELS:
        net = zoo.load(name)
        z = latent.sheet(0)[:, : net.latent_dim]
        ways = {
            "bare": lambda net=net, z=z: net(z),
            "core": lambda net=net, z=z: gan.sample(net, z),
            "one": lambda net=net, z=z: [net(point[None]) for point in z],
            "handler": lambda name=name: tab.gan_sample(name, len(latent.sheet(0)), 0, 4)[0].save(io.BytesIO(), "PNG"),
        }
        times: dict[str, list[float]] = {way: [] for way in ways}
        for turn in range(repeats + 1):
            for way, call in ways.items():
                took = seconds(call)
                if turn:  # the first calls of a process are no measure
                    times[way].append(took)
        rate = {way: len(z) / statistics.median(took) for way, took in times.items()}
        ratios = [rate["core"] / rate["bare"], rate["core"] / rate["one"], rate["handler"] / rate["bare"]]
        rows.append([name, *(f"{rate[way]:,.0f}" for way in ("bare", "core", "one", "handler")), *(f"{ratio:.2f}" for ratio in ratios)])
    head = ["samples a second", "bare", "core.gan.sample", "batch 1", "handler", "core / bare", "core / batch 1", "handler / bare"]
    table("100 samples (goal: core / bare >= 0.9)", head, rows)


def slider(browser: Browser, url: str, moves: int) -> None:
    """The table of the slider between A and B."""
    rows = []
    for name in MODELS:
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        page.set_default_timeout(PATIENCE)
        start = time.perf_counter()
        page.goto(f"{url}/?tab=gan&model={name}", wait_until="commit")
        page.wait_for_selector(f".gan[data-state=ready][data-between^='{name}']")
        opened = time.perf_counter() - start
        page.wait_for_timeout(3000)  # until what the other tabs ask for is answered
        asked: list[str] = []
        page.on("request", lambda request, asked=asked: asked.append(request.url) if request.url.startswith("http") else None)
        took = page.evaluate(TOOLS, moves)
        whole, work = ([t[i] for t in took] for i in (0, 1))
        numbers = [percentile(whole, 0.5), percentile(whole, 0.95), percentile(work, 0.5), percentile(work, 0.95)]
        rows.append([name, str(len(took)), *(f"{v:.1f}" for v in numbers), str(len(asked)), f"{opened:.1f}"])
        page.close()
    head = ["slider from A to B, ms", "moves", "event p50", "event p95", "work p50", "work p95", "requests", "opened after, s"]
    table("Input event to repaint (goal: work p95 <= 16 ms, 0 requests)", head, rows)


@torch.no_grad()
def grids(url: str, repeats: int) -> None:
    """The table of the 15 x 15 grid."""
    rows = []
    with httpx.Client(timeout=120) as client:
        for name in MODELS:
            net, times = zoo.load(name), ([], [])
            corners = latent.sheet(0)[:4, : net.latent_dim]
            for turn in range(repeats + 1):
                z = latent.grid(corners, 15, way="slerp").reshape(225, -1)
                bare = seconds(lambda net=net, z=z: net(z))
                # other corners each time, so that nothing comes out of a cache
                points = [f"{turn}:{i}" for i in range(4)]
                whole = seconds(lambda name=name, points=points: ask(client, url, "gan_grid", [name, *points, 4, 15, "slerp"]))
                if turn:
                    times[0].append(bare)
                    times[1].append(whole)
            medians = [1000 * statistics.median(found) for found in times]
            rows.append([name, *(f"{m:.0f}" for m in medians), f"{medians[1] / medians[0]:.2f}"])
    table("A grid of 15 x 15 samples, ms, medians", ["generator", "bare forward pass", "end to end", "ratio"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description="GAN: samples, slider, grid")
    parser.add_argument("--moves", type=int, default=200)
    parser.add_argument("--quick", action="store_true", help="few moves: does the script work?")
    options = parser.parse_args()
    samples(2 if options.quick else 10)
    with serve() as (url, _), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=list(CHROMIUM_FLAGS))
        slider(browser, url, 20 if options.quick else options.moves)
        browser.close()
        grids(url, 2 if options.quick else 8)


if __name__ == "__main__":
    main()
