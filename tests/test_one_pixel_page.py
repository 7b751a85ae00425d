"""The tab One pixel: its endpoints from outside, and the page under a hand."""

from __future__ import annotations

import contextlib
import os
import re
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from gradio_client import Client
from gradio_client.exceptions import AppError

from core import images, samples, zoo
from tests.page import choose

RUN = {"image": None, "sample": "digit-8", "model": "mnist-cnn", "pixels": 1, "target": "", "own": False}
RUN |= {"population": 20, "generations": 3, "seed": 0}


def pixels_of(path: str) -> torch.Tensor:
    return images.to_pixels(images.open_image(path), zoo.load("mnist-cnn"))


def test_every_streamed_picture_differs_in_exactly_the_pixels_it_names_and_has_the_confidence_it_tells(client):
    net = zoo.load("mnist-cnn")
    steps = list(client.submit(**(RUN | {"pixels": 3}), api_name="/one_pixel"))
    generations = [report["generation"] for *_, report in steps]
    assert generations[0] == 0
    assert generations == sorted(set(generations))
    for clean, attacked, report in steps:
        x, x_adv = pixels_of(clean), pixels_of(attacked)
        rows, columns = np.nonzero((x != x_adv)[0, 0].numpy())
        assert list(zip(rows.tolist(), columns.tolist(), strict=True)) == [(r, c) for r, c, _ in report["pixels"]]
        p = zoo.predictions(net(x_adv))[0]
        assert p[net.labels.index(report["class"])].item() == pytest.approx(report["confidence"], abs=1e-4)
        assert report["top"][0][0] == net.labels[int(p.argmax())]
        assert report["evaluations"] <= 20 * (report["generation"] + 1)
    assert steps[-1][2]["done"]
    assert len(steps[-1][2]["curve"]) == generations[-1] + 1


def test_two_visitors_at_once_each_see_their_own_picture(app_url):
    jobs = {}
    for name in ("digit-0", "digit-1", "digit-3"):
        visitor = Client(app_url, verbose=False)
        jobs[name] = visitor.submit(**(RUN | {"sample": name, "generations": 6}), api_name="/one_pixel")
    for name, job in jobs.items():
        frames = job.result() and job.outputs()
        assert frames
        for clean, attacked, report in frames:
            assert report["label"] == samples.sample(name).label
            mine = pixels_of(str(samples.sample(name).path))
            assert torch.equal(pixels_of(clean), mine)
            assert (pixels_of(attacked) != mine).sum() == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"pixels": 0}, "pixels"),
        ({"pixels": 10_000}, "pixels"),
        ({"population": 0}, "population"),
        ({"population": 10**9}, "population"),
        ({"generations": -1}, "generations"),
        ({"seed": -1}, "seed"),
        ({"target": "eleven"}, "eleven"),
        ({"target": samples.sample("digit-8").label}, "already sees"),
        ({"sample": "nobody"}, "nobody"),
    ],
)
def test_a_wrong_value_is_named_and_the_server_goes_on(client, changes, words):
    with pytest.raises(AppError) as error:
        client.predict(**(RUN | changes), api_name="/one_pixel")
    assert words in str(error.value)
    assert "went wrong" not in str(error.value)
    assert client.predict(**(RUN | {"generations": 0}), api_name="/one_pixel")[2]["generation"] == 0


def test_a_pixel_set_by_hand_is_measured_on_the_picture_shown(client):
    net, place = zoo.load("mnist-cnn"), {"row": 14, "column": 9, "colour": [255]}
    picture, report = client.predict(image=None, sample="digit-8", model="mnist-cnn", place=place, api_name="/set_pixel")
    x = pixels_of(str(samples.sample("digit-8").path))
    x[0, 0, 14, 9] = 1
    assert torch.equal(pixels_of(picture), x)
    assert report["confidence"] == pytest.approx(zoo.predictions(net(x))[0, net.labels.index(report["class"])].item(), abs=1e-4)
    for wrong in ({"row": 28, "column": 0, "colour": [0]}, {"row": 0, "column": 0, "colour": [0, 0, 0]}, {"row": 1}, None):
        with pytest.raises(AppError) as error:
            client.predict(image=None, sample="digit-8", model="mnist-cnn", place=wrong, api_name="/set_pixel")
        assert "went wrong" not in str(error.value)


