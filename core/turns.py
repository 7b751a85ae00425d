"""Who computes next, when many ask one machine. Work comes as a generator; its steps are the slices, and short work overtakes long work
between them.

A multi-level feedback queue (Corbato et al. 1962): work starts on the highest level and sinks as it uses time, so what takes
milliseconds waits for slices, not for whole searches; on one level the first to come is the first served, and who has waited for
`PATIENCE` seconds rises by a level. Long work (from level `LONG` on) computes while no short work does; while some does, all the long
work together begins one slice in `LEAST` seconds, so that it goes on however many short questions come. It never takes the last slot.
A slot alone computes with all threads; several share them.
"""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

LEVELS = (0.1, 3.0, 8.0)  # CPU seconds used: below the first, level 0; from the last on, level 3
LONG = 2
PATIENCE = 5.0
LEAST = 1.0

Done = Callable[[str, Any], None]


class Pause:
    """Yielded by work that has nothing to show yet, so that others can compute. low: what follows is less urgent than others' work."""

    def __init__(self, *, low: bool = False) -> None:
        self.low = low


@dataclass
class Job:
    """One generator in the queue.   lowest: the level it may not leave upwards.   used: CPU seconds so far.
    since: when it began to wait for the slice it waits for.   done(kind, value) gets each item: "item", "end" or "error"."""

    steps: Iterator[Any]
    done: Done
    arrival: int = 0
    lowest: int = 0
    used: float = 0.0
    since: float = 0.0

    @property
    def level(self) -> int:
        return max(self.lowest, sum(self.used >= limit for limit in LEVELS))

    def urgency(self, now: float) -> tuple[int, int]:
        """The smaller, the sooner."""
        return self.level - int((now - self.since) / PATIENCE), self.arrival


class Turns:
    """`slots` threads that compute. `ask(job)` queues it for its next item, which they hand to job.done."""

    def __init__(self, slots: int) -> None:
        self._slots, self._started, self._busy, self._long = slots, 0, 0, 0
        self._waiting: list[Job] = []
        self._began = time.monotonic()  # when the last slice of long work began
        self._arrivals = itertools.count(1)
        self._changed = threading.Condition()

    def ask(self, job: Job) -> None:
        """The job's next item is wanted. It must not be waiting for one already."""
        with self._changed:
            job.arrival = job.arrival or next(self._arrivals)
            job.since = time.monotonic()
            self._waiting.append(job)
            if self._started < min(self._slots, self._busy + len(self._waiting)):
                self._started += 1
                threading.Thread(target=self._work, name=f"compute-{self._started}", daemon=True).start()
            self._changed.notify()

    def idle(self) -> bool:
        """Whether nothing is computed and nothing waits."""
        return not (self._busy or self._waiting)

    def _choose(self) -> Job | None:
        """The most urgent of the short ones that wait; of the long ones, when it is their turn and a slot stays free."""
        now = time.monotonic()
        short, long = ([j for j in self._waiting if (j.level >= LONG) == late] for late in (False, True))
        calm = not short and self._busy == self._long
        theirs = self._long < max(self._slots - 1, 1) and (calm or now - self._began >= LEAST)
        return min(long if long and theirs else short, key=lambda j: j.urgency(now), default=None)

    def _work(self) -> None:
        while True:
            with self._changed:
                while (job := self._choose()) is None:
                    self._changed.wait()
                self._waiting.remove(job)
                long = job.level >= LONG
                if long:
                    self._began = time.monotonic()
                self._busy += 1
                self._long += long
                threads = max(1, total_threads() // self._busy)
            if torch.get_num_threads() != threads:
                torch.set_num_threads(threads)  # OpenMP's number is the calling thread's own
            start, kind, value = time.thread_time(), "item", None
            try:
                value = next(job.steps)
            except StopIteration:
                kind = "end"
            except BaseException as error:  # it belongs to whoever asked
                kind, value = "error", error
            job.used += time.thread_time() - start
            paused = isinstance(value, Pause)
            with self._changed:
                self._busy -= 1
                self._long -= long
                if paused:  # it waits again before others see that it has stopped
                    job.lowest = LONG if value.low else job.lowest
                    self.ask(job)
                self._changed.notify_all()
            if not paused:
                job.done(kind, value)


_total = torch.get_num_threads()


def total_threads() -> int:
    """The threads to share out: FOOL_FORGE_THREADS, or what torch found at the start."""
    return int(os.environ.get("FOOL_FORGE_THREADS") or _total)


def slots() -> int:
    """How many slices are computed side by side: FOOL_FORGE_CONCURRENCY, or 1 on an accelerator and one per core, 4 at most, on a CPU."""
    given = os.environ.get("FOOL_FORGE_CONCURRENCY", "")
    if given.isdecimal() and int(given) > 0:
        return int(given)
    accelerated = torch.cuda.is_available() or torch.backends.mps.is_available()
    return 1 if accelerated else max(1, min(4, _total))
