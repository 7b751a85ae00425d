"""The endpoints as a client on another machine uses them: what they give, and what they say to bad input."""

from __future__ import annotations

import io
import struct
import urllib.error
import urllib.request
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from core import images, samples, zoo

SWEEP = {"image": None, "sample": "digit-0", "model": "mnist-cnn", "method": "fgsm", "target": "", "steps": 2, "seed": 0}
ATTACK = SWEEP | {"eps": 40}


@pytest.fixture(scope="session")
def client(app_url) -> Client:
    return Client(app_url, verbose=False)


def sweep(client: Client, **changes) -> tuple:
    return client.predict(**(SWEEP | changes), api_name="/fgsm_sweep")


def refused(client: Client, endpoint: str, **given) -> str:
    """The sentence that the visitor reads; afterwards the server still answers."""
    with pytest.raises(AppError) as error:
        client.predict(**given, api_name=endpoint)
    assert sweep(client)[2]["class"] == "7"
    sentence = str(error.value)
    assert "Traceback" not in sentence
    assert "went wrong" not in sentence
    return sentence


def digit() -> Image.Image:
    """A packaged seven as an RGB picture of 112 x 112, white on black."""
    with Image.open(samples.sample("digit-0").path) as file:
        return file.convert("L").resize((112, 112), Image.Resampling.NEAREST).convert("RGB")


