"""The tabs Manifold and Autoencoders: their endpoints from outside, and the pages under a hand."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
import torch
from gradio_client import handle_file
from PIL import Image
from sklearn import metrics

from core import images, runtime, samples, vae, zoo
from tests.page import Finger, choose, drag, refused

ENCODE = {"model": "mnist-vae", "drawing": None, "sample": "digit-0", "seed": 3, "draws": 50, "binarised": True}
GIVEN = {"kind": "mnist", "loss": "bernoulli", "drawing": None, "sample": "digit-0", "seed": 0}


def pixels_of(path: str) -> torch.Tensor:
    return torch.from_numpy(np.array(Image.open(path).convert("L"))).float() / 255


def test_a_decoded_point_is_the_decoder_s_picture_in_8_bits(client):
    picture, report = client.predict(model="mnist-vae", z=[0.4, -1.2], api_name="/manifold_decode")
    expected = images.eight_bit(zoo.load("mnist-vae").decode(torch.tensor([[0.4, -1.2]])))[0, 0]
    assert (pixels_of(picture) - expected).abs().max() <= 1 / 255 + 1e-6
    assert report["z"] == [0.4, -1.2]


@pytest.mark.parametrize(
    ("api_name", "given", "words"),
    [
        ("/manifold_decode", {"model": "mnist-vae", "z": [1.0]}, "has 1 numbers"),
        ("/manifold_decode", {"model": "mnist-vae", "z": [0.0, 1e30]}, "was 1e+30"),
        ("/manifold_decode", {"model": "mnist-vae", "z": ["NaN", 0]}, "not a number"),
        ("/manifold_decode", {"model": "mnist-vae", "z": {}}, "give a list"),
        ("/manifold_decode", {"model": "mnist-cnn", "z": [0, 0]}, "mnist-cnn"),
        ("/manifold_decode", {"model": "fashion-vae16", "z": [0] * 16}, "fashion-vae16"),
        ("/manifold_decode", {"model": None, "z": [0, 0]}, "no model"),
        ("/manifold_grid", {"model": "mnist-vae", "n": 0, "reach": 3, "quantiles": False}, "n was 0"),
        ("/manifold_grid", {"model": "mnist-vae", "n": 20, "reach": 99, "quantiles": False}, "range was 99"),
        ("/manifold_walk", {"model": "mnist-vae", "start": [0, 0], "end": [0], "steps": 5}, "end has 1 numbers"),
        ("/manifold_walk", {"model": "mnist-vae", "start": [0, 0], "end": [0, 1], "steps": 1}, "steps was 1"),
        ("/manifold_encode", ENCODE | {"sample": ""}, "No picture is chosen"),
        ("/manifold_encode", ENCODE | {"draws": 0}, "samples was 0"),
        ("/manifold_encode", ENCODE | {"seed": -1}, "seed was -1"),
        ("/reconstruct", GIVEN | {"kind": "faces"}, "faces"),
        ("/reconstruct", GIVEN | {"loss": "hinge"}, "hinge"),
        ("/anomalies", GIVEN | {"model": "pca", "score": "negative_elbo"}, "only a VAE has an ELBO"),
        ("/anomalies", GIVEN | {"model": "gan", "score": "squared"}, "gan"),
        ("/random_net", {"seed": 2.5}, "whole number"),
    ],
)
def test_a_wrong_value_gets_one_sentence_that_names_it(client, api_name, given, words):
    assert words in refused(client, api_name, **given)


def test_an_empty_drawing_is_told_so(client, tmp_path):
    Image.new("L", (280, 280)).save(tmp_path / "empty.png")
    assert "Nothing is drawn" in refused(client, "/manifold_encode", **(ENCODE | {"drawing": handle_file(str(tmp_path / "empty.png"))}))


def test_the_terms_of_a_digit_s_elbo_add_up_and_are_those_of_core(client):
    picture, report = client.predict(**ENCODE, api_name="/manifold_encode")
    assert report["elbo"] == pytest.approx(report["reconstruction"] - report["kl"], abs=1e-9)
    net = zoo.load("mnist-vae")
    x, g = images.to_pixels(images.open_image(samples.sample("digit-0").path), net), runtime.generator(3)
    b = vae.binarise(x, g)
    bound = vae.elbo(net, b, samples=50, generator=g)
    assert report["elbo"] == pytest.approx(bound.elbo.item(), abs=0.02)
    strip = pixels_of(picture).view(28, -1, 28).transpose(0, 1)
    assert len(strip) == report["pictures"]
    assert torch.equal(strip[1], b[0, 0])
    assert "seed 3" in report["told"]
    assert len(report["samples"]) == 50


def test_an_autoencoder_has_a_point_and_no_elbo(client):
    _, report = client.predict(**(ENCODE | {"model": "mnist-ae"}), api_name="/manifold_encode")
    assert report["sigma"] == [0, 0]
    assert report["kl"] is None and report["elbo"] is None
    assert math.isfinite(report["reconstruction"])


def test_the_film_of_a_walk_runs_there_and_back(client):
    picture, film, report = client.predict(model="mnist-vae", start=[-1, 0], end=[1, 1], steps=6, api_name="/manifold_walk")
    assert Image.open(picture).size == (6 * 28, 28)
    gif = Image.open(film)
    assert gif.format == "GIF"
    assert gif.n_frames == 10
    assert report["steps"] == 6


def test_three_models_are_compared_on_the_same_picture(client):
    sheet, codes, report = client.predict(**GIVEN, api_name="/reconstruct")
    assert Image.open(sheet).size == (22 * 28, 3 * 28)
    rows = pixels_of(sheet)
    for k, row in enumerate(report["models"]):
        net = zoo.load(row["model"])
        assert len(row["code"]) == 2
        np.testing.assert_allclose(row["covariance"], np.cov(net.codes.numpy().T), rtol=1e-3, atol=1e-5)
        x, again = rows[28 * k : 28 * k + 28, :28], rows[28 * k : 28 * k + 28, 28:56]
        assert row["errors"]["squared"] == pytest.approx(((x - again) ** 2).sum().item(), rel=0.02)
        expected = images.eight_bit(net.decode(torch.tensor([row["code"]])))[0, 0]
        assert (again - expected).abs().max() <= 1 / 255 + 1e-6
    assert "negative_elbo" in report["models"][1]["errors"]
    assert "negative_elbo" not in report["models"][0]["errors"]
    packed = (pixels_of(codes) * 255).round().flatten()[:50_000].view(-1, 5)
    assert torch.equal(packed[:, 4].long(), zoo.load("mnist-ae").labels_of_codes.long())


def test_the_denoised_rows_have_the_errors_they_tell(client):
    sheet, report = client.predict(**GIVEN, api_name="/denoise")
    rows = pixels_of(sheet).view(4, 28, 31, 28).transpose(1, 2)
    assert report["errors"][0][0] == 0
    clean = rows[0, 0]
    for row, errors in zip(rows, report["errors"], strict=True):
        np.testing.assert_allclose(((row - clean) ** 2).flatten(1).sum(1), errors, atol=0.3, rtol=0.02)


def test_the_area_under_the_roc_is_that_of_scikit_learn_and_the_packaged_pictures_are_scored_now(client):
    strip, report = client.predict(**GIVEN, model="vae", score="squared", api_name="/anomalies")
    y = [0] * len(report["normal"]) + [1] * len(report["strange"])
    assert report["area"] == pytest.approx(metrics.roc_auc_score(y, report["normal"] + report["strange"]), abs=2e-3)
    assert report["area"] > 0.9
    assert len(report["marks"]) == 40
    assert Image.open(strip).size == (41 * 28, 28)
    net = zoo.load("mnist-vae")
    b = (torch.rand(41, 1, 28, 28, generator=runtime.generator(0)) < pixels_of(strip).view(28, 41, 28).transpose(0, 1)[:, None]).float()
    again = vae.squared(b.flatten(1), net.decode(net.encode(b)[0]).flatten(1))
    np.testing.assert_allclose([mark["score"] for mark in report["marks"]], again[:40], atol=0.02, rtol=1e-3)


def test_the_untrained_net_s_picture_is_new_with_a_seed_and_the_same_again(client):
    one, other, again = (client.predict(seed=seed, api_name="/random_net")[0] for seed in (1, 2, 1))
    assert torch.equal(pixels_of(one), pixels_of(again))
    assert not torch.equal(pixels_of(one), pixels_of(other))


def opened(page, url: str) -> dict:
    """Opens the tab, waits until the plane answers, and gives the box of its square."""
    page.goto(url)
    page.wait_for_selector(".plane[data-state=ready]")
    page.wait_for_selector(".plane .drawn:not([hidden])")
    page.locator(".plane .stage.first").scroll_into_view_if_needed()
    return page.locator(".plane .stage.first").bounding_box()


def shown(page) -> list[int]:
    return page.evaluate("Array.from(document.querySelector('.plane .digit').getContext('2d').getImageData(0, 0, 28, 28).data)")[::4]


def here(page) -> list[float]:
    """The z that the page tells."""
    return [float(v) for v in page.inner_text(".plane .where").replace("−", "-").split("(")[1].rstrip(")").split(",")]


def exact(page) -> None:
    page.wait_for_selector(".plane[data-exact=true]")


@pytest.mark.browser
def test_the_digit_follows_the_pointer_without_a_request_and_becomes_exact_at_rest(page, app_url):
    box = opened(page, app_url + "?tab=manifold&x=0.5&y=0.5")
    exact(page)
    page.wait_for_timeout(3000)  # what the other tabs asked for is answered
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.evaluate(
        """() => { window.path = []; document.querySelector('.plane .stage.first').addEventListener('pointermove', () =>
        requestAnimationFrame(() => window.path.push(document.querySelector('.plane .digit').toDataURL()))); }"""
    )
    for u, v in ((0.1, 0.3), (0.5, 0.8), (0.9, 0.4)):
        page.mouse.move(box["x"] + box["width"] * u, box["y"] + box["height"] * v, steps=20)
    asked = list(requests)
    seen = set(page.evaluate("window.path"))
    assert asked == []
    assert len(seen) > 20
    exact(page)
    assert any("gradio_api" in url for url in requests)
    z = here(page)
    net = zoo.load("mnist-vae")
    expected = images.to_bytes(net.decode(torch.tensor([z]))).flatten().int()
    assert (torch.tensor(shown(page)) - expected).abs().max() <= 8  # z is told with two digits after the point


@pytest.mark.browser
def test_a_finger_moves_over_the_plane_and_the_page_stays(phone, app_url):
    box = opened(phone, app_url + "?tab=manifold")
    before, seen, finger = phone.evaluate("scrollY"), set(), Finger(phone)
    finger.down(box["x"] + 40, box["y"] + 40)
    for k in range(1, 9):
        finger.move(box["x"] + 40 + 30 * k, box["y"] + 40 + 35 * k, steps=3)
        phone.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        seen.add((*here(phone), *shown(phone)))
    finger.up()
    assert len(seen) == 8
    assert phone.evaluate("scrollY") == before
    exact(phone)


@pytest.mark.browser
def test_with_quantiles_equal_steps_on_the_plane_are_equal_shares_of_the_prior(page, app_url):
    box = opened(page, app_url + "?tab=manifold&quantiles=true")
    for share in (0.1, 0.5, 0.8):
        page.mouse.move(box["x"] + box["width"] * share, box["y"] + box["height"] * (1 - share))
        exact(page)
        assert here(page) == pytest.approx([statistics.NormalDist().inv_cdf(share)] * 2, abs=0.02)


@pytest.mark.browser
def test_the_atlas_in_the_browser_is_close_to_the_exact_decode(page, app_url):
    box = opened(page, app_url + "?tab=manifold")
    exact(page)
    g = np.random.default_rng(1)
    for u, v in g.uniform(0.25, 0.75, (5, 2)):
        page.mouse.move(box["x"] + box["width"] * u, box["y"] + box["height"] * v)
        exact(page)
        told = page.inner_text(".plane .source")
        assert float(told.split("off by ")[1].split(" ")[0]) < 6


@pytest.mark.browser
def test_arrow_keys_move_the_point_and_the_link_restores_it(page, app_url):
    opened(page, app_url + "?tab=manifold&x=0.5&y=0.5&reach=4&n=12&view=beside")
    before = here(page)
    page.focus(".plane .stage.first")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowUp")
    exact(page)
    after = here(page)
    assert after[0] == pytest.approx(before[0] + 0.05, abs=0.011)
    assert after[1] == pytest.approx(before[1] + 0.25, abs=0.011)
    page.wait_for_function("() => location.search.includes('y=0.75')")
    second = page.context.new_page()
    opened(second, page.evaluate("FoolForge.link()"))
    assert here(second) == after
    assert second.get_attribute(".plane", "data-view") == "beside"
    assert second.input_value(".plane .n") == "12"


@pytest.mark.browser
def test_models_and_epochs_change_the_plane_and_the_digit_under_the_pointer_together(page, app_url):
    opened(page, app_url + "?tab=manifold&x=0.7&y=0.7")
    exact(page)
    pictures = {"mnist-vae": shown(page)}
    for k, name in enumerate(("mnist-vae@epoch5", "mnist-vae@epoch25", "mnist-vae@epoch100")):
        drag(page, ".plane .scrub input", k)
        page.wait_for_selector(f".plane[data-model='{name}'][data-state=ready][data-exact=true]")
        pictures[name] = shown(page)
    for title, name in (("Autoencoder", "mnist-ae@epoch100"), ("VAE, KL × 4", "mnist-vae-kl4"), ("PCA", "mnist-pca")):
        page.locator(".plane .models button", has_text=title).click()
        page.wait_for_selector(f".plane[data-model='{name}'][data-state=ready][data-exact=true]")
        pictures[name] = shown(page)
    assert len({tuple(p) for p in pictures.values()}) == len(pictures)
    assert page.is_disabled(".plane .scrub input")
    page.wait_for_function("() => location.search.includes('model=mnist-pca')")
    page.wait_for_function("() => document.querySelector('.plane .bound .total').textContent.includes('∞')")


@pytest.mark.browser
def test_the_manifold_is_redrawn_at_once_for_another_number_of_rows(page, app_url):
    opened(page, app_url + "?tab=manifold")
    for selector, value, side in ((".plane .n", 30, 840), (".plane .n", 10, 280), (".plane .reach", 15, 280)):
        drag(page, selector, value)
        page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        assert page.evaluate("document.querySelector('.plane .map').width") == side
    page.wait_for_selector(".plane[data-grid=exact]")
    page.check(".plane .quantiles")
    page.wait_for_selector(".plane[data-grid=atlas]")
    page.wait_for_selector(".plane[data-grid=exact]")


@pytest.mark.browser
def test_a_drawn_digit_is_encoded_and_its_terms_stand_on_the_page(page, app_url):
    opened(page, app_url + "?tab=manifold&sample=digit-1")
    before = page.inner_text(".plane .bound")
    page.locator("#manifold-draw-button, button[role=tab]", has_text="Draw a digit").locator("visible=true").click()
    box = page.locator("#manifold-pad canvas").bounding_box()
    page.mouse.move(box["x"] + 120, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 118, box["y"] + 200, steps=10)
    page.mouse.up()
    page.wait_for_function("(before) => document.querySelector('.plane .bound').innerText !== before", arg=before)
    values = [float(v.replace("−", "-").replace(" ", "")) for v in page.locator(".plane .bound td:last-child").all_inner_texts()]
    assert values[0] + values[1] == pytest.approx(values[2], abs=0.011)
    assert page.locator(".plane .strip canvas").count() == 9


@pytest.mark.browser
def test_a_walk_gives_a_strip_and_a_gif(page, app_url, tmp_path):
    opened(page, app_url + "?tab=manifold")
    page.click(".plane .walk")
    box = page.locator(".plane .stage.first").bounding_box()
    page.mouse.click(box["x"] + 0.3 * box["width"], box["y"] + 0.3 * box["height"])
    page.wait_for_function("() => document.querySelector('.plane .hint').textContent.includes('second point')")
    page.mouse.click(box["x"] + 0.7 * box["width"], box["y"] + 0.6 * box["height"])
    page.wait_for_selector(".plane .gif:not([hidden])")
    with page.expect_download() as download:
        page.click(".plane .gif")
    download.value.save_as(tmp_path / "walk.gif")
    assert Image.open(tmp_path / "walk.gif").n_frames == 46


@pytest.mark.browser
def test_the_noise_and_the_threshold_follow_the_hand_without_a_request(page, app_url):
    page.goto(app_url + "?tab=autoencoders&sample=digit-0")
    page.wait_for_selector(".trio[data-state=ready]")
    page.get_by_role("tab", name="Denoise").click()
    page.wait_for_selector(".snow[data-state=ready]", state="visible")
    page.wait_for_timeout(4000)
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    errors = []
    for k in (0, 10, 30):
        drag(page, ".snow input", k)
        page.wait_for_function(f"() => document.querySelector('.snow output').textContent === '{k * 0.05:.2f}'")
        errors.append(float(page.inner_text(".snow figure b >> nth=0")))
    assert errors[0] == 0 and errors[0] < errors[1] < errors[2]
    page.get_by_role("tab", name="Anomalies").click()
    page.wait_for_selector(".detector[data-state=ready]", state="visible")
    box = page.locator(".detector .histogram").bounding_box()
    rates = []
    for share in (0.02, 0.3, 0.9):
        page.mouse.move(box["x"] + share * box["width"], box["y"] + 50)
        page.mouse.down()
        page.mouse.up()
        page.wait_for_timeout(100)
        rates.append([float(page.get_attribute(".detector", f"data-{kind}")) for kind in ("false", "true")])
    assert rates[0][0] > rates[1][0] >= rates[2][0] and rates[0][1] > rates[2][1]
    assert not [url for url in requests if "queue" in url]


@pytest.mark.browser
def test_clothes_go_through_sixteen_numbers(page, app_url):
    page.goto(app_url + "?tab=autoencoders")
    page.wait_for_selector(".trio[data-state=ready]")
    page.get_by_label("Clothes through 16 numbers").click()
    page.wait_for_function("() => document.querySelector('.trio .given figcaption').textContent.includes('16 numbers')")
    assert page.locator("#autoencoders-picker button").first.get_attribute("data-name").startswith("clothes-")


@pytest.mark.browser
def test_the_autoencoder_s_loss_can_be_chosen(page, app_url):
    page.goto(app_url + "?tab=autoencoders")
    page.wait_for_selector(".trio[data-state=ready]")
    choose(page, "autoencoders-loss", "squared")
    page.wait_for_function("() => document.querySelector('.trio h4').textContent.includes('squared')")


@pytest.mark.browser
def test_the_calculator_starts_with_the_worked_example_and_refuses_what_is_no_distribution(page, app_url):
    page.goto(app_url + "?tab=autoencoders")
    page.get_by_role("tab", name="KL calculator").click()
    told = page.locator(".divergence .told")
    assert told.inner_text().startswith("KL(p ‖ q) = 0.4734 nats")
    page.fill(".divergence .p", "0.5, 0.6")
    assert "adds up to 1.100" in told.inner_text()
    page.fill(".divergence .p", "0.5 <b>")
    assert "<b>" in told.inner_text()
    page.click(".divergence .example")
    page.click(".divergence .swap")
    assert "∞" in told.inner_text()


@pytest.mark.browser
def test_a_new_net_is_drawn_at_a_click(page, app_url):
    page.goto(app_url + "?tab=autoencoders&cloud=7")
    page.wait_for_selector(".trio[data-state=ready]")
    page.get_by_role("tab", name="Untrained net").click()
    page.wait_for_selector(".cloud[data-seed='7']")
    page.click(".cloud .new")
    page.wait_for_selector(".cloud[data-seed='8']")


@pytest.mark.browser
@pytest.mark.parametrize("width", [1440, 1024, 390])
@pytest.mark.parametrize("tab", ["manifold", "autoencoders"])
def test_no_width_needs_a_sideways_scroll(page, app_url, tab, width):
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(app_url + f"?tab={tab}")
    page.wait_for_selector(".plane[data-state=ready]" if tab == "manifold" else ".trio[data-state=ready]")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
