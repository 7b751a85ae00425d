"""The tab GAN: its endpoints from outside, and the page under a hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from PIL import Image

from core import images, latent, zoo
from tests.page import Finger, drag, middle, refused

SAMPLE = {"model": "mnist-dcgan", "n": 12, "seed": 3, "truncation": 4}
WAY = {"model": "mnist-dcgan", "start": "0:1", "end": "5:7", "truncation": 4, "frames": 9}
GRID = {"model": "mnist-dcgan", "a": "0:0", "b": "0:1", "c": "0:2", "d": "0:3", "truncation": 4, "n": 5, "way": "slerp"}
SUMS = {"model": "mnist-dcgan", "first": ["0:0", "0:1"], "minus": ["0:2"], "plus": ["0:3"], "truncation": 4, "seed": 0}
FIND = {"model": "mnist-dcgan", "label": "7", "n": 200, "seed": 0, "truncation": 4}
RUN = {"run": "mnist-dcgan", "n": 10, "seed": 0, "truncation": 4}


def tiles_of(path: str, side: int = 28) -> np.ndarray:
    """A sheet as (rows, columns, side, side)."""
    grey = np.asarray(Image.open(path).convert("L")).astype(int)
    return grey.reshape(grey.shape[0] // side, side, -1, side).transpose(0, 2, 1, 3)


def eight_bit_samples(z: torch.Tensor, model: str = "mnist-dcgan") -> np.ndarray:
    return (zoo.load(model)(z).detach()[:, 0] * 255).round().numpy().astype(int)


def test_a_sheet_holds_what_the_generator_makes_of_the_z_that_come_with_it(client):
    picture, file, report = client.predict(**SAMPLE, api_name="/gan_sample")
    z = torch.from_numpy(np.load(file, allow_pickle=False))
    assert z.shape == (12, 100) and z.dtype == torch.float32
    shown = tiles_of(picture)
    assert shown.shape[:2] == (2, 10)
    assert np.abs(shown.reshape(20, 28, 28)[:12] - eight_bit_samples(z)).max() <= 1
    np.testing.assert_allclose(report["norms"], np.linalg.norm(z, axis=1), atol=1e-3)
    assert report["points"][11] == "3:11"


def test_the_scores_are_the_discriminator_s_of_the_picture_as_it_was_sent(client):
    picture, _, report = client.predict(**SAMPLE, api_name="/gan_sample")
    x = torch.from_numpy(tiles_of(picture).reshape(20, 1, 28, 28)[:12] / 255).float()
    p = zoo.load("mnist-dcgan").discriminator(x).sigmoid()
    np.testing.assert_allclose(report["scores"], p, atol=2e-3)


def test_equal_seeds_give_equal_pictures_and_other_seeds_others(client):
    def of(**changes: object) -> bytes:
        return Image.open(client.predict(**(SAMPLE | changes), api_name="/gan_sample")[0]).tobytes()

    assert of() == of()
    assert of() != of(seed=4)
    assert of() != of(truncation=1)


def test_a_point_s_name_gives_the_sample_of_the_sheet(client):
    sheet, _, _ = client.predict(**SAMPLE, api_name="/gan_sample")
    two, _, _ = client.predict(model="mnist-dcgan", points=["3:11", "3:4"], truncation=4, api_name="/gan_points")
    every = tiles_of(sheet).reshape(20, 28, 28)
    assert np.abs(tiles_of(two)[0] - every[[11, 4]]).max() <= 1


def test_both_ways_begin_at_a_and_end_at_b_and_have_the_norms_they_tell(client):
    strips, film, file, report = client.predict(**WAY, api_name="/gan_interpolate")
    z = torch.from_numpy(np.load(file, allow_pickle=False))
    assert z.shape == (2, 9, 100)
    a, b = (latent.sheet(seed)[i, :100] for seed, i in ((0, 1), (5, 7)))
    torch.testing.assert_close(z[:, 0], torch.stack([a, a]))
    torch.testing.assert_close(z[:, 8], torch.stack([b, b]))
    torch.testing.assert_close(z[0, 4], (a + b) / 2)
    angle = math.acos(a @ b / a.norm() / b.norm())
    torch.testing.assert_close(z[1, 4], (a + b) / (2 * math.cos(angle / 2)), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(report["norms"], z.norm(dim=2).flatten(), atol=1e-3)
    assert np.abs(tiles_of(strips).reshape(18, 28, 28) - eight_bit_samples(z.flatten(0, 1))).max() <= 1
    gif = Image.open(film)
    assert gif.format == "GIF" and gif.n_frames == 16


def test_a_grid_has_its_corners_and_its_z(client):
    picture, file, _ = client.predict(**GRID, api_name="/gan_grid")
    z = torch.from_numpy(np.load(file, allow_pickle=False))
    assert z.shape == (5, 5, 100)
    corners = latent.sheet(0)[:4, :100]
    assert torch.equal(z[[0, 0, 4, 4], [0, 4, 0, 4]], corners)
    shown = tiles_of(picture)
    assert np.abs(shown[[0, 0, 4, 4], [0, 4, 0, 4]] - eight_bit_samples(corners)).max() <= 1
    _, other, _ = client.predict(**(GRID | {"way": "lerp"}), api_name="/gan_grid")
    np.testing.assert_allclose(np.load(other)[2, 2], corners.mean(0), atol=1e-5)


def test_arithmetic_gives_the_mean_minus_the_mean_plus_the_mean(client):
    picture, file, report = client.predict(**SUMS, api_name="/gan_arithmetic")
    z = latent.sheet(0)[:4, :100].double()
    np.testing.assert_allclose(np.load(file), (z[0] + z[1]) / 2 - z[2] + z[3], atol=1e-5)
    assert tiles_of(picture).shape[:2] == (1, 12)
    assert len(report["scores"]) == 12


def test_a_smiling_woman_less_a_woman_and_a_man_is_a_smiling_man(client):
    from demos.gan import SMILE

    judge = zoo.load("faces-attributes")
    picture, _, _ = client.predict(model="faces-gan", **SMILE, truncation=4, seed=0, api_name="/gan_arithmetic")
    pixels = torch.from_numpy(np.array(Image.open(picture))).permute(2, 0, 1)[None].float() / 255
    means, result = [pixels[..., 64 * i : 64 * i + 64] for i in range(3)], pixels[..., 192:256]
    smiling, male = (judge.labels.index(name) for name in ("Smiling", "Male"))
    p = judge(torch.cat([*means, result])).sigmoid()
    assert p[3, smiling] > 0.9 and p[3, male] > 0.9
    assert p[2, smiling] < 0.5 < p[2, male]


def test_the_best_of_n_are_the_samples_that_the_classifier_likes_most(client):
    _, report = client.predict(**FIND, api_name="/gan_find")
    net, judge = zoo.load("mnist-dcgan"), zoo.load("mnist-cnn")
    z = torch.cat([latent.sheet(0), latent.sheet(1)])[:, :100]
    p = judge(images.eight_bit(net(z))).softmax(1)[:, 7]
    best = p.topk(5)
    assert report["probabilities"] == pytest.approx(best.values.tolist(), abs=2e-3)
    found = [int(seed) * 100 + int(i) for seed, i in (point.split(":") for point in report["points"])]
    assert (p[found] >= best.values[4] - 2e-3).all()


def test_the_training_s_sheets_are_the_same_points_at_five_moments(client):
    picture, report = client.predict(**RUN, api_name="/gan_training")
    rows = tiles_of(picture)
    assert rows.shape[:2] == (5, 10)
    z = latent.sheet(0)[:10, :100]
    for row, point in zip(rows, ("@epoch1", "@epoch5", "@epoch10", "@epoch25", ""), strict=True):
        assert np.abs(row - eight_bit_samples(z, "mnist-dcgan" + point)).max() <= 1
    assert report["epochs"] == sorted(report["epochs"])
    assert len(report["curve"]) >= 50
    for shares in report["classes"]:
        assert sum(shares) == pytest.approx(1, abs=2e-3)


@pytest.mark.parametrize(
    ("api_name", "given", "words"),
    [
        ("/gan_sample", SAMPLE | {"n": 0}, "samples was 0"),
        ("/gan_sample", SAMPLE | {"n": 1000}, "from 1 to 100"),
        ("/gan_sample", SAMPLE | {"truncation": "NaN"}, "not a number"),
        ("/gan_sample", SAMPLE | {"truncation": 0}, "truncation was 0"),
        ("/gan_sample", SAMPLE | {"seed": 2**64}, "seed was 18446744073709551616"),
        ("/gan_sample", SAMPLE | {"seed": -1}, "seed was -1"),
        ("/gan_sample", SAMPLE | {"model": "stylegan"}, "no model 'stylegan'"),
        ("/gan_sample", SAMPLE | {"model": "mnist-vae"}, "no model 'mnist-vae'"),
        ("/gan_points", {"model": "mnist-dcgan", "points": [], "truncation": 4}, "1 to 10"),
        ("/gan_points", {"model": "mnist-dcgan", "points": ["x:1"], "truncation": 4}, "seed:index"),
        ("/gan_points", {"model": "mnist-dcgan", "points": ["0:100"], "truncation": 4}, "from 0 to 99"),
        ("/gan_points", {"model": "mnist-dcgan", "points": [[0.5] * 99], "truncation": 4}, "has 99 numbers"),
        ("/gan_interpolate", WAY | {"end": ""}, "end is not pinned"),
        ("/gan_interpolate", WAY | {"start": None, "end": None}, "start is not pinned"),
        ("/gan_interpolate", WAY | {"frames": 1}, "frames was 1"),
        ("/gan_interpolate", WAY | {"end": "99999999999:0"}, "seed was"),
        ("/gan_grid", GRID | {"n": 0}, "n was 0"),
        ("/gan_grid", GRID | {"n": 1000}, "from 3 to 15"),
        ("/gan_grid", GRID | {"d": ""}, "D is not pinned"),
        ("/gan_grid", GRID | {"way": "round"}, "no way 'round'"),
        ("/gan_arithmetic", SUMS | {"minus": []}, "minus has 0 samples"),
        ("/gan_find", FIND | {"label": "eleven"}, "no class 'eleven'"),
        ("/gan_find", FIND | {"n": 5}, "samples was 5"),
        ("/gan_training", RUN | {"run": "faces-gan"}, "no run 'faces-gan'"),
    ],
)
def test_a_wrong_value_gets_one_sentence_that_names_it(client, api_name, given, words):
    assert words in refused(client, api_name, **given)


def test_a_nan_in_json_is_refused_and_the_server_goes_on(client, app_url):
    import urllib.error
    import urllib.request

    body = b'{"data": ["mnist-dcgan", 5, 0, NaN]}'
    request = urllib.request.Request(app_url + "gradio_api/call/gan_sample", body, {"Content-Type": "application/json"}, method="POST")
    try:
        urllib.request.urlopen(request, timeout=30).close()
    except urllib.error.HTTPError as error:
        assert 400 <= error.code < 500
    assert client.predict(**SAMPLE, api_name="/gan_sample")[2]["points"]


def test_numbers_as_a_point_are_taken_as_they_are(client):
    z = [0.25] * 100
    _, file, _ = client.predict(model="mnist-dcgan", points=[z], truncation=0.1, api_name="/gan_points")
    np.testing.assert_allclose(np.load(file)[0], z)


@pytest.mark.parametrize("model", ["frogs-dcgan", "faces-gan"])
def test_the_other_generators_answer_as_well(client, model):
    picture, _, report = client.predict(**(SAMPLE | {"model": model, "n": 3}), api_name="/gan_sample")
    side = report["size"][1]
    assert Image.open(picture).size == (10 * side, side)
    pixels = np.asarray(Image.open(picture))[:, : 3 * side]
    assert pixels.std() > 20


# --- the page ---


def opened(page, url: str) -> None:
    """Opens the tab with the first four samples pinned, unless the link says otherwise."""
    page.goto(url if "&a=" in url else url + "&a=0:0&b=0:1&c=0:2&d=0:3")
    page.wait_for_selector(".gan[data-state=ready]")


def settled(page, what: str, value: str) -> None:
    page.wait_for_function("([what, value]) => (document.querySelector('.gan').dataset[what] ?? '').includes(value)", arg=[what, value])
    page.wait_for_selector(".gan[data-state=ready]")


def frames(page) -> list[str]:
    """Both large pictures of the way from A to B."""
    return page.evaluate("[...document.querySelectorAll('.gan .frame')].map((canvas) => canvas.toDataURL())")


@pytest.mark.browser
def test_the_way_from_a_to_b_follows_the_slider_without_a_request(page, app_url):
    opened(page, app_url + "?tab=gan&t=0")
    settled(page, "between", "0:0 0:1")
    page.wait_for_timeout(2500)
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    seen = []
    for k in range(33):
        drag(page, ".gan .t", k)
        page.wait_for_selector(f".gan[data-t='{k}']")
        seen.append(frames(page))
    for d in (1, 2, 64, 512):
        drag(page, ".gan .dims", d)
        page.wait_for_selector(f".gan[data-dims='{d}']")
        assert f"D = {d}" in page.inner_text(".gan .dims + output")
    assert [url for url in requests if url.startswith("http")] == []
    assert seen[0][0] == seen[0][1] and seen[32][0] == seen[32][1]  # both ways begin at A and end at B
    assert seen[16][0] != seen[16][1]
    assert len({pair[1] for pair in seen}) > 25


@pytest.mark.browser
def test_in_512_dimensions_no_sample_is_as_near_as_the_straight_way_s_middle(page, app_url):
    opened(page, app_url + "?tab=gan&t=16&dims=512")
    settled(page, "dims", "512")
    told = page.inner_text(".gan .bubble-note")
    a, b = latent.sheet(0)[:2]
    assert f"{((a + b) / 2).norm():.2f} from the origin" in told
    assert "none are as near" in told


@pytest.mark.browser
def test_a_click_pins_a_key_pins_and_the_link_restores_the_pins(page, app_url):
    opened(page, app_url + "?tab=gan")
    settled(page, "between", "0:0 0:1")
    page.locator(".gan .targets button", has_text="B").click()
    page.locator(".gan .tile[data-point='0:9']").click()
    settled(page, "between", "0:0 0:9")
    page.locator(".gan .tile[data-point='0:12']").focus()
    page.keyboard.press("a")
    settled(page, "between", "0:12 0:9")
    before = frames(page)
    page.wait_for_function("() => location.search.includes('a=0%3A12') && location.search.includes('b=0%3A9')")
    second = page.context.new_page()
    second.set_default_timeout(60_000)
    second.goto(page.evaluate("FoolForge.link()"))
    second.wait_for_selector(".gan[data-state=ready]")
    settled(second, "between", "0:12 0:9")
    assert frames(second) == before


def pulled(page, from_selector: str, to_selector: str) -> None:
    """Drags with the mouse from the middle of one thing to the middle of another."""
    page.locator(to_selector).scroll_into_view_if_needed()
    start, end = (page.locator(selector).bounding_box() for selector in (from_selector, to_selector))
    page.mouse.move(start["x"] + start["width"] / 2, start["y"] + start["height"] / 2)
    page.mouse.down()
    page.mouse.move(end["x"] + end["width"] / 2, end["y"] + end["height"] / 2, steps=12)
    page.mouse.up()


@pytest.mark.browser
def test_corners_are_dragged_to_other_samples_and_samples_to_corners(page, app_url):
    opened(page, app_url + "?tab=gan&view=corners&rows=5")
    settled(page, "corners", "0:0,0:1,0:2,0:3 5 slerp")
    pulled(page, ".gan [data-corner=A]", ".gan .tile[data-point='0:8']")
    settled(page, "corners", "0:8,0:1,0:2,0:3 5")
    pulled(page, ".gan .tile[data-point='0:14']", ".gan [data-corner=D]")
    settled(page, "corners", "0:8,0:1,0:2,0:14 5")
    page.locator(".gan .ways button", has_text="bilinear").click()
    settled(page, "corners", "5 lerp")
    drag(page, ".gan .corners .n", 15)
    settled(page, "corners", "15 lerp")
    assert page.evaluate("document.querySelector('.gan .grid').width") == 15 * 28


@pytest.mark.browser
def test_a_finger_drags_a_held_sample_onto_a_pin_and_a_pin_onto_another(phone, app_url):
    opened(phone, app_url + "?tab=gan&view=corners&rows=5")
    settled(phone, "corners", "0:0,0:1,0:2,0:3 5")
    phone.locator(".gan .samples").evaluate("(samples) => samples.scrollIntoView()")
    before, finger = phone.evaluate("scrollY"), Finger(phone)
    finger.down(*middle(phone, ".gan .tile[data-point='0:10']"))
    phone.wait_for_selector(".gan .ghost")
    finger.move(*middle(phone, ".gan .pin[data-letter=C]"))
    finger.up()
    settled(phone, "corners", "0:0,0:1,0:10,0:3 5")
    finger.down(*middle(phone, ".gan .pin[data-letter=A]"))
    finger.move(*middle(phone, ".gan .pin[data-letter=B]"))
    finger.up()
    settled(phone, "corners", "0:1,0:0,0:10,0:3 5")
    assert phone.evaluate("scrollY") == before


@pytest.mark.browser
def test_the_drawn_curves_follow_the_theme(page, app_url):
    opened(page, app_url + "?tab=gan&__theme=light")
    settled(page, "between", "0:0 0:1")
    axis = "document.querySelector('.gan .bubble').getContext('2d').getImageData(52, 60, 1, 1).data[0]"  # red in the line at the left
    page.wait_for_function(f"() => {axis} < 60")
    page.evaluate("document.body.classList.add('dark')")
    page.wait_for_function(f"() => {axis} > 200")
    slerp = "getComputedStyle(document.querySelector('.gan b.slerp')).color"
    dark = page.evaluate(slerp)
    page.evaluate("document.body.classList.remove('dark')")
    page.wait_for_function(f"() => {axis} < 60")
    assert page.evaluate(slerp) != dark


@pytest.mark.browser
def test_samples_go_into_the_boxes_of_the_sum(page, app_url):
    opened(page, app_url + "?tab=gan&view=sums")
    settled(page, "sums", "0:0|0:1|0:2")
    page.locator(".gan .box").nth(1).click(position={"x": 8, "y": 100})
    page.locator(".gan .samples .tile[data-point='0:20']").click()
    settled(page, "sums", "0:0|0:1,0:20|0:2")
    page.locator(".gan .box").nth(1).locator(".tile").first.click()
    settled(page, "sums", "0:0|0:20|0:2")
    page.wait_for_function("() => location.search.includes('minus=0%3A20')")


@pytest.mark.browser
def test_the_scrubber_shows_the_epochs_and_the_collapsed_run_misses_digits(page, app_url):
    opened(page, app_url + "?tab=gan&view=training")
    settled(page, "run", "mnist-dcgan")
    page.wait_for_function("() => document.querySelector('.gan .class-note').textContent.includes('No digit is missing')")
    sheets = set()
    for k in range(5):
        drag(page, ".gan .epoch", k)
        page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        sheets.add(page.evaluate("document.querySelector('.gan .sheet').toDataURL()"))
    assert len(sheets) == 5
    page.locator(".gan .runs button", has_text="collapsed").click()
    settled(page, "run", "mnist-dcgan-collapsed")
    page.wait_for_function("() => document.querySelector('.gan .class-note').textContent.includes('of 10 digits are drawn less than once')")


@pytest.mark.browser
def test_a_seven_is_found_and_can_be_pinned(page, app_url):
    opened(page, app_url + "?tab=gan")
    page.click("#gan-find")
    page.wait_for_selector(".gan .found:not([hidden]) .tile")
    first = page.locator(".gan .found .tile").first
    point = first.get_attribute("data-point")
    first.click()
    settled(page, "between", f"{point} 0:1")


@pytest.mark.browser
def test_without_two_pins_the_page_says_what_to_do_and_goes_on(page, app_url):
    opened(page, app_url + "?tab=gan")
    page.click(".gan .clear")
    page.locator(".toast-body", has_text="not pinned").first.wait_for()
    page.locator(".gan .tile[data-point='0:5']").click()
    page.locator(".gan .tile[data-point='0:6']").click()
    settled(page, "between", "0:5 0:6")


@pytest.mark.browser
def test_pictures_film_and_z_can_be_taken_away(page, app_url, tmp_path):
    opened(page, app_url + "?tab=gan&n=30")
    settled(page, "between", "0:0 0:1")
    for button, name in ((".save-grid", "grid.png"), (".save-z", "z.npy"), (".save-gif", "way.gif")):
        with page.expect_download() as download:
            page.click(".gan " + button)
        download.value.save_as(tmp_path / name)
    assert Image.open(tmp_path / "grid.png").size == (280, 84)
    assert Image.open(tmp_path / "way.gif").n_frames == 64
    z = torch.from_numpy(np.load(tmp_path / "z.npy"))
    assert np.abs(tiles_of(tmp_path / "grid.png").reshape(30, 28, 28) - eight_bit_samples(z)).max() <= 1


@pytest.mark.browser
@pytest.mark.parametrize("width", [1440, 1024, 390])
def test_no_width_needs_a_sideways_scroll(page, app_url, width):
    page.set_viewport_size({"width": width, "height": 900})
    for view in ("between", "corners", "sums", "training"):
        opened(page, app_url + f"?tab=gan&view={view}&a=0:3")
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_sheets_are_filled_row_by_row():
    x = torch.arange(5.0).view(5, 1, 1, 1).expand(5, 1, 2, 2)
    assert images.tiles(x, 3)[0, ::2, ::2].tolist() == [[0, 1, 2], [3, 4, 0]]
