"""The page in a real browser: dragging epsilon, and a new picture end to end:  python -m benchmarks.page [--moves 200] [--quick]

Drag. The epsilon slider is moved from rung to rung and back. A time runs until the frame in which the figure was drawn anew has been
laid out, painted and handed to the compositor: a message posted by that frame's animation callback arrives after it. "input" is the
time from the slider's `input` event, "hand" from the moment at which the pointer moved: with a mouse the browser keeps a move until its
next frame begins, up to 16.7 ms on a 60 Hz screen, and then sends the event. In the rows "script" events come from a script, after
pauses of 0 to 33 ms, at any phase of the screen's clock: there the wait for the frame is inside the time. "work" is what is left of
"script" without that wait. The goal is for the hand that holds a mouse: `input` event to repaint.

New picture. A picture that was not asked before is clicked; the time runs from the click until the figure shows this very picture
(its pixels are compared) and every number, that after JPEG included. Beside it, in a process of its own while the server idles,
`core.sweep` does the same work without a page, with the same threads. Both take turns.

Search. "Attack" is clicked in the tab One pixel; the time runs until the first generation is drawn, and until the last one is. Beside it
the same search, same seed, same threads, from `core.one_pixel` in a process of its own.
"""

from __future__ import annotations

import argparse
import io
import random
import statistics
import time
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from multiprocessing import get_context
from types import SimpleNamespace

import numpy as np
import torch
from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.serving import CHROMIUM_FLAGS, PAINTING, chromium, percentile, serve, table
from core import images, one_pixel, runtime, samples, sweep, zoo

PATIENCE = 240_000  # ms; a busy machine is slow, not broken
FIGURE = "#fgsm-figure .figure"
TITLES = {"imagenet-lite0": "photo, 224 px", "cifar10-resnet": "CIFAR-10, 32 px", "mnist-cnn": "digit, 28 px"}

# the tools of the measurements, defined once in the page
TOOLS = """() => {
  const root = document.querySelector("#fgsm-figure .figure"), slider = root.querySelector(".drag input");
  PAINTING
  const clean = root.querySelector("canvas.clean");
  // the same sum as in Python, of what the left canvas shows
  function checksum() {
    const { data } = clean.getContext("2d").getImageData(0, 0, clean.width, clean.height);
    let sum = 0;
    for (let i = 0, k = 0; i < data.length; i++) if (i % 4 < 3) sum = (sum + data[i] * (1 + (k++ % 251))) % 4294967296;
    return sum;
  }
  const bench = (window.bench = { root, slider, checksum, moved: [] });

  bench.drag = async (moves) => {
    const took = [];
    for (let i = 0, k = Number(slider.value), way = 1; i < moves; i++) {
      if (k + way > Number(slider.max) || k + way < 0) way = -way;
      k += way;
      await pause(33 * Math.random());
      const before = root.dataset.painted, begun = frame(), start = performance.now();
      slider.value = k;
      slider.dispatchEvent(new Event("input", { bubbles: true }));
      took.push(await repainted(before, [start, begun]));
    }
    return took;
  };

  let moved = 0, heard = null;
  document.addEventListener("pointermove", (event) => { moved = event.timeStamp; }, true);
  // before the slider's listener, and after it
  document.addEventListener("input", () => { heard = [root.dataset.painted, [performance.now(), moved]]; }, true);
  document.addEventListener("input", async (event) => {
    if (event.isTrusted && event.target === slider) bench.moved.push(await repainted(...heard));
  });

  bench.choose = (name, expected) => new Promise((done) => {
    const button = document.querySelector(`#fgsm-picker button[data-name="${name}"]`);
    const times = {}, start = performance.now();
    const look = async () => {
      if (times.figure === undefined && checksum() === expected) times.figure = performance.now() - start;
      if (times.figure === undefined || root.querySelector(".jpeg").textContent.startsWith("measuring")) return;
      watcher.disconnect();
      times.full = (await painted()) - start;
      done(times);
    };
    const watcher = new MutationObserver(look);
    watcher.observe(root, { attributes: true, attributeFilter: ["data-painted"] });
    button.click();
  });
}""".replace("PAINTING", PAINTING)


