"""The tab Write: its endpoints from outside, and the page under a hand."""

from __future__ import annotations

import json
import math
import re
import time
import urllib.request

import numpy as np
import pytest
import torch
from gradio_client import Client
from gradio_client.exceptions import AppError
from scipy.special import softmax

from core import text, zoo
from tests.page import drag

SEED = text.CORPORA["nietzsche"].prompt
SHAPE = {"prompt": SEED, "corpus": "nietzsche", "epoch": "60", "temperature": 0.8, "method": "stochastic", "k": 5, "share": 0.9}
WRITE = SHAPE | {"length": 60, "seed": 3, "pace": 0, "written": "", "run": 1}


def alone(prompt: str = SEED, length: int = 60, seed: int = 3, temperature: float = 0.8, ending: str = "", **knobs) -> list[text.Step]:
    generator = torch.Generator().manual_seed(seed)
    return list(
        text.generate(zoo.load("nietzsche-lstm" + ending), prompt, temperature=temperature, length=length, generator=generator, **knobs)
    )


def said(steps: list[text.Step]) -> str:
    return "".join(step.char for step in steps)


def refused(client: Client, endpoint: str, **given) -> str:
    with pytest.raises(AppError) as error:
        client.predict(**given, api_name=endpoint)
    assert "went wrong" not in str(error.value)
    assert client.predict(**SHAPE, api_name="/next_char")["next"]  # the server goes on
    return str(error.value)


# the endpoints


def test_a_streamed_text_is_the_one_that_generate_writes_and_comes_in_pieces(client):
    pieces = list(client.submit(**(WRITE | {"length": 150, "pace": 150}), api_name="/write"))
    steps = alone(length=150)
    assert pieces[-1]["done"] and pieces[-1]["text"] == said(steps)
    assert "".join(piece["text"] for piece in pieces[:-1]) == said(steps)[: pieces[-1]["from"]]
    assert [piece["from"] for piece in pieces] == sorted(piece["from"] for piece in pieces)
    assert len(pieces) > 3
    np.testing.assert_allclose(pieces[-1]["p"], [step.p for step in steps], atol=1e-6)
    np.testing.assert_allclose(pieces[-1]["entropy"], [step.entropy for step in steps], atol=1e-4)
    assert pieces[-1]["bits_per_character"] == pytest.approx(np.mean([-math.log2(step.p) for step in steps]), abs=1e-3)


def test_a_text_in_two_calls_is_the_text_in_one(client):
    whole = said(alone(length=80))
    rest = client.predict(**(WRITE | {"written": whole[:50], "length": 30}), api_name="/write")
    assert rest["text"] == whole[50:]


@pytest.mark.parametrize(("method", "knobs"), [("greedy", {"temperature": 0}), ("top-k", {"top_k": 5}), ("top-p", {"top_p": 0.9})])
def test_each_method_is_the_one_it_is_called(client, method, knobs):
    assert client.predict(**(WRITE | {"method": method}), api_name="/write")["text"] == said(alone(**knobs))


def test_visitors_who_write_at_once_each_get_their_own_text(app_url):
    visitors = [Client(app_url, verbose=False) for _ in range(3)]
    jobs = [v.submit(**(WRITE | {"seed": i, "length": 120}), api_name="/write") for i, v in enumerate(visitors)]
    assert [job.result()["text"] for job in jobs] == [said(alone(seed=i, length=120)) for i in range(3)]


def test_the_distribution_after_a_prompt_is_the_net_s(client):
    found = client.predict(**(SHAPE | {"temperature": 0.5, "method": "top-k", "k": 3}), api_name="/next_char")
    net = zoo.load("nietzsche-lstm")
    logits, _ = net(torch.tensor([[net.vocabulary.index(c) for c in SEED]]).to(zoo.device_of(net)))
    p = softmax(logits[0, -1].cpu().double().numpy())
    order = np.argsort(-p)
    assert [row[0] for row in found["next"][:5]] == [net.vocabulary[i] for i in order[:5]]
    np.testing.assert_allclose([row[1] for row in found["next"]], p[order], atol=1e-4)
    q = p[order[:3]] ** 2
    np.testing.assert_allclose([row[2] for row in found["next"]], [*(q / q.sum()), *[0] * (len(p) - 3)], atol=1e-4)


