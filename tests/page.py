"""A running app and a real browser for the tests: fixtures `app_url`, `page` and `phone`, and the hands that move the controls."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]


def chromium() -> str | None:
    """The path of Debian's Chromium (or of CHROMIUM), None where there is none."""
    return os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="session")
def app_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`python app.py` on a free port of 127.0.0.1, as a user starts it; ended by its own pid."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = tmp_path_factory.mktemp("app") / "log.txt"
    env = os.environ | {"GRADIO_TEMP_DIR": str(log.parent / "files"), "FOOL_FORGE_OFFLINE": "1"}
    with log.open("w") as out:
        process = subprocess.Popen([sys.executable, "app.py", "--port", str(port)], cwd=ROOT, env=env, stdout=out, stderr=out)
    url = f"http://127.0.0.1:{port}/"
    try:
        for _ in range(240):
            if process.poll() is not None:
                pytest.fail(f"the app ended at once:\n{log.read_text()}")
            try:
                urllib.request.urlopen(url, timeout=5).close()
                break
            except OSError:
                time.sleep(0.5)
        yield url
        assert process.poll() is None, f"the app died during the tests:\n{log.read_text()}"
        assert "Traceback" not in log.read_text(), f"a handler raised something that is no UserError:\n{log.read_text()}"
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module")
def client(app_url) -> object:
    """The API from outside, in a session of its own."""
    from gradio_client import Client

    return Client(app_url, verbose=False)


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    """One Chromium for all tests. Without one the tests are skipped, in CI (CI=true) they fail."""
    path = chromium()
    if path is None:
        message = "no Chromium here: install Debian's package chromium, or set CHROMIUM to its path"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as p:
        instance = p.chromium.launch(executable_path=path, args=FLAGS)
        yield instance
        instance.close()


def _tab(browser, **options: object) -> Iterator[object]:
    """A fresh page; an uncaught error in its scripts fails the test."""
    context = browser.new_context(**options)
    tab = context.new_page()
    tab.set_default_timeout(60_000)
    errors: list[str] = []
    tab.on("pageerror", lambda error: errors.append(str(error)))
    yield tab
    context.close()
    assert not errors


@pytest.fixture
def page(browser) -> Iterator[object]:
    """A fresh page at 1440 x 1000."""
    yield from _tab(browser, viewport={"width": 1440, "height": 1000}, accept_downloads=True)


@pytest.fixture
def phone(browser) -> Iterator[object]:
    """A fresh page on a phone: 390 x 844, with a touch screen."""
    yield from _tab(browser, viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True)


class Finger:
    """A finger on the screen of a phone: down, move, up."""

    def __init__(self, phone: object) -> None:
        self.page, self.session = phone, phone.context.new_cdp_session(phone)

    def _send(self, kind: str, *points: dict) -> None:
        self.session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": list(points)})

    def down(self, x: float, y: float) -> None:
        self.at = (x, y)
        self._send("touchStart", {"x": x, "y": y})

    def move(self, x: float, y: float, steps: int = 12) -> None:
        """Moves in steps, at most one for each frame."""
        for k in range(1, steps + 1):
            self._send("touchMove", {"x": self.at[0] + (x - self.at[0]) * k / steps, "y": self.at[1] + (y - self.at[1]) * k / steps})
            self.page.evaluate("new Promise(requestAnimationFrame)")
        self.at = (x, y)

    def up(self) -> None:
        self._send("touchEnd")


def figure_ready(page, **figure: str) -> None:
    """Waits until the figure has its final numbers, and, where asked, shows label=..., the class under x."""
    page.wait_for_function(
        """([label]) => {
            const figure = document.querySelector('.figure'), jpeg = figure?.querySelector('.jpeg')?.textContent ?? '';
            const clean = figure?.querySelector('.clean + figcaption .label')?.textContent;
            return figure?.dataset.state === 'ready' && jpeg !== '' && !jpeg.startsWith('measuring') && (!label || clean === label);
        }""",
        arg=[figure.get("label")],
        timeout=120_000,
    )


def middle(page, selector: str) -> tuple[float, float]:
    """The middle of the first element that the selector finds, in the window."""
    box = page.locator(selector).first.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def drag(page, selector: str, value: float) -> None:
    """Sets a range input as a hand does: the value, then an input event."""
    page.eval_on_selector(selector, "(e, v) => { e.value = v; e.dispatchEvent(new Event('input', {bubbles: true})); }", value)


def choose(page, elem_id: str, text: str) -> None:
    """Opens a Gradio dropdown and clicks the entry that holds the text."""
    page.click(f"#{elem_id} input")
    page.locator("ul[role=listbox] li", has_text=text).first.click()


def refused(client, api_name: str, **given: object) -> str:
    """The sentence that a wrong call of the API gets."""
    from gradio_client.exceptions import AppError

    with pytest.raises(AppError) as error:
        client.predict(**given, api_name=api_name)
    assert "went wrong" not in str(error.value)
    return str(error.value)
