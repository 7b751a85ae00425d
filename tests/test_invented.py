"""Faces that do not exist: named, repeatable, and labelled as the judging net sees them."""

from __future__ import annotations

import pytest
import torch

from core import concepts, edits, images, invented, zoo
from core.checks import UserError


def test_a_name_gives_the_face_of_the_sheet():
    for source in invented.SOURCES:
        sheet = invented.faces(source, 5)
        assert sheet.shape == (invented.SHOWN, 3, 64, 64) and sheet.min() >= 0 and sheet.max() <= 1
        torch.testing.assert_close(invented.face(f"{source}:5:7"), sheet[7:8], atol=1e-4, rtol=0)
        assert not torch.equal(invented.faces(source, 6), sheet)


def test_the_codes_have_the_mean_and_the_spread_of_the_training_codes():
    s, z = concepts.stored(), torch.cat([invented.codes(seed) for seed in range(40)])
    torch.testing.assert_close(z.mean(0), s.mean, atol=0.08, rtol=0)
    torch.testing.assert_close(torch.cov(z.T), s.spread @ s.spread.T, atol=0.15, rtol=0)


@pytest.mark.parametrize("name", ["", None, "vae:0", "vae:-1:0", "vae:0:100", "vae:99999999999:0", "cat:0:0", "vae:0:0:0", 7, "vae:x:y"])
def test_names_that_are_none_are_said(name):
    with pytest.raises(UserError):
        invented.face(name)


def test_the_pool_s_labels_are_the_judge_s_of_the_decoded_codes():
    z, has = invented.pool()
    assert z.shape == (100 * concepts.POOL, 128) and has.shape == (len(z), len(concepts.CONCEPTS))
    p = concepts.attributes(concepts.decode(z[:40]))
    for k, concept in enumerate(concepts.CONCEPTS.values()):
        column = p[:, zoo.ATTRIBUTES.index(concept.attribute)]
        clear = (column - 0.5).abs() > 0.05  # the kept probabilities are rounded
        assert torch.equal(has[:40, k][clear] > 0.5, ((column > 0.5) == bool(concept.has))[clear])


def test_a_frame_of_the_slider_is_the_edit_at_that_strength():
    z = invented.codes(0)[:1]
    at, line = edits.line(z, "smile", {"male": -1, "smile": 0.25}, "naive", 33)
    assert at[0] == -2 and at[16] == 0 and at[32] == 2 and len(line) == 33
    for i in (0, 7, 32):
        torch.testing.assert_close(line[i : i + 1], concepts.edit(z, {"male": -1, "smile": at[i]}, "naive"))


def test_a_photo_s_code_gives_the_photo_s_reconstruction_again():
    z, (x,), told = edits.start(None, "astronaut", None, 0, None)
    again, parts, _ = edits.start(None, "", None, 0, told["code"])
    assert parts == [] and x.shape == (1, 3, 64, 64)
    torch.testing.assert_close(again, z, atol=1e-4, rtol=0)
    assert torch.equal(x, images.eight_bit(x))


def test_a_vector_of_one_s_own_is_the_difference_of_the_marked_means():
    own = edits.own(2, [0, 1, 2], [5, 6, 7, 8], "smile", torch.Generator())
    z = invented.codes(2)
    wanted = z[:3].mean(0) - z[5:9].mean(0)
    assert torch.cosine_similarity(own.vector, wanted, dim=0) > 0.9999
    assert own.vector.norm().item() == pytest.approx(own.full.norm().item(), rel=1e-4)
    assert [n for n, _ in own.told["growing"]] == [4, 6] and own.told["labels"] == 7


@pytest.mark.parametrize(
    "yes, no, words",
    [
        ([], [1, 2], "No face is marked as having it;"),
        ([1, 2], [], "having it not"),
        ([1], [2, 3], "1 faces with"),
        ([1, 2], [2, 3], "Face 2 is marked"),
        ([1, 24], [2, 3], "from 0 to 23"),
        ("all", [2, 3], "No face"),
        ([1, "x"], [2, 3], "not a number"),
        ([1, float("nan")], [2, 3], "nan"),
    ],
)
def test_labels_that_make_no_vector_are_said(yes, no, words):
    with pytest.raises(UserError, match=words):
        edits.own(0, yes, no, "smile", torch.Generator())
