"""FGSM, BIM, PGD and L-BFGS against numbers worked by hand, torchattacks and scipy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torchattacks
from scipy.optimize import minimize
from torch import Tensor, nn

from core import zoo
from core.checks import UserError
from core.gradient_attacks import fgsm, gradient_sign, lbfgs, lbfgs_steps, pgd, pgd_steps
from tests.samples import foolbox_samples


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """These nets are so small that handing work to threads takes longer than doing it."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


LABELS = torch.tensor([0, 1, 2, 3, 4, 0])


def row(*values: float) -> Tensor:
    """One picture of one channel and one line."""
    return torch.tensor(values).view(1, 1, 1, -1)


def two_class(x: Tensor) -> Tensor:
    """Worked by hand: logits (a - 2b, -a + 2b) of the pixels a, b, c. With p > 0 the other class's probability, dJ/dx is
    p * (-2, 4, 0) for class 0 and p * (2, -4, 0) for class 1."""
    a, b, _ = x.flatten(1).unbind(1)
    return torch.stack([a - 2 * b, 2 * b - a], 1)


ATTACKS = {
    "fgsm": lambda model, x, y: fgsm(model, x, y, eps=0.05),
    "targeted fgsm": lambda model, x, y: fgsm(model, x, y, eps=0.05, targeted=True),
    "bim": lambda model, x, y: pgd(model, x, y, eps=0.05, step=0.02, steps=4),
    "pgd": lambda model, x, y: pgd(model, x, y, eps=0.05, step=0.02, steps=4, generator=torch.Generator().manual_seed(0)),
    "targeted pgd": lambda model, x, y: pgd(
        model, x, y, eps=0.05, step=0.02, steps=4, targeted=True, generator=torch.Generator().manual_seed(0)
    ),
    "lbfgs": lambda model, x, y: lbfgs(model, x, y, c=0.05, steps=8),
}
SIGN_ATTACKS = [name for name in ATTACKS if name != "lbfgs"]
every_attack = pytest.mark.parametrize("name", ATTACKS)


def test_each_pixel_moves_eps_along_the_gradient_sign():
    moved = fgsm(two_class, row(0.50, 0.25, 0.75), torch.tensor([0]), eps=0.1)
    torch.testing.assert_close(moved, row(0.40, 0.35, 0.75))


def test_the_other_class_turns_every_sign_round():
    moved = fgsm(two_class, row(0.50, 0.25, 0.75), torch.tensor([1]), eps=0.1)
    torch.testing.assert_close(moved, row(0.60, 0.15, 0.75))


def test_a_targeted_attack_flips_the_sign():
    moved = fgsm(two_class, row(0.50, 0.25, 0.75), torch.tensor([0]), eps=0.1, targeted=True)
    torch.testing.assert_close(moved, row(0.60, 0.15, 0.75))


def test_a_pixel_without_gradient_stays():
    s = gradient_sign(two_class, row(0.5, 0.25, 0.75), torch.tensor([0]))
    assert s.flatten().tolist() == [-1, 1, 0]


def test_a_picture_at_the_ends_of_the_range_is_clipped():
    moved = fgsm(two_class, row(0.05, 0.95, 1.0), torch.tensor([0]), eps=0.1)
    torch.testing.assert_close(moved, row(0.0, 1.0, 1.0))


def test_eps_zero_changes_nothing(small_net, pictures):
    assert torch.equal(fgsm(small_net, pictures, LABELS, eps=0), pictures)
    assert torch.equal(pgd(small_net, pictures, LABELS, eps=0, step=0.1, steps=3), pictures)
    generator = torch.Generator().manual_seed(0)
    assert torch.equal(pgd(small_net, pictures, LABELS, eps=0, step=0.1, steps=3, generator=generator), pictures)


def test_bim_steps_until_the_budget_is_spent():
    steps = list(pgd_steps(two_class, row(0.50, 0.25, 0.95), torch.tensor([0]), eps=0.1, step=0.07, steps=3))
    for got, worked in zip(steps, [(0.50, 0.25), (0.43, 0.32), (0.40, 0.35), (0.40, 0.35)], strict=True):
        torch.testing.assert_close(got, row(*worked, 0.95))