def bare(model: str, sample: str, method: str) -> dict[str, float]:
    """Seconds of a sweep's parts without page or server: all model work ("sweep", its first answer "first"), and what the server does
    around it: reading the picture, the report, encoding the two pictures as PNG."""
    net = zoo.load(model)
    clock = [time.perf_counter()]
    x = images.to_pixels(images.open_image(samples.sample(sample).path), net)
    clock.append(time.perf_counter())
    found = []
    for work in (lambda: sweep.sweep(net, x, method=method), lambda: sweep.after_jpeg(net, found[0])):
        *_, result = work()
        found.append(result)
        clock.append(time.perf_counter())
    sweep.report(found[-1], net.labels)
    clock.append(time.perf_counter())
    middle = images.to_sheet(found[0].frames) if found[0].sign is None else images.to_image((found[0].sign + 1) / 2)
    for picture in (images.to_image(found[0].x), middle):
        picture.save(io.BytesIO(), "PNG", compress_level=3)  # as demos.ui.Picture does
    clock.append(time.perf_counter())
    start, read, first, full, reported, encoded = clock
    return {
        "read": read - start,
        "first": first - read,
        "sweep": full - read,
        "report": reported - full,
        "encode": encoded - reported,
        "threads": float(torch.get_num_threads()),
    }


def expected(model: str, sample: str) -> int:
    """The checksum of the picture that the figure's left canvas must show."""
    shape = SimpleNamespace(size=zoo.MODELS[model].size, crop=zoo.MODELS[model].crop)
    x = images.to_pixels(images.open_image(samples.sample(sample).path), shape)
    pixels = np.asarray(images.to_image(x).convert("RGB"), dtype=np.uint64).reshape(-1)
    return int((pixels * (1 + np.arange(len(pixels), dtype=np.uint64) % 251)).sum() % 2**32)


def opened(browser: Browser, url: str, model: str, method: str) -> tuple[Page, str]:
    """A page whose figure is complete, and the sample that it shows."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.set_default_timeout(PATIENCE)
    sample = next(s.name for s in samples.SAMPLES.values() if s.group == samples.group_of(model))
    page.goto(f"{url}/?tab=fgsm&sample={sample}&model={model}&method={method}")
    page.wait_for_selector(f'{FIGURE}[data-state="ready"]')
    page.wait_for_function(f"""() => !/^$|measuring/.test(document.querySelector("{FIGURE} .jpeg").textContent)""")
    page.evaluate(TOOLS)
    page.wait_for_function("(sum) => bench.checksum() === sum", arg=expected(model, sample))
    page.wait_for_timeout(1000)  # until the page has settled
    return page, sample


def count_requests(page: Page, act: Callable[[], None]) -> list[str]:
    """The requests made while `act` runs and in the second after it."""
    urls: list[str] = []

    def note(request: object) -> None:
        urls.append(request.url)

    page.on("request", note)
    act()
    page.wait_for_timeout(1000)
    page.remove_listener("request", note)
    return [url for url in urls if url.startswith(("http", "ws"))]


def by_mouse(page: Page, moves: int) -> list[list[float]]:
    """Drags the slider with the browser's own pointer, one rung at a time."""
    box = page.locator(f"{FIGURE} .drag input").bounding_box()
    low, high = (int(page.evaluate(f"Number(bench.slider.{name})")) for name in ("min", "max"))
    inside, y = box["width"] - 16, box["y"] + box["height"] / 2  # the thumb's middle stays 8 px from the ends
    rungs = [*range(low, high + 1), *range(high - 1, low, -1)]
    page.mouse.move(box["x"] + 8, y)
    page.mouse.down()
    page.evaluate("bench.moved = []")
    for i in range(1, moves + 1):
        page.mouse.move(box["x"] + 8 + inside * rungs[i % len(rungs)] / (high - low), y)
        time.sleep(random.uniform(0, 0.033))
    page.wait_for_timeout(200)
    page.mouse.up()
    return page.evaluate("bench.moved")


