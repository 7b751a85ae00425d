"""What an n-gram reaches on the same split, for comparison:  python -m training.ngram nietzsche|shakespeare|shahnameh [--order 5]

Interpolated back-off after Witten & Bell (1991): with c(h) occurrences of a history h in the training part, t(h) different characters
after it, and h' the history without its first character,
    p(x | h) = (c(h x) + t(h) p(x | h')) / (c(h) + t(h)),        p(x | nothing at all) = 1 / V.
"""

from __future__ import annotations

import argparse
import math
from collections import Counter, defaultdict

from core.text import CORPORA
from training import data


def bits(training: str, held_out: str, vocabulary: int, order: int = 5) -> float:
    """Bits per character on the held-out text, which goes on where the training part ends: its first history is the training's end."""
    counts: list[defaultdict[str, Counter]] = []
    for n in range(order):  # histories of n characters
        table: defaultdict[str, Counter] = defaultdict(Counter)
        for i in range(n, len(training)):
            table[training[i - n : i]][training[i]] += 1
        counts.append(table)
    sizes = [{history: (sum(after.values()), len(after)) for history, after in table.items()} for table in counts]
    text, total = training[len(training) - order + 1 :] + held_out, 0.0
    for i in range(order - 1, len(text)):
        p = 1 / vocabulary
        for n in range(order):
            history = text[i - n : i]
            if history not in sizes[n]:
                break
            count, kinds = sizes[n][history]
            p = (counts[n][history][text[i]] + kinds * p) / (count + kinds)
        total -= math.log2(p)
    return total / len(held_out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", choices=CORPORA)
    parser.add_argument("--order", type=int, default=5)
    options = parser.parse_args()
    found = bits(*data.text(options.corpus), len(CORPORA[options.corpus].vocabulary), options.order)
    print(f"{options.corpus}, order {options.order}, Witten-Bell: {found:.4f} bits per character")


if __name__ == "__main__":
    main()