def test_the_weakest_place_of_the_map_is_as_weak_as_it_says(client):
    *_, weak = client.submit(image=None, sample="digit-8", model="mnist-cnn", api_name="/weak_pixels")
    assert weak["share"] == 1
    drop = np.array(weak["drop"])
    assert drop.shape == (28, 28)
    row, column = np.unravel_index(drop.argmax(), drop.shape)
    place = {"row": int(row), "column": int(column), "colour": weak["colours"][weak["colour"][row][column]]}
    report = client.predict(image=None, sample="digit-8", model="mnist-cnn", place=place, api_name="/set_pixel")[1]
    assert weak["confidence"] - report["confidence"] == pytest.approx(drop.max(), abs=1e-4)


def test_a_batch_ends_with_a_table_that_counts_every_picture(client):
    given = {"count": 4, "pixels": 1, "population": 8, "generations": 1, "seed": 0}
    *_, table = client.submit(**given, api_name="/one_pixel_batch")
    fooled, attacked = map(int, re.search(r"\((\d+) of (\d+); 95 % interval \d+ % to \d+ %\)", table).groups())
    left_out = int(re.search(r"(\d+) left out", table)[1])
    x, y, _ = samples.cifar10_test(4)
    net = zoo.load("cifar10-resnet")
    assert left_out == int((net(x).argmax(1) != y).sum()) and attacked == 4 - left_out >= fooled
    assert "Picture 4 of 4" in table and "population 8, 1 generation |" in table


@pytest.mark.browser
def test_an_attack_grows_its_curve_stops_and_starts_again(page, app_url):
    page.goto(app_url + "?tab=one-pixel&sample=cifar10-1&population=800&generations=1000&seed=1&target=frog")
    page.wait_for_selector(".pixels[data-state=ready]")

    def generation() -> int:
        return int(page.get_attribute(".pixels", "data-generation"))

    for _ in range(2):  # starts, stops, and starts again
        page.click("#one-pixel-start")
        page.wait_for_function("() => Number(document.querySelector('.pixels').dataset.generation) >= 2")
        assert page.locator(".pixels .curve polyline").count() == 1
        assert page.locator(".pixels .rings circle").count() == 2
        page.click("#one-pixel-stop")
        page.wait_for_function("() => document.querySelector('.pixels .verdict').textContent.startsWith('Stopped')")
        time.sleep(1.5)
        stood = generation()
        time.sleep(1.5)
        assert generation() == stood
        page.evaluate("() => { document.querySelector('.pixels').dataset.generation = -1; }")


@pytest.mark.browser
def test_the_visitor_plays_against_the_net_and_is_counted(page, app_url):
    page.goto(app_url + "?tab=one-pixel&model=mnist-cnn&sample=digit-8")
    page.wait_for_selector(".pixels[data-state=ready]")
    box = page.locator(".screen").bounding_box()
    for n, (u, v) in enumerate([(0.4, 0.5), (0.6, 0.3)], 1):
        page.mouse.click(box["x"] + u * box["width"], box["y"] + v * box["height"])
        page.wait_for_function(f"() => document.querySelector('.score').textContent.startsWith('You: {n} ')")
    choose(page, "one-pixel-model", "CIFAR-10")
    page.wait_for_function("() => document.querySelector('.score').textContent === ''")
    assert page.locator(".pixels .magnified figure").count() == 0


def processor_seconds(app_url: str) -> float:
    """What the app that listens there has used so far, with the process that computes."""
    ticks, port = 0, app_url.rstrip("/").rpartition(":")[2].encode()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            if port in process.joinpath("cmdline").read_bytes().split(b"\0"):
                ticks += sum(map(int, process.joinpath("stat").read_text().rpartition(")")[2].split()[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


@pytest.mark.browser
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="asks Linux what a process has used")
def test_a_reload_in_mid_run_ends_the_search_on_the_server_and_the_page_works_again(page, app_url):
    page.goto(app_url + "?tab=one-pixel&model=mnist-cnn&sample=digit-8&population=2000&generations=1000&target=4")
    page.wait_for_selector(".pixels[data-state=ready]")
    page.click("#one-pixel-start")
    page.wait_for_function("() => Number(document.querySelector('.pixels').dataset.generation) >= 1")
    page.reload()
    page.wait_for_selector(".pixels[data-state=ready]")
    assert page.get_attribute(".pixels", "data-generation") == "-1"
    for _ in range(40):  # a search that goes on would use minutes
        before = processor_seconds(app_url)
        assert before > 0
        time.sleep(1)
        if processor_seconds(app_url) - before < 0.15:
            break
    else:
        pytest.fail("the search goes on")
    page.click("#one-pixel-start")
    page.wait_for_function("() => Number(document.querySelector('.pixels').dataset.generation) >= 1")
    page.click("#one-pixel-stop")
    page.wait_for_function("() => document.querySelector('.pixels .verdict').textContent.startsWith('Stopped')")
