"""Writes the fingerprints of a corpus' training part:  python -m training.text_index nietzsche|shakespeare|shahnameh"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
from pathlib import Path

from safetensors.numpy import save_file

from core import copied
from core.text import CORPORA
from training import cards, data


def write_card(corpus: str, path: Path, words: int) -> None:
    """The card beside the fingerprints."""
    card = {
        "name": path.stem,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "bytes": path.stat().st_size,
        "architecture": "core.copied: the corpus' words, and Bloom filters of its runs of characters",
        "remake": f"python -m training.text_index {corpus}",
        "data": data.TEXTS[corpus].told,
        "metrics": {"words": words},
        "date": datetime.date.today().isoformat(),
        "licence": "MIT",
    }
    path.with_suffix(".json").write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", choices=CORPORA)
    corpus = parser.parse_args().corpus
    index = copied.built(data.text(corpus)[0])
    path = cards.WEIGHTS / f"{corpus}-index.safetensors"
    save_file({"words": index.words} | {f"{n}/{s}": bits for (n, s), bits in index.filters.items()}, path)
    path.chmod(0o644)
    write_card(corpus, path, len(index.words))
    print(f"{path.name}: {len(index.words):,} words, {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
