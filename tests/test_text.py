"""Temperature, sampling, the carried state, many writers at once, and what is measured on a text, against independent answers."""

from __future__ import annotations

import base64
import itertools
import math
import time
from collections import Counter

import numpy as np
import pytest
import torch
from scipy.special import softmax
from scipy.stats import chisquare, entropy

from core import copied, text, writers, zoo
from core.checks import UserError
from core.samples import DATA
from training import data, lstm, ngram

ALPHABET = "\n abcdefghij"
SEED = "new faculty, and the jubilation reached its climax when kant"


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def net() -> text.CharLSTM:
    """A small untrained net with decided opinions, in half precision as a file holds it."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        net = text.CharLSTM(ALPHABET, 48, embedding=8)
        for p in net.parameters():
            p.data.mul_(4)
    net.load_state_dict({name: value.half().float() for name, value in net.state_dict().items()})
    return net.eval().requires_grad_(False)


def written(net, prompt="abc", length=80, seed=0, **knobs) -> str:
    return "".join(step.char for step in text.generate(net, prompt, length=length, generator=seeded(seed), **knobs))


# temperature


@pytest.mark.parametrize("T", [0.05, 0.2, 0.5, 1.0, 1.7, 10.0, 1e9])
def test_reweight_is_the_softmax_of_the_logarithms_divided_by_the_temperature(T):
    random = np.random.default_rng(1)
    for _ in range(50):
        p = random.dirichlet(np.full(random.integers(2, 70), random.choice([0.05, 1.0])))
        p = p[p > 0] / p[p > 0].sum()
        np.testing.assert_allclose(text.reweight(p, T), softmax(np.log(p) / T), rtol=1e-9, atol=1e-300)


def test_temperature_one_changes_nothing_and_a_row_is_reweighted_like_alone():
    p = torch.tensor(np.random.default_rng(2).dirichlet(np.ones(57), size=(3, 4)))
    torch.testing.assert_close(text.reweight(p, 1), p)
    torch.testing.assert_close(text.reweight(p, 0.3)[1, 2], text.reweight(p[1, 2], 0.3))
    assert text.reweight(p.float(), 0.3).dtype == torch.float32


@pytest.mark.parametrize("T", [0, 0.0, 5e-324, 1e-300, 1e-9])
def test_at_the_cold_end_the_likeliest_has_everything(T):
    assert text.reweight(np.array([0.2, 0.5, 0.3, 0.0]), T).tolist() == [0, 1, 0, 0]
    assert text.reweight(np.array([0.4, 0.4, 0.2]), T).tolist() == [0.5, 0.5, 0]


def test_at_the_hot_end_all_that_can_happen_is_equally_likely():
    for T in (1e12, 1e300, math.inf):
        np.testing.assert_allclose(text.reweight(np.array([0.7, 0.0, 0.3]), T), [0.5, 0, 0.5], rtol=1e-9)


def test_what_cannot_happen_never_happens_at_any_temperature():
    for T in (0, 0.05, 1, 2, 1e9):
        q = text.reweight(np.array([0.0, 1.0, 0.0]), T)
        assert q.tolist() == [0, 1, 0]


@pytest.mark.parametrize("T", [-1, -1e-12, math.nan, -math.inf, None, "1", True])
def test_a_temperature_that_is_none_is_refused(T):
    with pytest.raises(UserError, match="temperature was"):
        text.reweight(np.array([0.5, 0.5]), T)


@pytest.mark.parametrize("p", [[0.5, -0.1], [math.nan, 1], [0, 0], [math.inf, 1]])
def test_what_is_no_distribution_is_refused(p):
    with pytest.raises(UserError, match="probabilities"):
        text.reweight(np.array(p), 1)


def test_top_k_keeps_the_k_likeliest_and_of_equals_the_first():
    p = np.array([0.1, 0.3, 0.3, 0.3])
    np.testing.assert_allclose(text.top_k(p, 2), [0, 0.5, 0.5, 0])
    np.testing.assert_allclose(text.top_k(p, 100), p)
    for k in (0, -1, 1.5, math.nan, "2", True):
        with pytest.raises(UserError, match="top-k"):
            text.top_k(p, k)


def test_top_p_keeps_the_smallest_set_that_has_the_share():
    p = np.array([0.1, 0.5, 0.15, 0.25])
    for share, kept in ((0.3, [1]), (0.5, [1]), (0.51, [1, 3]), (0.75, [1, 3]), (0.8, [1, 2, 3]), (1, [0, 1, 2, 3])):
        assert np.flatnonzero(text.top_p(p, share)).tolist() == kept
        np.testing.assert_allclose(text.top_p(p, share)[kept], p[kept] / p[kept].sum())
    for share in (0, -0.1, 1.1, math.nan):
        with pytest.raises(UserError, match="top-p"):
            text.top_p(p, share)


# sampling


@pytest.mark.parametrize(("T", "k", "share"), [(1.0, None, None), (0.5, None, None), (1.5, 4, None), (0.8, None, 0.7)])
def test_characters_come_as_often_as_their_probability_says(T, k, share):
    logits, random = torch.randn(12, generator=seeded(3)) * 1.5, np.random.default_rng(4)
    counts = Counter(text.choose(logits, ALPHABET, u, temperature=T, k=k, share=share)[0] for u in random.random(20_000))
    q = softmax(logits.double().numpy() / T)
    order = np.argsort(-q)
    if k:
        q[order[k:]] = 0
    if share:
        q[order[1:][np.cumsum(q[order])[:-1] >= share]] = 0
    q /= q.sum()
    assert set(counts) <= set(np.flatnonzero(q))
    assert chisquare([counts[i] for i in np.flatnonzero(q)], q[q > 0] * 20_000).pvalue > 1e-3


def test_no_number_in_the_unit_interval_draws_what_has_no_probability():
    q = np.array([0.0, 0.1, 0.0, 0.2, 0.7, 0.0])
    for u in (0.0, 0.1, 0.3, math.nextafter(1, 0), *np.linspace(0, 0.999, 50)):
        assert q[text.draw(q / q.sum(), u)] > 0


def test_a_step_tells_the_net_s_own_probability_and_entropy_whatever_the_temperature(net):
    for step in text.generate(net, "abc", temperature=0.3, top_k=3, length=20, generator=seeded(0)):
        p = softmax(step.logits.double().numpy())
        assert step.p == pytest.approx(p[ALPHABET.index(step.char)], rel=1e-9)
        assert step.entropy == pytest.approx(entropy(p, base=2), rel=1e-9)


def test_greedy_takes_the_likeliest_and_needs_no_luck(net):
    steps = list(text.generate(net, "abc", temperature=0, length=40, generator=seeded(0)))
    assert all(ALPHABET[int(step.logits.argmax())] == step.char for step in steps)
    assert "".join(step.char for step in steps) == written(net, length=40, seed=9, temperature=0) == written(net, length=40, top_k=1)


# the carried state


def test_the_carried_state_gives_what_the_whole_text_read_anew_gives(net):
    steps = list(text.generate(net, "jab", length=200, generator=seeded(1)))
    ids = torch.tensor([[ALPHABET.index(c) for c in "jab" + "".join(step.char for step in steps)]])
    whole, _ = net(ids)
    torch.testing.assert_close(torch.stack([step.logits for step in steps]), whole[0, 2:-1], rtol=1e-4, atol=1e-4)


def test_a_trained_net_s_steps_agree_with_pytorch_s_own_lstm():
    model = zoo.load("nietzsche-lstm")
    steps = list(text.generate(model, SEED, length=120, generator=seeded(1)))
    ids = torch.tensor([[model.vocabulary.index(c) for c in SEED + "".join(step.char for step in steps)]])
    whole, _ = model(ids.to(zoo.device_of(model)))
    torch.testing.assert_close(torch.stack([s.logits for s in steps]), whole[0, len(SEED) - 1 : -1].cpu(), rtol=1e-3, atol=1e-3)


def test_same_seed_same_text_another_seed_another_text(net):
    assert written(net, seed=1) == written(net, seed=1) != written(net, seed=2)
    assert len(written(net, length=1)) == 1


def test_the_temperature_under_the_hand_is_obeyed_by_the_next_character(net):
    heat = iter([0.0] * 10 + [3.0] * 200)
    steps = list(text.generate(net, "abc", temperature=lambda: next(heat), length=200, generator=seeded(0)))
    likeliest = [ALPHABET[int(step.logits.argmax())] == step.char for step in steps]
    # asked once before the first character, to be checked
    assert all(likeliest[:9]) and sum(likeliest[9:]) < 120


def test_an_empty_prompt_is_a_new_line_and_a_long_one_is_read_from_its_last_characters_on(net):
    assert written(net, "") == written(net, "\n")
    assert written(net, "ab" * 50_000) == written(net, ("ab" * 50_000)[-text.KEPT :])


@pytest.mark.parametrize(
    ("knobs", "words"),
    [
        ({"length": 0}, "length was 0"),
        ({"length": 10**9}, "1000000000"),
        ({"length": 2.5}, "whole number"),
        ({"temperature": -1}, "temperature was -1"),
        ({"temperature": math.nan}, "temperature was nan"),
        ({"top_k": 0}, "top-k"),
        ({"top_p": 0}, "top-p"),
        ({"top_p": 7}, "top-p"),
        ({"prompt": "a😀"}, "U\\+1F600"),
        ({"prompt": "a\0"}, "U\\+0000"),
    ],
)
def test_what_cannot_be_is_refused_at_the_call(net, knobs, words):
    given = {"prompt": "abc", "length": 5, "temperature": 1.0} | knobs
    with pytest.raises(UserError, match=words):
        text.generate(net, given.pop("prompt"), **given, generator=seeded(0))


# many writers


def test_a_row_is_the_same_to_the_bit_in_every_batch():
    step = text.stepper(zoo.load("nietzsche-lstm"))
    H, V = step.H, len(step.vocabulary)
    for B in (2, 3, 7, 16, 20, 33, 64):
        g = seeded(B)
        ids, h_0, c_0 = torch.randint(V, (B,), generator=g), torch.randn(B, 2 * H, generator=g).tanh(), torch.randn(B, 2 * H, generator=g)
        state = h_0.numpy().copy(), c_0.numpy().copy()
        logits, (h, c) = step(ids, state)
        for row in range(B):
            alone = slice(row, row + 1)
            logits_1, (h_1, c_1) = step(ids[alone], (state[0][alone], state[1][alone]))
            assert torch.equal(logits_1[0], logits[row]) and (h_1[0] == h[row]).all() and (c_1[0] == c[row]).all()
        assert (state[0] == h_0.numpy()).all() and (state[1] == c_0.numpy()).all()  # what was given stays as it was


def test_every_door_to_the_product_gives_the_product(monkeypatch):
    weight, bias, x = torch.randn(64, 48, generator=seeded(0)).half().float(), torch.randn(64, generator=seeded(1)), torch.randn(5, 48)
    truth = x.double() @ weight.double().T + bias.double()
    direct = text._packed(weight, bias)(x.numpy())
    monkeypatch.delattr(torch, "fbgemm_linear_fp16_weight_fp32_activation", raising=False)
    quantized = text._packed(weight, bias)(x.numpy())
    monkeypatch.setattr(torch.backends.quantized, "engine", "qnnpack")
    rows = text._packed(weight, bias)(x.numpy())
    for found in (direct, quantized, rows):
        np.testing.assert_allclose(found, truth, rtol=1e-5, atol=1e-5)


def test_a_text_is_the_same_however_many_others_are_written(net):
    alone = [written(net, length=150, seed=seed, temperature=0.9) for seed in range(4)]
    crowd = [writers.write(net, "abc", length=150, generator=seeded(seed % 4), temperature=0.9) for seed in range(30)]
    late = writers.write(net, "abc", length=150, generator=seeded(2), temperature=0.9)
    assert ["".join(s.char for s in w.all()) for w in crowd] == [alone[seed % 4] for seed in range(30)]
    assert "".join(s.char for s in late.all()) == alone[2]


def test_no_writer_starves(net):
    """More writers than a step takes, all at full speed: at any time none has twice as much as another."""
    crowd = [writers.write(net, "abc", length=400, generator=seeded(i)) for i in range(writers.MOST + 40)]
    seen, had = [], [len(w.steps) for w in crowd]  # the first began while the last were still being made
    while not any(w.done for w in crowd):
        counts = [len(w.steps) - before for w, before in zip(crowd, had, strict=True)]
        if min(counts) > 40:
            seen.append(max(counts) / min(counts))
        time.sleep(0.002)
    for writer in crowd:
        writer.stop()
    assert seen and max(seen) < 2


def test_a_text_in_two_parts_is_the_text_in_one(net):
    whole = written(net, length=120, seed=7)
    second = writers.write(net, "abc", written=whole[:50], length=70, generator=seeded(7))
    assert "".join(s.char for s in second.all()) == whole[50:]


def test_a_writer_stops_within_a_step_and_the_others_go_on(net):
    one, other = (writers.write(net, "abc", length=2000, generator=seeded(i), pace=400) for i in range(2))
    while len(one.steps) < 3:
        time.sleep(0.002)
    one.stop()
    stood = len(one.steps)
    time.sleep(0.2)
    assert len(one.steps) <= stood + 1 and len(other.steps) > stood + 5
    other.stop()


def test_a_writer_obeys_a_new_temperature_while_it_writes(net):
    writer = writers.write(net, "abc", length=400, generator=seeded(0), temperature=0.0, pace=2000)
    while len(writer.steps) < 20:
        time.sleep(0.001)
    writer.temperature, at = 5.0, len(writer.steps)
    steps = writer.all()
    assert all(ALPHABET[int(s.logits.argmax())] == s.char for s in steps[:at])
    assert sum(ALPHABET[int(s.logits.argmax())] != s.char for s in steps[at + 1 :]) > 100


def test_the_pace_is_kept(net):
    writer, start = writers.write(net, "abc", length=30, generator=seeded(0), pace=100), time.perf_counter()
    writer.all()
    assert time.perf_counter() - start > 0.15


def test_a_thread_ends_when_there_is_nothing_to_write(net, monkeypatch):
    monkeypatch.setattr(writers, "IDLE", 0.05)
    desk = writers.Desk(text.stepper(net))
    writer = writers.Writer([2, 3], 1.0, None, None, 5, 0, seeded(0))
    desk.add(writer)
    assert len(writer.all()) == 5
    for _ in range(200):
        if desk.thread is None:
            break
        time.sleep(0.02)
    assert desk.thread is None
    again = writers.Writer([2, 3], 1.0, None, None, 5, 0, seeded(0))
    desk.add(again)
    assert len(again.all()) == 5


def test_what_goes_wrong_reaches_the_one_who_waits(net):
    desk = writers.Desk(text.stepper(net))
    writer = writers.Writer([10**6], 1.0, None, None, 5, 0, seeded(0))
    desk.add(writer)
    with pytest.raises((IndexError, RuntimeError)):
        writer.all()


# reading a visitor's text


@pytest.mark.parametrize(
    ("given", "corpus", "clean", "words"),
    [
        ("Kant’s “Critique”", "nietzsche", 'kant\'s "critique"', "Capital letters"),
        ("naïve ñ", "nietzsche", "naive n", ""),
        ("a😀b\0c", "nietzsche", "abc", "😀 (U+1F600)"),
        ("سلام hello", "nietzsche", " hello", "left out"),
        ("كتابي", "shahnameh", "کتابی", ""),
        ("می\u200cروم", "shahnameh", "میروم", ""),
        ("", "nietzsche", "", "empty"),
        ("x" * 100_000, "nietzsche", "x" * text.KEPT, "100,000 characters; the net read the last 2,000"),
        ("To be", "shakespeare", "To be", ""),
    ],
)
def test_a_prompt_is_written_in_the_corpus_characters_and_what_changed_is_said(given, corpus, clean, words):
    found, notes = text.readable(given, corpus)
    assert found == clean
    assert words in " ".join(notes)
    assert set(found) <= set(text.CORPORA[corpus].vocabulary)


def test_a_text_of_which_nothing_can_be_read_is_refused_by_name():
    with pytest.raises(UserError, match=r"None of the seed text's characters is in the vocabulary of Nietzsche.*U\+0000"):
        text.readable("\0\0", "nietzsche")
    for nonsense in (None, 3, ["a"]):
        with pytest.raises(UserError, match="seed text was"):
            text.readable(nonsense, "nietzsche")
    with pytest.raises(UserError, match="no corpus"):
        text.readable("a", "bible")


def test_every_vocabulary_is_sorted_and_every_offered_prompt_is_in_it():
    for name, corpus in text.CORPORA.items():
        assert list(corpus.vocabulary) == sorted(set(corpus.vocabulary))
        assert text.readable(corpus.prompt, name) == (corpus.prompt, [])


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("so the spirit of the spirit of the spirit of ", (2, 14)),  # the blank before "the" comes round, too
        ("abcabcabcabc", (0, 3)),
        ("abcabcabc", None),  # three times, but fewer than 12 characters
        ("xxaaaaaaaaaaaa", (2, 1)),
        ("no circle in here at all", None),
        ("", None),
    ],
)
def test_a_circle_is_found_where_it_begins(written, found):
    assert text.loop(written) == found


def test_the_browser_s_code_holds_the_probabilities():
    logits = [torch.randn(65, generator=seeded(i)) * 3 for i in range(4)]
    code = text.packed(logits)
    assert code == text.packed(logits[:1]) + text.packed(logits[1:])
    rows = np.frombuffer(base64.b64decode(code), "<u2").reshape(4, -1)[:, :65].astype(float)
    truth = softmax(torch.stack(logits).double().numpy(), axis=1)
    np.testing.assert_allclose(np.exp(-rows / 65535 * text.NATS), np.maximum(truth, math.exp(-text.NATS)), rtol=2.5e-4)


# words and copies


@pytest.fixture(scope="module")
def small() -> tuple[str, copied.Index]:
    random = np.random.default_rng(0)
    words = ["".join(random.choice(list("etaoinsr"), random.integers(1, 8))) for _ in range(300)]
    corpus = " ".join(random.choice(words, 6000))
    return corpus, copied.built(corpus)


def longest_common(a: str, b: str) -> int:
    """The length of the longest common run, by the textbook's table."""
    best, row = 0, np.zeros(len(b) + 1, int)
    codes = np.array([ord(c) for c in b])
    for character in a:
        row[1:] = np.where(codes == ord(character), row[:-1] + 1, 0)
        best = max(best, int(row.max()))
    return best


