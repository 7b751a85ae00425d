"""Writes the fingerprints of a corpus' training part:  python -m training.text_index nietzsche|shakespeare|shahnameh"""

from __future__ import annotations

import argparse

from safetensors.numpy import save_file

from core import copied
from core.text import CORPORA
from training import cards, data


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", choices=CORPORA)
    corpus = parser.parse_args().corpus
    index = copied.built(data.text(corpus)[0])
    path = cards.WEIGHTS / f"{corpus}-index.safetensors"
    save_file({"words": index.words} | {f"{n}/{s}": bits for (n, s), bits in index.filters.items()}, path)
    path.chmod(0o644)
    print(f"{path.name}: {len(index.words):,} words, {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
