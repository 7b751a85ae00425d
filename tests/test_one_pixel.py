"""The one-pixel attack against nets whose best pixel is known by hand, and its windowed forward against the nets' own."""

import copy
import itertools
import math

import pytest
import scipy.stats
import torch
from torch import nn

from core.candidates import painted, rounded
from core.checks import UserError
from core.classifiers import ConvNormAct, Normalise, ResidualStage, cifar10_resnet, mnist_cnn
from core.images import eight_bit
from core.one_pixel import attack, attack_batch, mutate, wilson
from core.patch_forward import evaluator
from core.weak_pixels import set_pixel, weak_pixels

GREY = torch.full((1, 1, 5, 5), 128 / 255)
LEAVE = torch.tensor([0])


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def linear(bias):
    """Class 0 scores the sum of the pixels, the one at (3, 1) four times; class 1 scores `bias`. Untouched, class 0 has 28 x 128/255."""
    w = torch.ones(25)
    w[3 * 5 + 1] = 4

    def model(x):
        score = x.flatten(1) @ w
        return torch.stack([score, torch.full_like(score, bias)], 1)

    return model


def run(model, x=GREY, y=LEAVE, *, pixels=1, targeted=False, population=60, generations=30, seed=0):
    return list(
        attack(model, x, y, pixels=pixels, targeted=targeted, population=population, generations=generations, generator=seeded(seed))
    )


def random_picture(channels, side, seed=0):
    return torch.randint(0, 256, (1, channels, side, side), generator=seeded(seed)) / 255


def differing(a, b):
    return int((a != b).any(1).sum())


def awake(net, seed=0):
    """A net with random weights and random batch-norm statistics, some of the scales negative, as an oracle: nothing cancels."""
    g = seeded(seed)
    for m in net.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.running_mean.copy_(torch.randn(m.num_features, generator=g) * 0.3)
            m.running_var.copy_(torch.rand(m.num_features, generator=g) + 0.2)
            m.weight.data.copy_(torch.randn(m.num_features, generator=g))
            m.bias.data.copy_(torch.randn(m.num_features, generator=g) * 0.3)
        elif isinstance(m, (nn.Conv2d, nn.Linear)):
            m.weight.data.copy_(torch.randn(m.weight.shape, generator=g) * m.weight[0].numel() ** -0.5 * 1.4)
            if m.bias is not None:
                m.bias.data.copy_(torch.randn(m.bias.shape, generator=g) * 0.1)
    return net.eval().requires_grad_(False)


# --- the algorithm -----------------------------------------------------------------------------------------------------------


def test_the_known_best_pixel_is_found():
    """28 x 128/255 = 14.05; without (3, 1) it is 12.05. Only that pixel, at 3 or below, gets under 12.1."""
    last = run(linear(12.1))[-1]
    (row, column, colour), *more = last.pixels
    assert (row, column) == (3, 1) and colour[0] <= 3 and not more
    assert last.fooled and last.done and last.label == 1


def test_where_nothing_fools_the_best_pixel_is_still_the_known_one_and_the_attack_says_that_it_failed():
    steps = run(linear(5.0))
    assert steps[-1].pixels == ((3, 1, (0,)),)
    assert len(steps) == 31 and steps[-1].done and not any(s.fooled for s in steps) and not any(s.done for s in steps[:-1])


def test_targeted_the_probability_of_the_target_grows_until_it_is_first():
    steps = run(linear(12.1), y=torch.tensor([1]), targeted=True)
    assert steps[-1].fooled and steps[-1].label == 1 and steps[-1].confidence > 0.5
    assert all(a.confidence <= b.confidence for a, b in itertools.pairwise(steps))


def test_the_confidence_of_the_class_to_leave_never_rises():
    steps = run(linear(5.0), pixels=3)
    assert all(a.confidence >= b.confidence for a, b in itertools.pairwise(steps))
    assert steps[-1].confidence == pytest.approx(torch.softmax(linear(5.0)(steps[-1].image).double(), 1)[0, 0].item(), abs=1e-6)


def test_fitness_does_not_saturate_where_the_probability_is_one():
    """exp(-300) is 0 in any float: by probability all candidates would be equal."""
    assert run(linear(-300.0))[-1].pixels == ((3, 1, (0,)),)