def header_only(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds no pixels."""
    ihdr = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + ihdr + struct.pack(">I", zlib.crc32(ihdr))


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


BAD_FILES = {
    "empty.png": (b"", "empty"),
    "one.png": (encoded(Image.new("RGB", (1, 1)), "PNG"), "1 x 1"),
    "huge.png": (header_only(20_000, 20_000), "pixels"),
    "cut.jpg": (encoded(digit(), "JPEG")[:900], "damaged"),
    "drawing.png": (b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>', "not a picture"),
    "page.png": (b"<!doctype html><html><body>hello</body></html>", "not a picture"),
    "words.png": (b"just words, no picture", "not a picture"),
    "even.png": (encoded(Image.new("RGB", (64, 64), (0, 0, 0)), "PNG"), "Nothing is drawn"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_gets_one_sentence_and_the_server_goes_on(client, tmp_path, name):
    content, words = BAD_FILES[name]
    (tmp_path / name).write_bytes(content)
    assert words in refused(client, "/fgsm_sweep", **(SWEEP | {"image": handle_file(str(tmp_path / name))}))


def exif_turned(image: Image.Image) -> bytes:
    """Stored lying on its side, with the note that says so."""
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to see it upright
    return encoded(image.transpose(Image.Transpose.ROTATE_90), "PNG", exif=exif)


def transparent(image: Image.Image) -> Image.Image:
    """Black ink on nothing."""
    alpha = image.convert("L")
    rgba = Image.new("RGBA", image.size, (0, 0, 0, 0))
    rgba.putalpha(alpha)
    return rgba


GOOD_FILES = {
    "cmyk.jpg": lambda: encoded(digit().convert("CMYK"), "JPEG", quality=95),
    "deep.png": lambda: encoded(Image.fromarray(np.asarray(digit().convert("L")).astype(np.uint16) * 257), "PNG"),
    "palette.png": lambda: encoded(digit().convert("P"), "PNG"),
    "clear.png": lambda: encoded(transparent(digit()), "PNG"),
    "moving.gif": lambda: encoded(digit(), "GIF", save_all=True, append_images=[Image.new("RGB", (112, 112))]),
    "turned.png": lambda: exif_turned(digit()),
    "plain.webp": lambda: encoded(digit(), "WEBP"),
}


@pytest.mark.parametrize("name", GOOD_FILES)
def test_every_kind_of_picture_is_seen_as_the_seven_that_it_shows(client, tmp_path, name):
    (tmp_path / name).write_bytes(GOOD_FILES[name]())
    assert sweep(client, image=handle_file(str(tmp_path / name)))[2]["class"] == "7"


def test_a_file_over_20_mb_is_not_taken(client, app_url, tmp_path):
    boundary = "edge"
    body = f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="big.png"\r\n\r\n'.encode()
    body += bytes(21_000_000) + f"\r\n--{boundary}--\r\n".encode()
    request = urllib.request.Request(
        app_url + "gradio_api/upload", body, {"Content-Type": f"multipart/form-data; boundary={boundary}"}, method="POST"
    )
    with pytest.raises((urllib.error.HTTPError, ConnectionError, urllib.error.URLError)) as refusal:
        urllib.request.urlopen(request, timeout=30)
    assert getattr(refusal.value, "code", 413) == 413
    assert sweep(client)[2]["class"] == "7"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"eps": -1}, "epsilon (in 255ths) was -1"),
        ({"eps": 1e9}, "from 0 to 255"),
        ({"eps": "lots"}, "not a number"),
        ({"eps": "NaN"}, "not a number"),
        ({"eps": None}, "not a number"),
        ({"steps": 0, "method": "pgd"}, "from 1 to 40"),
        ({"steps": 2.5, "method": "bim"}, "whole number"),
        ({"seed": -1, "method": "pgd"}, "seed was -1"),
        ({"model": "alexnet"}, "no model 'alexnet'"),
        ({"method": "magic"}, "no method 'magic'"),
        ({"sample": "panda"}, "panda"),
        ({"sample": ""}, "No picture is chosen"),
        ({"method": "fgsm-targeted", "target": "eleven"}, "no class 'eleven'"),
        ({"method": "fgsm-targeted", "target": ""}, "needs a target"),
        ({"method": "fgsm-targeted", "target": "7"}, "already sees '7'"),
        ({"model": None}, "no model"),
        ({"method": ["fgsm"]}, "no method"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(client, changes, words):
    assert words in refused(client, "/attack", **(ATTACK | changes))


def test_a_visitor_s_words_are_escaped_in_the_sentence(client):
    assert "<img" not in refused(client, "/attack", **(ATTACK | {"model": "<img src=x onerror=alert(1)>"}))


def test_a_nan_that_is_no_json_is_refused_and_the_server_goes_on(client, app_url):
    body = b'{"data": [null, "digit-0", "mnist-cnn", "fgsm", NaN, 2, "", 0]}'
    request = urllib.request.Request(app_url + "gradio_api/call/attack", body, {"Content-Type": "application/json"}, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert b"event_id" in answer.read()  # taken; the sentence comes with the event
    except urllib.error.HTTPError as error:
        assert 400 <= error.code < 500
    assert sweep(client)[2]["class"] == "7"


@pytest.mark.parametrize("method", ["fgsm", "fgsm-targeted", "bim", "pgd", "pgd-targeted", "lbfgs"])
def test_the_attacked_picture_re_classifies_as_the_report_says(client, method):
    picture, report = client.predict(**(ATTACK | {"method": method, "target": "3", "eps": 40}), api_name="/attack")
    net = zoo.load("mnist-cnn")
    x = images.to_pixels(images.open_image(picture), net)
    p = zoo.predictions(net(x))[0]
    label, confidence = report["top"][0]
    assert net.labels[p.argmax()] == label
    assert p.max().item() == pytest.approx(confidence, abs=1e-3)
    clean = images.to_pixels(images.open_image(samples.sample("digit-0").path), net)
    assert (x - clean).abs().max().item() * 255 == pytest.approx(report["linf"], abs=1e-3)
    assert (x - clean).norm().item() == pytest.approx(report["l2"], abs=1e-3)
    if method != "lbfgs":
        assert 0 < report["linf"] <= 40


def test_the_sweep_gives_the_picture_its_direction_and_one_measured_row_per_epsilon(client):
    clean, sign, report = sweep(client)
    net = zoo.load("mnist-cnn")
    x, s = (images.to_pixels(images.open_image(path), net) for path in (clean, sign))
    assert set(np.unique((s * 255).numpy().round())) <= {0.0, 128.0, 255.0}
    assert report["budgets"] == list(range(81))
    for eps in (0, 20, 80):
        attacked = (x * 255 + eps * ((s > 0.6).float() - (s < 0.4).float())).clamp(0, 255) / 255
        p = zoo.predictions(net(attacked))[0]
        row = report["rungs"][eps]
        assert row["top"][0][0] == net.labels[p.argmax()]
        assert row["top"][0][1] == pytest.approx(p.max().item(), abs=1e-3)
        assert report["curves"]["7"][eps] == pytest.approx(p[7].item(), abs=1e-3)


def test_the_same_seed_gives_the_same_picture_and_another_seed_another(client):
    def of(seed: int) -> bytes:
        return Path(client.predict(**(ATTACK | {"method": "pgd", "seed": seed}), api_name="/attack")[0]).read_bytes()

    assert of(1) == of(1)
    assert of(1) != of(2)


def test_many_visitors_fetch_the_same_picture_whole(app_url):
    """The same sweep asked by twelve at once: every one gets the same bytes."""

    def ask(_: int) -> bytes:
        visitor = Client(app_url, verbose=False)
        return Path(visitor.predict(**(SWEEP | {"sample": "digit-5"}), api_name="/fgsm_sweep")[0]).read_bytes()

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(ask, range(12)))
    assert len(set(answers)) == 1
    assert Image.open(io.BytesIO(answers[0])).size == (28, 28)


def test_nothing_but_the_named_actions_is_exposed(client):
    endpoints = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    attacks = {"/fgsm_sweep", "/attack", "/one_pixel", "/one_pixel_batch", "/set_pixel", "/weak_pixels"}
    plane = {"/manifold_plane", "/manifold_grid", "/manifold_decode", "/manifold_encode", "/manifold_walk"}
    autoencoders = {"/reconstruct", "/denoise", "/anomalies", "/random_net"}
    gans = {"/gan_sample", "/gan_points", "/gan_find", "/gan_interpolate", "/gan_grid", "/gan_arithmetic", "/gan_training"}
    faces = {"/smile_faces", "/smile_edit", "/concept_strip", "/own_vector"}
    texts = {"/write", "/compare", "/next_char"}
    assert set(endpoints) == attacks | plane | autoencoders | gans | faces | texts
    assert [p["parameter_name"] for p in endpoints["/attack"]["parameters"]] == [
        "image",
        "sample",
        "model",
        "method",
        "eps",
        "steps",
        "target",
        "seed",
    ]
