"""The tab Smile: its endpoints from outside, and the page under a hand."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from gradio_client import handle_file
from PIL import Image
from sklearn import metrics

from core import concepts, invented, samples, zoo
from tests.page import drag, refused

FACE = {"image": None, "eyes": None, "which": 0, "code": None}
EDIT = FACE | {"face": "vae:0:0", "strengths": {"smile": 1.5, "male": -0.5}, "kind": "balanced"}
STRIP = FACE | {"face": "vae:0:0", "concept": "smile", "strengths": {}, "kind": "balanced", "frames": 9}
OWN = FACE | {"face": "vae:0:0", "seed": 1, "yes": [0, 1, 2], "no": [3, 4, 5], "concept": "smile"}
SMILING = zoo.ATTRIBUTES.index("Smiling")


def tiles_of(path: str) -> torch.Tensor:
    """A sheet of 64 x 64 faces as (N, 3, 64, 64) in [0, 1]."""
    sheet = torch.from_numpy(np.asarray(Image.open(path).convert("RGB")).copy()).permute(2, 0, 1) / 255
    rows, columns = sheet.shape[1] // 64, sheet.shape[2] // 64
    return sheet.view(3, rows, 64, columns, 64).permute(1, 3, 0, 2, 4).reshape(-1, 3, 64, 64)


def judged(x: torch.Tensor) -> np.ndarray:
    return zoo.load("faces-attributes")(x).sigmoid().detach().numpy()


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Photos in files: one face, two, one turned, and such as have none."""
    folder = tmp_path_factory.mktemp("photos")
    one = Image.open(samples.PORTRAITS["astronaut"].path).convert("RGB")
    two = Image.new("RGB", (900, 512), (120, 120, 120))
    two.paste(one.resize((256, 256)), (0, 0))
    two.paste(one, (388, 0))
    made = {"one": one, "two": two, "sideways": one.rotate(90), "grey": one.convert("L"), "tiny": one.resize((20, 20))}
    made |= {"cat": Image.open(samples.sample("cat").path).convert("RGB")}
    for name, photo in made.items():
        photo.save(folder / f"{name}.png")
    return {name: str(folder / f"{name}.png") for name in made}


def test_an_edit_is_the_decoded_code_plus_the_vectors_and_its_numbers_are_of_the_pictures_sent(client):
    picture, report = client.predict(**EDIT, api_name="/smile_edit")
    x = tiles_of(picture)
    assert x.shape == (3, 3, 64, 64)
    net, v = zoo.load("faces-vae"), concepts.vectors()
    z = net.encode(x[:1])[0]
    for shown, code in ((x[1:2], z), (x[2:3], z + 1.5 * v["smile"] - 0.5 * v["male"])):
        assert (net.decode(code) - shown).abs().max() < 0.02
    for key, row in (("photo", 0), ("before", 1), ("after", 2)):
        np.testing.assert_allclose(report[key], judged(x[row : row + 1])[0], atol=2e-3)
    assert report["after"][SMILING] > report["before"][SMILING]


def test_without_strengths_the_edit_is_the_reconstruction(client):
    picture, report = client.predict(**(EDIT | {"strengths": {}}), api_name="/smile_edit")
    x = tiles_of(picture)
    assert torch.equal(x[1], x[2]) and report["before"] == report["after"]


def test_the_kind_of_the_vectors_matters(client):
    balanced, naive = (client.predict(**(EDIT | {"kind": kind}), api_name="/smile_edit")[0] for kind in concepts.KINDS)
    assert not torch.equal(tiles_of(balanced)[2], tiles_of(naive)[2])


def test_a_report_s_code_stands_for_the_face(client):
    first, report = client.predict(**EDIT, api_name="/smile_edit")
    second, _ = client.predict(**(EDIT | {"face": "", "code": report["code"]}), api_name="/smile_edit")
    assert len(tiles_of(second)) == 2
    assert (tiles_of(second) - tiles_of(first)[1:]).abs().max() <= 2 / 255


def test_a_strip_goes_from_minus_two_to_two_and_holds_the_edits(client):
    picture, report = client.predict(**STRIP, api_name="/concept_strip")
    x = tiles_of(picture)
    assert report["at"] == [-2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2] and len(x) == 9
    np.testing.assert_allclose(report["p"], judged(x), atol=2e-3)
    edit, _ = client.predict(**(EDIT | {"strengths": {"smile": 1.5}}), api_name="/smile_edit")
    assert (tiles_of(edit)[2] - x[7]).abs().max() <= 2 / 255
    p = [row[SMILING] for row in report["p"]]
    assert p[-1] > p[0]


