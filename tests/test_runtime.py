"""The device, the threads and the precision, as the environment says. Each program chooses once, so each test is a program."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from core import runtime
from core.checks import UserError

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def fresh(monkeypatch):
    """Sets the variables, as if the program had just begun; afterwards everything is as it was."""
    threads, precision, tf32 = torch.get_num_threads(), torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32

    def begin(**variables: str) -> None:
        for name in ("FOOL_FORGE_DEVICE", "FOOL_FORGE_THREADS"):
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(f"FOOL_FORGE_{name.upper()}", value)
        runtime.device.cache_clear()
        runtime.configure.cache_clear()

    yield begin
    runtime.device.cache_clear()
    runtime.configure.cache_clear()
    torch.set_num_threads(threads)
    torch.set_float32_matmul_precision(precision)
    torch.backends.cudnn.allow_tf32 = tf32


def test_the_best_device_that_is_here_is_chosen(fresh, monkeypatch):
    for cuda, mps, expected in ((True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda cuda=cuda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda mps=mps: mps)
        fresh()
        assert runtime.device() == torch.device(expected)


def test_the_variable_overrides_the_choice(fresh, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    fresh(device="cpu")
    assert runtime.device() == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    fresh(device="cuda:1")
    assert runtime.device() == torch.device("cuda:1")


@pytest.mark.parametrize("wanted", ["tpu", "cuda", "CPU", "cuda:1", "cpu:x", "cuda:", ":"])
def test_a_device_that_is_not_here_is_refused_with_those_that_are(wanted, fresh, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    fresh(device=wanted)
    with pytest.raises(UserError, match=f"FOOL_FORGE_DEVICE is '{wanted}'; here there is: cpu."):
        runtime.device()


def test_a_second_gpu_that_is_not_here_is_refused(fresh, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    fresh(device="cuda:1")
    with pytest.raises(UserError, match="here there is: cuda, cpu"):
        runtime.device()


def test_choosing_the_device_turns_reduced_precision_off(fresh):
    fresh(device="cpu")
    torch.set_float32_matmul_precision("medium")
    torch.backends.cudnn.allow_tf32 = True
    runtime.device()
    assert torch.get_float32_matmul_precision() == "highest"
    assert not torch.backends.cuda.matmul.allow_tf32 and not torch.backends.cudnn.allow_tf32


def test_the_variable_sets_the_threads(fresh):
    fresh(device="cpu", threads="3")
    runtime.device()
    assert torch.get_num_threads() == 3


@pytest.mark.parametrize("threads", ["0", "-2", "many", "1.5"])
def test_threads_that_are_no_count_are_refused(threads, fresh):
    fresh(device="cpu", threads=threads)
    with pytest.raises(UserError, match=f"FOOL_FORGE_THREADS is '{threads}'; give a whole number from 1"):
        runtime.device()


def test_a_program_obeys_its_environment():
    code = "from core import runtime, zoo; import torch; print(runtime.device(), torch.get_num_threads())"
    environment = os.environ | {"FOOL_FORGE_DEVICE": "cpu", "FOOL_FORGE_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["cpu", "1"]