def test_the_exact_count_is_the_textbook_s(small):
    random = np.random.default_rng(1)
    for _ in range(20):
        text_ = "".join(random.choice(list("etaoinsr "), 60)) + small[0][(i := random.integers(1000)) : i + random.integers(1, 40)]
        assert copied.exactly(text_, small[0]).low == longest_common(text_, small[0])


def test_the_fingerprints_bound_the_longest_copied_run(small):
    corpus, index = small
    random, wrong = np.random.default_rng(2), 0
    for length in [*range(0, 60), 75, 100, 140]:
        at = random.integers(len(corpus) - 200)
        noise = ["".join(random.choice(list("etaoinsr xyz"), 80)) for _ in range(2)]
        given = noise[0] + corpus[at : at + length] + noise[1]
        truth, found = copied.exactly(given, corpus).low, copied.longest_copied(given, index)
        assert found.high >= truth  # a filter misses nothing
        wrong += found.low > truth
    assert wrong <= 2  # of 63: only what the filters take in falsely


def test_a_filter_takes_in_falsely_no_more_than_it_says():
    random = np.random.default_rng(3)
    inside, outside = random.integers(2**63, size=(2, 50_000)).astype(np.uint64)
    made = copied._filter(inside)
    assert copied._inside(made, inside).all()
    assert copied._inside(made, outside).mean() == pytest.approx(copied.FALSE, rel=0.15)


