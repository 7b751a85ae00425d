"""The training loop of the small classifiers, on a net of one weight a pixel."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from training import precision, supervised

X = torch.randn(40, 1, 4, 4, generator=torch.Generator().manual_seed(0))
Y = (X.flatten(1)[:, 3] > 0).float()


def trained(stop_after: int | None = None):
    """Six epochs towards "is pixel 3 positive?"; stop_after: interrupted by an error in the epoch after."""
    torch.manual_seed(1)
    net, steps = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 1)), 0

    def loss_of(chosen, generator):
        nonlocal steps
        if stop_after is not None and steps == stop_after * 5:
            raise KeyboardInterrupt
        steps += 1
        noise = torch.randn(len(chosen), 1, 4, 4, generator=generator) / 10
        return F.binary_cross_entropy_with_logits(net(X[chosen] + noise)[:, 0].float(), Y[chosen])

    mean, curve = supervised.fit("toy", net, len(X), loss_of, epochs=6, batch=8, rate=0.3, decay=0.9, seed=2)
    return net, mean, curve


@pytest.fixture(autouse=True)
def runs(tmp_path, monkeypatch):
    monkeypatch.setattr(supervised, "RUNS", tmp_path)
    monkeypatch.setattr(supervised, "device", lambda: torch.device("cpu"))
    monkeypatch.setattr(precision, "autocast", lambda _: torch.autocast("cpu", enabled=False))
    return tmp_path


def test_the_net_learns_and_its_average_does(tmp_path):
    net, mean, curve = trained()
    assert len(curve) == 6 and curve[-1]["loss"] < curve[0]["loss"] / 2
    for one in (net, mean):
        weights = one[1].weight[0]
        assert weights.argmax() == 3 and ((one(X)[:, 0] > 0) == (Y > 0.5)).float().mean() > 0.9


def test_a_training_that_was_interrupted_ends_as_one_that_was_not(tmp_path):
    whole = trained()
    (tmp_path / "toy-6.pt").unlink()
    with pytest.raises(KeyboardInterrupt):
        trained(stop_after=3)
    resumed = trained()
    assert resumed[2] == whole[2]
    for a, b in zip(resumed[:2], whole[:2], strict=True):
        torch.testing.assert_close(a[1].weight, b[1].weight)


def test_autocast_takes_bfloat16_only_where_it_wins(monkeypatch):
    monkeypatch.undo()
    for half, whole, taken in ((1.0, 2.0, True), (2.0, 1.0, False), (0.9, 1.0, False)):
        monkeypatch.setattr(precision, "_seconds", lambda dtype, half=half, whole=whole: half if dtype == torch.bfloat16 else whole)
        precision.autocast.cache_clear()
        with precision.autocast("cpu"):
            assert torch.is_autocast_enabled("cpu") == taken
    precision.autocast.cache_clear()
