"""Character-level language models: the net, its temperature, and text that is written one character at a time.

What a text is drawn with does not depend on who else is writing: `Stepper` multiplies with the weights in half precision, as they are
stored, and adds up in single precision in one fixed order for every row of a batch; each row's probabilities are then worked out alone,
in double precision.
"""

from __future__ import annotations

import base64
import math
import unicodedata
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from core.checks import UserError, choice, number, shown, whole

State = tuple[Tensor, Tensor]
Rows = tuple[np.ndarray, np.ndarray]
LENGTH = (1, 2000)  # characters that one call writes
KEPT = 2000  # characters of a prompt that the net reads: the last ones


@dataclass(frozen=True)
class Corpus:
    """A text that nets were trained on.   vocabulary: its characters in code-point order, the net's classes.   rtl: written right to left.

    prompt: what a page offers to begin with.   fold: how other characters are written in this corpus.
    """

    title: str
    vocabulary: str
    hidden: int
    prompt: str
    fold: dict[str, str]
    rtl: bool = False


QUOTES = {"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2013": "-", "\u2014": "--", "\u2026": "...", "\t": " ", "\r": ""}
ARABIC = {"\u064a": "ی", "\u0649": "ی", "\u0643": "ک", "\u0629": "ه", "\u06c0": "ه\u0654", "\u200c": "", "\u200f": "", "\r": "", "\t": " "}
CORPORA = {
    "nietzsche": Corpus(
        "Nietzsche",
        "\n !\"'(),-.0123456789:;=?[]_abcdefghijklmnopqrstuvwxyzäæéë",
        384,
        "new faculty, and the jubilation reached its climax when kant",
        QUOTES,
    ),
    "shakespeare": Corpus(
        "Shakespeare",
        "\n !$&',-.3:;?ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
        384,
        "ROMEO:\nBut, soft! what light through yonder",
        QUOTES | {"\u201c": "'", "\u201d": "'", '"': "'"},
    ),
    "shahnameh": Corpus(
        "شاهنامه",
        "\n آأؤئابتثجحخدذرزسشصضطظعغفقلمنهو\u064e\u064f\u0650\u0651\u0652\u0654پچژکگی",
        384,
        "به نام خداوند جان و خرد\n",
        ARABIC,
        rtl=True,
    ),
}
POINTS = {"1": "@epoch1", "20": "@epoch20", "60": ""}  # of a training as long as 60 epochs: the ending of the net's name in the zoo


