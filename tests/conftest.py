"""Fixtures of the tests of core. No test asks the network for a model's weights."""

from __future__ import annotations

import os

os.environ.setdefault("FOOL_FORGE_OFFLINE", "1")

import pytest
import torch
from torch import Tensor, nn

from tests.page import app_url, browser, client, page, phone  # noqa: F401 - fixtures


@pytest.fixture(scope="session")
def small_net() -> nn.Sequential:
    """An untrained net with what could betray a side effect: batch norm, dropout, weights that ask for gradients. 3x8x8 -> 5 logits."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        net = nn.Sequential(
            nn.Conv2d(3, 12, 3, padding=1), nn.BatchNorm2d(12), nn.GELU(), nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(0.5), nn.Linear(192, 5)
        )
        net(torch.rand(64, 3, 8, 8))  # so that the batch norm has statistics
    return net.eval()


@pytest.fixture
def pictures() -> Tensor:
    """Six pictures 3x8x8; a fifth of their pixels stand at 0 or at 1, where clipping bites."""
    x = torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(4))
    return ((x - 0.5) * 1.25 + 0.5).clamp(0, 1)
