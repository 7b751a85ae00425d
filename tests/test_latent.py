"""Ways through a latent space, against closed forms."""

from __future__ import annotations

import io
import math
import statistics

import numpy as np
import pytest
import torch

from core import latent
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


def test_equal_seeds_draw_equal_points_and_every_model_takes_the_first_coordinates():
    one, again, other = latent.sheet(5), latent.sheet(5), latent.sheet(6)
    assert one.shape == (100, 512)
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert one.mean().abs() < 0.02 and (one.std() - 1).abs() < 0.02


@pytest.mark.parametrize("limit", [0.1, 0.7, 2.0, 4.0])
def test_truncated_samples_follow_the_truncated_normal_distribution(limit):
    z = torch.randn(200_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    cut = latent.truncate(z, limit)
    normal = statistics.NormalDist()
    total = normal.cdf(limit) - normal.cdf(-limit)
    assert cut.abs().max() <= limit
    assert cut.var().item() == pytest.approx(1 - 2 * limit * normal.pdf(limit) / total, rel=0.02)  # the textbook's variance
    for x in (-0.5 * limit, 0.3 * limit):
        assert (cut <= x).double().mean().item() == pytest.approx((normal.cdf(x) - normal.cdf(-limit)) / total, abs=0.005)
    assert torch.equal(cut.argsort(), z.argsort()) or limit == 4.0


def test_hardly_anything_is_cut_off_at_4():
    z = latent.sheet(0, 4)
    raw = torch.randn(100, 512, generator=torch.Generator().manual_seed(0))
    assert ((z - raw).abs() < 0.01).double().mean() > 0.997
    assert (z - raw).abs().mean() < 1e-3


def test_a_point_is_the_row_of_its_seed_s_sheet_or_the_numbers_given():
    assert torch.equal(latent.point("A", "7:42", 100, 4.0), latent.sheet(7)[42])
    given = [0.5, -2.0, 3.0]
    z = latent.point("A", given, 3, 0.1)
    assert z[:3].tolist() == given and z.shape == (512,)


def test_arithmetic_of_one_point_each_is_theirs_and_of_equal_sets_nothing_changes():
    a, b, c = points(3, 3, 4, 8)
    assert torch.allclose(latent.arithmetic(a, b, c), a.mean(0) - b.mean(0) + c.mean(0))
    assert torch.allclose(latent.arithmetic(a, b, b), a.mean(0))


def test_neighbours_stay_within_their_spread():
    near = latent.around(torch.zeros(6), 500, 0.25, torch.Generator().manual_seed(1))
    assert near.shape == (500, 6)
    assert near.abs().max() <= 0.25
    assert near.std().item() == pytest.approx(0.25 / math.sqrt(3), rel=0.03)


@pytest.mark.parametrize("d", [1, 2, 100, 512])
def test_the_bubble_is_the_chi_distribution(d):
    counts = latent.bubble()[d - 1].double()
    assert counts.sum() == latent.DRAWN
    middle = (torch.arange(latent.BINS) + 0.5) / latent.BINS * (math.sqrt(d) + 4)
    mean = (counts * middle).sum() / latent.DRAWN
    spread = ((counts * (middle - mean) ** 2).sum() / latent.DRAWN).sqrt()
    chi_mean = math.sqrt(2) * math.exp(math.lgamma((d + 1) / 2) - math.lgamma(d / 2))
    assert mean.item() == pytest.approx(chi_mean, abs=0.03)
    assert spread.item() == pytest.approx(math.sqrt(d - chi_mean**2), abs=0.05)


def test_counts_come_back_out_of_their_picture():
    counts = torch.tensor([[0, 255, 256], [65535, 1, 4096]])
    pixels = (latent.as_pixels(counts)[0] * 255).round().long()
    assert torch.equal(pixels[:, :3] * 256 + pixels[:, 3:], counts)


def test_npy_is_read_by_numpy_as_it_was():
    z = points(9, 3, 5).float()
    read = np.load(io.BytesIO(latent.npy(z)), allow_pickle=False)
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, z.numpy())


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: latent.truncate(torch.zeros(3), math.nan), "truncation was nan"),
        (lambda: latent.truncate(torch.zeros(3), 9), "from 0.1 to 4"),
        (lambda: latent.sheet(2**64), "seed was"),
        (lambda: latent.sheet(1.5), "whole number"),
        (lambda: latent.point("A", "", 100, 4), "A is not pinned"),
        (lambda: latent.point("A", None, 100, 4), "A is not pinned"),
        (lambda: latent.point("A", "0:-1", 100, 4), "seed:index"),
        (lambda: latent.point("A", "0:100", 100, 4), "from 0 to 99"),
        (lambda: latent.point("A", "1²:0", 100, 4), "seed:index"),
        (lambda: latent.point("A", [1.0], 100, 4), "has 1 numbers"),
        (lambda: latent.point("A", [math.inf] * 2, 2, 4), r"A\[0\] was inf"),
        (lambda: latent.point("A", {"seed": 1}, 100, 4), "seed:index"),
        (lambda: latent.points("plus", [], 100, 4), "1 to 10"),
        (lambda: latent.points("plus", ["0:0"] * 11, 100, 4), "1 to 10"),
        (lambda: latent.between(torch.ones(2), torch.ones(2), 1), "from 2 to 60"),
    ],
)
def test_what_is_no_point_is_said_in_one_sentence(call, words):
    with pytest.raises(UserError, match=words):
        call()