def test_what_the_corpus_does_not_have_is_not_copied(small):
    assert copied.longest_copied("", small[1]) == copied.Copied(0, 0, 0)
    assert copied.longest_copied("qqqqqqqqqqqqqqqqqqqqqq", small[1]).high <= copied.LADDER[0][0] - 1


def test_the_share_of_words_counts_whole_words_only():
    index = copied.built("the spirit isn't here; کِتابِ خُوب ")
    assert copied.word_share("the spirit of here ", index) == (0.75, ["of"])
    assert copied.word_share("irit the here", index, inside=True) == (1.0, [])  # cut at both ends
    assert copied.word_share("isn't کِتابِ ", index) == (1.0, [])
    assert copied.word_share(" . 12 ", index) == (0.0, [])


@pytest.mark.skipif(not (DATA / "text").exists(), reason="the corpora are not in data/")
@pytest.mark.parametrize("corpus", text.CORPORA)
def test_the_shipped_fingerprints_agree_with_the_corpus(corpus):
    training, held_out = data.text(corpus)
    index, random, high = copied.index(corpus), np.random.default_rng(4), 0
    for _ in range(12):
        at, there, length = random.integers(len(held_out) - 300), random.integers(len(training) - 200), random.integers(5, 120)
        given = held_out[at : at + 250] + training[there : there + length]
        truth, found = copied.exactly(given, training).low, copied.longest_copied(given, index)
        assert truth <= found.high
        high += found.low > truth
    assert high <= 1
    assert copied.word_share(training[:5000], index)[0] == 1


