"""The page as a person uses it, in a real Chromium."""

from __future__ import annotations

import json
import re

import pytest
from PIL import Image

from core import images, zoo
from tests.page import choose, drag, figure_ready, middle

pytestmark = pytest.mark.browser
SLIDER = ".figure input[type=range]"


def attacked(page) -> tuple[str, str]:
    return page.inner_text(".attacked + figcaption .label"), page.inner_text(".attacked + figcaption .p")


def test_dragging_epsilon_turns_the_cheetah_without_a_request_and_the_saved_png_gives_the_shown_confidence(page, app_url, tmp_path):
    page.goto(app_url + "?sample=lion")
    figure_ready(page, label="lion")
    page.locator("#fgsm-picker button[data-name=cheetah]").click()
    figure_ready(page, label="cheetah")
    page.wait_for_timeout(1500)  # what the click asked for has been answered
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    labels = []
    for k in range(33):
        drag(page, SLIDER, k)
        page.wait_for_function(f"() => document.querySelector('.drag output').textContent.startsWith('= {k}/255')")
        labels.append(attacked(page)[0])
    assert labels[0] == "cheetah"
    assert labels[-1] == "jaguar"
    drag(page, SLIDER, 8)
    page.wait_for_function("() => document.querySelector('.drag output').textContent.startsWith('= 8/255')")
    assert requests == []

    label, shown = attacked(page)
    with page.expect_download() as download:
        page.click("[data-do=picture]")
    download.value.save_as(tmp_path / "attacked.png")
    net = zoo.load("imagenet-lite0")
    p = zoo.predictions(net(images.to_pixels(Image.open(tmp_path / "attacked.png"), net)))[0]
    assert net.labels[p.argmax()] == label
    assert f"{100 * p.max():.0f} %" == shown


def test_the_picture_painted_by_the_browser_is_the_8_bit_picture_of_the_formula(page, app_url, tmp_path):
    from core import samples
    from core.gradient_attacks import fgsm

    page.goto(app_url + "?tab=fgsm&sample=lion&eps=5")
    figure_ready(page, label="lion")
    with page.expect_download() as download:
        page.click("[data-do=picture]")
    download.value.save_as(tmp_path / "lion.png")
    net = zoo.load("imagenet-lite0")
    x = images.to_pixels(images.open_image(samples.sample("lion").path), net)
    expected = fgsm(net, x, net(x).argmax(1), eps=5 / 255)
    painted = images.to_pixels(Image.open(tmp_path / "lion.png"), net)
    assert ((painted - expected).abs() * 255 > 0.5).float().mean() < 1e-3  # a gradient of ~0 may change its sign between runs


def test_the_link_opens_the_same_state_in_a_second_page(page, app_url):
    page.goto(app_url)
    figure_ready(page)
    page.locator("#fgsm-picker button[data-name=espresso]").click()
    figure_ready(page, label="espresso")
    drag(page, SLIDER, 13)
    page.wait_for_function("() => document.querySelector('.figure .drag output').textContent.includes('13/255')")
    before = attacked(page)
    page.wait_for_function("() => location.search.includes('eps=13') && location.search.includes('sample=espresso')")
    second = page.context.new_page()
    second.goto(page.evaluate("FoolForge.link()"))
    figure_ready(second, label="espresso")
    assert second.input_value(SLIDER) == "13"
    assert second.get_attribute("#fgsm-picker button[data-name=espresso]", "aria-checked") == "true"
    assert attacked(second) == before


def test_a_link_of_another_version_opens_with_defaults_for_what_it_cannot_read(page, app_url):
    page.goto(app_url + "?tab=fgsm&model=no-such-net&method=pgd&steps=many&seed=-4&future=1&eps=3")
    figure_ready(page, label="cheetah")
    assert "PGD" in page.input_value("#fgsm-method input")
    assert page.input_value("#fgsm-steps input[type=number]") == "10"


def test_a_drawn_seven_is_read_as_a_seven(page, app_url):
    page.goto(app_url + "?model=mnist-cnn&sample=digit-1")
    figure_ready(page, label="2")
    page.get_by_role("tab", name="Draw a digit").click()
    box = page.locator("#fgsm-pad canvas").bounding_box()
    page.mouse.move(box["x"] + 60, box["y"] + 50)
    page.mouse.down()
    for x, y in [(170, 52), (110, 200)]:
        page.mouse.move(box["x"] + x, box["y"] + y, steps=10)
    page.mouse.up()
    figure_ready(page, label="7")


def test_a_wrong_upload_is_refused_in_a_sentence_and_the_figure_stays(page, app_url, tmp_path):
    page.goto(app_url)
    figure_ready(page, label="cheetah")
    (tmp_path / "page.png").write_text("<html><script>alert(1)</script></html>")
    page.get_by_role("tab", name="Your own").click()
    page.set_input_files("#fgsm-image input[type=file]", str(tmp_path / "page.png"))
    page.locator(".toast-body", has_text="not a picture").wait_for()
    assert "Traceback" not in page.inner_text("body")
    figure_ready(page, label="cheetah")


def test_a_picture_from_the_clipboard_is_attacked(page, app_url):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(app_url)
    figure_ready(page, label="cheetah")
    page.evaluate(
        """async () => {
            const image = document.querySelector('#fgsm-picker button[data-name=espresso] img');
            const canvas = Object.assign(document.createElement('canvas'), {width: 224, height: 224});
            canvas.getContext('2d').drawImage(image, 0, 0, 224, 224);
            const png = await new Promise((done) => canvas.toBlob(done, 'image/png'));
            await navigator.clipboard.write([new ClipboardItem({'image/png': png})]);
        }"""
    )
    page.get_by_role("tab", name="Your own").click()
    page.get_by_label("Paste from clipboard").locator("visible=true").click()
    figure_ready(page, label="espresso")


