"""The tab "GAN": sample a generator, and walk between its samples."""

from __future__ import annotations

import inspect

import gradio as gr
from PIL import Image

from core import gan, images, latent, runtime, zoo
from core.checks import choice, whole
from demos import files, ui

TITLE, NAME = "GAN", "gan"
DEFAULT = "mnist-dcgan"
QUESTION = "**Where does a picture come from that nobody took?** Draw points from a normal distribution; pin four; walk between them."
FORMULA = r"""
### The formulas
$$\min_G \max_D\ \ \mathbb{E}_{x}\big[\log D(x)\big] + \mathbb{E}_{z \sim \mathcal N(0, I)}\big[\log\big(1 - D(G(z))\big)\big]$$

The **discriminator** $D$ tells pictures from samples, the **generator** $G$ turns a point $z$ into a sample that $D$ takes for a picture.
Trained here with the non-saturating loss of $G$, $-\log D(G(z))$; the run that collapsed used the game as it stands above.
Where the game ends, $D = \tfrac12$ everywhere: it cannot tell any more. The digits' scores have come close to that.

$$\text{lerp:}\ (1-t)\,a + t\,b$$
$$\text{slerp:}\ \frac{\sin((1-t)\,\Omega)}{\sin\Omega}\,a + \frac{\sin(t\,\Omega)}{\sin\Omega}\,b$$
$$\cos\Omega = \frac{a \cdot b}{\|a\|\,\|b\|}$$

In $D$ dimensions $\|z\|$ is about $\sqrt D$ for nearly every sample: they lie on a thin shell, a **soap bubble**. Two samples are nearly
orthogonal, so the middle of the straight way has the norm $\sqrt{D/2}$, where no sample ever was; the great circle stays on the shell.
**Truncation** draws $z$ from the normal distribution cut off at $\pm c$: likelier pictures, fewer of them.
"""
REFERENCES = """
### References
Goodfellow et al., *Generative Adversarial Nets*, NeurIPS 2014 (arXiv:1406.2661) ·
Radford, Metz & Chintala, *Unsupervised Representation Learning with DCGANs*, ICLR 2016 (arXiv:1511.06434): the nets, the arithmetic ·
White, *Sampling Generative Networks*, 2016 (arXiv:1609.04468): slerp · Shoemake, *Animating Rotation with Quaternion Curves*, 1985 ·
Mescheder, Geiger & Nowozin, *Which Training Methods for GANs do actually Converge?*, ICML 2018 (arXiv:1801.04406): R1 ·
Brock, Donahue & Simonyan, *Large Scale GAN Training*, ICLR 2019 (arXiv:1809.11096): truncation
"""
MODELS = {"mnist-dcgan": "Digits", "frogs-dcgan": "Frogs", "faces-gan": "Faces"}
JUDGES = {"mnist-dcgan": ("mnist-cnn", "7"), "frogs-dcgan": ("cifar10-resnet", "frog"), "faces-gan": ("faces-attributes", "Smiling")}
RUNS = {"mnist-dcgan": "a run that went well", "mnist-dcgan-collapsed": "a run that collapsed"}
POINTS = ("@epoch1", "@epoch5", "@epoch10", "@epoch25", "")  # of each run: what is kept of it
SMILE = {  # smiling women, women and men who do not smile, in the eyes of `faces-attributes`
    "first": [f"0:{i}" for i in (33, 27, 66, 82, 95, 14, 38, 55, 71, 5)],
    "minus": [f"0:{i}" for i in (26, 96, 2, 81, 86, 1, 17, 47, 57, 97)],
    "plus": [f"0:{i}" for i in (83, 87, 88, 9, 54, 72, 61, 11, 89, 22)],
}
PRESETS = {  # name: (model, seed, truncation, what the figure is told)
    "Off the bubble": ("mnist-dcgan", 0, 4, {"view": "between", "pins": {"A": "0:31", "B": "0:15"}, "t": 0.5}),
    "Four faces, and all between": (
        "faces-gan",
        0,
        4,
        {"view": "corners", "pins": {"A": "0:33", "B": "0:84", "C": "0:4", "D": "0:53"}, "n": 9, "way": "slerp"},
    ),
    "Smiling woman − woman + man": ("faces-gan", 0, 4, {"view": "sums", "sets": SMILE}),
    "Watch it collapse": ("mnist-dcgan", 0, 4, {"view": "training", "run": "mnist-dcgan-collapsed"}),
}