def test_a_comparison_writes_what_each_temperature_writes_alone(client):
    given = SHAPE | {"length": 50, "seed": 3, "what": "temperatures", "run": 0}
    done = client.predict(**given, api_name="/compare")
    assert [column["temperature"] for column in done["columns"]] == [0.2, 0.5, 1.0, 1.5]
    assert [column["text"] for column in done["columns"]] == [said(alone(length=50, temperature=T)) for T in (0.2, 0.5, 1.0, 1.5)]
    epochs = client.predict(**(given | {"what": "epochs"}), api_name="/compare")
    assert [column["epoch"] for column in epochs["columns"]] == ["1", "20", "60"]
    assert [column["text"] for column in epochs["columns"]] == [said(alone(length=50, ending=e)) for e in text.POINTS.values()]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"temperature": -0.1}, "temperature was -0.1"),
        ({"temperature": "NaN"}, "temperature was"),
        ({"temperature": None}, "temperature was"),
        ({"length": 0}, "length was 0"),
        ({"length": 10**9}, "from 1 to 2000"),
        ({"seed": -1}, "seed"),
        ({"corpus": "bible"}, "no corpus"),
        ({"epoch": "2"}, "no epoch"),
        ({"method": "magic"}, "no method"),
        ({"method": "top-k", "k": 0}, "top-k"),
        ({"method": "top-p", "share": 0}, "top-p"),
        ({"pace": -1}, "pace"),
        ({"prompt": "😀\0"}, "None of the seed text's characters"),
        ({"prompt": None}, "seed text"),
    ],
)
def test_a_wrong_value_is_named_and_the_server_goes_on(client, changes, words):
    assert words in refused(client, "/write", **(WRITE | changes))


def test_odd_but_possible_values_are_taken(client):
    assert client.predict(**(WRITE | {"temperature": 0}), api_name="/write")["text"] == said(alone(temperature=0))
    assert len(client.predict(**(WRITE | {"temperature": 1e9}), api_name="/write")["text"]) == 60
    long = client.predict(**(WRITE | {"prompt": "so " * 33_334}), api_name="/write")
    assert "the net read the last 2,000" in " ".join(long["notes"]) and len(long["prompt"]) == 2000
    mixed = client.predict(**(WRITE | {"prompt": "Kant 😀 سلام <b>x</b>"}), api_name="/write")
    assert mixed["prompt"].startswith("kant") and "U+1F600" in " ".join(mixed["notes"])
    assert client.predict(**(WRITE | {"prompt": ""}), api_name="/write")["text"] == said(alone(prompt=""))