def test_bim_follows_the_gradient_where_it_stands_now():
    """J falls with (x - 0.5)^2, so the class 0 is left by going away from 0.5: up from 0.52, down from 0.48, in steps of 0.1."""

    def hill(x: Tensor) -> Tensor:
        d = (x.flatten(1) - 0.5).square()
        return torch.cat([-d, d], 1)

    x, y = torch.tensor([0.52, 0.48]).view(2, 1, 1, 1), torch.tensor([0, 0])
    away = pgd(hill, x, y, eps=0.3, step=0.1, steps=2)
    torch.testing.assert_close(away.flatten(), torch.tensor([0.72, 0.28]))
    back = pgd(hill, x, y, eps=0.3, step=0.03, steps=3, targeted=True)  # 0.52 -> 0.49 -> 0.52 -> 0.49
    torch.testing.assert_close(back.flatten(), torch.tensor([0.49, 0.51]))


@pytest.mark.parametrize("name", SIGN_ATTACKS)
def test_no_channel_leaves_its_budget_or_the_range(name, small_net, pictures):
    result = ATTACKS[name](small_net, pictures, LABELS)
    assert (result - pictures).abs().max() <= 0.05 + 1e-6
    assert (result - pictures).abs().max() > 0.049
    assert result.min() >= 0 and result.max() <= 1


@every_attack
def test_the_picture_and_the_model_are_untouched(name, small_net, pictures):
    x, state = pictures.clone(), {k: v.clone() for k, v in small_net.state_dict().items()}
    result = ATTACKS[name](small_net, pictures, LABELS)
    assert torch.equal(pictures, x) and not torch.equal(result, x)
    assert pictures.grad is None and not pictures.requires_grad and not result.requires_grad
    assert all(torch.equal(v, state[k]) for k, v in small_net.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in small_net.parameters())
    assert not any(module.training for module in small_net.modules())


@every_attack
def test_a_picture_that_asks_for_gradients_gives_a_detached_result(name, small_net, pictures):
    asking = pictures.clone().requires_grad_()
    result = ATTACKS[name](small_net, asking, LABELS)
    assert not result.requires_grad and asking.grad is None
    assert torch.equal(result, ATTACKS[name](small_net, pictures, LABELS))


@every_attack
def test_the_model_may_be_frozen(name, small_net, pictures):
    expected = ATTACKS[name](small_net, pictures, LABELS)
    try:
        assert torch.equal(ATTACKS[name](small_net.requires_grad_(False), pictures, LABELS), expected)
    finally:
        small_net.requires_grad_(True)


@every_attack
def test_no_steps_or_no_change_is_still_a_picture_of_its_own(name, small_net, pictures):
    """What comes back may be written into without changing x."""
    kept = pictures.clone()
    for result in (
        pgd(small_net, pictures, LABELS, eps=0.1, step=0.1, steps=0),
        lbfgs(small_net, pictures, LABELS, c=1, steps=0),
        ATTACKS[name](small_net, pictures, LABELS),
    ):
        result.zero_()
    assert torch.equal(pictures, kept)


@pytest.mark.parametrize("name", SIGN_ATTACKS)
def test_one_eps_per_picture_equals_one_by_one(name, small_net, pictures):
    eps = torch.tensor([0.0, 0.01, 0.03, 0.1, 0.3, 1.0])
    targeted = "targeted" in name

    def attack(x: Tensor, y: Tensor, eps: Tensor) -> Tensor:
        if "fgsm" in name:
            return fgsm(small_net, x, y, eps=eps, targeted=targeted)
        return pgd(small_net, x, y, eps=eps, step=eps / 3, steps=5, targeted=targeted)

    together = attack(pictures, LABELS, eps)
    alone = torch.cat([attack(pictures[i : i + 1], LABELS[i : i + 1], eps[i].item()) for i in range(6)])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-6)
    assert torch.equal(together[0], pictures[0])


@pytest.mark.parametrize("targeted", [False, True])
def test_fgsm_equals_torchattacks(targeted, small_net, pictures):
    reference = torchattacks.FGSM(small_net, eps=8 / 255)
    if targeted:
        reference.set_mode_targeted_by_label(quiet=True)
    ours = fgsm(small_net, pictures, LABELS, eps=8 / 255, targeted=targeted)
    torch.testing.assert_close(ours, reference(pictures, LABELS), rtol=0, atol=1e-6)