def drags(browser: Browser, url: str, models: list[str], moves: int) -> None:
    """The table of the drags."""
    rows, asked = [], []
    for model, method in [("imagenet-lite0", "fgsm"), ("imagenet-lite0", "pgd"), *((m, "fgsm") for m in models if m != "imagenet-lite0")]:
        page = opened(browser, url, model, method)[0]
        for mover in ("mouse", "script"):
            took: list[list[float]] = []

            def act(page: Page = page, mover: str = mover, took: list = took) -> None:
                took += by_mouse(page, moves) if mover == "mouse" else page.evaluate("(moves) => bench.drag(moves)", moves)

            urls = count_requests(page, act)
            asked += urls
            times = [[f"{percentile([t[i] for t in took], share):.1f}" for share in (0.5, 0.95, 1)] for i in (0, 1)]
            columns = [*times[0], times[1][1], "-"] if mover == "mouse" else [*times[0], "-", times[1][1]]
            rows.append([f"{TITLES[model]}, {method}, {mover}", str(len(took)), *columns, str(len(urls))])
        page.close()
    head = ["drag of epsilon, ms", "repaints", "input p50", "input p95", "input max", "hand p95", "work p95", "requests"]
    table("Until the repaint (goals: with the mouse, input p95 <= 16 ms; 0 requests)", head, rows)
    for url in asked:
        print("requested during a drag:", url)


def new_pictures(browser: Browser, url: str, cases: list[tuple[str, str, int]], pool: Executor) -> None:
    """The table of the new pictures. cases: (model, method, how many pictures)."""
    rows = []
    for model, method, count in cases:
        page, shown = opened(browser, url, model, method)
        names = [s.name for s in samples.SAMPLES.values() if s.group == samples.group_of(model) and s.name != shown][:count]
        pool.submit(bare, model, shown, method).result()  # the first call of a process is no measure
        ours, reference, asked = [], [], []
        for turn, name in enumerate(names):
            if turn % 2:
                reference.append(pool.submit(bare, model, name, method).result())

            def click(page: Page = page, question: tuple[str, int] = (name, expected(model, name)), ours: list = ours) -> None:
                ours.append(page.evaluate("([name, sum]) => bench.choose(name, sum)", question))

            asked.append(len(count_requests(page, click)))
            if not turn % 2:
                reference.append(pool.submit(bare, model, name, method).result())
        page.close()

        def ms(seconds: list[float]) -> str:
            return f"{1000 * statistics.median(seconds):.0f}"

        full = [t["full"] / 1000 for t in ours]
        parts = {key: [r[key] for r in reference] for key in ("sweep", "first", "read", "report", "encode")}
        rest = [f - sum(r[key] for key in ("sweep", "read", "report", "encode")) for f, r in zip(full, reference, strict=True)]
        ratio = statistics.median(f / r for f, r in zip(full, parts["sweep"], strict=True))
        figure = [t["figure"] / 1000 for t in ours]
        row = [ms(seconds) for seconds in (figure, full, parts["first"], parts["sweep"])]
        row += [f"{ratio:.2f}", *(ms(parts[key]) for key in ("read", "report", "encode")), ms(rest)]
        rows.append(
            [f"{TITLES[model]}, {method}", str(len(ours)), *row, f"{statistics.median(asked):.0f}", f"{reference[0]['threads']:.0f}"]
        )
    head = ["new picture, ms", "n", "figure", "full", "bare, figure", "bare, full", "ratio"]
    head += ["read", "report", "PNG", "rest", "requests", "threads"]
    table("Click to full figure, beside the bare sweep: medians; ratio = full / bare, full (goal: <= 1.3 for the photo)", head, rows)
    print(
        '\n"figure": the first answer is drawn; "full": with the numbers after JPEG. Of full, besides the sweep: "read" the picture,'
        ' "report", "PNG" (both pictures, once), measured in the bare process, and "rest": queue, events, transfer, decoding, painting.'
    )