def test_the_n_gram_s_bits_are_those_worked_out_by_hand():
    # after "ab", order 2, V = 2: p("a") = (1 + 2 / 2) / (2 + 2) = .5 for the empty history; after "b" nothing was seen: backs off
    assert ngram.bits("ab", "a", 2, order=2) == pytest.approx(1.0)
    # "aab": p("a" | "") = (2 + 2 / 2) / (3 + 2) = .6; after "a": c = 2, t = 2, p("b" | "a") = (1 + 2 * .4) / 4 = .45
    assert ngram.bits("aab" + "a", "b", 2, order=1) == pytest.approx(-math.log2((1 + 2 / 2) / (4 + 2)))
    assert ngram.bits("aaba", "b", 2, order=2) == pytest.approx(-math.log2((1 + 2 * (2 / 6)) / (2 + 2)))


# the trained nets


@pytest.mark.parametrize("corpus", text.CORPORA)
def test_later_points_of_training_are_better(corpus):
    early, middle, late = (zoo.card(f"{corpus}-lstm{ending}")["metrics"]["held_out_bits_per_character"] for ending in text.POINTS.values())
    assert late <= middle <= early
    assert late < early


@pytest.mark.skipif(not (DATA / "text").exists(), reason="the corpora are not in data/")
@pytest.mark.parametrize("corpus", text.CORPORA)
def test_a_net_needs_the_bits_that_its_card_says(corpus):
    """On the whole held-out text, read in 32 parts side by side by PyTorch's own LSTM, each from an empty state."""
    net, (_, held_out) = zoo.load(f"{corpus}-lstm"), data.text(corpus)
    parts = data.ids(held_out[: len(held_out) // 32 * 32], corpus).view(32, -1).to(zoo.device_of(net))
    state, nats = None, 0.0
    for x, y in zip(parts[:, :-1].split(500, 1), parts[:, 1:].split(500, 1), strict=True):
        logits, state = net(x, state)
        nats += torch.nn.functional.cross_entropy(logits.flatten(0, 1), y.flatten(), reduction="sum").item()
    found = nats / parts[:, 1:].numel() / math.log(2)
    assert found == pytest.approx(zoo.card(f"{corpus}-lstm")["metrics"]["held_out_bits_per_character"], abs=0.02)


def test_training_without_dropout_is_the_net_s_own_forward(net):
    ids = torch.randint(len(ALPHABET), (3, 20), generator=seeded(0))
    noisy, state = lstm.noisy_forward(net, ids, None, (0, 0, 0, 0))
    plain, (h, c) = net(ids)
    torch.testing.assert_close(noisy, plain, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(torch.cat([part[0] for part in state]), h, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(torch.cat([part[1] for part in state]), c, rtol=1e-5, atol=1e-5)


def test_the_rate_rises_stays_and_falls_to_nothing():
    rates = [lstm.rate_at(update, 1000) for update in range(1000)]
    assert rates[0] < rates[lstm.WARM_UP] == 1 == max(rates)
    assert rates[-1] < 0.01 and all(a >= b for a, b in itertools.pairwise(rates[lstm.WARM_UP :]))
