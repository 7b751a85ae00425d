"""Trains the GANs:  python -m training.gan [NAME ...] [--epochs N]     (no name: all of them, one after the other)

Alternating steps of Adam on `core.gan.discriminator_loss` and `core.gan.generator_loss`, one after the other on the same samples.
The shipped generator is an exponential average of the trained one. The convolutions run in bfloat16 where that is faster, the losses in
float32. Both losses are written to the card, and the nets at each of the recipe's points to a file of its own, NAME@epochN: the epoch is
that of a training of 50, its card tells the true one.
`--full` trains the frogs with the textbook's widths (31 GFLOP a picture) as `frogs-dcgan-full`. Checkpoints and sheets go to runs/.
"""

from __future__ import annotations

import argparse
import copy
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from core import gan, images, zoo
from training import cards, data, precision

RUNS = Path(__file__).resolve().parent.parent / "runs"
SHEET = 100  # samples of the same z, drawn after every epoch
ROWS = 100  # of the loss curves in a card


@dataclass(frozen=True)
class Recipe:
    """One training. pictures: of `data.pictures_of`; rates: of generator and discriminator; flips: half of the pictures mirrored.

    game, smoothing, noise: of the losses. penalty: gamma of R1, in every `lazy`-th step, `lazy` times as strong.
    decay: of the exponential average, 0 for none. falls: from which share of the training on the rates fall to 0.
    generator_steps: of the generator for one of the discriminator.
    sound: the share of the training, its beginning, that is played as `mnist-dcgan` is.
    points: what is saved on the way: NAME@epochN, when the share N / of of the training is done.
    """

    pictures: str
    epochs: int
    batch: int = 128
    rates: tuple[float, float] = (2e-4, 2e-4)
    betas: tuple[float, float] = (0.0, 0.99)
    game: str = "non-saturating"
    smoothing: float = 0.0
    noise: float = 0.0
    penalty: float = 0.0
    lazy: int = 8
    flips: bool = False
    decay: float = 0.999
    falls: float = 0.5
    generator_steps: int = 1
    points: tuple[int, ...] = ()
    of: int = 50
    sound: float = 0.0


RECIPES = {
    "mnist-dcgan": Recipe("mnist", 30, 64, (1e-3, 1e-3), penalty=0.4, decay=0.9993, points=(1, 5, 10, 25)),
    # the generator far ahead of a discriminator that hardly learns: it finds one picture that passes, then the next
    "mnist-dcgan-collapsed": Recipe(
        pictures="mnist",
        epochs=4,
        batch=64,
        rates=(1e-3, 1e-4),
        betas=(0.5, 0.99),
        game="minimax",
        decay=0,
        falls=1,
        generator_steps=3,
        points=(1, 5, 10, 25),
        sound=0.25,
    ),
    "faces-gan": Recipe("faces", 10, batch=32, rates=(5e-4, 5e-4), penalty=0.1, flips=True, decay=0.9993),
    "frogs-dcgan": Recipe("frogs", 75, 32, (1e-3, 1e-3), penalty=0.1, flips=True, decay=0.998),
}
TEXTBOOK = Recipe("frogs", 40, 20, (4e-4, 4e-4), betas=(0.5, 0.999), noise=0.05, decay=0)  # with --full


def initialise(net: nn.Module, *, slope: float | None) -> None:
    """N(0, 0.02) as the DCGAN paper; with `slope`, of leaky ReLUs and no normalisation, He's variance instead (arXiv:1502.01852)."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            if slope is None:
                nn.init.normal_(module.weight, 0, 0.02)
            else:
                nn.init.kaiming_normal_(module.weight, slope)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def nets(name: str) -> gan.Gan:
    """Both nets of a row, freshly initialised."""
    pair = zoo.MODELS[name].build()
    if not name.endswith("-full"):  # the textbook keeps its library's start
        initialise(pair.generator, slope=None)
        initialise(pair.discriminator, slope=0.2)
    return pair.to(memory_format=torch.channels_last)


class Average:
    """The exponential average of a net: its weights and its batch norms' statistics."""

    def __init__(self, net: nn.Module, decay: float) -> None:
        self.net, self.decay, self.steps = copy.deepcopy(net).requires_grad_(False), decay, 0

    def follow(self, net: nn.Module) -> None:
        self.steps += 1
        decay = min(self.decay, self.steps / (self.steps + 10))
        pairs = [(a, b) for a, b in zip(self.net.state_dict().values(), net.state_dict().values(), strict=True) if a.is_floating_point()]
        torch._foreach_lerp_([a for a, _ in pairs], [b for _, b in pairs], 1 - decay)


