"""The process that computes, and equal questions asked at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from core.checks import UserError
from demos import compute, flights, ui

ROOT = Path(__file__).resolve().parent.parent


def count(to: int, pid_too: bool = False):
    for k in range(to):
        yield (os.getpid(), k) if pid_too else k


def refuse(what: str):
    raise UserError(f"{what} is not allowed; give something else.")


def wrong():
    yield 1
    raise KeyError("wrong on purpose")


def unpicklable():
    return lambda: None


def asleep():
    time.sleep(60)
    yield 1


def in_fresh_program(code: str) -> str:
    """What a program prints that forks the process that computes first of all, as the app does."""
    program = "import time\nfrom demos import compute\nfrom tests import test_compute as t\ncompute.start()\n" + code
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the process is forked on Linux alone")


def test_without_the_process_handlers_run_here():
    assert list(compute.stream(__name__, "count", {"to": 3})) == [0, 1, 2]
    assert {pid for pid, _ in compute.stream(__name__, "count", {"to": 2, "pid_too": True})} == {os.getpid()}


@linux
def test_handlers_run_in_another_process_and_give_the_same_items():
    printed = in_fresh_program(
        "import os, json\n"
        "items = list(compute.stream(t.__name__, 'count', {'to': 3, 'pid_too': True}))\n"
        "print(json.dumps([os.getpid() not in {p for p, _ in items}, [k for _, k in items]]))"
    )
    assert json.loads(printed) == [True, [0, 1, 2]]


@linux
def test_errors_come_back_as_they_were_raised():
    code = """
for name, given in (("refuse", {"what": "a <b>"}), ("wrong", {}), ("unpicklable", {})):
    try:
        list(compute.stream(t.__name__, name, given))
    except Exception as error:
        print(type(error).__name__, error)
print(list(compute.stream(t.__name__, "count", {"to": 1})))
"""
    first, second, third, last = in_fresh_program(code).splitlines()
    assert first == "UserError a <b> is not allowed; give something else."
    assert second == "KeyError 'wrong on purpose'"
    assert third.startswith("RuntimeError")
    assert last == "[0]"


@linux
def test_when_the_process_is_killed_its_askers_are_told_and_the_next_ones_are_served_here():
    code = """
import os, signal, threading
told = []
def ask():
    try:
        list(compute.stream(t.__name__, "asleep", {}))
    except RuntimeError as error:
        told.append(str(error))
pid = next(compute.stream(t.__name__, "count", {"to": 1, "pid_too": True}))[0]
thread = threading.Thread(target=ask); thread.start()
time.sleep(0.5)
os.kill(pid, signal.SIGKILL)
thread.join(20)
print(told, list(compute.stream(t.__name__, "count", {"to": 2})))
"""
    assert in_fresh_program(code) == "['the process that computes has ended'] [0, 1]"


@linux
def test_the_process_ends_with_the_server():
    code = "print(next(compute.stream(t.__name__, 'count', {'to': 1, 'pid_too': True}))[0], flush=True)\ntime.sleep(60)"
    program = "import time\nfrom demos import compute\nfrom tests import test_compute as t\ncompute.start()\n" + code
    server = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    pid = int(server.stdout.readline())
    os.kill(pid, 0)  # it is alive
    server.send_signal(signal.SIGKILL)
    server.wait()
    for _ in range(100):
        state = Path(f"/proc/{pid}/stat")
        if not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z":
            return
        time.sleep(0.1)
    raise AssertionError("the process outlives the server")


def test_a_stream_left_early_is_closed():
    stream = compute.stream(__name__, "count", {"to": 5})
    assert next(stream) == 0
    stream.close()
    assert compute.idle()


made: list[str] = []
gate = threading.Event()


def slow(name: str):
    made.append(name)
    for k in range(3):
        gate.wait(30)
        yield name, k


def test_equal_questions_asked_at_once_are_computed_once_and_each_asker_gets_the_last_item():
    made.clear()
    gate.clear()
    ask = flights.shared(slow, lambda given: {"name": given["name"].lower()})
    seen: dict[int, list] = {k: [] for k in range(4)}
    threads = [threading.Thread(target=lambda k=k: seen[k].extend(ask(name="Same" if k % 2 else "same"))) for k in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(0.2)
    gate.set()
    for thread in threads:
        thread.join(30)
    assert len(made) == 1
    assert all(items[-1] == (made[0], 2) for items in seen.values())


def test_unequal_questions_are_not_mixed():
    made.clear()
    gate.set()
    ask = flights.shared(slow, lambda given: given)
    assert [list(ask(name=n))[-1] for n in ("a", "b")] == [("a", 2), ("b", 2)]
    assert made == ["a", "b"]


def test_what_is_there_already_is_given_while_the_rest_is_being_made():
    making, done = threading.Event(), threading.Event()

    def figure_first(name: str):
        yield "figure"
        making.set()
        done.wait(30)
        yield "rest"

    ask = flights.shared(figure_first, lambda given: given)
    first, seen = ask(name="x"), []
    assert next(first) == "figure"
    waiting = threading.Thread(target=lambda: seen.extend(first))
    waiting.start()
    making.wait(30)
    late = ask(name="x")
    asking = threading.Thread(target=lambda: seen.append(("late", next(late))))
    asking.start()
    asking.join(5)
    assert seen == [("late", "figure")]
    done.set()
    waiting.join(30)
    assert seen == [("late", "figure"), "rest"] and list(late) == ["rest"]


def test_an_asker_who_leaves_does_not_end_the_others_answer():
    made.clear()
    gate.set()
    ask = flights.shared(slow, lambda given: given)
    leaving, staying = ask(name="x"), ask(name="x")
    assert next(leaving) == ("x", 0)
    assert next(staying) == ("x", 0)
    leaving.close()
    assert list(staying) == [("x", 1), ("x", 2)]
    assert list(ask(name="x"))[-1] == ("x", 2)
    assert made == ["x", "x"]  # the first computation was over: a new one


def test_a_sweep_from_the_other_process_is_the_sweep_made_here():
    from demos import fgsm

    given = {"image": None, "sample": "digit-0", "model": "mnist-cnn", "method": "pgd", "target": "", "steps": 3, "seed": 7}
    x, sheet, report = list(fgsm.run(**given))[-1]
    code = f"""
import hashlib, json
from demos import fgsm
x, sheet, report = list(fgsm.run(**{given!r}))[-1]
print(json.dumps([x.size, hashlib.sha256(sheet.tobytes()).hexdigest(), report["rungs"][3]["top"][0][0]]))
"""
    if sys.platform.startswith("linux"):
        import hashlib

        size, sha, winner = json.loads(in_fresh_program(code))
        assert (tuple(size), winner) == (x.size, report["rungs"][3]["top"][0][0])
        assert sha == hashlib.sha256(sheet.tobytes()).hexdigest()
    assert np.asarray(sheet).shape[0] == 28 * len(report["budgets"])


def test_what_was_computed_before_is_answered_with_the_last_item_alone():
    made.clear()
    gate.set()
    ask = ui.computed(slow, key=lambda given: {"name": given["name"].lower()})
    assert list(ask(name="Asked")) == [("Asked", 0), ("Asked", 1), ("Asked", 2)]
    assert list(ask(name="asked")) == [("Asked", 2)] and made == ["Asked"]
    leaving = ask(name="left")
    next(leaving)
    leaving.close()
    assert list(ask(name="left")) == [("left", 0), ("left", 1), ("left", 2)]  # half an answer is none
