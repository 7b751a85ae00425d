"""Texts in the making, told to the page piece by piece."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator

from core import copied, text, writers

EVERY = 0.05  # seconds between two reports of a text in the making


class Sheet:
    """A text in the making, told piece by piece: each piece {"from", "text", "costs", ...} goes on where the last one ended.

    told: what stays the same; it stands in the first piece and in the last, which has the whole text and what is measured on it.
    """

    def __init__(self, writer: writers.Writer, corpus: str, told: dict):
        self.writer, self.corpus, self.told = writer, corpus, told
        self.steps: list[text.Step] = []

    @property
    def text(self) -> str:
        return "".join(step.char for step in self.steps)

    def piece(self) -> dict:
        """What was written since the last piece."""
        start, new = len(self.steps), self.writer.take()
        self.steps += new
        piece = {"from": start, "text": "".join(step.char for step in new), "loop": text.loop(self.text), "done": False}
        return (piece if start else self.told | piece) | {"costs": text.packed([step.logits for step in new]) if new else ""}

    def whole(self) -> dict:
        """The whole text, and what is measured on it, on what stood there before included."""
        piece, count = self.piece(), max(len(self.steps), 1)
        read, index = self.told["before"] + self.text, copied.index(self.corpus)
        share, unknown = copied.word_share(read, index, inside=self.told["prompt"][-1:].isalpha())
        run = copied.longest_copied(read, index)
        return self.told | {
            "text": self.text,
            "from": piece["from"],
            "costs": piece["costs"],
            "loop": piece["loop"],
            "done": True,
            "p": [round(step.p, 6) for step in self.steps],
            "entropy": [round(step.entropy, 4) for step in self.steps],
            "bits_per_character": round(sum(-math.log2(step.p) for step in self.steps) / count, 4),
            "mean_entropy": round(sum(step.entropy for step in self.steps) / count, 4),
            "word_share": round(share, 4),
            "unknown_words": unknown[:40],
            "copied": {"low": run.low, "high": run.high, "text": read[run.start : run.start + run.low], "start": run.start},
        }


async def flow(sheets: list[Sheet]) -> AsyncIterator[list[dict]]:
    """The sheets' pieces: the first character at once, then what came in 50 ms, and last the whole texts. Stops the writers when left."""
    first = True
    try:
        while not all(sheet.writer.done for sheet in sheets):
            if any(sheet.writer.steps for sheet in sheets):
                first = False
                yield [sheet.piece() for sheet in sheets]
            await asyncio.sleep(0.003 if first else EVERY)
        yield [await asyncio.to_thread(sheet.whole) for sheet in sheets]
    finally:
        for sheet in sheets:
            sheet.writer.stop()
