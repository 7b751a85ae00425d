"""In which precision a training's products run: bfloat16 where the device multiplies faster in it, else float32."""

from __future__ import annotations

import time
from functools import cache

import torch
import torch.nn.functional as F


@cache
def autocast(device: str) -> torch.autocast:
    """A context for the forward pass, used again and again: bfloat16 on a GPU; on a CPU, where it wins a race of one convolution."""
    half = device != "cpu" or _seconds(torch.bfloat16) < 0.8 * _seconds(torch.float32)
    return torch.autocast(device, torch.bfloat16, enabled=half)


def _seconds(dtype: torch.dtype) -> float:
    """The best of five runs of a 3x3 convolution of 64 channels and its gradients."""
    x = torch.rand(16, 64, 32, 32).to(dtype, memory_format=torch.channels_last).requires_grad_()
    weight = torch.rand(64, 64, 3, 3).to(dtype, memory_format=torch.channels_last).requires_grad_()
    taken = []
    for _ in range(5):
        start = time.perf_counter()
        F.conv2d(x, weight, padding=1).sum().backward()
        taken.append(time.perf_counter() - start)
    return min(taken)
