"""What the GANs' quality is measured with, against closed forms; and the trainings, for two steps."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from core import zoo
from training import evaluate
from training import gan as training


def normal(seed: int, n: int, *scale: float) -> torch.Tensor:
    return torch.randn(n, len(scale), generator=torch.Generator().manual_seed(seed), dtype=torch.double) * torch.tensor(scale)


def test_the_frechet_distance_of_normal_distributions_with_diagonal_covariances_is_the_sum_over_their_axes():
    a, b = normal(0, 200_000, 1.0, 2.0, 0.5), normal(1, 200_000, 3.0, 2.0, 1.5) + torch.tensor([1.0, -2.0, 0.0])
    assert evaluate.frechet(a, b) == pytest.approx((1 + 4 + 0) + (2**2 + 0 + 1**2), rel=0.02)


def test_the_frechet_distance_to_oneself_is_zero_and_the_same_both_ways():
    a, b = normal(2, 500, 1.0, 2.0, 0.5) @ normal(3, 3, 1.0, 1.0, 1.0), normal(4, 400, 1.0, 1.0, 1.0)
    assert evaluate.frechet(a, a) == pytest.approx(0, abs=1e-9)
    assert evaluate.frechet(a, b) == pytest.approx(evaluate.frechet(b, a), rel=1e-9)


def test_a_lost_mode_lowers_the_recall_and_not_the_precision():
    left, right = normal(5, 300, 1.0, 1.0), normal(6, 300, 1.0, 1.0) + 50
    real, samples = torch.cat([left, right]), normal(7, 600, 1.0, 1.0)
    assert evaluate.covered(samples, real) > 0.9
    assert evaluate.covered(real, samples) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("name", ["mnist-dcgan", "frogs-dcgan", "faces-gan"])
def test_two_steps_of_each_training_move_both_nets_and_write_a_card(name, tmp_path, monkeypatch):
    side, channels = {"mnist-dcgan": (28, 1), "frogs-dcgan": (32, 3), "faces-gan": (64, 3)}[name]
    pictures = torch.randint(0, 256, (8, channels, side, side), dtype=torch.uint8)
    monkeypatch.setattr(training.data, "pictures_of", lambda kind: (pictures, "noise"))
    monkeypatch.setattr(training, "RUNS", tmp_path)
    monkeypatch.setattr(training.cards, "WEIGHTS", tmp_path)
    recipe = dataclasses.replace(training.RECIPES[name], epochs=1, batch=4, points=(), smoothing=0.1, noise=0.05)
    training.train(name, recipe, 0)
    monkeypatch.setattr(zoo, "WEIGHTS", tmp_path)
    made = zoo._make(name, zoo.MODELS[name])
    assert made(torch.zeros(1, made.latent_dim)).shape == (1, channels, side, side)
    assert (tmp_path / f"{name}-001.png").exists()
    assert zoo.card(name)["curve"]
    fresh = training.nets(name)
    again = torch.load(tmp_path / f"{name}-1.pt", weights_only=True)["pair"]
    torch.manual_seed(0)
    assert set(again) == set(fresh.state_dict())


def test_full_widths_are_the_textbook_s():
    pair = zoo.MODELS["frogs-dcgan-full"].build()
    counts = [sum(p.numel() for p in net.parameters()) for net in (pair.generator, pair.discriminator)]
    assert counts == [6_264_579, 790_913]