@pytest.mark.parametrize("targeted", [False, True])
def test_bim_equals_torchattacks(targeted, small_net, pictures):
    ours = pgd(small_net, pictures, LABELS, eps=8 / 255, step=2 / 255, steps=7, targeted=targeted)
    references = [
        torchattacks.BIM(small_net, eps=8 / 255, alpha=2 / 255, steps=7),
        torchattacks.PGD(small_net, eps=8 / 255, alpha=2 / 255, steps=7, random_start=False),
    ]
    for reference in references:
        if targeted:
            reference.set_mode_targeted_by_label(quiet=True)
        torch.testing.assert_close(ours, reference(pictures, LABELS), rtol=0, atol=1e-6)


def test_a_seed_fixes_the_random_start(small_net, pictures):
    def run(seed: int) -> Tensor:
        return pgd(small_net, pictures, LABELS, eps=0.1, step=0.02, steps=3, generator=torch.Generator().manual_seed(seed))

    assert torch.equal(run(1), run(1))
    assert not torch.equal(run(1), run(2))


def test_the_random_start_fills_the_ball_evenly(small_net):
    x = torch.full((200, 3, 8, 8), 0.5)
    start = pgd(small_net, x, torch.zeros(200, dtype=torch.int64), eps=0.2, step=0.1, steps=0, generator=torch.Generator().manual_seed(0))
    r = (start - x).flatten() / 0.2
    assert r.abs().max() <= 1 + 1e-5
    share = torch.histc(r, bins=10, min=-1, max=1) / r.numel()
    assert (share - 0.1).abs().max() < 0.01  # 38,400 draws: four standard deviations of a tenth are 0.006


def test_the_random_start_has_each_picture_s_own_eps_and_stays_in_the_range(small_net, pictures):
    eps = torch.tensor([0.0, 0.01, 0.03, 0.1, 0.3, 1.0])
    start = pgd(small_net, pictures, LABELS, eps=eps, step=0.1, steps=0, generator=torch.Generator().manual_seed(0))
    moved = (start - pictures).abs().flatten(1).amax(1)
    assert (moved <= eps + 1e-6).all() and (moved[1:5] > 0.8 * eps[1:5]).all()
    assert start.min() >= 0 and start.max() <= 1


def test_the_iterates_of_pgd_stay_as_they_were_yielded(small_net, pictures):
    kept = [(x_adv, x_adv.clone()) for x_adv in pgd_steps(small_net, pictures, LABELS, eps=0.1, step=0.03, steps=4)]
    assert len(kept) == 5
    assert all(torch.equal(now, then) for now, then in kept)
    assert torch.equal(kept[0][0], pictures)
    assert torch.equal(kept[-1][0], pgd(small_net, pictures, LABELS, eps=0.1, step=0.03, steps=4))


# L-BFGS


