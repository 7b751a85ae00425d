"""From the start of `python app.py` to the page, beside the bare imports:  python -m benchmarks.startup [--turns 5] [--quick]

The reference is `python -c "import torch, gradio"`, timed until its imports are done (it reports that) and until its process has
ended. Ours is timed until GET / was answered with 200. The two take turns, so that what else the machine does falls on both alike;
before the clock starts each has run once, so that the files are in memory.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

from benchmarks.serving import ROOT, serve, table

REFERENCE = "import torch, gradio"


def imports() -> tuple[float, float]:
    """Seconds until the reference's imports are done, and until it has ended."""
    start = time.perf_counter()
    command = [sys.executable, "-c", f"{REFERENCE}; print('done', flush=True)"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stdout.readline() == "done\n"
        done = time.perf_counter() - start
        process.wait()
    return done, time.perf_counter() - start


def page() -> float:
    """Seconds until the page answers."""
    with serve() as (_, seconds):
        return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description="Start-up of the app beside the bare imports")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="one turn, no warming: does the script work?")
    options = parser.parse_args()
    if not options.quick:
        imports(), page()
    ours, done, ended = [], [], []
    for turn in range(1 if options.quick else options.turns):
        if turn % 2:
            ours.append(page())
        first, last = imports()
        done.append(first)
        ended.append(last)
        if not turn % 2:
            ours.append(page())
    rows = [
        [name, f"{statistics.median(seconds):.2f}", f"{min(seconds):.2f} - {max(seconds):.2f}", f"{statistics.median(ratios):.2f}"]
        for name, seconds in (
            (f'python -c "{REFERENCE}", until imported', done),
            (f'python -c "{REFERENCE}", until ended', ended),
            ("python app.py, until GET / = 200", ours),
        )
        for ratios in [[a / b for a, b in zip(seconds, done, strict=True)]]
    ]
    table(f"Start-up, median of {len(ours)} turns (goal: ratio <= 1.5)", ["", "seconds", "range", "ratio"], rows)


if __name__ == "__main__":
    main()