class CharLSTM(nn.Module):
    """Embedding, two LSTM layers (Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000), a linear read-out.

    (ids (B, T) int64, state | None) -> (logits (B, T, V), state).   state: (h, c), each (2, B, H); None is all zeros.
    vocabulary: V characters; class k is vocabulary[k].
    """

    def __init__(self, vocabulary: str, hidden: int, embedding: int = 64):
        super().__init__()
        self.vocabulary = vocabulary
        self.embedding = nn.Embedding(len(vocabulary), embedding)
        self.lstm = nn.LSTM(embedding, hidden, num_layers=2, batch_first=True)
        self.read_out = nn.Linear(hidden, len(vocabulary))

    def forward(self, ids: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        h, state = self.lstm(self.embedding(ids), state)
        return self.read_out(h), state


def char_lstm(corpus: str) -> CharLSTM:
    """The untrained net of a corpus."""
    return CharLSTM(CORPORA[corpus].vocabulary, CORPORA[corpus].hidden)


def reweight(p: Tensor | np.ndarray, temperature: float) -> Tensor | np.ndarray:
    """Sharpens (temperature below 1) or flattens (above 1) a distribution.

        q_i = exp(log p_i / T) / sum_j exp(log p_j / T)

    p: (..., K) probabilities, also unnormalised; what is 0 stays 0.   temperature: T >= 0. T = 1 gives p; for T -> 0 all the mass goes to
    the likeliest (shared, should several be likeliest); for T -> infinity every class with p > 0 gets the same.
    Returns q like p, worked out in double precision. Raises UserError for T < 0 or NaN, for p with a negative, infinite or missing number,
    or without any mass.
    """
    if isinstance(p, Tensor):
        return torch.from_numpy(reweight(p.detach().cpu().double().numpy(), temperature)).to(p if p.is_floating_point() else "cpu")
    T, p = _temperature(temperature), np.asarray(p, dtype=np.float64)
    top = p.max(-1, keepdims=True)
    if not (p.min() >= 0 and top.min() > 0 and top.max() < math.inf):  # NaN is caught too
        raise UserError("The probabilities must be numbers from 0 up, and not all of them 0.")
    with np.errstate(divide="ignore"):
        return _sharpened(np.log(p), T)


def _sharpened(log_p: np.ndarray, T: float) -> np.ndarray:
    """`reweight`, of logarithms."""
    below = log_p - log_p.max(-1, keepdims=True)  # the largest is 0: nothing can overflow
    if 1e-3 < T < math.inf:
        q = np.exp(below / T)
    else:
        with np.errstate(all="ignore"):
            q = np.exp(below / T)
        q[below == 0], q[below == -math.inf] = 1.0, 0.0  # also where T makes it 0 / 0 or inf / inf
    return q / q.sum(-1, keepdims=True)


def top_k(p: np.ndarray, k: int) -> np.ndarray:
    """Keeps the k likeliest of p (K,), renormalised (Fan, Lewis & Dauphin 2018, arXiv:1805.04833). Of equals the earlier class stays.

    UserError unless k is a whole number from 1; a k above K keeps all.
    """
    order = np.argsort(-p, kind="stable")
    kept = p.copy()
    kept[order[whole("top-k", k, 1, 10**6) :]] = 0
    return kept / kept.sum()


def top_p(p: np.ndarray, share: float) -> np.ndarray:
    """Nucleus sampling (Holtzman et al. 2020, arXiv:1904.09751): the smallest set of likeliest classes whose mass is at least `share`.

    p: (K,), adding up to 1.   share: in (0, 1]; UserError otherwise. Returns the set's probabilities, renormalised; one class stays.
    """
    if number("top-p", share, 0, 1) == 0:
        raise UserError("top-p was 0; give a number above 0, at most 1.")
    order = np.argsort(-p, kind="stable")
    before = np.cumsum(p[order]) - p[order]
    kept = p.copy()
    kept[order[before >= share - 1e-12]] = 0  # the mass before it reaches the share already
    return kept / kept.sum()


def draw(q: np.ndarray, u: float) -> int:
    """The class at which the running sum of q (K,) first exceeds u of its total; u in [0, 1). Never a class of probability 0."""
    running = q.cumsum()
    place = int(running.searchsorted(u * running[-1], side="right"))
    return place if place < len(q) else int(q.nonzero()[0][-1])


@dataclass(frozen=True)
class Step:
    """One written character.

    logits: (V,) the net's answer, from which it was drawn.   p: its probability for the net itself, at temperature 1 and uncut.
    entropy: of the net's own distribution, in bits. So -log2 p is what the character cost, and entropy what was to be expected.
    """

    char: str
    logits: Tensor
    p: float
    entropy: float


def choose(
    logits: Tensor, vocabulary: str, u: float, *, temperature: float = 1.0, k: int | None = None, share: float | None = None
) -> tuple[int, Step]:
    """Draws the next character: softmax, temperature, top-k, top-p in this order, then `draw`. Returns its class and the Step."""
    log_p = log_softmax(logits)
    p, q = np.exp(log_p), shaped(log_p, temperature, k, share)
    place = draw(q, u)
    return place, Step(vocabulary[place], logits, float(p[place]), float(-(p @ log_p) / math.log(2)))


def log_softmax(logits: Tensor) -> np.ndarray:
    """Natural logarithms of the probabilities, (..., V) in double precision."""
    z = logits.numpy().astype(np.float64)
    below = z - z.max(-1, keepdims=True)
    return below - np.log(np.exp(below).sum(-1, keepdims=True))


def shaped(log_p: np.ndarray, temperature: float, k: int | None = None, share: float | None = None) -> np.ndarray:
    """What is drawn from: p (V,), given by its logarithms, after `reweight`, top-k and top-p, in this order."""
    q = _sharpened(log_p, _temperature(temperature))
    q = q if k is None else top_k(q, k)
    return q if share is None else top_p(q, share)


NATS = 24.0  # as `packed` tells a log probability: e^-24 is the least that is told, 0.02 % the largest error of p


def packed(logits: list[Tensor]) -> str:
    """Log probabilities of N logits (V,), for the browser: base64 of little-endian uint16, round(65535 * -log p / NATS), a row per
    character, filled up to 6 bytes, so that the codes of two texts in a row are the code of the two in one."""
    costs = np.minimum(-log_softmax(torch.stack(logits)) / NATS, 1)
    rows = np.zeros((len(logits), -(-costs.shape[1] // 3) * 3), "<u2")
    rows[:, : costs.shape[1]] = (costs * 65535).round()
    return base64.b64encode(rows.tobytes()).decode()


def generate(
    model: CharLSTM,
    prompt: str,
    *,
    temperature: float | Callable[[], float] = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    length: int,
    generator: torch.Generator,
) -> Iterator[Step]:
    """Writes `length` characters after the prompt, one Step each. The state (h, c) is carried: a character costs one step of the net.

    prompt: its last 2,000 characters are read; an empty one counts as a new line. All must be in model.vocabulary (see `readable`).
    temperature: T >= 0, 0 is greedy; or a function without arguments, asked before each character, so that a hand can move it meanwhile.
    top_k, top_p: None leaves them out.   length: 1 ... 2,000.   generator: on the CPU; `length` numbers of it are used up.
    Raises UserError, at the call, for anything else.
    """
    ask = temperature if callable(temperature) else lambda: temperature
    ids, k, share, length = checked(model, prompt, "", ask(), top_k, top_p, length)
    return _generate(stepper(model), ids, ask, k, share, length, generator)


def _generate(
    step: Stepper, ids: list[int], ask: Callable, k: int | None, share: float | None, length: int, generator: torch.Generator
) -> Iterator[Step]:
    state = step.start(1)
    for place in ids:
        logits, state = step([place], state)
    for u in torch.rand(length, generator=generator, dtype=torch.float64).tolist():
        place, written = choose(logits[0], step.vocabulary, u, temperature=ask(), k=k, share=share)
        yield written
        logits, state = step([place], state)


def checked(
    model: CharLSTM, prompt: str, written: str, temperature: float, k: int | None, share: float | None, length: int
) -> tuple[list[int], int | None, float | None, int]:
    """What `generate` and `core.writers.write` are given, checked: the classes that the net reads first, k, share and length."""
    context = ((prompt[-KEPT:] or "\n") + written)[-2 * KEPT :]
    ids = [model.vocabulary.find(character) for character in context]
    if -1 in ids:
        raise UserError(f"The net has no character {name_of(context[ids.index(-1)])}; leave it out (core.text.readable does).")
    _temperature(temperature)
    one = np.ones(1)
    if k is not None:
        top_k(one, k)
    if share is not None:
        top_p(one, share)
    return ids, k, share, whole("The length", length, *LENGTH)


class Stepper:
    """One character for many texts at once: ids (B,) and state -> logits (B, V) and the next state, on the CPU, a row per text.

        i, f, o = sigmoid,  g = tanh  of  W x + U h + b          c' = f c + i g          h' = o tanh c'

    Layer 1 needs no product with its input: W e + b is a table over the vocabulary, made once. Layer 2 has one product, [W U] [h1; h2].
    The weights are packed once, in half precision, which is what the file holds: half the memory to read, and reading is what a step costs.
    A row's numbers are the same to the bit whatever the other rows and however many they are.   state: ([h1 h2], [c1 c2]), each (B, 2H).
    """

    def __init__(self, model: CharLSTM):
        self.vocabulary, self.H = model.vocabulary, model.lstm.hidden_size
        part = {name: value.detach().cpu().float() for name, value in model.state_dict().items()}
        W, U, b = (lambda layer, n=n: _gates(part[f"lstm.{n}_l{layer}"]) for n in ("weight_ih", "weight_hh", "bias_ih"))
        bias = [b(layer) + _gates(part[f"lstm.bias_hh_l{layer}"]) for layer in (0, 1)]
        self.table = (part["embedding.weight"] @ W(0).T + bias[0]).numpy()
        self.first, self.second = _packed(U(0), torch.zeros(4 * self.H)), _packed(torch.cat([W(1), U(1)], 1), bias[1])
        self.last = _packed(part["read_out.weight"], part["read_out.bias"])

    def start(self, B: int) -> Rows:
        """The empty state of B texts."""
        return np.zeros((B, 2 * self.H), "f4"), np.zeros((B, 2 * self.H), "f4")

    @torch.inference_mode()
    def __call__(self, ids: Tensor | list[int], state: Rows) -> tuple[Tensor, Rows]:
        H, h, c = self.H, state[0].copy(), state[1].copy()  # numpy between the products: a call costs a tenth of what it costs in torch
        z = self.first(np.ascontiguousarray(h[:, :H]))
        z += self.table[np.asarray(ids)]
        _cell(z, h[:, :H], c[:, :H])
        _cell(self.second(h), h[:, H:], c[:, H:])
        return torch.from_numpy(self.last(np.ascontiguousarray(h[:, H:]))), (h, c)


def _cell(z: np.ndarray, h: np.ndarray, c: np.ndarray) -> None:
    """z (B, 4H), the gates i f o g before their functions, and the cells c -> the next h and c, in place: few calls, no new memory.

    sigmoid z = (tanh(z / 2) + 1) / 2: one tanh does for all four, and nothing can overflow.
    """
    H = c.shape[1]
    sigmoids = z[:, : 3 * H]
    sigmoids *= 0.5
    np.tanh(z, out=z)
    sigmoids *= 0.5
    sigmoids += 0.5
    i, f, o, g = z[:, :H], z[:, H : 2 * H], z[:, 2 * H : 3 * H], z[:, 3 * H :]
    c *= f
    i *= g
    c += i
    np.tanh(c, out=h)
    h *= o


def readable(prompt: object, corpus: str) -> tuple[str, list[str]]:
    """A visitor's text in the characters of a corpus, its last 2,000, and one sentence for each thing that was changed.

    Letters go to the case, quotes and dashes to the form that the corpus has; a letter with an accent that the corpus lacks loses it;
    anything else is left out. UserError if it is no text, or if nothing is left of it.
    """
    known, fold = CORPORA[choice("corpus", corpus, CORPORA)], CORPORA[corpus].fold
    if not isinstance(prompt, str):
        raise UserError(f"The seed text was {shown(prompt)!r}; give a text.")
    notes, kept, left_out, lowered = [], [], {}, False
    if len(prompt) > KEPT:
        notes.append(f"The seed text has {len(prompt):,} characters; the net read the last {KEPT:,}.")
    for character in unicodedata.normalize("NFC", prompt[-KEPT:]):
        forms = (character, fold.get(character), character.lower(), unicodedata.normalize("NFD", character)[:1])
        form = next((f for f in forms if f is not None and all(c in known.vocabulary for c in f)), None)
        if form is None:
            left_out[character] = left_out.get(character, 0) + 1
        else:
            lowered |= character != form == character.lower()
            kept.append(form)
    if lowered:
        notes.append("Capital letters became small ones: the corpus has no others.")
    if left_out:
        names = ", ".join(name_of(c) for c in list(left_out)[:6]) + (", ..." if len(left_out) > 6 else "")
        notes.append(f"Not in the vocabulary, left out: {names}.")
    if prompt and not "".join(kept):
        raise UserError(f"None of the seed text's characters is in the vocabulary of {known.title} ({names}); write with {_sample(known)}.")
    if not prompt:
        notes.append("The seed text is empty: the net begins after a new line.")
    return "".join(kept), notes


def _sample(corpus: Corpus) -> str:
    letters = [c for c in corpus.vocabulary if c.isalpha()]
    return f"letters such as {' '.join(letters[:4])} ... {letters[-1]}"


NAMES = {"\n": "new line", " ": "space", "\u200c": "zero-width non-joiner (U+200C)", "\t": "tab (U+0009)"}


def name_of(character: str) -> str:
    """A character as it can be read in a sentence: itself, or, where nothing would be seen, its name and code point."""
    if character in NAMES:
        return NAMES[character]
    if unicodedata.category(character)[0] in "CZM":
        return f"{unicodedata.name(character, 'character').lower()} (U+{ord(character):04X})"
    return f"{character} (U+{ord(character):04X})"


def loop(text: str, times: int = 3, longest: int = 200) -> tuple[int, int] | None:
    """Where a text has begun to go round in a circle: (start, period), so that text[start:] has that period and holds it at least
    `times` times; None if it does not. The shortest such period, which at length 1 must hold at least 12 times."""
    for period in range(1, min(longest, len(text) // times) + 1):
        start = len(text) - period
        while start > 0 and text[start - 1] == text[start - 1 + period]:
            start -= 1
        if len(text) - start >= max(times * period, 12):
            return start, period
    return None


def stepper(model: CharLSTM) -> Stepper:
    """The model's Stepper, made once."""
    if "stepper" not in model.__dict__:
        model.__dict__["stepper"] = Stepper(model)
    return model.__dict__["stepper"]


def _gates(weight: Tensor) -> Tensor:
    """PyTorch's order of the gates, i f g o, as i f o g: the three sigmoids stand together."""
    i, f, g, o = weight.chunk(4)
    return torch.cat([i, f, o, g])


def _packed(weight: Tensor, bias: Tensor) -> Callable[[np.ndarray], np.ndarray]:
    """x (B, N) -> x weight^T + bias, in single precision, every row in the same order of additions whatever B is.

    PyTorch has two doors to its product with packed half-precision weights. The one taken here costs 2 us a call and works alone, so that
    a step waits for no other thread; the other, for quantized nets, costs 20 us and wants all threads. The first is said to go some day.
    """
    if "fbgemm" not in torch.backends.quantized.supported_engines or torch.backends.quantized.engine not in ("fbgemm", "x86", "onednn"):
        transposed = weight.T.contiguous()  # other processors: row by row
        return lambda x: (torch.cat([row @ transposed for row in torch.from_numpy(x)[:, None]]) + bias).numpy()
    multiply = getattr(torch, "fbgemm_linear_fp16_weight_fp32_activation", None)
    if multiply is None:
        packed = torch.ops.quantized.linear_prepack_fp16(weight, bias)
        return lambda x: torch.ops.quantized.linear_dynamic_fp16(torch.from_numpy(x), packed).numpy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of its going
        packed = torch.fbgemm_pack_gemm_matrix_fp16(weight)
        multiply(torch.zeros(1, weight.shape[1]), packed, bias)
    return lambda x: multiply(torch.from_numpy(x), packed, bias).numpy()


def _temperature(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0:
        given = f"{value:.10g}" if isinstance(value, (int, float)) and not isinstance(value, bool) else repr(shown(value))
        raise UserError(f"The temperature was {given}; give a number from 0 up (0 always takes the likeliest character).")
    return float(value)