def _net(model: str) -> object:
    return zoo.load(choice("model", model, zoo.GANS))


def _told(net: object, kind: str, z: object, x: object) -> dict:
    """What every report holds: the norms of the points, and the discriminator's score of each picture as it is shown."""
    size = list(x.shape[1:])
    return {"kind": kind, "model": net.name, "size": size, "norms": latent.norms(z), "scores": gan.scores(net, x)}


def gan_sample(model: str, n: int, seed: int, truncation: float) -> tuple[Image.Image, str, dict]:
    """n samples (1 to 100) of a seed, ten in a row, their z as .npy, and for each its point "seed:index", ||z|| and D(x)."""
    net = _net(model)
    z = latent.sheet(seed, truncation)[: whole("The number of samples", n, 1, latent.SHEET), : net.latent_dim]
    x = gan.sample(net, z)
    report = _told(net, "sample", z, x) | {"seed": seed, "truncation": truncation, "points": [f"{int(seed)}:{i}" for i in range(len(z))]}
    return images.to_image(images.tiles(x, 10)), files.kept("z.npy", latent.npy(z)), report


def gan_points(model: str, points: list, truncation: float) -> tuple[Image.Image, str, dict]:
    """The samples at points "seed:index" (or lists of numbers), side by side, as `gan_sample` gives them."""
    net = _net(model)
    z = latent.points("points", points, net.latent_dim, truncation)
    x = gan.sample(net, z)
    report = _told(net, "points", z, x) | {"truncation": truncation, "points": points}
    return images.to_image(images.tiles(x, len(x))), files.kept("z.npy", latent.npy(z)), report


def gan_find(model: str, label: str, n: int, seed: int, truncation: float) -> tuple[Image.Image, dict]:
    """Best of n (100 to 2,000): the five samples that a classifier is surest to show `label`, the best first, and their points."""
    net = _net(model)
    runtime.generator(seed)
    judge = next(judge for name, (judge, _) in JUDGES.items() if model.startswith(name))
    found = gan.find(net, zoo.load(judge), label, seed=seed, truncation=truncation, n=n)
    report = {"kind": "found", "model": model, "label": label, "n": n, "judge": judge, "truncation": truncation}
    report |= {"points": [one.point for one in found], "probabilities": [round(one.probability, 4) for one in found]}
    x = latent.stacked([one.picture for one in found])
    return images.to_image(images.tiles(x, len(x))), report | {"size": list(x.shape[1:]), "scores": gan.scores(net, x)}


def gan_interpolate(model: str, start: str, end: str, truncation: float, frames: int) -> tuple[Image.Image, str, str, dict]:
    """From one point to another: lerp in the upper row, slerp in the lower, both as a GIF that runs there and back, their z as .npy
    (2, frames, D), and for each frame ||z|| and D(x). `a` and `b` are the points, continued to 512 dimensions."""
    net = _net(model)
    a, b = (latent.point(name, given, net.latent_dim, truncation) for name, given in (("start", start), ("end", end)))
    ways = latent.between(a[: net.latent_dim], b[: net.latent_dim], frames)
    z = latent.joined(ways)
    x = gan.sample(net, z)
    count = len(x) // 2
    film = [images.to_image(images.tiles(x[[i, count + i]], 2)) for i in range(count)]
    report = _told(net, "between", z, x) | {"start": start, "end": end, "truncation": truncation, "frames": count}
    report |= {"a": latent.rounded(a), "b": latent.rounded(b), "dimensions": net.latent_dim}
    kept = (
        files.kept("between.gif", files.gif(film, 4 if film[0].height < 40 else 3)),
        files.kept("z.npy", latent.npy(z.view(2, count, -1))),
    )
    return images.to_image(images.tiles(x, count)), *kept, report


def gan_grid(model: str, a: str, b: str, c: str, d: str, truncation: float, n: int, way: str) -> tuple[Image.Image, str, dict]:
    """An n x n grid (3 to 15) with a, b, c, d at its corners: upper left, upper right, lower left, lower right. way: lerp or slerp."""
    net, n = _net(model), whole("n", n, 3, latent.MOST)
    corners = [latent.point(name, given, net.latent_dim, truncation) for name, given in zip("ABCD", (a, b, c, d), strict=True)]
    z = latent.grid(latent.stacked(corners)[:, : net.latent_dim], n, way=way)
    x = gan.sample(net, z.reshape(n * n, -1))
    report = {"kind": "corners", "model": model, "size": list(x.shape[1:]), "corners": [a, b, c, d], "truncation": truncation}
    return images.to_image(images.tiles(x, n)), files.kept("z.npy", latent.npy(z)), report | {"n": n, "way": way}


