"""Ways through a latent space, against closed forms."""

from __future__ import annotations

import math

import pytest
import torch

from core.checks import UserError
from core.latent import grid, lerp, slerp

T = torch.linspace(0, 1, 11, dtype=torch.float64)


def points(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("way", [lerp, slerp])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_both_ways_begin_and_end_at_their_points_exactly(way, dtype):
    a, b = points(1, 7).to(dtype), points(2, 7).to(dtype)
    path = way(a, b, T.to(dtype))
    assert path.dtype == dtype
    assert torch.equal(path[0], a)
    assert torch.equal(path[-1], b)


def test_the_straight_way_has_the_mean_in_its_middle():
    assert torch.allclose(
        lerp(torch.tensor([0.0, 2.0]), torch.tensor([4.0, 0.0]), torch.tensor([0.25, 0.5])), torch.tensor([[1.0, 1.5], [2.0, 1.0]])
    )


def test_between_orthogonal_vectors_the_arc_is_cosine_and_sine():
    a, b = torch.eye(5, dtype=torch.float64)[:2]
    expected = torch.cos(T * math.pi / 2)[:, None] * a + torch.sin(T * math.pi / 2)[:, None] * b
    assert torch.allclose(slerp(a, b, T), expected, atol=1e-14)


@pytest.mark.parametrize("D", [2, 16, 512])
def test_points_of_one_norm_keep_it_and_the_angle_grows_evenly(D):
    a, b = (3 * v / v.norm() for v in points(D, 2, D))
    path = slerp(a, b, T)
    assert torch.allclose(path.norm(dim=1), torch.full((11,), 3.0, dtype=torch.float64), atol=1e-12)
    steps = [math.acos(min(1.0, float(p @ q) / 9)) for p, q in zip(path, path[1:], strict=False)]
    total = math.acos(float(a @ b) / 9)
    assert steps == pytest.approx([total / 10] * 10, abs=1e-6)


def test_in_many_dimensions_the_line_leaves_the_shell_and_the_arc_does_not():
    a, b = points(0, 2, 512)
    middle = torch.tensor([0.5], dtype=torch.float64)
    shell = (a.norm() + b.norm()) / 2
    assert lerp(a, b, middle).norm() < 0.8 * shell  # sqrt(1/2) for orthogonal vectors
    assert abs(slerp(a, b, middle).norm() / shell - 1) < 0.05


def test_nearly_parallel_points_go_straight_and_nothing_is_lost():
    a = torch.tensor([1.0, 0.0])
    b = torch.tensor([1.0, 1e-6])
    path = slerp(a, b, torch.tensor([0.0, 0.5, 1.0]))
    assert torch.allclose(path, lerp(a, b, torch.tensor([0.0, 0.5, 1.0])), atol=1e-9)
    assert torch.equal(slerp(a, a, torch.tensor([0.5]))[0], a)


def test_at_the_threshold_line_and_arc_agree():
    a, b = torch.tensor([1.0, 0.0], dtype=torch.float64), torch.tensor([math.cos(1.01e-4), math.sin(1.01e-4)], dtype=torch.float64)
    assert torch.allclose(slerp(a, b, T), lerp(a, b, T), atol=1e-8)


@pytest.mark.parametrize("b", [[-1.0, 0.0], [-2.0, 0.0], [0.0, 0.0]])
def test_opposite_points_and_the_origin_are_refused_with_the_reason(b):
    with pytest.raises(UserError, match="opposite" if b[0] else "no direction"):
        slerp(torch.tensor([1.0, 0.0]), torch.tensor(b), torch.tensor([0.5]))


@pytest.mark.parametrize("way", ["lerp", "slerp"])
def test_a_grid_has_its_corners_exactly_and_its_sides_are_the_ways_between_them(way):
    a, b, c, d = corners = points(3, 4, 9)
    g = grid(corners, 5, way=way)
    assert g.shape == (5, 5, 9)
    for cell, corner in ((g[0, 0], a), (g[0, -1], b), (g[-1, 0], c), (g[-1, -1], d)):
        assert torch.equal(cell, corner)
    go = {"lerp": lerp, "slerp": slerp}[way]
    t = torch.linspace(0, 1, 5, dtype=torch.float64)
    assert torch.allclose(g[0], go(a, b, t))
    assert torch.allclose(g[:, 0], go(a, c, t))


def test_the_middle_of_a_bilinear_grid_is_the_mean_of_the_corners():
    corners = points(4, 4, 3)
    assert torch.allclose(grid(corners, 3)[1, 1], corners.mean(0))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: grid(torch.zeros(4, 2), 1), "from 2 to 15"),
        (lambda: grid(torch.zeros(4, 2), 1000), "from 2 to 15"),
        (lambda: grid(torch.zeros(3, 2), 5), "four points"),
        (lambda: grid(torch.zeros(4, 2), 5, way="polar"), "lerp, slerp"),
        (lambda: lerp(torch.zeros(3), torch.zeros(4), torch.zeros(1)), "one length"),
        (lambda: slerp(torch.tensor([math.nan]), torch.ones(1), torch.zeros(1)), "not finite"),
        (lambda: lerp(torch.zeros(3), torch.zeros(3), torch.tensor(0.5)), "row of numbers"),
    ],
)
def test_what_is_no_way_is_said_in_one_sentence(call, words):
    with pytest.raises(UserError, match=words):
        call()