def bare_search(sample: str, generations: int, seed: int) -> tuple[float, float, int]:
    """Seconds until the first and until the last generation of a search without page or server, and the last one's number."""
    net = zoo.load("cifar10-resnet")
    x = images.to_pixels(images.open_image(samples.sample(sample).path), net)
    y = net(x).argmax(1)
    knobs = {"pixels": 1, "targeted": False, "population": 400, "generations": generations}
    start, first = time.perf_counter(), 0.0
    for step in one_pixel.attack(net, x, y, **knobs, generator=runtime.generator(seed)):
        first = first or time.perf_counter() - start
    return first, time.perf_counter() - start, step.generation


def searches(browser: Browser, url: str, generations: int, count: int, pool: Executor) -> None:
    """The table of the one-pixel searches."""
    rows = []
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.set_default_timeout(PATIENCE)
    pool.submit(bare_search, "cifar10-0", 1, 0).result()
    for k in range(count):
        name = f"cifar10-{k}"
        page.goto(f"{url}/?tab=one-pixel&sample={name}&generations={generations}&population=400&seed={k}")
        page.wait_for_selector('#one-pixel-figure .pixels[data-state="ready"]')
        page.wait_for_timeout(1500)
        reference = pool.submit(bare_search, name, generations, k).result()
        last = reference[2]
        ours = page.evaluate(
            """async (last) => {
              const root = document.querySelector("#one-pixel-figure .pixels"), start = performance.now();
              let first = null;
              document.querySelector("#one-pixel-start").click();
              while (Number(root.dataset.generation) < last) {
                await new Promise(requestAnimationFrame);
                if (first === null && Number(root.dataset.generation) >= 0) first = performance.now() - start;
              }
              return [first ?? performance.now() - start, performance.now() - start];
            }""",
            last,
        )
        rows.append([name, str(last), *(f"{1000 * t:.0f}" for t in reference[:2]), *(f"{t:.0f}" for t in ours)])
        rows[-1].append(f"{ours[1] / 1000 / reference[1]:.2f}")
    page.close()
    table(
        "One pixel: click to the first and to the last generation (goals: first < 300 ms, ratio < 1.10)",
        ["picture", "generations", "bare first ms", "bare ms", "first ms", "last ms", "ratio"],
        rows,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="The page in a browser")
    parser.add_argument("--moves", type=int, default=200)
    parser.add_argument("--quick", action="store_true", help="few moves and pictures: does the script work?")
    parser.add_argument("--only", choices=["drag", "picture", "search"], help="one of the three tables")
    options = parser.parse_args()
    models = [name for name in TITLES if not zoo.MODELS[name].file or (zoo.WEIGHTS / zoo.MODELS[name].file).exists()]
    for name in TITLES.keys() - set(models):
        print(f"left out, as its weights are not here: {name}")
    counts = {("imagenet-lite0", "fgsm"): 9, ("imagenet-lite0", "pgd"): 3} | {(name, "fgsm"): 9 for name in models[1:]}
    if options.quick:
        counts = dict.fromkeys(counts, 1)
    with (
        serve() as (url, _),
        sync_playwright() as playwright,
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool,
    ):
        browser = playwright.chromium.launch(executable_path=chromium(), args=list(CHROMIUM_FLAGS))
        if options.only in (None, "drag"):
            drags(browser, url, models, 20 if options.quick else options.moves)
        if options.only in (None, "picture"):
            new_pictures(browser, url, [(*case, count) for case, count in counts.items()], pool)
        if options.only in (None, "search"):
            searches(browser, url, 2 if options.quick else 15, 1 if options.quick else 5, pool)
        browser.close()


if __name__ == "__main__":
    main()
