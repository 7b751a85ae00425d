"""Taking turns: the order in which work of several askers is computed."""

from __future__ import annotations

import itertools
import queue
import threading
import time

from core.turns import LEVELS, LONG, PATIENCE, Job, Pause, Turns


def burn(seconds: float) -> None:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def run(turns: Turns, steps, log: list, name: str) -> threading.Thread:
    """Asks for every item of `steps` from a thread; (name, kind, value) of each goes to the log."""
    answers: queue.SimpleQueue = queue.SimpleQueue()
    job = Job(steps, lambda kind, value: answers.put((kind, value)))

    def asker():
        while True:
            turns.ask(job)
            kind, value = answers.get(timeout=60)
            log.append((name, kind, value))
            if kind != "item":
                return

    thread = threading.Thread(target=asker)
    thread.start()
    return thread


def slices(count: int, seconds: float, started: threading.Event | None = None):
    for k in range(count):
        burn(seconds)
        if started:
            started.set()
        yield k


def test_the_items_arrive_in_their_order_and_then_the_end():
    log: list = []
    run(Turns(1), slices(3, 0), log, "a").join(60)
    assert log == [("a", "item", 0), ("a", "item", 1), ("a", "item", 2), ("a", "end", None)]


def test_work_that_takes_one_slice_overtakes_work_that_has_used_much():
    turns, log, started = Turns(1), [], threading.Event()
    long = run(turns, slices(6, LEVELS[0] + 0.02, started), log, "long")
    started.wait(60)
    run(turns, slices(1, 0), log, "short").join(60)
    long.join(60)
    ends = [name for name, kind, _ in log if kind == "end"]
    assert ends == ["short", "long"]
    assert [name for name, kind, _ in log if kind == "item"].index("short") <= 2


def test_on_one_level_the_first_to_come_is_the_first_served():
    early, late = Job(iter(()), print, arrival=1), Job(iter(()), print, arrival=2)
    early.since = late.since = 100.0
    assert early.urgency(100.0) < late.urgency(100.0)


def test_a_job_sinks_with_the_time_it_used_and_rises_with_the_time_it_waits():
    job = Job(iter(()), print, arrival=1)
    levels = []
    for used in (0.0, LEVELS[0], LEVELS[1], LEVELS[2]):
        job.used = used
        levels.append(job.level)
    assert levels == [0, 1, 2, 3]
    job.since = 50.0
    assert job.urgency(50.0)[0] == 3
    assert job.urgency(50.0 + 2 * PATIENCE)[0] == 1


def test_a_low_pause_puts_what_follows_behind_others():
    turns, log = Turns(1), []
    gate, waiting, order = threading.Event(), threading.Event(), []

    def patient():
        waiting.set()
        gate.wait(60)  # both others are queued when this slice ends
        yield Pause(low=True)
        order.append("patient")
        yield "patient"

    def paused(name):
        yield Pause()
        yield Pause()
        order.append(name)
        yield name

    first = run(turns, patient(), log, "patient")
    waiting.wait(60)
    others = [run(turns, paused(name), log, name) for name in ("a", "b")]
    while len(turns._waiting) < 2:
        time.sleep(0.01)
    gate.set()
    for thread in (first, *others):
        thread.join(60)
    assert sorted(order[:2]) == ["a", "b"] and order[2:] == ["patient"]


def test_long_work_leaves_a_slot_free():
    turns, log, gate = Turns(2), [], threading.Event()

    def held():
        yield Pause(low=True)
        gate.wait(60)
        yield "held"

    blocked = [run(turns, held(), log, f"long {k}") for k in range(2)]
    run(turns, slices(1, 0), log, "short").join(60)
    assert ("short", "end", None) in log
    assert not any(name.startswith("long") for name, *_ in log)
    gate.set()
    for thread in blocked:
        thread.join(60)
    assert len([1 for name, kind, _ in log if kind == "end"]) == 3


def beside_short_work(seconds: float) -> list:
    """What long work has reported after some seconds beside short work that goes on, slice after slice, in one of two slots."""
    turns, log, gate, begun = Turns(2), [], threading.Event(), threading.Event()

    def short():
        begun.set()
        while not gate.is_set():
            burn(0.001)
            yield Pause()

    def long():
        yield Pause(low=True)
        yield from itertools.count()

    shorts = [run(turns, short(), log, "short")]
    begun.wait(60)
    job = Job(long(), lambda kind, value: log.append(("long", kind, value)) or turns.ask(job))
    turns.ask(job)
    time.sleep(seconds)
    told = list(log)
    gate.set()
    shorts[0].join(60)
    job.done = lambda *_: None
    return told


def test_long_work_goes_on_beside_short_work_but_slowly(monkeypatch):
    monkeypatch.setattr("core.turns.LEVELS", (9.0, 9.0, 9.0))  # the short work stays short
    monkeypatch.setattr("core.turns.LEAST", 0.2)
    assert 2 <= len(beside_short_work(1.1)) <= 6


def test_when_the_short_work_has_ended_the_long_one_is_not_held_back(monkeypatch):
    monkeypatch.setattr("core.turns.LEAST", 60.0)
    turns, log = Turns(2), []
    started = time.monotonic()

    def long():
        yield Pause(low=True)
        yield from range(50)

    run(turns, slices(1, 0), log, "short").join(60)
    run(turns, long(), log, "long").join(60)
    assert log[-1] == ("long", "end", None) and time.monotonic() - started < 30


def test_an_error_reaches_the_one_who_asked_and_nobody_else():
    turns, log = Turns(1), []

    def broken():
        yield 1
        raise ValueError("broken on purpose")

    threads = [run(turns, broken(), log, "broken"), run(turns, slices(2, 0), log, "whole")]
    for thread in threads:
        thread.join(60)
    assert [(kind, str(value)) for name, kind, value in log if name == "broken"] == [("item", "1"), ("error", "broken on purpose")]
    assert [kind for name, kind, _ in log if name == "whole"] == ["item", "item", "end"]
    assert turns.idle()


def test_the_long_level_is_one_of_the_levels():
    assert 0 < LONG <= len(LEVELS)
