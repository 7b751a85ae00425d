"""Where handlers compute: in a process of their own, so that the page's server answers while the nets are busy; several at once take turns.

A handler is sent by its name, with picklable arguments, and its items come back one by one as they are wanted. Nothing here knows what
they are. Without that process (not Linux, or it has died) the same handlers run in this one, and take turns all the same.
"""

from __future__ import annotations

import functools
import importlib
import itertools
import multiprocessing
import os
import queue
import sys
import threading
from collections.abc import Iterator
from multiprocessing.connection import Connection
from typing import Any

from core.turns import Job, Turns, slots

NICE = 10  # the server's own work comes first


@functools.cache
def _turns() -> Turns:
    return Turns(slots())


def _steps(module: str, name: str, given: dict[str, Any]) -> Iterator[Any]:
    """The items of a handler; a plain function has one."""
    fn = getattr(importlib.import_module(module), name)
    result = fn(**given)
    if isinstance(result, Iterator):
        yield from result
    else:
        yield result


class Local:
    """Computes in this process."""

    def open(self, module: str, name: str, given: dict[str, Any]) -> Any:
        answers: queue.SimpleQueue = queue.SimpleQueue()
        return Job(_steps(module, name, given), lambda kind, value: answers.put((kind, value))), answers

    def next(self, opened: Any) -> tuple[str, Any]:
        job, answers = opened
        _turns().ask(job)
        return answers.get()

    def close(self, opened: Any) -> None:
        opened[0].steps.close()

    def idle(self) -> bool:
        return _turns().idle()


class Remote:
    """Computes in another process, through one connection: ("open", number, module, name, arguments), ("next", number) and
    ("close", number) go there; (number, kind, value) comes back."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sending, self._numbers = threading.Lock(), itertools.count()
        self._answers: dict[int, queue.SimpleQueue] = {}
        self._wanted: set[int] = set()
        self.alive = True
        threading.Thread(target=self._receive, name="answers", daemon=True).start()

    def _send(self, *message: Any) -> None:
        with self._sending:
            self._connection.send(message)

    def _receive(self) -> None:
        try:
            while True:
                number, kind, value = self._connection.recv()
                if answers := self._answers.get(number):
                    answers.put((kind, value))
        except (EOFError, OSError):
            self.alive = False
            for answers in list(self._answers.values()):
                answers.put(("error", RuntimeError("the process that computes has ended")))

    def open(self, module: str, name: str, given: dict[str, Any]) -> Any:
        number = next(self._numbers)
        self._answers[number] = queue.SimpleQueue()
        self._send("open", number, module, name, given)
        return number

    def next(self, number: Any) -> tuple[str, Any]:
        self._wanted.add(number)
        try:
            self._send("next", number)
            return self._answers[number].get()
        finally:
            self._wanted.discard(number)

    def close(self, number: Any) -> None:
        del self._answers[number]
        if self.alive:
            self._send("close", number)

    def idle(self) -> bool:
        return not self._wanted


def _serve(connection: Connection, other_end: Connection) -> None:
    """The life of the process that computes: it ends when the server's end of the connection is closed."""
    other_end.close()
    os.nice(NICE)
    jobs: dict[int, Job] = {}
    sending = threading.Lock()

    def send(number: int, kind: str, value: Any) -> None:
        with sending:
            try:
                connection.send((number, kind, value))
            except (OSError, ValueError):
                os._exit(0)
            except Exception as error:  # a value that cannot be pickled
                connection.send((number, "error", RuntimeError(repr(error))))

    try:
        while True:
            what, number, *rest = connection.recv()
            if what == "open":
                jobs[number] = Job(_steps(*rest), functools.partial(send, number))
            elif what == "next":
                _turns().ask(jobs[number])
            else:
                jobs.pop(number).steps.close()
    except (EOFError, OSError):
        os._exit(0)


_place: Local | Remote = Local()


def start() -> None:
    """Forks the process that computes, on Linux. To be called while nothing has been computed here and no server thread runs yet."""
    global _place
    if sys.platform.startswith("linux") and not os.environ.get("SPACES_ZERO_GPU"):
        context = multiprocessing.get_context("fork")
        ours, theirs = context.Pipe()
        context.Process(target=_serve, args=(theirs, ours), name="compute", daemon=True).start()
        theirs.close()
        _place = Remote(ours)


def idle() -> bool:
    """Whether nobody waits for anything: time for what has not been asked for yet."""
    return _place.idle()


def stream(module: str, name: str, given: dict[str, Any]) -> Iterator[Any]:
    """The items of the handler module.name(**given), in turn with others. Its exceptions are raised here. Left early, it is closed."""
    global _place
    if isinstance(_place, Remote) and not _place.alive:
        _place = Local()
    place = _place
    opened = place.open(module, name, given)
    try:
        while True:
            kind, value = place.next(opened)
            if kind == "end":
                return
            if kind == "error":
                raise value
            yield value
    finally:
        place.close(opened)