@pytest.mark.parametrize("kind", ["one", "sideways", "grey"])
def test_the_face_of_a_photo_is_found_and_cut_out(client, photos, kind):
    picture, report = client.predict(**(EDIT | {"image": handle_file(photos[kind]), "face": ""}), api_name="/smile_edit")
    assert len(report["found"]) == 1 and len(tiles_of(picture)) == 3
    wanted, _ = client.predict(**(EDIT | {"face": "astronaut"}), api_name="/smile_edit")
    difference = (tiles_of(wanted)[0].mean(0) - tiles_of(picture)[0].mean(0)).abs().mean()
    assert difference < 0.05  # 0.2 and more for another part of the photo


def test_of_two_faces_one_can_be_chosen(client, photos):
    given = EDIT | {"image": handle_file(photos["two"]), "face": ""}
    boxes = [client.predict(**(given | {"which": which}), api_name="/smile_edit")[1]["found"] for which in (0, 1)]
    assert boxes[0] == boxes[1] and len(boxes[0]) == 2
    assert boxes[0][0]["box"][0] > 388 > boxes[0][1]["box"][0]
    assert "from 0 to 1" in refused(client, "/smile_edit", **(given | {"which": 2}))


def test_two_clicks_on_the_eyes_cut_a_face_out_where_none_is_found(client, photos):
    cat = EDIT | {"image": handle_file(photos["cat"]), "face": ""}
    assert "No face was found in this picture of 451 x 300 pixels; click both eyes" in refused(client, "/smile_edit", **cat)
    picture, report = client.predict(**(cat | {"eyes": [[173, 110], [263, 118]]}), api_name="/smile_edit")
    assert len(tiles_of(picture)) == 3 and report["found"] == []


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"strengths": {"smile": 1e9}}, "from -3 to 3"),
        ({"strengths": {"smile": "NaN"}}, "not a number"),
        ({"strengths": {"frown": 1}}, "no concept"),
        ({"strengths": [1]}, "give an object"),
        ({"kind": "fair"}, "balanced, naive"),
        ({"face": "vae:0"}, "vae:0:17"),
        ({"face": ""}, "vae:0:17"),
        ({"code": [1, 2]}, "128 numbers"),
        ({"code": "abc"}, "128 numbers"),
        ({"face": "astronaut", "eyes": [[1, 1], [2, 2]]}, "pixels apart"),
        ({"face": "astronaut", "which": 5}, "number of the face"),
    ],
)
def test_a_wrong_edit_is_said_in_a_sentence(client, changes, words):
    assert words in refused(client, "/smile_edit", **(EDIT | changes))


def test_a_tiny_photo_is_said_or_cut_out(client, photos):
    assert "eyes" in refused(client, "/smile_edit", **(EDIT | {"image": handle_file(photos["tiny"]), "face": ""}))


@pytest.mark.parametrize("changes, words", [({"concept": "x"}, "no concept"), ({"frames": 0}, "from 3 to 65"), ({"frames": 1e9}, "65")])
def test_a_wrong_strip_is_said_in_a_sentence(client, changes, words):
    assert words in refused(client, "/concept_strip", **(STRIP | changes))


def test_labels_all_on_one_side_are_said(client):
    assert "No face is marked as having it not" in refused(client, "/own_vector", **(OWN | {"no": []}))


def test_a_vector_of_one_s_own_has_the_area_that_scikit_learn_gives_it(client):
    picture, report = client.predict(**OWN, api_name="/own_vector")
    assert len(tiles_of(picture)) == 18
    z, (pool, has) = invented.codes(1), invented.pool()
    v = z[:3].mean(0) - z[3:6].mean(0)
    assert report["area"] == pytest.approx(metrics.roc_auc_score(has[1000:, 0], pool[1000:] @ v), abs=1e-3)
    assert report["growing"][-1] == [6, report["area"]]
    assert report["area_full"] > 0.7 and report["reference"] == sorted(report["reference"])


def test_the_faces_of_a_seed_are_those_that_their_names_give(client):
    for source in invented.SOURCES:
        picture, report = client.predict(source=source, seed=3, api_name="/smile_faces")
        x = tiles_of(picture)
        assert len(x) == len(report["faces"]) == 24 and report["faces"][7] == f"{source}:3:7"
        assert (invented.face(f"{source}:3:7")[0] - x[7]).abs().max() < 0.02
    assert "choose one of: vae, gan" in refused(client, "/smile_faces", source="photos", seed=3)