def join(app_url: str, name: str, given: list, session: str) -> dict:
    config = json.load(urllib.request.urlopen(app_url + "config"))
    index = next(d["id"] for d in config["dependencies"] if d["api_name"] == name)
    body = json.dumps({"data": given, "fn_index": index, "session_hash": session, "event_data": None, "trigger_id": None}).encode()
    path = "run/predict" if name in ("tune", "halt") else "queue/join"
    request = urllib.request.Request(app_url + "gradio_api/" + path, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def test_stop_ends_a_text_at_once_and_measures_what_is_there(app_url):
    given = list((WRITE | {"length": 2000, "pace": 40}).values())
    join(app_url, "write", given, "visitor-a")
    join(app_url, "write", given, "visitor-b")
    told = {}
    with urllib.request.urlopen(app_url + "gradio_api/queue/data?session_hash=visitor-a", timeout=60) as stream:
        for line in stream:
            if b"process_generating" in line and "halted" not in told:
                told["halted"] = time.perf_counter()
                join(app_url, "halt", [], "visitor-a")
            if b"process_completed" in line:
                told["end"], told["report"] = time.perf_counter(), json.loads(line[6:])["output"]["data"][0]
                break
    assert told["report"]["done"] and 0 < len(told["report"]["text"]) < 1000
    assert "word_share" in told["report"]
    join(app_url, "halt", [], "visitor-b")


# the page


def opened(page, app_url: str, query: str = "") -> None:
    page.goto(f"{app_url}?tab=write{query}")
    page.wait_for_selector(".writing[data-expected]")


@pytest.mark.browser
def test_dragging_the_temperature_moves_the_bars_by_the_formula_and_asks_nothing(page, app_url):
    opened(page, app_url)
    asked = []
    page.on(
        "request", lambda request: asked.append(request.url) if "gradio_api" in request.url and "heartbeat" not in request.url else None
    )
    steps = alone(length=1)
    p = softmax(steps[0].logits.double().numpy())
    for T in (0.05, 0.4, 1.0, 2.0):
        drag(page, "#write-temperature input[type=range]", T)
        q = np.sort(softmax(np.log(p) / T))[::-1]
        want = q[0]
        page.wait_for_function(
            """([want]) => { const shown = document.querySelector('.writing .rows .value').textContent;
                return Math.abs(parseFloat(shown) - 100 * want) < 0.6; }""",
            arg=[want],
        )
    assert asked == []


@pytest.mark.browser
def test_a_link_s_temperature_moves_the_bars_and_stands_over_the_text(page, app_url):
    opened(page, app_url, "&temperature=0.4&length=20&pace=0&seed=1")
    p = softmax(alone(length=1)[0].logits.double().numpy())
    shown = float(page.text_content(".writing .rows .value").strip(" %"))
    assert shown == pytest.approx(100 * softmax(np.log(p) / 0.4).max(), abs=0.6)
    page.click("#write-start")
    page.wait_for_function("() => document.querySelector('.writing .status').textContent.startsWith('T = 0.40 ')")


@pytest.mark.browser
def test_the_page_tells_what_its_sweep_measured(page, app_url):
    opened(page, app_url)
    swept, bits = (zoo.card("nietzsche-lstm")[name] for name in ("sweep", "metrics"))
    told = page.locator(".writing .told").text_content()
    assert told.startswith(f"{swept['texts']} texts of {swept['length']} characters")
    assert f"{bits['held_out_bits_per_character']:.2f} bits" in told


@pytest.mark.browser
def test_a_text_streams_obeys_the_hand_stops_goes_on_and_is_rewritten(page, app_url):
    opened(page, app_url, "&length=2000&temperature=0.05&pace=80&seed=5")
    page.click("#write-start")
    page.wait_for_function("() => Number(document.querySelector('.writing').dataset.count) >= 30")
    drag(page, "#write-temperature input[type=range]", 2)
    page.wait_for_function("() => Number(document.querySelector('.writing').dataset.count) >= 120")
    page.click("#write-stop")
    page.wait_for_selector(".writing[data-state=ready]")
    stood = page.evaluate("() => FoolForge.written()")
    assert stood[:20] == said(alone(length=20, seed=5, temperature=0.05))
    assert stood != said(alone(length=len(stood), seed=5, temperature=0.05))  # the hand was obeyed
    time.sleep(0.5)
    assert page.evaluate("() => FoolForge.written()") == stood
    assert page.locator(".writing .facts .share").text_content().endswith("%")
    page.click("#write-more")
    page.wait_for_function("(n) => Number(document.querySelector('.writing').dataset.count) > n", arg=len(stood))
    assert page.evaluate("() => FoolForge.written()").startswith(stood)
    page.click("#write-stop")
    page.wait_for_selector(".writing[data-state=ready]")
    page.click(".writing .paper .ch[data-i='12']")
    page.wait_for_function("() => document.querySelector('.writing .which').textContent.startsWith('Character 13')")
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")  # the bars stand, too
    other = page.get_attribute(".writing .rows button:not(.drawn)", "data-char")
    page.click(".writing .rows button:not(.drawn)")
    page.wait_for_function("() => document.querySelector('.writing').dataset.state === 'writing'")
    page.wait_for_function("() => Number(document.querySelector('.writing').dataset.count) >= 20")
    again = page.evaluate("() => FoolForge.written()")
    assert again[:12] == stood[:12] and again[12] == other != stood[12]
    page.click("#write-stop")


@pytest.mark.browser
def test_pointing_at_a_character_shows_what_the_net_expected_there(page, app_url):
    opened(page, app_url, "&length=40&pace=0&seed=3&temperature=0.8")
    page.click("#write-start")
    page.wait_for_selector(".writing[data-state=ready][data-count='40']")
    steps = alone(length=40)
    for i in (0, 17, 39):
        page.hover(f".writing .paper .ch[data-i='{i}']")
        page.wait_for_function(f"() => document.querySelector('.writing .which').textContent.startsWith('Character {i + 1}:')")
        order = np.argsort(-steps[i].logits.numpy())[:15]
        shown = page.eval_on_selector_all(".writing .rows button", "all => all.map((b) => b.dataset.char)")
        assert shown == [zoo.load("nietzsche-lstm").vocabulary[k] for k in order]
        assert f"{-math.log2(steps[i].p):.2f} bits" in page.text_content(".writing .detail")


@pytest.mark.browser
def test_a_reload_ends_the_text_on_the_server(page, app_url):
    opened(page, app_url, "&length=2000&pace=20")
    page.click("#write-start")
    page.wait_for_function("() => Number(document.querySelector('.writing').dataset.count) >= 5")
    session = page.evaluate("() => FoolForge.session()")
    page.goto("about:blank")
    for _ in range(60):  # a writer that goes on would need 100 s
        time.sleep(0.5)
        if join(app_url, "halt", [], session)["data"] == [{"stopped": 0}]:
            return
    pytest.fail("the text is still being written")


@pytest.mark.browser
def test_halting_finds_the_text_of_the_visitor_alone(page, app_url):
    opened(page, app_url, "&length=2000&pace=20")
    page.click("#write-start")
    page.wait_for_function("() => Number(document.querySelector('.writing').dataset.count) >= 5")
    session = page.evaluate("() => FoolForge.session()")
    assert join(app_url, "halt", [], "somebody-else")["data"] == [{"stopped": 0}]
    assert join(app_url, "halt", [], session)["data"] == [{"stopped": 1}]
    page.wait_for_selector(".writing[data-state=ready]")


@pytest.mark.browser
def test_persian_stands_from_right_to_left_in_two_columns_with_persian_words(page, app_url):
    opened(page, app_url, "&corpus=shahnameh&length=200&pace=0")
    page.wait_for_selector(".writing[data-corpus=shahnameh][data-expected]")
    page.click("#write-start")
    page.wait_for_selector(".writing[data-state=ready][data-count='200']")
    assert page.get_attribute(".writing", "dir") == "rtl"
    assert page.evaluate("() => getComputedStyle(document.querySelector('#write-prompt textarea')).direction") == "rtl"
    assert page.text_content("#write-start").strip() == "بنویس"
    lines = page.eval_on_selector_all(".writing .verse .line", "all => all.slice(0, 2).map((e) => e.getBoundingClientRect().x)")
    assert lines[0] > lines[1]  # the first hemistich stands at the right
    labels = page.eval_on_selector_all(".writing .rows .sign", "all => all.map((e) => e.textContent)")
    assert all(label.strip() for label in labels)
    page.reload()
    page.wait_for_selector(".writing[data-corpus=shahnameh][data-expected]")  # the address bar kept it


@pytest.mark.browser
def test_what_cannot_be_written_is_said_and_nothing_is_lost(page, app_url):
    opened(page, app_url)
    page.fill("#write-prompt textarea", "😀😀")
    page.click("#write-start")
    page.wait_for_selector(".writing[data-state=failed]")
    assert "None of the seed text's characters" in page.text_content(".writing .status")
    assert page.input_value("#write-prompt textarea") == "😀😀"
    page.fill("#write-prompt textarea", "<img src=x onerror=alert(1)>")
    page.click("#write-start")
    page.wait_for_selector(".writing[data-state=ready]:not([data-count='0'])", timeout=60_000)
    assert page.locator(".writing .paper img").count() == 0
    assert re.search("left out", page.text_content(".writing .notes"))
