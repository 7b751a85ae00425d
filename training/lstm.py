"""Trains a character LSTM:  python -m training.lstm nietzsche|shakespeare|shahnameh [--epochs N] [--seed 0]

Truncated back-propagation through time: B streams of the text side by side, T characters an update, the state carried over. AdamW at a
constant rate after a short warm-up, then a linear fall to zero over the last part, so that a training can be lengthened until the fall
begins, or cut by calling for fewer epochs; the products are in bfloat16 where that is faster, the weights in single precision. Dropout:
whole embeddings, one mask per stream and update between the layers (Gal & Ghahramani 2016, arXiv:1512.05287), DropConnect on the recurrent
weights (Merity et al. 2018, arXiv:1708.02182). The last tenth of the corpus is held out. Three points of training are kept, at 1/60, 1/3
and all of it: what a training of 60 epochs has after epochs 1, 20 and 60.
Checkpoints go to runs/; the same command goes on from the last.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from core import copied
from core.text import CORPORA, CharLSTM, char_lstm, choose, stepper
from training import cards, data, ngram, precision

RUNS = Path(__file__).resolve().parent.parent / "runs"
POINTS = {"@epoch1": 1 / 60, "@epoch20": 1 / 3, "": 1.0}
FALL = 0.6  # the share of the training over which the rate falls to zero
WARM_UP = 40  # updates
TEMPERATURES, TEXTS, LENGTH = (0.1, 0.2, 0.35, 0.5, 0.7, 0.85, 1.0, 1.25, 1.5, 2.0), 4, 500  # of the sweep
DECAY = 0.995  # of the running average of the weights
RECIPES = {  # epochs; B streams; T characters; rate; dropout: of embeddings, between layers, before the read-out, of recurrent weights
    "nietzsche": {"epochs": 40, "B": 32, "T": 64, "rate": 6e-3, "drop": (0.05, 0.3, 0.3, 0.25), "weight_decay": 0.02},
    "shakespeare": {"epochs": 14, "B": 32, "T": 64, "rate": 6e-3, "drop": (0.0, 0.15, 0.2, 0.1), "weight_decay": 0.02},
    "shahnameh": {"epochs": 2.2, "B": 32, "T": 64, "rate": 6e-3, "drop": (0.0, 0.05, 0.05, 0.0), "weight_decay": 0.02},
}


def mask(like: Tensor, shape: tuple[int, ...], p: float) -> Tensor:
    """0 with probability p, else 1 / (1 - p)."""
    return torch.empty(shape, dtype=like.dtype).bernoulli_(1 - p).div_(1 - p)


def noisy_forward(net: CharLSTM, ids: Tensor, state: list[tuple[Tensor, Tensor]] | None, drop: tuple[float, ...]) -> tuple[Tensor, list]:
    """The net's forward with dropout. Without it (all zero) it gives what net(ids, state) gives."""
    embedded, between, last, recurrent = drop
    B, H, new = len(ids), net.lstm.hidden_size, []
    x = F.embedding(ids, net.embedding.weight * mask(net.embedding.weight, (len(net.vocabulary), 1), embedded))
    for layer in range(net.lstm.num_layers):
        W, U, b, b_u = (getattr(net.lstm, f"{name}_l{layer}") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
        h, c = state[layer] if state else (torch.zeros(1, B, H, dtype=x.dtype), torch.zeros(1, B, H, dtype=x.dtype))
        x, h, c = torch.lstm(x, (h, c), [W, U * mask(U, U.shape, recurrent), b, b_u], True, 1, 0.0, True, False, True)
        new.append((h.detach(), c.detach()))
        x = x * mask(x, (B, 1, H), last if layer == net.lstm.num_layers - 1 else between)
    return net.read_out(x), new


@torch.no_grad()
def bits(net: nn.Module, ids: Tensor, streams: int = 16) -> float:
    """Bits per character of a text, read in `streams` parts side by side, each from an empty state."""
    parts = ids[: len(ids) // streams * streams].view(streams, -1)
    state, nats = None, 0.0
    for x, y in zip(parts[:, :-1].split(500, 1), parts[:, 1:].split(500, 1), strict=True):
        logits, state = net(x, state)
        nats += F.cross_entropy(logits.flatten(0, 1), y.flatten(), reduction="sum").item()
    return nats / parts[:, 1:].numel() / math.log(2)


def rate_at(update: int, total: int) -> float:
    """The share of the full rate: a rise over WARM_UP updates, constant, a linear fall to zero."""
    return min(1.0, (update + 1) / WARM_UP, (total - update) / (FALL * total))


def rounded(weights: dict[str, Tensor], corpus: str) -> CharLSTM:
    """The net as it is shipped: its weights through half precision."""
    net = char_lstm(corpus)
    net.load_state_dict({name: value.half().float() for name, value in weights.items()})
    return net.eval().requires_grad_(False)


def ship(
    corpus: str, point: str, weights: dict[str, Tensor], held_out: Tensor, seen: float, options: argparse.Namespace, curve: list
) -> float:
    """Writes one point of training and its card; returns its bits per character on the held-out text."""
    net = rounded(weights, corpus)
    measured = bits(net, held_out, streams=4)
    cards.write(
        f"{corpus}-lstm{point}",
        net,
        remake=f"python -m training.lstm {corpus} --epochs {options.epochs} --seed {options.seed}",
        architecture="core.text.char_lstm",
        data=data.TEXTS[corpus].told,
        epochs=seen,
        metrics={"held_out_bits_per_character": round(measured, 4), "held_out_characters": len(held_out)},
        recipe={name: value for name, value in vars(options).items() if name not in ("corpus", "probe", "minutes", "measure")},
        curve=curve,
    )
    return measured


def sweep(net: CharLSTM, corpus: str) -> dict:
    """Share of dictionary words and longest copied run (exact) of texts written at each temperature, mean over TEXTS texts."""
    step, training, index, points = stepper(net), data.text(corpus)[0], copied.index(corpus, cards.WEIGHTS), []
    rows = [(T, torch.Generator().manual_seed(seed)) for T in TEMPERATURES for seed in range(TEXTS)]
    prompt, state = CORPORA[corpus].prompt, step.start(len(rows))
    for character in prompt:
        logits, state = step(torch.full((len(rows),), net.vocabulary.index(character)), state)
    written, costs = [""] * len(rows), [0.0] * len(rows)
    for _ in range(LENGTH):
        places = []
        for row, (T, generator) in enumerate(rows):
            u = float(torch.rand((), generator=generator, dtype=torch.float64))
            place, chosen = choose(logits[row], net.vocabulary, u, temperature=T)
            written[row], costs[row] = written[row] + chosen.char, costs[row] - math.log2(chosen.p)
            places.append(place)
        logits, state = step(torch.tensor(places), state)
    for k, T in enumerate(TEMPERATURES):
        texts, spent = (part[k * TEXTS : (k + 1) * TEXTS] for part in (written, costs))
        share = sum(copied.word_share(text, index, inside=prompt[-1].isalpha())[0] for text in texts) / TEXTS
        run = sum(copied.exactly(text, training).low for text in texts) / TEXTS
        point = {"temperature": T, "word_share": round(share, 4), "copied": round(run, 2)}
        points.append(point | {"bits_per_character": round(sum(spent) / TEXTS / LENGTH, 4)})
    return {"texts": TEXTS, "length": LENGTH, "prompt": prompt, "points": points}


def measure(corpus: str) -> None:
    """Adds to the cards of a corpus' nets what is measured on the finished weights: the sweep, and what an n-gram of order 5 reaches."""
    order_5 = ngram.bits(*data.text(corpus), len(CORPORA[corpus].vocabulary))
    for point in POINTS:
        path = cards.WEIGHTS / f"{corpus}-lstm{point}.json"
        card = json.loads(path.read_text(encoding="utf-8"))
        weights = {name: value.float() for name, value in load_file(path.with_suffix(".safetensors")).items()}
        card["metrics"]["order_5_back_off_bits_per_character"] = round(order_5, 4)
        card["sweep"] = sweep(rounded(weights, corpus), corpus)
        path.write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        print(f"{path.name}: order 5 {order_5:.4f}; {card['sweep']['points']}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", choices=CORPORA)
    parser.add_argument("--seed", type=int, default=0)
    for name, kind in (("epochs", float), ("B", int), ("T", int), ("rate", float), ("weight_decay", float)):
        parser.add_argument(f"--{name}", type=kind)
    parser.add_argument("--drop", type=float, nargs=4)
    parser.add_argument("--probe", type=int, default=0, help="stop after so many updates, write nothing")
    parser.add_argument("--measure", action="store_true", help="do not train: only add the measures to the cards")
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop after so long; the same command goes on from there")
    options = parser.parse_args()
    for name, value in RECIPES[options.corpus].items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    if options.measure:
        measure(options.corpus)
    else:
        train(options)


def train(options: argparse.Namespace) -> None:
    """Trains, from the last checkpoint on, and writes the points of training as it comes to them."""
    torch.manual_seed(options.seed)
    corpus, B, T = options.corpus, options.B, options.T
    text, held_text = data.text(corpus)
    ids, held_out = data.ids(text, corpus), data.ids(held_text, corpus)
    per_epoch = (len(ids) // B - 1) // T
    total = round(options.epochs * per_epoch)
    points = {point: max(1, round(share * total)) for point, share in POINTS.items()}
    net = char_lstm(corpus)
    with torch.no_grad():
        for layer in range(net.lstm.num_layers):  # remember at first (Jozefowicz et al. 2015): the forget gate stands open
            getattr(net.lstm, f"bias_ih_l{layer}").chunk(4)[1].fill_(1.0)
    mean = {name: value.clone() for name, value in net.state_dict().items()}
    optimiser = torch.optim.AdamW(net.parameters(), options.rate, betas=(0.9, 0.99), weight_decay=options.weight_decay)
    update, curve, losses, spent, checkpoint = 0, [], [], 0.0, RUNS / f"{corpus}-lstm.pt"
    if checkpoint.exists() and not options.probe:
        saved = torch.load(checkpoint, weights_only=True)
        net.load_state_dict(saved["net"])
        optimiser.load_state_dict(saved["optimiser"])
        mean, update, curve, spent = saved["mean"], saved["update"], saved["curve"], saved["spent"]
    state, streams, started, stored = None, None, time.process_time(), time.time()
    until = time.time() + 60 * options.minutes
    while update < (options.probe or total):
        epoch, place = divmod(update, per_epoch)
        if streams is None or place == 0:  # each epoch the text is cut elsewhere
            offset = int(torch.randint(len(ids), (), generator=torch.Generator().manual_seed(1000 * options.seed + epoch)))
            streams, state = ids.roll(-offset)[: len(ids) // B * B].view(B, -1), None
            net.train()
        x, y = (streams[:, place * T + shift : (place + 1) * T + shift] for shift in (0, 1))
        with precision.autocast("cpu"):
            logits, state = noisy_forward(net, x, state, options.drop)
        loss = F.cross_entropy(logits.float().flatten(0, 1), y.flatten())
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        for group in optimiser.param_groups:
            group["lr"] = options.rate * rate_at(update, total)
        optimiser.step()
        update += 1
        losses.append(loss.item() / math.log(2))
        keep = min(DECAY, update / (update + 10))
        with torch.no_grad():
            for name, value in net.state_dict().items():
                mean[name].lerp_(value, 1 - keep)
        marks, over = [options.probe] if options.probe else [*points.values(), total], time.time() > until
        if update in marks or (not options.probe and (place + 1 == per_epoch or time.time() - stored > 240 or over)):
            entry = {"epoch": round(update / per_epoch, 2), "train": round(sum(losses) / len(losses), 4)}
            entry |= {"held_out": round(bits(rounded(mean, corpus), held_out), 4)}
            curve.append(entry)
            losses = []
            seconds = spent + time.process_time() - started
            print(json.dumps(entry), f"{update}/{total} {seconds:.0f}s", flush=True)
            if options.probe:
                continue
            for point, at in points.items():
                if update == at or (update < at and time.time() > until):  # cut short: what there is stands for what is to come
                    print(
                        f"{corpus}-lstm{point}:",
                        ship(corpus, point, mean, held_out, round(update / per_epoch, 2), options, curve),
                        flush=True,
                    )
            torch.save(
                {"net": net.state_dict(), "optimiser": optimiser.state_dict(), "mean": mean}
                | {"update": update, "curve": curve, "spent": seconds},
                checkpoint,
            )
            stored = time.time()
            if over:
                return
    if not options.probe:
        measure(corpus)
    print("over", flush=True)


if __name__ == "__main__":
    main()
