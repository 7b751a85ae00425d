"""What the benchmarks of the page share: the app on a free port of this machine, the browser, the table."""

from __future__ import annotations

import contextlib
import http.client
import math
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# for a page's tools: `root` is the element whose data-painted counts its repaints
PAINTING = """
  const frame = () => new Promise((done) => requestAnimationFrame(() => done(performance.now())));
  const painted = () => new Promise((done) => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => { channel.port1.close(); done(performance.now()); };
    channel.port2.postMessage(0);
  });
  const pause = (ms) => new Promise((done) => setTimeout(done, ms));
  // When what was painted before is no longer what is shown: the time since each start. Animation callbacks run in the order in which
  // they were asked for: the one here after the page's, which its listener asked for; that of a start in the making, before.
  async function repainted(before, starts) {
    do await frame(); while (root.dataset.painted === before);
    const end = await painted();
    return (await Promise.all(starts)).map((start) => end - start);
  }
"""


def free_port() -> int:
    """A port of 127.0.0.1 on which nobody listens now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def answers(port: int) -> bool:
    """Whether GET / is answered with 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", "/")
        response = connection.getresponse()
        response.read()
        return response.status == 200
    except OSError:
        return False
    finally:
        connection.close()


@contextlib.contextmanager
def serve(patience: float = 180) -> Iterator[tuple[str, float]]:
    """Runs `python app.py` and gives (its address, seconds from the start of the process until the page answered).

    The server listens on 127.0.0.1 alone, keeps its pictures in a folder of its own, and is ended, by its process id, with the block.
    The variables FOOL_FORGE_... reach it from the environment. patience: seconds after which a page that does not answer is an error.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # else a benchmark that is ended leaves its server behind
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        environment = os.environ | {"GRADIO_TEMP_DIR": folder, "FOOL_FORGE_OFFLINE": "1", "PYTHONUNBUFFERED": "1"}
        command = [sys.executable, "app.py", "--host", "127.0.0.1", "--port", str(port)]
        start = time.perf_counter()
        with log.open("w") as output:
            server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT)
        try:
            while not answers(port):
                if server.poll() is not None or time.perf_counter() - start > patience:
                    raise RuntimeError(f"python app.py does not answer:\n{log.read_text()[-2000:]}")
                time.sleep(0.005)
            yield f"http://127.0.0.1:{port}", time.perf_counter() - start
        finally:
            server.terminate()
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
            if "Traceback" in (text := log.read_text()):
                print(f"\nThe server's log holds a traceback:\n{text[-3000:]}", file=sys.stderr)


def chromium() -> str:
    """The browser: the variable CHROMIUM, or what is on the path."""
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not found:
        raise SystemExit("No browser: install Debian's package chromium, or set CHROMIUM to the path of one.")
    return found


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest of the values that `share` of them do not exceed (nearest rank); NaN if there are none."""
    return sorted(values)[max(math.ceil(share * len(values)), 1) - 1] if values else math.nan


def table(title: str, head: list[str], rows: list[list[str]]) -> None:
    """Prints one markdown table, its columns aligned."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    print(f"\n{title}\n")
    for row in [head, ["-" * width for width in widths], *rows]:
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |", flush=True)
