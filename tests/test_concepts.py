"""Concept vectors, on Gaussians whose directions are known."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from sklearn import metrics

from core import concepts, zoo
from core.checks import UserError

SMILE, MALE = torch.tensor([2.0, 0, 0, 0]), torch.tensor([0, 3.0, 0, 0])


def faces(n=40_000, together=0.8, seed=0):
    """z = noise + smile * SMILE + male * MALE; a smiling face is male with probability 1 - together, another with `together`."""
    g = torch.Generator().manual_seed(seed)
    smile = torch.rand(n, generator=g) < 0.5
    male = torch.rand(n, generator=g) < torch.where(smile, 1 - together, together)
    z = torch.randn(n, 4, generator=g) + smile[:, None] * SMILE + male[:, None] * MALE
    return z, smile, male


def test_the_naive_vector_carries_the_confounder_and_the_balanced_one_does_not():
    z, smile, male = faces()
    naive = concepts.concept_vector(z[smile], z[~smile])
    balanced = concepts.concept_vector(z[smile], z[~smile], (male[smile, None].float(), male[~smile, None].float()))
    torch.testing.assert_close(naive, SMILE + (0.2 - 0.8) * MALE, atol=0.06, rtol=0)
    torch.testing.assert_close(balanced, SMILE, atol=0.06, rtol=0)


def test_the_naive_vector_is_the_difference_of_the_means():
    z_with, z_without = torch.tensor([[1.0, 2], [3, 4]]), torch.tensor([[0.0, 0], [0, 1], [0, 5]])
    assert concepts.concept_vector(z_with, z_without).tolist() == [2.0, 1.0]


def test_strata_count_by_their_share_and_one_sided_ones_are_left_out():
    z_with, c_with = torch.tensor([[2.0], [4], [10], [99]]), torch.tensor([[0, 0], [0, 0], [1, 0], [0, 1]])
    z_without, c_without = torch.tensor([[1.0], [4], [6]]), torch.tensor([[0, 0], [1, 0], [1, 0]])
    v = concepts.concept_vector(z_with, z_without, (c_with, c_without))
    assert v.item() == pytest.approx((3 * (3 - 1) + 3 * (10 - 5)) / 6)  # by hand: strata 00 and 10, three codes each


def test_a_step_along_a_concept_moves_the_projection_by_as_much():
    z, v = torch.randn(5, 4, generator=torch.Generator().manual_seed(1)), torch.tensor([1.0, -2, 0.5, 3])
    torch.testing.assert_close(concepts.projection(z + 1.7 * v, v), concepts.projection(z, v) + 1.7)


def test_accuracy_is_scikit_learns_area_also_with_ties():
    g = torch.Generator().manual_seed(2)
    z, has = torch.randn(400, 4, generator=g).round(), (torch.rand(400, generator=g) < 0.3).float()
    v = torch.tensor([1.0, 0, 1, 0])
    assert concepts.accuracy(z + has[:, None] * v, has, v) == pytest.approx(
        metrics.roc_auc_score(has.numpy(), (np.asarray(z + has[:, None] * v) @ v.numpy()))
    )


@pytest.mark.parametrize(
    "z_with, z_without, confounders, words",
    [
        (torch.zeros(1, 3), torch.zeros(5, 3), None, "1 faces with"),
        (torch.zeros(5, 3), torch.zeros(0, 3), None, "0 faces without"),
        (torch.zeros(5, 3), torch.zeros(5, 2), None, "one model"),
        (torch.zeros(2, 3), torch.zeros(2, 3), (torch.zeros(2, 1), torch.ones(2, 1)), "fewer"),
        (torch.zeros(2, 3), torch.zeros(2, 3), (torch.zeros(3, 1), torch.ones(2, 1)), "one row"),
    ],
)
def test_what_gives_no_vector_is_said(z_with, z_without, confounders, words):
    with pytest.raises(UserError, match=words):
        concepts.concept_vector(z_with, z_without, confounders)


def test_labels_all_on_one_side_are_said():
    with pytest.raises(UserError, match="one side"):
        concepts.accuracy(torch.zeros(4, 2), torch.ones(4), torch.ones(2))


def test_a_stratum_with_too_few_on_a_side_is_left_out():
    z_with, c_with = torch.tensor([[2.0], [4], [99]]), torch.tensor([[0], [0], [1]])
    z_without, c_without = torch.tensor([[1.0], [3], [5], [7]]), torch.tensor([[0], [0], [1], [1]])
    v = concepts.concept_vector(z_with, z_without, (c_with, c_without), least=2)
    assert v.item() == 1.0
    with pytest.raises(UserError, match="alike"):
        concepts.concept_vector(z_with, z_without, (c_with, c_without), least=3)


def test_more_labels_give_a_better_vector_and_none_beats_the_true_direction():
    z, smile, _ = faces(4000, together=0.5)
    areas = concepts.learning(z, smile.float(), (4, 16, 256, 100_000), draws=10, generator=torch.Generator().manual_seed(0))
    assert len(areas) == 3  # so many are not there
    assert 0.5 < areas[0] < areas[1] < areas[2] <= concepts.accuracy(z[2000:], smile[2000:].float(), SMILE) + 0.01


def test_every_concept_has_both_vectors_and_they_differ():
    balanced, naive = concepts.vectors(), concepts.vectors("naive")
    assert list(balanced) == list(naive) == list(concepts.CONCEPTS)
    for name in balanced:
        assert balanced[name].shape == (zoo.load("faces-vae").latent_dim,)
        assert not torch.equal(balanced[name], naive[name])


def test_balancing_over_male_takes_the_direction_of_male_out_of_the_smile():
    male = concepts.vectors("naive")["male"]
    leans = {kind: torch.cosine_similarity(concepts.vectors(kind)["smile"], male, dim=0).abs().item() for kind in concepts.KINDS}
    assert leans["balanced"] < leans["naive"]


def test_an_edit_adds_the_vectors_by_their_strengths():
    z, v = torch.randn(2, 128, generator=torch.Generator().manual_seed(0)), concepts.vectors()
    torch.testing.assert_close(concepts.edit(z, {"smile": 1.5, "beard": -1}), z + 1.5 * v["smile"] - v["beard"])
    assert torch.equal(concepts.edit(z, {}), z)


@pytest.mark.parametrize(
    "strengths, words",
    [
        ({"smile": float("nan")}, "nan; give a number from -3 to 3"),
        ({"smile": 1e9}, "from -3 to 3"),
        ({"smile": "much"}, "not a number"),
        ({"frown": 1}, "no concept 'frown'"),
        ([1, 2], "give an object"),
        (None, "give an object"),
    ],
)
def test_strengths_that_cannot_be_are_said(strengths, words):
    with pytest.raises(UserError, match=words):
        concepts.edit(torch.zeros(1, 128), strengths)


def test_a_file_that_is_missing_or_altered_names_the_remedy(tmp_path):
    with pytest.raises(UserError, match=r"python -m training\.concepts"):
        concepts.stored(tmp_path)
    for ending in ("json", "safetensors"):
        (tmp_path / f"{concepts.FILE}.{ending}").write_bytes((zoo.WEIGHTS / f"{concepts.FILE}.{ending}").read_bytes())
    with (tmp_path / f"{concepts.FILE}.safetensors").open("ab") as file:
        file.write(b"x")
    with pytest.raises(UserError, match="not the file its card describes"):
        concepts.stored(tmp_path)


def test_the_histograms_are_of_training_faces_and_lie_apart():
    s = concepts.stored()
    card = json.loads((zoo.WEIGHTS / f"{concepts.FILE}.json").read_text())
    assert s.histograms.shape == (len(concepts.CONCEPTS), 2, 2, concepts.BINS)
    middles = torch.linspace(0, 1, concepts.BINS)
    for counts in s.histograms.flatten(0, 1):
        without, with_ = (row @ middles / row.sum() for row in counts)
        assert with_ > without
    total = s.histograms[0, 0].sum()
    assert 0.99 * 9 * card["held_out"] < total <= 9.1 * card["held_out"]