def gan_arithmetic(model: str, first: list, minus: list, plus: list, truncation: float, seed: int) -> tuple[Image.Image, str, dict]:
    """mean(first) - mean(minus) + mean(plus), each of 1 to 10 points: the pictures of the three means, of the result, and of 8 points
    around it (each coordinate moved by up to 0.25)."""
    net = _net(model)
    parts = [latent.points(name, given, net.latent_dim, truncation) for name, given in (("first", first), ("minus", minus), ("plus", plus))]
    z = latent.arithmetic(*parts)
    z = latent.joined([*(part.mean(0)[None] for part in parts), z[None], latent.around(z, 8, 0.25, runtime.generator(seed))])
    x = gan.sample(net, z)
    report = _told(net, "sums", z, x) | {"first": first, "minus": minus, "plus": plus, "truncation": truncation}
    return images.to_image(images.tiles(x, len(x))), files.kept("z.npy", latent.npy(z[3])), report


def gan_training(run: str, n: int, seed: int, truncation: float) -> tuple[Image.Image, dict]:
    """The same n points through five moments of a run, one sheet below the other; the losses of the whole run, and how often each digit
    was among 10,000 samples at each of these moments (measured by `python -m training.evaluate`)."""
    names = [choice("run", run, RUNS) + point for point in POINTS]
    count = whole("The number of samples", n, 1, latent.SHEET)
    z, nets, cards = latent.sheet(seed, truncation)[:count], [_net(name) for name in names], [zoo.card(name) for name in names]
    sheets = [images.tiles(gan.sample(net, z[:, : net.latent_dim]), 10) for net in nets]
    report = {"kind": "training", "run": run, "epochs": [card["epochs"] for card in cards], "n": count, "seed": seed, "size": [1, 28, 28]}
    report |= {"truncation": truncation, "curve": cards[-1]["curve"], "game": cards[-1]["recipe"]["game"]}
    return images.to_image(latent.joined(sheets, 1)), report | {"classes": [card["metrics"].get("classes") for card in cards]}


def gan_bubble() -> tuple[Image.Image, dict]:
    """How far 10,000 samples of N(0, I) lie from the origin in 1 to 512 dimensions: counts, high bytes left and low bytes right."""
    return images.to_image(latent.as_pixels(latent.bubble())), {"kind": "bubble", "bins": latent.BINS, "drawn": latent.DRAWN}


def settle(model: str) -> dict:
    """The classes that can be looked for among a model's samples."""
    judge, label = JUDGES[choice("model", model, MODELS)]
    return gr.update(choices=list(zoo.labels(judge)), value=label)


bubble = gr.cache(ui.computed(gan_bubble), max_size=1)