def test_the_attack_stops_at_the_first_candidate_that_fools():
    steps = run(lambda x: torch.stack([-(x - GREY).abs().amax((1, 2, 3)), torch.full((len(x),), -1e-9)], 1))
    assert [(s.generation, s.done, s.fooled) for s in steps] == [(0, True, True)]


def test_zero_generations_give_the_initial_population():
    steps = run(linear(5.0), generations=0)
    assert [(s.generation, s.done, s.evaluations + s.repeats) for s in steps] == [(0, True, 60)]


def test_the_differential_evolution_step_of_a_hand_worked_population():
    population = torch.tensor([[0.0, 10.0], [2.0, 20.0], [4.0, 40.0], [6.0, 0.0]])
    children = mutate(population, torch.tensor([[1, 2, 3], [3, 0, 2]]))
    assert children.tolist() == [[2 + 0.5 * (4 - 6), 20 + 0.5 * 40], [6 + 0.5 * (0 - 4), 0 + 0.5 * (10 - 40)]]


def test_the_initial_population_is_uniform_in_place_and_normal_in_colour():
    seen = []

    def model(x):
        seen.append(x)
        return torch.stack([torch.ones(len(x)), torch.zeros(len(x))], 1)

    run(model, x=torch.full((1, 1, 8, 8), 0.5), population=2000, generations=0)
    changed = torch.cat(seen[1:]) - round(0.5 * 255) / 255
    per_row = (changed != 0).sum((0, 1, 3)).float() / len(changed)
    assert per_row.sub(1 / 8).abs().max() < 0.03
    white = (torch.cat(seen[1:]).flatten(1) == 1).any(1).float().mean()
    expected = 1 - scipy.stats.norm.cdf(
        254.5, 128, 127
    )  # what rounds to, or is cut to, 255; the table removes repetitions, which are most of these
    assert 64 / 2000 * 0.9 <= white <= expected


@pytest.mark.parametrize(("channels", "side", "pixels"), [(1, 3, 9), (3, 3, 8), (3, 8, 1), (3, 8, 5), (1, 28, 3)])
def test_exactly_k_pixels_differ_at_every_step_and_the_image_is_8_bit(channels, side, pixels):
    x = random_picture(channels, side).round()  # black and white: colours of the picture's own are frequent
    before = x.clone()
    w = torch.randn(channels * side * side, 2, generator=seeded(1))
    y = (x.flatten(1) @ w).argmax(1)
    for step in run(lambda p: (p.flatten(1) @ w) + torch.eye(2)[y] * 1e3, x=x, y=y, pixels=pixels, generations=4):
        assert differing(step.image, x) == pixels == len(set((r, c) for r, c, _ in step.pixels))
        for r, c, colour in step.pixels:
            assert (step.image[0, :, r, c] * 255).round().int().tolist() == list(colour)
        assert torch.equal((step.image * 255).round() / 255, step.image)
    assert torch.equal(x, before)


def test_pixels_at_one_place_and_colours_of_the_pictures_own_are_moved_by_one():
    x = torch.zeros(1, 3, 4, 4)
    x[0, :, 1, 1] = 1
    vectors = torch.tensor([[3, 3, 9, 8, 7, 3, 3, 6, 5, 4.4], [1, 1, 255, 255, 255, 0, 0, 0, 0, 0]])
    assert rounded(vectors, x).tolist() == [[[0, 6, 5, 4], [15, 9, 8, 7]], [[0, 1, 0, 0], [5, 254, 255, 255]]]


def test_a_seed_gives_the_same_attack_and_another_seed_another():
    a, b, c = (run(linear(5.0), pixels=2, generations=5, seed=s) for s in (7, 7, 8))
    assert [(s.confidence, s.pixels, s.evaluations) for s in a] == [(s.confidence, s.pixels, s.evaluations) for s in b]
    assert [s.pixels for s in a] != [s.pixels for s in c]