def linear_problem(pixels: int, seed: int) -> tuple[np.ndarray, np.ndarray, int]:
    """W (3 classes), a picture with a quarter of its pixels at 0 or 1, and its least likely class. J is convex in the picture."""
    rng = np.random.default_rng(seed)
    w, x = rng.normal(size=(3, pixels)) * 8 / np.sqrt(pixels), rng.random(pixels)
    x[: pixels // 4] = rng.integers(0, 2, pixels // 4)
    return w, x, int((w @ x).argmin())


def objective(z: np.ndarray, w: np.ndarray, x: np.ndarray, target: int, c: float) -> tuple[float, np.ndarray]:
    """c |z - x| + J(W z, target) and its gradient, written in numpy from the paper."""
    r, logits = z - x, w @ z
    length, e = np.linalg.norm(r), np.exp(logits - logits.max())
    p = e / e.sum()
    gradient = w.T @ (p - np.eye(3)[target]) + (c * r / length if length else 0)
    return c * length - np.log(p[target]), gradient


def scipy_optimum(w: np.ndarray, x: np.ndarray, target: int, c: float) -> float:
    """The least value that scipy's L-BFGS-B finds from three starts, or that x has (|r| has a corner there)."""
    rng = np.random.default_rng(0)
    starts = (x, np.clip(x + rng.normal(size=x.size) * 0.01, 0, 1), rng.random(x.size))
    options = {"maxiter": 2000, "ftol": 1e-14, "gtol": 1e-9}
    arguments = {"args": (w, x, target, c), "jac": True, "method": "L-BFGS-B", "bounds": [(0, 1)] * x.size, "options": options}
    return min(minimize(objective, start, **arguments).fun for start in starts)


def attack_linear(w: np.ndarray, x: np.ndarray, target: int, c: float, steps: int = 60) -> np.ndarray:
    weights = torch.tensor(w, dtype=torch.float32)
    picture = torch.tensor(x, dtype=torch.float32).view(1, 1, 1, -1)
    return lbfgs(lambda v: v.flatten(1) @ weights.T, picture, torch.tensor([target]), c=c, steps=steps).double().flatten().numpy()


@pytest.mark.parametrize("pixels, seed", [(12, 0), (12, 1), (300, 2)])
@pytest.mark.parametrize("c", [0.003, 0.03, 0.3, 1, 3])
def test_lbfgs_reaches_scipy_s_optimum(pixels, seed, c):
    w, x, target = linear_problem(pixels, seed)
    z = attack_linear(w, x, target, c)
    best = scipy_optimum(w, x, target, c)
    assert best < 0.99 * objective(x, w, x, target, c)[0], "the problem must leave something to gain"
    assert objective(z, w, x, target, c)[0] <= best * 1.01
    assert z.min() >= 0 and z.max() <= 1


def test_lbfgs_stands_at_the_minimum_worked_by_hand():
    """With two pixels and logits (4a, 0), target 0: J = log(1 + exp(-4a)), J' = -4 / (1 + exp(4a)) = -c at a = log(4 / c - 1) / 4."""

    def model(x: Tensor) -> Tensor:
        a = x.flatten(1)[:, 0]
        return torch.stack([4 * a, 0 * a], 1)

    z = lbfgs(model, row(0.1, 0.6), torch.tensor([0]), c=1.0, steps=30).flatten()
    assert z[0].item() == pytest.approx(np.log(3) / 4, abs=1e-3)  # 0.2747: inside the box
    assert z[1].item() == pytest.approx(0.6, abs=1e-4)
    z = lbfgs(model, row(0.1, 0.6), torch.tensor([0]), c=0.01, steps=30).flatten()
    assert z[0].item() == 1  # log(399) / 4 = 1.497 is outside: the box ends at 1


def test_a_large_price_of_distance_returns_the_picture_itself(small_net, pictures):
    assert torch.equal(lbfgs(small_net, pictures, LABELS, c=1000.0, steps=10), pictures)


def test_a_smaller_price_buys_a_larger_distance_and_a_smaller_loss(small_net, pictures):
    lengths, losses = [], []
    for c in (1.0, 0.3, 0.1, 0.03, 0.01):
        z = lbfgs(small_net, pictures, LABELS, c=c, steps=60)
        lengths.append((z - pictures).flatten(1).norm(dim=1).sum().item())
        losses.append(F.cross_entropy(small_net(z), LABELS, reduction="sum").item())
        assert z.min() >= 0 and z.max() <= 1
    assert lengths == sorted(lengths) and lengths[-1] > 2 * lengths[0]
    assert losses == sorted(losses, reverse=True)


def test_the_objective_never_rises_from_step_to_step(small_net, pictures):
    c = 0.05
    for before, after in zip(*[list(lbfgs_steps(small_net, pictures, LABELS, c=c, steps=12))[i:] for i in (0, 1)], strict=False):
        values = [
            c * (z - pictures).flatten(1).norm(dim=1) + F.cross_entropy(small_net(z), LABELS, reduction="none") for z in (before, after)
        ]
        assert (values[1] <= values[0] + 1e-5).all()


@pytest.mark.parametrize("seed, steps", [(0, 1), (0, 5), (3, 60), (4, 60), (6, 60)])
def test_lbfgs_treats_each_picture_of_a_batch_as_its_own_problem(seed, steps, pictures):
    """Each with its own c; some come to rest early, which must neither hold the others back nor drive that picture on."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = nn.Sequential(nn.Conv2d(3, 12, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(192, 5)).double()
    for p in net.requires_grad_(False).parameters():
        p.mul_(3)
    x, c = pictures.double(), torch.tensor([3.0, 1.0, 0.3, 0.1, 0.03, 1000.0], dtype=torch.float64)
    together = lbfgs(net, x, LABELS, c=c, steps=steps)
    alone = torch.cat([lbfgs(net, x[i : i + 1], LABELS[i : i + 1], c=c[i].item(), steps=steps) for i in range(6)])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-8)


def test_lbfgs_reaches_the_target_nearer_than_fgsm():
    """A real net and real digits: the next digit is reached, at a smaller L2 than FGSM needs where that reaches it at all."""
    net = zoo.load("mnist-cnn")
    x, y = (part[:4].to(next(net.parameters()).device) for part in foolbox_samples("mnist"))
    target = (y + 1) % 10
    z = lbfgs(net, x, target, c=0.3, steps=30)
    assert (net(z).argmax(1) == target).all()
    assert z.min() >= 0 and z.max() <= 1
    eps = torch.linspace(0, 0.6, 31)
    for i in range(4):
        ladder = fgsm(net, x[i : i + 1].expand(31, -1, -1, -1), target[i : i + 1].expand(31), eps=eps, targeted=True)
        reached = ladder[net(ladder).argmax(1) == target[i]]
        assert len(reached) == 0 or (z[i] - x[i]).norm() < (reached[0] - x[i]).norm()


# What a visitor may get wrong


@pytest.mark.parametrize("eps", [float("nan"), -0.01, 1e9, 2, float("inf"), torch.tensor([0.1, 0.1, 2.0, 0.1, 0.1, 0.1])])
def test_an_eps_outside_the_range_is_refused_and_quoted(eps, small_net, pictures):
    for attack in (
        lambda: fgsm(small_net, pictures, LABELS, eps=eps),
        lambda: pgd(small_net, pictures, LABELS, eps=eps, step=0.1, steps=1),
    ):
        with pytest.raises(UserError, match=r"epsilon was (nan|-0\.01|1e\+09|2|inf); give a fraction of the range, from 0 to 1"):
            attack()


def test_a_wrong_step_is_called_a_step(small_net, pictures):
    with pytest.raises(UserError, match=r"step was 7; give a fraction"):
        pgd(small_net, pictures, LABELS, eps=0.1, step=7, steps=1)


def test_negative_steps_are_refused(small_net, pictures):
    with pytest.raises(UserError, match="steps was -1"):
        pgd(small_net, pictures, LABELS, eps=0.1, step=0.1, steps=-1)
    with pytest.raises(UserError, match="steps was -1"):
        lbfgs(small_net, pictures, LABELS, c=1, steps=-1)


def test_a_wrong_number_of_epsilons_is_refused(small_net, pictures):
    for eps in (torch.zeros(0), torch.zeros(5)):
        with pytest.raises(UserError, match=f"{len(eps)} values of epsilon for 6 pictures"):
            fgsm(small_net, pictures, LABELS, eps=eps)


@pytest.mark.parametrize(
    "c, quoted",
    [(0, "0"), (-1, "-1"), (float("nan"), "nan"), (float("inf"), "inf"), ([1, 1, 1, 1, 0, 1], "0"), ([1, float("inf")] * 3, "inf")],
)
def test_a_price_that_is_not_positive_is_refused_and_quoted(c, quoted, small_net, pictures):
    with pytest.raises(UserError, match=f"c was {quoted}; give"):
        lbfgs(small_net, pictures, LABELS, c=torch.tensor(c) if isinstance(c, list) else c, steps=1)


def test_a_wrong_number_of_prices_is_refused(small_net, pictures):
    with pytest.raises(UserError, match="5 values of c for 6 pictures"):
        lbfgs(small_net, pictures, LABELS, c=torch.ones(5), steps=1)


def test_the_attacks_work_on_a_net_that_ends_in_a_plain_function(pictures):
    """model is any callable, not only a module."""
    net = nn.Linear(192, 5)
    torch.testing.assert_close(
        fgsm(lambda x: net(x.flatten(1)), pictures, LABELS, eps=0.1), fgsm(nn.Sequential(nn.Flatten(), net), pictures, LABELS, eps=0.1)
    )