def build() -> ui.Built:
    """Lays out the tab, wires it, and names its controls for the address bar."""
    gr.Markdown(QUESTION, elem_classes="ff-question")
    with gr.Row(elem_classes="ff-figure-after-2"):
        with gr.Column(scale=3, min_width=290):
            model = ui.Radio([(title, name) for name, title in MODELS.items()], value=DEFAULT, label="Generator", elem_id="gan-model")
            seed = ui.Number(0, precision=0, label="Seed", elem_id="gan-seed")
            another = gr.Button("New samples", variant="primary", elem_id="gan-another")
            n = ui.Slider(1, latent.SHEET, 50, step=1, label="Samples", elem_id="gan-n")
            truncation = ui.Slider(*latent.TRUNCATION, 4, step=0.1, label="z cut off at ±", elem_id="gan-truncation")
            label = ui.Choice(list(zoo.labels("mnist-cnn")), value="7", label="Find me a", elem_id="gan-label")
            find = gr.Button("Best of 500", elem_id="gan-find")
            presets = ui.presets(PRESETS, NAME)
        with gr.Column(scale=8, min_width=320):
            figure = ui.component("gan", elem_id="gan-figure", runs=list(RUNS.items()))
    ui.reading(FORMULA, REFERENCES, ui.code_of(gan.discriminator_loss, gan.generator_loss, latent.slerp, latent.truncate), "core/")
    # what has no place on the page: what the figure asks, and the answers on their way to it
    asked = {name: gr.JSON(visible=False) for name in ("points", "between", "corners", "sums", "training", "bubble")}
    ticks = {name: gr.Number(0, visible=False) for name in ("sample", *asked)}
    texts = {name: ui.Choice([], visible=False, allow_custom_value=True) for name in ("start", "end", "a", "b", "c", "d", "way", "run")}
    lists = {name: gr.JSON(visible=False) for name in ("points", "first", "minus", "plus")}
    frames, rows, many = ui.Number(33, visible=False), ui.Number(7, visible=False), ui.Number(500, visible=False)
    common = {"model": model, "truncation": truncation}
    work = {  # what the figure triggers: (handler, its inputs beside the common ones, how many files it gives)
        "sample": (gan_sample, common | {"n": n, "seed": seed}, 1),
        "points": (gan_points, common | {"points": lists["points"]}, 1),
        "between": (gan_interpolate, common | {"start": texts["start"], "end": texts["end"], "frames": frames}, 2),
        "corners": (gan_grid, common | {name: texts[name] for name in ("a", "b", "c", "d", "way")} | {"n": rows}, 1),
        "sums": (gan_arithmetic, common | {name: lists[name] for name in ("first", "minus", "plus")} | {"seed": seed}, 1),
        "training": (gan_training, {"run": texts["run"], "n": n, "seed": seed, "truncation": truncation}, 0),
        "found": (gan_find, common | {"label": label, "n": many, "seed": seed}, 0),
        "bubble": (gan_bubble, {}, 0),
    }
    wishes = {
        "points": ["points"],
        "between": ["start", "end"],
        "corners": ["a", "b", "c", "d", "way", "n"],
        "sums": ["first", "minus", "plus"],
    }
    wishes |= {"training": ["run"], "bubble": []}
    for name, keys in wishes.items():
        controls = [rows if key == "n" else texts.get(key, lists.get(key)) for key in keys]
        js = f"(...old) => [...{ui.js(keys)}.map((key) => FoolForge.gan[key]), old.at(-1) + 1]"
        getattr(figure, name)(None, [*controls, ticks[name]], [*controls, ticks[name]], js=js, api_visibility="private")
    figure.seen(None, [ticks["sample"]], [ticks["sample"]], js="(tick) => tick + 1", api_visibility="private")
    another.click(None, [seed], [seed], js="(seed) => (Number(seed) + 1) % 4294967296", api_visibility="private")
    for name, (fn, inputs, given) in work.items():
        events = [find.click] if name == "found" else [ticks[name].change]
        if name == "sample":
            events += [model.change, truncation.change, n.change, seed.change]
        doorway = bubble if name == "bubble" else ui.computed(fn)
        inputs = {key: inputs[key] for key in inspect.signature(fn).parameters}  # the API gives them in this order
        outputs = [ui.Picture(visible=False), *(gr.File(visible=False) for _ in range(given)), gr.JSON(visible=False)]
        sent = ui.endpoint(events, doorway, inputs, outputs, weight=ui.LIGHT, public=name != "bubble")
        give = "(x, ...rest) => FoolForge.tell('gan', {x, files: rest.slice(0, -1), report: rest.at(-1)})"
        outputs[-1].change(None, outputs, None, js=give, api_visibility="private")
        for ended in (sent.success, sent.failure):
            ended(None, None, None, js=f"() => FoolForge.tell('idle', {ui.js(fn.__name__)})", api_visibility="private")
    ui.plumbing(model.change, settle, {"model": model}, [label])
    for button, (net, number, cut, wish) in zip(presets, PRESETS.values(), strict=True):
        js = f"() => {{ FoolForge.tell('gan-set', {ui.js(wish)}); return {ui.js([net, number, cut])}; }}"
        button.click(None, None, [model, seed, truncation], js=js, api_visibility="private")
    fields = [
        ui.Field("model", model, DEFAULT, ui.one_of(MODELS)),
        ui.Field("seed", seed, 0, ui.between(0, 2**32 - 1)),
        ui.Field("n", n, 50, ui.between(1, latent.SHEET)),
        ui.Field("truncation", truncation, 4, ui.real(*latent.TRUNCATION)),
    ]
    return ui.Built(fields, lambda trigger: None)  # it starts when it is first seen