def test_a_picture_from_the_camera_is_attacked(page, app_url):
    page.context.grant_permissions(["camera"])
    page.goto(app_url)
    figure_ready(page, label="cheetah")
    page.get_by_role("tab", name="Your own").click()
    page.get_by_label("Capture from camera").locator("visible=true").click()
    page.get_by_text("Click to Access Webcam").locator("visible=true").click()
    page.wait_for_function("() => document.querySelector('#fgsm-image video')?.videoWidth > 0")
    page.get_by_label("capture photo").locator("visible=true").click()
    page.wait_for_function(  # the made-up camera shows a green picture
        """() => {
            const [r, g, b] = document.querySelector('.figure .clean').getContext('2d').getImageData(3, 3, 1, 1).data;
            return g > 90 && r < 60 && b < 60;
        }"""
    )
    figure_ready(page)


def test_the_curve_follows_the_theme(page, app_url):
    page.goto(app_url + "?__theme=light")
    figure_ready(page, label="cheetah")
    ink = "() => getComputedStyle(document.querySelector('.curve .marker line')).stroke"
    light = page.evaluate(ink)
    page.evaluate("document.body.classList.add('dark')")
    page.wait_for_function(f"(light) => ({ink})() !== light", arg=light)
    assert page.evaluate(ink) == page.evaluate("getComputedStyle(document.querySelector('.figure')).color")


@pytest.mark.parametrize(
    ("tab", "ready", "picture"),
    [
        ("fgsm", ".figure[data-state=ready]", ".figure .attacked"),
        ("manifold", ".plane[data-state=ready]", ".plane .stage.first"),
        ("autoencoders", ".trio[data-state=ready]", ".trio .again"),
        ("gan", ".gan[data-state=ready]", ".gan .samples"),
    ],
)
def test_on_a_phone_the_picture_stands_in_the_first_screen(phone, app_url, tab, ready, picture):
    phone.goto(f"{app_url}?tab={tab}")
    phone.wait_for_selector(ready)
    assert middle(phone, picture)[1] < 844


@pytest.mark.parametrize(("tab", "ready"), [("fgsm", ".figure[data-state=ready]"), ("gan", ".gan[data-state=ready]")])
def test_the_tab_key_reaches_every_control_and_its_focus_is_seen(page, app_url, tab, ready):
    page.goto(f"{app_url}?tab={tab}")
    page.wait_for_selector(ready)
    page.wait_for_selector(f"#{tab}-preset-0")
    page.evaluate(
        """() => {
            const all = [...document.querySelectorAll('.figure *, .gan *, [id$=-picker] *, [id*=-preset-]')];
            const can = (e) => e.matches('button, input, [tabindex]') && e.tabIndex >= 0 && !e.disabled && e.checkVisibility();
            window.wanted = new Set(all.filter(can));
        }"""
    )
    count = page.evaluate("window.wanted.size")
    assert count > 8
    for _ in range(80):
        page.keyboard.press("Tab")
        seen = page.evaluate(
            """() => {
                const e = document.activeElement, {outlineStyle, outlineWidth} = getComputedStyle(e);
                const ring = outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2;
                return [!window.wanted.delete(e) || ring, e.outerHTML.slice(0, 120)];
            }"""
        )
        assert seen[0], f"no focus is seen on {seen[1]}"
    assert page.evaluate("[...window.wanted].map((e) => e.outerHTML.slice(0, 120))") == []


def test_numbers_and_slide_can_be_taken_away(page, app_url, tmp_path):
    page.goto(app_url + "?sample=daisy&eps=4")
    figure_ready(page, label="daisy")
    with page.expect_download() as csv:
        page.click("[data-do=numbers]")
    csv.value.save_as(tmp_path / "numbers.csv")
    rows = (tmp_path / "numbers.csv").read_text().splitlines()
    assert len(rows) == 1 + 33
    assert rows[0].startswith('"epsilon_255","linf_255"')
    assert rows[5].split(",")[:2] == ["4", "4"]
    with page.expect_download() as slide:
        page.click("[data-do=slide]")
    slide.value.save_as(tmp_path / "slide.png")
    assert Image.open(tmp_path / "slide.png").size == (1600, 900)


def test_a_targeted_attack_reaches_the_class_that_was_searched_for(page, app_url):
    page.goto(app_url + "?sample=lion&eps=6")
    figure_ready(page, label="lion")
    choose(page, "fgsm-method", "PGD, targeted")
    page.wait_for_function("() => document.querySelector('#fgsm-target input')?.value")
    page.click("#fgsm-target input")
    page.wait_for_timeout(200)
    page.keyboard.type("espresso", delay=40)
    page.locator("ul[role=listbox] li", has_text=re.compile(r"^\W*espresso\W*$")).click()
    page.wait_for_function("() => document.querySelector('.verdict').textContent.includes('the target, espresso')", timeout=120_000)
    assert attacked(page)[0] == "espresso"


@pytest.mark.parametrize("width", [1440, 1024, 390])
def test_no_width_needs_a_sideways_scroll(page, app_url, width):
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(app_url)
    figure_ready(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_nothing_is_asked_of_another_machine(page, app_url):
    hosts = set()
    page.on("request", lambda request: hosts.add(request.url.split("/")[2]) if request.url.startswith("http") else None)
    page.goto(app_url)
    figure_ready(page)
    assert hosts == {app_url.split("/")[2]}, json.dumps(sorted(hosts))