def train(name: str, recipe: Recipe, seed: int) -> None:
    """Trains from the last checkpoint on; writes weights and cards at every point of the recipe and at the end."""
    torch.manual_seed(seed)
    noise = torch.Generator().manual_seed(seed)
    pictures, told = data.pictures_of(recipe.pictures)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    pair = nets(name).to(device)
    G, D = pair.generator, pair.discriminator
    average = Average(G, recipe.decay)
    optimisers = [
        torch.optim.Adam(net.parameters(), rate, recipe.betas, fused=True) for net, rate in zip((G, D), recipe.rates, strict=True)
    ]
    fixed = torch.randn(SHEET, G.latent_dim, generator=torch.Generator().manual_seed(seed)).to(device)
    checkpoint, first, step, curve, spent = RUNS / f"{name}-{recipe.epochs}.pt", 0, 0, [], 0.0
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        for part, key in ((pair, "pair"), (average.net, "average"), (optimisers[0], "adam_g"), (optimisers[1], "adam_d")):
            part.load_state_dict(saved[key])
        noise.set_state(saved["noise"])
        first, step, curve, spent, average.steps = (saved[key] for key in ("epoch", "step", "curve", "spent", "followed"))
    per_epoch = len(pictures) // recipe.batch
    total = per_epoch * recipe.epochs
    every = max(1, total // ROWS)
    points = {round(point / recipe.of * total): point for point in recipe.points}

    def draw() -> Tensor:
        return torch.randn(recipe.batch, G.latent_dim, generator=noise).to(device)

    window: list[Tensor] = []
    for epoch in range(first, recipe.epochs):
        start = time.time()
        for chosen in torch.randperm(len(pictures), generator=noise)[: per_epoch * recipe.batch].split(recipe.batch):
            now = RECIPES["mnist-dcgan"] if step < recipe.sound * total else recipe
            share = min(1.0, (1 - step / total) / (1 - recipe.falls)) if recipe.falls < 1 else 1.0
            for optimiser, rate in zip(optimisers, now.rates, strict=True):
                optimiser.param_groups[0]["lr"] = rate * max(share, 0.02)
            x = pictures[chosen].to(device).float() / 255
            if recipe.flips:
                mirrored = torch.rand(len(x), generator=noise).to(device) < 0.5
                x = torch.where(mirrored[:, None, None, None], x.flip(3), x)
            x = x.contiguous(memory_format=torch.channels_last)

            with precision.autocast(device.type):
                fake = G(draw())
            with precision.autocast(device.type):
                real_logits, fake_logits = D(x), D(fake.detach())
            knobs = {"smoothing": now.smoothing, "noise": now.noise, "generator": noise}
            d_loss = gan.discriminator_loss(real_logits.float(), fake_logits.float(), **knobs)
            d_whole = d_loss
            if now.penalty and step % now.lazy == 0:
                with precision.autocast(device.type):
                    d_whole = d_loss + now.penalty / 2 * now.lazy * gan.r1(D, x).float()
            optimisers[1].zero_grad(set_to_none=True)
            d_whole.backward()
            optimisers[1].step()

            D.requires_grad_(False)
            for again in range(now.generator_steps):
                with precision.autocast(device.type):
                    logits = D(fake if again == 0 else G(draw()))
                g_loss = gan.generator_loss(logits.float(), game=now.game)
                optimisers[0].zero_grad(set_to_none=True)
                g_loss.backward()
                optimisers[0].step()
            D.requires_grad_(True)

            average.follow(G)
            step += 1
            # the curve tells the non-saturating loss whatever the game, so that two runs can be compared
            told_g = gan.generator_loss(logits.detach().float())
            window.append(torch.stack([d_loss.detach(), told_g]))
            if step % every == 0:
                d_mean, g_mean = torch.stack(window).mean(0).tolist()
                row = {"epoch": round(step / per_epoch, 2), "discriminator": round(d_mean, 3), "generator": round(g_mean, 3)}
                curve.append(row)
                window.clear()
            if step in points:
                done = round(step / per_epoch, 2)
                finish(f"{name}@epoch{points[step]}", recipe, seed, average.net, D, done, curve, told, spent + time.time() - start)
            if step % 50 == 0:
                print(f"  {step}/{total} d {d_loss.item():.3f} g {told_g.item():.3f} {time.time() - start:.0f}s", flush=True)
        spent += time.time() - start
        print(name, "epoch", epoch + 1, curve[-1] if curve else "", f"{time.time() - start:.1f}s", flush=True)
        sheet(average.net, fixed, RUNS / f"{name}-{epoch + 1:03}.png")
        state = {"pair": pair.state_dict(), "average": average.net.state_dict(), "adam_g": optimisers[0].state_dict(), "step": step}
        state |= {"adam_d": optimisers[1].state_dict(), "noise": noise.get_state(), "epoch": epoch + 1, "curve": curve, "spent": spent}
        torch.save(state | {"followed": average.steps}, checkpoint)
    finish(name, recipe, seed, average.net, D, recipe.epochs, curve, told, spent)


@torch.no_grad()
def sheet(net: gan.Generator, z: Tensor, path: Path) -> None:
    """Writes the samples of the fixed z, ten in a row."""
    images.to_image(images.tiles(net.eval()(z).float().cpu(), 10)).save(path)


def finish(name: str, recipe: Recipe, seed: int, G: nn.Module, D: nn.Module, epochs: float, curve: list, told: str, spent: float) -> None:
    """Writes generator and discriminator, and their card; the quality is measured by `python -m training.evaluate`."""
    base = name.partition("@")[0]
    again = f"{base.removesuffix('-full')} --full" if base.endswith("-full") else base
    pair = zoo.MODELS[base].build()
    pair.generator.load_state_dict({k: v.cpu() for k, v in G.state_dict().items()})
    pair.discriminator.load_state_dict({k: v.cpu() for k, v in D.state_dict().items()})
    cards.write(
        name,
        pair.float(),
        remake=f"python -m training.gan {again} --epochs {recipe.epochs} --seed {seed}",
        architecture=ARCHITECTURES[base],
        data=told,
        epochs=epochs,
        metrics={},
        recipe={key: value for key, value in vars(recipe).items() if key != "points"},
        weights_of_generator=sum(p.numel() for p in pair.generator.parameters()),
        minutes=round(spent / 60, 1),
        note=f"a snapshot's name tells which epoch of {recipe.of} it stands for; this training was planned for {recipe.epochs} epochs",
        curve=curve,
    )


ARCHITECTURES = {
    "mnist-dcgan": "core.gan.Gan(mnist_dcgan(), mnist_discriminator())",
    "mnist-dcgan-collapsed": "core.gan.Gan(mnist_dcgan(width=32), mnist_discriminator(16))",
    "faces-gan": "core.gan.Gan(faces_gan(), faces_discriminator())",
    "frogs-dcgan": "core.gan.Gan(frogs_light(), frogs_light_discriminator())",
    "frogs-dcgan-full": "core.gan.Gan(frogs_dcgan(), frogs_discriminator())",
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", help=f"any of: {', '.join(RECIPES)}")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, help="another length of the training than the recipe's")
    parser.add_argument("--full", action="store_true", help="frogs: the textbook's widths")
    parser.add_argument("--game", choices=gan.GAMES, help="another loss of the generator")
    parser.add_argument("--smoothing", type=float, help="one-sided smoothing of the targets, 0 to 0.5")
    parser.add_argument("--noise", type=float, help="noise on the targets, 0 to 0.5")
    options = parser.parse_args()
    RUNS.mkdir(exist_ok=True)
    given = {key: getattr(options, key) for key in ("epochs", "game", "smoothing", "noise")}
    changes = {key: value for key, value in given.items() if value is not None}
    for name in options.names or RECIPES:
        full = options.full and name == "frogs-dcgan"
        train(f"{name}-full" if full else name, replace(TEXTBOOK if full else RECIPES[name], **changes), options.seed)


if __name__ == "__main__":
    main()