def test_evaluations_are_the_pictures_that_the_net_saw_and_none_is_seen_twice():
    seen = []

    def model(x):
        seen.append(x)
        return linear(5.0)(x)

    steps = run(model, generations=40)
    pictures = [p.numpy().tobytes() for p in torch.cat(seen)]
    assert len(pictures) == len(set(pictures)) == steps[-1].evaluations + 1  # and the untouched one
    assert steps[-1].evaluations + steps[-1].repeats == 60 * 41 and steps[-1].repeats > 0
    assert max(len(s) for s in seen) <= 60 and len(seen) <= 42  # a population is one batch


# --- bad input ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"pixels": 0}, "pixels was 0"),
        ({"pixels": 26}, "from 1 to 25"),
        ({"pixels": 1.5}, "whole number"),
        ({"population": 0}, "population was 0"),
        ({"population": 10**9}, "from 4 to 2000"),
        ({"population": math.nan}, "population"),
        ({"generations": -1}, "generations was -1"),
        ({"generations": "many"}, "not a number"),
        ({"y": torch.tensor([0]), "targeted": True}, "already sees class 0"),
        ({"y": torch.tensor([1])}, "attack its own answer, class 0"),
        ({"y": torch.tensor([2])}, "class was 2"),
        ({"y": torch.tensor([0, 1])}, "one class"),
        ({"y": torch.tensor([0.0])}, "one class"),
        ({"x": GREY.expand(2, 1, 5, 5)}, "one picture"),
        ({"x": GREY[0]}, "one picture"),
        ({"x": GREY * 3}, "outside 0 ... 1"),
        ({"x": GREY * math.nan}, "outside 0 ... 1"),
    ],
)
def test_bad_input_is_one_sentence_at_the_call(change, says):
    given = {"x": GREY, "y": LEAVE, "pixels": 1, "targeted": False, "population": 60, "generations": 3} | change
    x, y = given.pop("x"), given.pop("y")
    with pytest.raises(UserError, match=says):
        attack(linear(5.0), x, y, **given, generator=seeded())


# --- windows -----------------------------------------------------------------------------------------------------------------

NETS = {"cifar": (cifar10_resnet((16, 24, 20)), 3, 32), "mnist": (mnist_cnn(), 1, 28)}


@pytest.mark.parametrize("name", NETS)
def test_the_windowed_forward_is_the_nets_own_at_every_place(name):
    """In double precision, so that only a wrong window could make a difference; then as it is used, in single."""
    net, channels, side = NETS[name]
    net, x = awake(copy.deepcopy(net)), random_picture(channels, side)
    places = torch.arange(side * side)[:, None]
    colours = torch.randint(0, 256, (side * side, 1, channels), generator=seeded(3))
    candidates = torch.cat([places[..., None], colours], 2)
    single = evaluator(net, x, pixels=1)(places, colours / 255)
    net, x = net.double(), eight_bit(x.double())
    expected = torch.cat([net(p) for p in painted(x, candidates).split(128)])
    got = evaluator(net, x, pixels=1)(places, colours.double() / 255)
    matters = (expected - net(x)).abs().amax(1) > 1e-6  # so that agreement says something; a colour may be the picture's own
    assert matters.double().mean() > 0.98
    assert (got - expected).abs().max() < 1e-10
    assert (single - expected).abs().max() < 1e-5 * expected.abs().max()


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("pixels", [2, 3, 5, 8])
def test_the_windowed_forward_is_the_nets_own_for_several_pixels_near_and_far(name, pixels):
    net, channels, side = NETS[name]
    net, x = awake(copy.deepcopy(net)).double(), eight_bit(random_picture(channels, side).double())
    far = torch.rand(30, side * side, generator=seeded(4)).topk(pixels).indices
    near = torch.rand(30, 25, generator=seeded(5)).topk(pixels).indices
    corner = torch.randint(0, side - 4, (30, 2, 1), generator=seeded(6))
    near = (near // 5 + corner[:, 0]) * side + near % 5 + corner[:, 1]
    places = torch.cat([far, near])
    colours = torch.randint(0, 256, (60, pixels, channels), generator=seeded(7))
    expected = net(painted(x, torch.cat([places[..., None], colours], 2)))
    got = evaluator(net, x, pixels=pixels)(places, colours.double() / 255)
    assert (got - expected).abs().max() < 1e-10


def test_every_shown_number_is_the_nets_own_on_the_shown_image():
    net, x = awake(NETS["cifar"][0]), random_picture(3, 32)
    y = net(x).argmax(1)
    for step in run(net, x, y, population=20, generations=3):
        own = net(step.image).double().softmax(1)[0]
        assert torch.allclose(step.probabilities, own, atol=1e-5) and step.label == own.argmax()
        assert step.confidence == step.probabilities[y].item() and step.fooled == (step.label != int(y))


def test_windows_and_the_plain_batch_lead_to_the_same_attack():
    net, x = awake(NETS["mnist"][0]), random_picture(1, 28)
    y = net(x).argmax(1)
    fast = run(net, x, y, population=20, generations=4)
    slow = run(lambda p: net(p), x, y, population=20, generations=4)
    assert fast[-1].fooled == slow[-1].fooled
    assert all(a.pixels == b.pixels and a.confidence == pytest.approx(b.confidence, abs=1e-5) for a, b in zip(fast, slow, strict=False))


def test_a_net_of_other_layers_or_in_training_takes_its_own_forward():
    x = random_picture(3, 16)
    conv = nn.Conv2d(3, 4, 3)
    for other in (
        nn.Sequential(nn.Flatten(), nn.Linear(768, 2)),
        nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.Flatten()),
        nn.Sequential(nn.Conv2d(3, 3, 3, groups=3), nn.Flatten()),
        nn.Sequential(Normalise((0.5,) * 3, (0.5,) * 3)),
        nn.ModuleList([conv]),
    ):
        assert evaluator(other.eval(), x, pixels=1) is None
    net = nn.Sequential(conv, nn.Sigmoid(), nn.Flatten())  # known up to the sigmoid, which then takes the whole map
    assert evaluator(net.train(), x, pixels=1) is None
    assert torch.allclose(
        evaluator(net.eval(), x, pixels=1)(torch.tensor([[0]]), torch.ones(1, 1, 3)),
        net(painted(x, torch.tensor([[[0, 255, 255, 255]]]))),
        atol=1e-5,
    )


