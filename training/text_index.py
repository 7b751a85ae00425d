"""Writes the fingerprints of a corpus' training part:  python -m training.text_index nietzsche|shakespeare|shahnameh"""

from __future__ import annotations

import argparse

import torch

from core import copied
from core.text import CORPORA
from training import cards, data


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", choices=CORPORA)
    corpus = parser.parse_args().corpus
    index = copied.built(data.text(corpus)[0])
    parts = {"words": index.words} | {f"{n}/{s}": bits for (n, s), bits in index.filters.items()}
    path = cards.keep(
        f"{corpus}-index",
        {name: torch.from_numpy(part) for name, part in parts.items()},
        architecture="core.copied: the corpus' words, and Bloom filters of its runs of characters",
        remake=f"python -m training.text_index {corpus}",
        data=data.TEXTS[corpus].told,
        metrics={"words": len(index.words)},
    )
    print(f"{path.name}: {len(index.words):,} words, {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
