"""Many texts at once: all that visitors write with a net is stepped as one batch, by one thread, each text with its own everything.

A writer has its own state, generator, temperature and pace; what it writes is, to the bit, what `core.text.generate` gives alone, because
a row of `Stepper` does not depend on the others. A step takes every writer that is due, those that wait longest first: none starves.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict, deque

import numpy as np
import torch

from core import text
from core.checks import number, whole
from core.text import CharLSTM, Rows, Step, Stepper

MOST = 64  # writers in a step; more take turns
IDLE = 60.0  # seconds after which a thread without work ends
REMEMBERED = 256  # prompts whose state is kept, 6 kB each
PACE = (0.0, 10_000.0)  # characters a second; 0: as fast as it goes


class Writer:
    """A text in the making. `take` gives what was written since the last call; `stop` ends it within a step.

    temperature may be set at any time: the next character obeys.   done: no more will come.
    """

    def __init__(self, ids: list[int], temperature: float, k: int | None, share: float | None, length: int, pace: float, generator):
        self.ids, self.at, self.state = ids, 0, None
        self.temperature, self.k, self.share = temperature, k, share
        self.left, self.pace = length, pace
        self.numbers = iter(torch.rand(length, generator=generator, dtype=torch.float64).tolist())
        self.due, self.done, self.error = 0.0, False, None
        self.steps: deque[Step] = deque()

    def take(self) -> list[Step]:
        """The Steps since the last call. Raises what went wrong, should something have."""
        if self.error:
            raise self.error
        return [self.steps.popleft() for _ in range(len(self.steps))]

    def all(self) -> list[Step]:
        """Waits for the end and gives every Step not yet taken."""
        while not self.done:
            time.sleep(0.002)
        return self.take()

    def stop(self) -> None:
        """Ends the text within a step; also when it has ended already."""
        self.done = True


class Desk:
    """The writers of one net, and the thread that steps them while there are any."""

    def __init__(self, step: Stepper):
        self.step, self.writers, self.thread = step, [], None
        self.read: OrderedDict[tuple[int, ...], Rows] = OrderedDict()
        self.wake = threading.Condition()

    def add(self, writer: Writer) -> None:
        """A new writer; it takes part from the next step on."""
        with self.wake:
            known = self.read.get(tuple(writer.ids[:-1]))  # the state before the prompt's last character
            writer.state = known or self.step.start(1)
            writer.at = len(writer.ids) - 1 if known else 0
            self.writers.append(writer)
            if self.thread is None:
                self.thread = threading.Thread(target=self._run, name="writers", daemon=True)
                self.thread.start()
            self.wake.notify()

    def _due(self) -> list[Writer] | None:
        """Waits for writers that are due and gives them, those that wait longest first; None if nothing has been to do for long."""
        with self.wake:
            while True:
                self.writers = [w for w in self.writers if not w.done]
                now = time.monotonic()
                due = sorted((w for w in self.writers if w.due <= now), key=lambda w: w.due)[:MOST]
                if due:
                    taken = set(map(id, due))  # to the end of the list, so that equals take turns: the sort is stable
                    self.writers = [w for w in self.writers if id(w) not in taken] + due
                    return due
                woken = self.wake.wait(min(w.due for w in self.writers) - now if self.writers else IDLE)
                if not woken and not self.writers:
                    self.thread = None
                    return None

    def _run(self) -> None:
        with torch.inference_mode():
            while due := self._due():
                try:
                    self._once(due)
                except Exception as error:  # told to those who wait for these texts; the others go on
                    logging.getLogger("fool_forge").error("writing failed", exc_info=error)
                    for writer in due:
                        writer.error, writer.done = error, True

    def _once(self, due: list[Writer]) -> None:
        h, c = (np.concatenate(part) for part in zip(*(w.state for w in due), strict=True))
        logits, (h, c) = self.step([w.ids[w.at] for w in due], (h, c))
        now = time.monotonic()
        for row, w in enumerate(due):
            w.state = (h[row : row + 1], c[row : row + 1])
            w.at += 1
            if w.at == len(w.ids) - 1:
                self._remember(w)
            if w.at < len(w.ids) or w.done:
                w.due = now  # still reading its prompt
                continue
            place, step = text.choose(logits[row], self.step.vocabulary, next(w.numbers), temperature=w.temperature, k=w.k, share=w.share)
            w.steps.append(step)
            w.ids, w.at, w.left = [place], 0, w.left - 1
            w.due = max(w.due + 1 / w.pace, now - 0.1) if w.pace else now
            w.done = w.done or w.left == 0

    def _remember(self, writer: Writer) -> None:
        if len(writer.ids) > 1:
            with self.wake:
                self.read[tuple(writer.ids[:-1])] = tuple(part.copy() for part in writer.state)
                while len(self.read) > REMEMBERED:
                    self.read.popitem(last=False)


_desks: dict[int, Desk] = {}
_lock = threading.Lock()


def desk(model: CharLSTM) -> Desk:
    """The desk of a net, made once."""
    with _lock:
        if id(model) not in _desks:
            _desks[id(model)] = Desk(text.stepper(model))
        return _desks[id(model)]


def write(
    model: CharLSTM,
    prompt: str,
    *,
    written: str = "",
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    length: int,
    generator: torch.Generator,
    pace: float = 0.0,
) -> Writer:
    """Begins a text and returns at once: as `core.text.generate`, beside all others that are being written.

    written: what stands after the prompt already, by this net or changed by a hand; the text goes on after it, with the random numbers
    that its next characters would have had, so that a text in two parts is the text in one.   pace: characters a second, 0 for all speed.
    """
    pace = number("pace", pace, *PACE)
    ids, k, share, length = text.checked(model, prompt, written, temperature, top_k, top_p, length)
    whole("The text's length so far", len(written), 0, 100_000)
    torch.rand(len(written), generator=generator, dtype=torch.float64)
    writer = Writer(ids, temperature, k, share, length, pace, generator)
    desk(model).add(writer)
    return writer