def test_windows_of_a_picture_met_before_are_that_picture_s():
    """The untouched picture's values are remembered; another picture, or the same one after the weights changed, has its own."""
    net = awake(nn.Sequential(ResidualStage(3, 4), ConvNormAct(4, 5), nn.AdaptiveMaxPool2d(1), nn.Flatten()))
    x = random_picture(3, 16)
    at, white = torch.tensor([[77]]), torch.ones(1, 1, 3)
    for seed in (1, 1, 2):
        awake(net, seed)
        for picture in (x, 1 - x, x):
            truth = net(painted(picture, torch.tensor([[[77, 255, 255, 255]]])))
            assert torch.allclose(evaluator(net, picture, pixels=1)(at, white), truth, atol=1e-5)


def test_windows_follow_weights_that_change():
    net, x = awake(nn.Sequential(ResidualStage(3, 4), ConvNormAct(4, 5), nn.AdaptiveMaxPool2d(1), nn.Flatten())), random_picture(3, 16)
    at, white = torch.tensor([[77]]), torch.ones(1, 1, 3)
    picture = painted(x, torch.tensor([[[77, 255, 255, 255]]]))
    for seed in (1, 2):
        awake(net, seed)
        assert torch.allclose(evaluator(net, x, pixels=1)(at, white), net(picture), atol=1e-5)


def test_a_net_watched_by_a_hook_sees_every_candidate():
    net, x = awake(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveMaxPool2d(1), nn.Flatten())), random_picture(3, 16)
    seen = []
    net.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    y = net(x).argmax(1)
    steps = run(net, x, y, population=10, generations=2)
    assert sum(seen) - 2 == steps[-1].evaluations  # without the two looks at the untouched picture


# --- weak pixels, a pixel by hand, a whole batch -----------------------------------------------------------------------------


