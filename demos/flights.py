"""Equal questions asked at the same time are computed once."""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass
class _Flight:
    """A generator that several visitors read: whoever needs an item that is not there yet makes it, the others wait for it."""

    steps: Iterator[Any]
    readers: int = 0
    made: int = 0
    item: Any = None
    ended: bool = False
    error: Exception | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def after(self, seen: int) -> tuple[int, Any]:
        """(number of items made, the newest one), newer than `seen` unless there is none."""
        if (made := self.made) > seen:  # without the lock, which whoever makes the next one holds meanwhile
            return made, self.item
        with self.lock:
            if self.made == seen and not self.ended:
                try:
                    self.item = next(self.steps)
                    self.made += 1
                except StopIteration:
                    self.ended = True
                except Exception as error:
                    self.ended, self.error = True, error
            if self.made == seen and self.error:
                raise self.error
            return self.made, self.item


def shared(fn: Callable, key: Callable[[dict], Any]) -> Callable:
    """A handler whose equal questions, when they are asked at the same time, are computed once. Each asker sees the newest item
    whenever it looks, and the last one; when the last asker has gone, the computation ends."""
    flights: dict[str, _Flight] = {}
    guard = threading.Lock()
    signature = inspect.signature(fn)

    @functools.wraps(fn)
    def stream(*args: Any, **kwargs: Any) -> Iterator[Any]:
        given = signature.bind(*args, **kwargs).arguments
        name = repr(sorted(key(dict(given)).items()))
        with guard:
            flight = flights.setdefault(name, _Flight(iter(())))
            if not flight.readers:
                flight.steps = fn(**given)
            flight.readers += 1
        try:
            seen = 0
            while (news := flight.after(seen))[0] > seen:
                seen = news[0]
                yield news[1]
        finally:
            with guard:
                flight.readers -= 1
                if not flight.readers:
                    del flights[name]
                    flight.steps.close()

    return stream