def test_a_visitor_s_photo_lies_in_gradio_s_folder_alone_and_is_cleared_within_the_hour(client, photos, app_url, tmp_path):
    """Everything that the server writes while a photo is edited lies in the folder that Gradio clears; and what is older goes."""
    import app

    frequency, age = app.demo.delete_cache
    assert frequency + age <= 3600
    start = time.time() - 1
    client.predict(**(EDIT | {"image": handle_file(photos["one"]), "face": ""}), api_name="/smile_edit")
    root = Path(app.__file__).parent
    watched = [root, Path(os.environ.get("TMPDIR", "/tmp"))]
    fresh = [
        path
        for folder in watched
        for path in folder.rglob("*.png")
        if path.is_file() and path.stat().st_mtime > start and "photos" not in str(path.parent.name)
    ]
    assert fresh, "the answer itself should be there"
    assert all("files" in path.parts or "gradio" in path.parts for path in fresh), fresh


# --- in a browser ---
def opened(page, app_url, query=""):
    page.goto(f"{app_url}?tab=smile{query}")
    page.wait_for_function(
        "document.querySelector('.smile')?.dataset.state === 'ready' && document.querySelector('.smile').dataset.frame === 'true'"
    )


def canvas(page, selector):
    return page.eval_on_selector(selector, "e => e.toDataURL()")


def test_a_slider_changes_the_face_without_a_request(page, app_url):
    opened(page, app_url)
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    seen = set()
    for i in range(0, 33, 4):
        drag(page, '.smile [data-concept="smile"] input', -2 + i / 8)
        page.wait_for_function(f"document.querySelector('.smile').dataset.strength === '{str(-2 + i / 8).removesuffix('.0')}'")
        seen.add(canvas(page, ".smile .edit"))
    assert len(seen) == 9 and requests == []
    assert "+ 2.00 smile" in page.text_content(".smile .sum")
    assert int(page.text_content(".smile .attribute:first-child span:last-child").removesuffix(" %").split(".")[0]) > 50


def test_several_sliders_are_answered_together_and_the_link_restores_them(page, app_url, browser):
    opened(page, app_url)
    for concept, value in (("smile", 1.5), ("male", -1), ("bangs", 1)):
        drag(page, f'.smile [data-concept="{concept}"] input', value)
        page.wait_for_function("document.querySelector('.smile').dataset.frame === 'true'")
    page.wait_for_function("location.search.includes('bangs=1') && location.search.includes('smile=1.5')")
    wanted = canvas(page, ".smile .edit")
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    other = context.new_page()
    other.goto(page.url)
    other.wait_for_function("document.querySelector('.smile')?.dataset.frame === 'true'")
    assert canvas(other, ".smile .edit") == wanted
    context.close()


def test_a_click_takes_another_face_and_an_astronaut_can_be_had(page, app_url):
    opened(page, app_url)
    before = canvas(page, ".smile .x")
    page.click(".smile .faces button >> nth=5")
    page.wait_for_function("document.querySelector('.smile').dataset.face === 'vae:0:5'")
    assert canvas(page, ".smile .x") != before
    page.click("#smile-preset-0")
    page.wait_for_function(
        "document.querySelector('.smile').dataset.face === 'astronaut' && document.querySelector('.smile').dataset.strength === '-2'"
    )


def test_a_photo_without_a_face_is_said_and_two_clicks_help(page, app_url, photos):
    opened(page, app_url)
    kept = canvas(page, ".smile .edit")
    page.click("button[role=tab]:visible:has-text('Your own')")
    page.set_input_files("#smile-image input[type=file]", photos["cat"])
    page.wait_for_selector("text=No face was found in this picture")
    assert canvas(page, ".smile .edit") == kept
    box = page.locator(".smile .whole").bounding_box()
    for x, y in ((173, 110), (263, 118)):
        page.mouse.click(box["x"] + x / 451 * box["width"], box["y"] + y / 300 * box["height"])
    page.wait_for_function(
        "document.querySelector('.smile').dataset.face === 'photo' && document.querySelector('.smile').dataset.frame === 'true'"
    )
    assert canvas(page, ".smile .edit") != kept


def test_marked_faces_make_a_vector(page, app_url):
    opened(page, app_url, "&view=own")
    for number in (1, 4, 7):
        page.click(f".smile .faces button >> nth={number}")
    page.click(".smile .marks button[value=no]")
    for number in (2, 3, 8):
        page.click(f".smile .faces button >> nth={number}")
    page.wait_for_function("document.querySelector('.smile .verdict').textContent.startsWith('6 labels of yours')")
    assert page.locator(".smile .curve svg polyline").count() == 2


def test_balancing_is_one_click_and_both_vectors_draw_their_own_histogram(page, app_url):
    opened(page, app_url, "&view=stands&smile=1")
    balanced = canvas(page, ".smile .histogram"), page.text_content(".smile .place")
    page.click("#smile-kind label:has-text('naive')")
    page.wait_for_function("document.querySelector('.smile .place').textContent.includes('naive vector')")
    page.wait_for_function("document.querySelector('.smile').dataset.frame === 'true'")
    assert canvas(page, ".smile .histogram") != balanced[0] and page.text_content(".smile .place") != balanced[1]
