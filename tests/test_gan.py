"""The adversarial losses against the papers' formulas, and the nets against the textbook's numbers."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from core import gan, images, latent, zoo
from core.checks import UserError


def logits(seed: int, n: int = 50) -> torch.Tensor:
    return 3 * torch.randn(n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_discriminator_minimises_the_negated_value_of_the_game():
    real, fake = logits(0), logits(1)
    D = torch.distributions.Bernoulli
    value = D(logits=real).log_prob(torch.ones_like(real)).mean() + D(logits=fake).log_prob(torch.zeros_like(fake)).mean()
    assert gan.discriminator_loss(real, fake).item() == pytest.approx(-value.item(), rel=1e-12)


def test_a_discriminator_that_knows_nothing_loses_two_bits():
    assert gan.discriminator_loss(torch.zeros(3), torch.zeros(3)).item() == pytest.approx(2 * math.log(2), rel=1e-6)


def test_smoothing_moves_the_optimum_of_real_pictures_to_its_target():
    d = torch.linspace(-6, 6, 2401, dtype=torch.float64)
    losses = [gan.discriminator_loss(v[None], torch.full((1,), -40.0, dtype=torch.float64), smoothing=0.1).item() for v in d]
    best = d[int(torch.tensor(losses).argmin())].sigmoid().item()
    assert best == pytest.approx(0.9, abs=1e-3)


def test_noise_stays_in_its_range_and_depends_on_the_generator_alone():
    real, fake = torch.full((1000,), 40.0), torch.full((1000,), -40.0)  # then the loss is 40 times the mean of what the targets moved

    def loss(seed: int) -> float:
        return gan.discriminator_loss(real, fake, noise=0.2, generator=torch.Generator().manual_seed(seed)).item()

    assert loss(0) == loss(0) != loss(1)
    assert loss(0) / 40 == pytest.approx(2 * 0.1, abs=0.01)


@pytest.mark.parametrize(("game", "value"), [("non-saturating", lambda p: -p.log()), ("minimax", lambda p: (1 - p).log())])
def test_the_generator_minimises_what_the_paper_says(game, value):
    fake = logits(2)
    assert gan.generator_loss(fake, game=game).item() == pytest.approx(value(fake.sigmoid()).mean().item(), rel=1e-9)


def test_against_a_sure_discriminator_the_minimax_gradient_vanishes_and_the_other_does_not():
    slopes = {}
    for game in gan.GAMES:
        d = torch.tensor([-12.0], requires_grad=True)
        slopes[game] = torch.autograd.grad(gan.generator_loss(d, game=game), d)[0].item()
    assert slopes["non-saturating"] == pytest.approx(-1, abs=1e-4)
    assert -1e-4 < slopes["minimax"] < 0


def test_r1_of_a_linear_discriminator_is_the_square_of_its_weights():
    w = torch.tensor([[1.0, -2.0, 3.0]])
    linear = nn.Linear(3, 1)
    linear.weight.data = w
    assert gan.r1(nn.Sequential(linear, nn.Flatten(0)), torch.rand(5, 3)).item() == pytest.approx(14.0)


@pytest.mark.parametrize(("net", "count"), [(gan.frogs_dcgan, 6_264_579), (gan.frogs_discriminator, 790_913)])
def test_the_frogs_nets_have_the_textbooks_numbers_of_weights(net, count):
    assert sum(p.numel() for p in net().parameters() if p.requires_grad) == count


@pytest.mark.parametrize(
    ("make", "against", "shape"),
    [
        (gan.mnist_dcgan, gan.mnist_discriminator, (1, 28, 28)),
        (gan.frogs_dcgan, gan.frogs_discriminator, (3, 32, 32)),
        (gan.faces_gan, gan.faces_discriminator, (3, 64, 64)),
    ],
)
def test_generators_give_pixels_and_discriminators_one_logit_each(make, against, shape):
    generator = make().eval()
    with torch.no_grad():
        x = generator(5 * torch.randn(3, generator.latent_dim, generator=torch.Generator().manual_seed(0)))
        assert x.shape == (3, *shape)
        assert x.min() >= 0 and x.max() <= 1
        assert against().eval()(x).shape == (3,)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: gan.generator_loss(torch.zeros(2), game="chess"), "non-saturating, minimax"),
        (lambda: gan.discriminator_loss(torch.zeros(2), torch.zeros(2), smoothing=0.9), "from 0 to 0.5"),
        (lambda: gan.discriminator_loss(torch.zeros(2), torch.zeros(2), smoothing=math.nan), "from 0 to 0.5"),
        (lambda: gan.discriminator_loss(torch.zeros(2), torch.zeros(2), noise=0.1), "needs a generator"),
    ],
)
def test_wrong_knobs_are_said_in_one_sentence(call, words):
    with pytest.raises(UserError, match=words):
        call()


@pytest.fixture(scope="module")
def digits() -> gan.Gan:
    return zoo.load("mnist-dcgan")


def test_samples_do_not_depend_on_how_many_are_made_at_once(digits):
    z = latent.sheet(0)[:7, :100]
    one, many = gan.sample(digits, z, batch=1), gan.sample(digits, z, batch=50)
    torch.testing.assert_close(one, many, rtol=0, atol=1e-5)
    assert torch.equal(many, gan.sample(digits, z))
    assert not many.requires_grad and many.min() >= 0 and many.max() <= 1


def test_the_score_is_the_discriminator_s_probability_of_the_picture_in_8_bits(digits):
    x = gan.sample(digits, latent.sheet(1)[:4, :100])
    p = torch.sigmoid(digits.discriminator(images.to_bytes(x).float() / 255))
    assert gan.scores(digits, x) == pytest.approx(p.tolist(), abs=1e-3)


def test_the_discriminator_still_prefers_digits_to_noise(digits):
    noise = torch.rand(20, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    ours = gan.scores(digits, gan.sample(digits, latent.sheet(2)[:20, :100]))
    assert max(gan.scores(digits, noise)) < min(ours)


def test_the_best_of_n_come_best_first_and_their_points_give_their_pictures(digits):
    found = gan.find(digits, zoo.load("mnist-cnn"), "3", seed=2**32 - 1, truncation=4, n=150, best=4)
    assert [one.probability for one in found] == sorted((one.probability for one in found), reverse=True)
    for one in found:
        z = latent.point("it", one.point, 100, 4)
        torch.testing.assert_close(images.eight_bit(digits(z[None, :100]))[0], one.picture, rtol=0, atol=1 / 255 + 1e-6)


@pytest.mark.parametrize(
    ("label", "n", "words"), [("ten", 100, "no class 'ten'"), ("3", 99, "from 100 to 2000"), ("3", 1e9, "from 100 to 2000")]
)
def test_what_cannot_be_looked_for_is_said_in_one_sentence(digits, label, n, words):
    with pytest.raises(UserError, match=words):
        gan.find(digits, zoo.load("mnist-cnn"), label, seed=0, truncation=4, n=n)


@pytest.mark.parametrize("name", [name for name, spec in zoo.GANS.items() if spec.available()])
def test_every_shipped_gan_gives_pixels_and_scores(name):
    model = zoo.load(name)
    x = gan.sample(model, latent.sheet(0)[:2, : model.latent_dim])
    assert x.min() >= 0 and x.max() <= 1 and x.std() > 0.05
    assert all(0 <= p <= 1 for p in gan.scores(model, x))


def test_no_digit_is_missing_from_the_digits_and_the_collapsed_run_has_lost_most():
    kept = zoo.card("mnist-dcgan")["metrics"]["classes"]
    assert min(kept) >= 0.05
    assert sum(share < 0.01 for share in zoo.card("mnist-dcgan-collapsed")["metrics"]["classes"]) >= 5


def test_the_card_s_shares_are_those_of_new_samples(digits):
    z = torch.randn(1000, 100, generator=torch.Generator().manual_seed(7))
    p = zoo.load("mnist-cnn")(images.eight_bit(gan.sample(digits, z))).softmax(1)
    metrics = zoo.card("mnist-dcgan")["metrics"]
    assert (p.amax(1) > 0.9).float().mean().item() == pytest.approx(metrics["above_0.9"], abs=0.05)
    for found, told in zip(torch.bincount(p.argmax(1), minlength=10) / 1000, metrics["classes"], strict=True):
        assert found.item() == pytest.approx(told, abs=0.04)