@pytest.mark.parametrize(("channels", "corners"), [(1, 2), (3, 8)])
def test_weak_pixels_are_those_of_a_search_one_by_one(channels, corners):
    net = awake(nn.Sequential(nn.Conv2d(channels, 6, 3, padding=1), nn.GELU(), nn.AdaptiveMaxPool2d(1), nn.Flatten()))
    x = random_picture(channels, 5)
    x[0, :, 2, 3] = 1  # white already: one colour less to try
    y = net(x).argmax(1)
    *_, weak = weak_pixels(net, x, y)
    p = net(x).softmax(1)[0, y].item()
    for r, c in itertools.product(range(5), range(5)):
        tries = [set_pixel(net, x, y, row=r, column=c, colour=k) for k in weak.colours]
        assert weak.drop[r, c].item() == pytest.approx(max(p - t.confidence for t in tries), abs=1e-5)
        assert tries[int(weak.colour[r, c])].confidence == pytest.approx(min(t.confidence for t in tries), abs=1e-5)
        assert bool(weak.fooled[r, c]) == any(t.fooled for t in tries)
    assert weak.evaluations == 25 * corners - 1 and weak.share == 1 and len(weak.colours) == corners


def test_weak_pixels_show_progress_and_large_pictures_are_looked_at_every_seventh_pixel():
    def model(x):
        return torch.stack([x.mean((1, 2, 3)), torch.zeros(len(x))], 1)

    weak = list(weak_pixels(linear(5.0), GREY, LEAVE))[-1]
    assert divmod(int(weak.drop.argmax()), 5) == (3, 1) and weak.colours[int(weak.colour[3, 1])] == (0,)
    coarse = weak_pixels(model, torch.full((1, 1, 224, 224), 0.5), LEAVE)
    first = next(coarse)
    assert first.drop.shape == (32, 32) and first.rows[:2] == (3, 10) and first.rows[-1] == 220
    assert 0 < first.share < 0.1 and first.drop[-1, -1].isnan() and first.colour[-1, -1] == -1


def test_a_pixel_set_by_hand_changes_that_pixel_only():
    x = random_picture(3, 8)
    t = set_pixel(lambda p: p.flatten(1)[:, :3], x, LEAVE, row=2, column=5, colour=(1, 2, 3))
    assert differing(t.image, x) == 1 and (t.image[0, :, 2, 5] * 255).round().tolist() == [1, 2, 3]
    assert t.probabilities.sum().item() == pytest.approx(1) and t.confidence == t.probabilities[0].item()


@pytest.mark.parametrize(
    ("row", "column", "colour"), [(8, 0, (0, 0, 0)), (0, -1, (0, 0, 0)), (0, 0, (0, 0, 256)), (0, 0, (0,)), (0.5, 0, (0, 0, 0))]
)
def test_a_pixel_outside_is_refused(row, column, colour):
    with pytest.raises(UserError):
        set_pixel(lambda p: p.flatten(1), random_picture(3, 8), LEAVE, row=row, column=column, colour=colour)


def test_a_batch_is_summed_up_with_wrong_pictures_skipped():
    """Class 0 scores 28 v, class 1 12.1, for a picture of even v: at 128/255 one pixel is enough, at 1 it is not, at 0 the net is wrong."""
    x = torch.cat([GREY, GREY * 0 + 1, GREY * 0])
    *_, last = attack_batch(linear(12.1), x, torch.zeros(3, dtype=torch.int64), pixels=1, population=60, generations=30, generator=seeded())
    s = last.summary
    assert (s.attacked, s.fooled, s.skipped, s.rate) == (2, 1, 1, 0.5) and (s.low, s.high) == wilson(1, 2)
    assert 0.5 < s.confidence < 0.53 and last.step is None and last.index == 2 and s.evaluations > 60


def test_the_interval_is_wilsons():
    for k, n in ((34, 100), (0, 50), (50, 50), (1, 3)):
        expected = scipy.stats.binomtest(k, n).proportion_ci(method="wilson")
        assert wilson(k, n) == pytest.approx((expected.low, expected.high), abs=1e-6)
    assert wilson(0, 0) == (0, 1)


def test_a_batch_needs_pictures_and_a_class_for_each():
    for x, y in ((GREY[:0], LEAVE[:0]), (GREY, torch.tensor([0, 0])), (GREY[0], LEAVE)):
        with pytest.raises(UserError, match="batch"):
            attack_batch(linear(5.0), x, y, pixels=1, population=10, generations=1, generator=seeded())
