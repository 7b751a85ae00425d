"""How much of a written text is words, and how much is copied: measured against the fingerprints of a corpus that is not there.

The corpus itself is data and stays where it is. Of its training part the index holds
    words    32-bit hashes of all its words, sorted. A word that is none counts as one with probability (number of words) / 2^32 < 10^-5.
    n/s      Bloom filters (Bloom 1970) of its n-grams, for a ladder of lengths n; of the long ones only those that start at every s-th
             character. A filter never misses what is in it, and takes in what is not with probability FALSE, about 2 %.
From which the longest copied run is known between two rungs: at least `low` (but for a false hit, see `longest_copied`), at most `high`.
"""

from __future__ import annotations

import functools
import re
import unicodedata
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.checks import UserError
from core.zoo import WEIGHTS

LADDER = ((4, 1), (6, 1), (8, 1), (10, 1), (12, 1), (16, 2), (20, 4), (24, 4), (32, 8), (48, 16), (64, 16), (96, 32), (128, 32))
DENSE = 12  # up to here every n-gram is in its filter
BITS, PROBES = 8.5, 6  # bits per n-gram, places per n-gram
FALSE = (1 - np.exp(-PROBES / BITS)) ** PROBES
BASE = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Index:
    """The fingerprints of a corpus: sorted word hashes (uint32) and a filter (uint8 bits) for each rung of LADDER."""

    words: np.ndarray
    filters: dict[tuple[int, int], np.ndarray]


@dataclass(frozen=True)
class Copied:
    """The longest run of a text that stands in the corpus word for word: low <= length <= high; `low` of its characters from `start` on."""

    low: int
    high: int
    start: int


def words(text: str) -> list[str]:
    """The words of a text, small letters: runs of letters with their marks, apostrophes inside them. What the text's end may have cut
    short is left out."""
    kept = "".join(c if c.isalpha() or c == "'" or unicodedata.category(c)[0] == "M" else " " for c in text.lower())
    if kept and kept[-1] != " ":
        kept = kept.rpartition(" ")[0]
    return [word for word in (piece.strip("'") for piece in kept.split()) if word]


def word_share(text: str, index: Index, inside: bool = False) -> tuple[float, list[str]]:
    """The share of a text's words that the corpus has, and the words that it does not have, each once.   inside: the text begins in the
    middle of a word, which is left out. The share of no words is 0."""
    found = words(re.sub(r"^[^\W\d_]+", "", text) if inside else text)
    if not found:
        return 0.0, []
    known = np.isin(word_hashes(found), index.words)
    return float(known.mean()), list(dict.fromkeys(w for w, k in zip(found, known, strict=True) if not k))


def longest_copied(text: str, index: Index) -> Copied:
    """The longest run of `text` that the corpus contains, between the rungs of the index.

    A length n is reached where the filter of n says yes and, for each shorter n' <= DENSE, those of all its n'-grams do: a false hit needs
    a stretch that is stitched together from copied pieces that overlap in DENSE - 1 characters. `high` is certain: a filter misses nothing.
    """
    codes, sure, low, high, start, before = _codes(text), None, 0, len(text), 0, 0
    for n, s in LADDER:
        if len(codes) < n:
            break
        hit = _inside(index.filters[n, s], _hashes(codes, n))
        if sure is not None:
            hit &= _all_in_window(sure, n - before + 1)
        if hit.any():
            low, start = n, int(hit.argmax())
        else:
            high = min(high, n + s - 2)
        if n <= DENSE:
            sure, before = hit, n
            if not hit.any():
                break
            if n == DENSE:
                high = min(high, _longest_run(hit) + n - 1)
    return Copied(low, max(low, high), start)


def exactly(text: str, corpus: str) -> Copied:
    """The same, exactly, for who has the corpus: for each start the longest stretch that it contains."""
    best, start = 0, 0
    for i in range(len(text)):
        while i + best < len(text) and text[i : i + best + 1] in corpus:
            best, start = best + 1, i
    return Copied(best, best, start)


def built(corpus: str) -> Index:
    """The index of a text."""
    codes, filters = _codes(corpus), {}
    for n, s in LADDER:
        filters[n, s] = _filter(np.unique(_hashes(codes, n)[::s])) if len(codes) >= n else np.zeros(1, np.uint8)
    return Index(np.unique(word_hashes(sorted(set(words(corpus + " "))))), filters)


@functools.cache
def index(corpus: str, folder: Path = WEIGHTS) -> Index:
    """The index of a corpus, from weights/. UserError if the file is not there."""
    path = folder / f"{corpus}-index.safetensors"
    if not path.exists():
        raise UserError(f"weights/{path.name} is missing; make it: python -m training.text_index {corpus}")
    from safetensors.numpy import load_file

    parts = load_file(path)
    return Index(parts["words"], {(n, s): parts[f"{n}/{s}"] for n, s in LADDER})


def word_hashes(found: list[str]) -> np.ndarray:
    """(N,) uint32, the CRC-32 of each word."""
    return np.array([zlib.crc32(word.encode()) for word in found], dtype=np.uint32)


def _codes(text: str) -> np.ndarray:
    return np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32).astype(np.uint64)


def _hashes(codes: np.ndarray, n: int) -> np.ndarray:
    """(N - n + 1,) uint64, a polynomial in BASE of each n-gram, mixed. Two stretches in a row: hash(A B) = hash(A) BASE^|B| + hash(B)."""
    out, length, piece, size, power = np.zeros(len(codes) + 1, np.uint64), 0, codes, 1, BASE
    with np.errstate(over="ignore"):
        while length < n:
            if n & size:
                count = len(codes) - length - size + 1
                out, length = out[:count] * power + piece[length : length + count], length + size
            if length < n:
                piece = piece[: len(codes) - 2 * size + 1] * power + piece[size : len(codes) - size + 1]
                size, power = 2 * size, power * power
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):  # SplitMix64 (Steele, Lea & Flood 2014)
            out = (out ^ (out >> np.uint64(shift))) * np.uint64(factor)
        return out ^ (out >> np.uint64(31))


def _places(hashes: np.ndarray, bits: int) -> np.ndarray:
    """(PROBES, N): where in a filter the hashes stand (Kirsch & Mitzenmacher 2006: two hashes do for any number)."""
    one, two = hashes >> np.uint64(32), (hashes & np.uint64(0xFFFFFFFF)) | np.uint64(1)
    return (one + np.arange(PROBES, dtype=np.uint64)[:, None] * two) % np.uint64(bits)


def _filter(hashes: np.ndarray) -> np.ndarray:
    bits = np.zeros(8 * int(np.ceil(max(len(hashes), 8) * BITS / 8)), bool)
    bits[_places(hashes, len(bits))] = True
    return np.packbits(bits)


def _inside(filter: np.ndarray, hashes: np.ndarray) -> np.ndarray:
    places = _places(hashes, 8 * len(filter))
    return (filter[places >> np.uint64(3)] >> (np.uint64(7) - (places & np.uint64(7))).astype(np.uint8) & 1).all(0)


def _all_in_window(hit: np.ndarray, size: int) -> np.ndarray:
    """(N - size + 1,): whether all of hit[i : i + size] are true."""
    total = np.concatenate([[0], np.cumsum(hit)])
    return total[size:] - total[:-size] == size


def _longest_run(hit: np.ndarray) -> int:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], hit.astype(np.int8), [0]])))
    return int((edges[1::2] - edges[::2]).max(initial=0))
