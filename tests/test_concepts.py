"""Concept vectors, on Gaussians whose directions are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn import metrics

from core import concepts
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
