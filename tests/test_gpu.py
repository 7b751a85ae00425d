"""On a machine with CUDA every endpoint's numbers are the CPU's, within float tolerance."""

from __future__ import annotations

import pytest
import torch

from core import images, one_pixel, samples, zoo
from core.sweep import METHODS, Sweep, sweep

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")


def on(device: str, name: str) -> torch.nn.Module:
    net = zoo._make(name, zoo.MODELS[name])
    return net.to(device)


@pytest.mark.parametrize("method", METHODS)
def test_a_sweep_on_the_gpu_has_the_cpu_s_confidences(method):
    found = []
    for device in ("cpu", "cuda"):
        net = on(device, "mnist-cnn")
        x = images.to_pixels(images.open_image(samples.sample("digit-0").path), net)
        found.append([s for s in sweep(net, x, method=method, target="3", steps=3) if isinstance(s, Sweep)][-1])
    assert (found[0].p - found[1].p).abs().max() < 2e-2  # a gradient of ~0 may change its sign: single pixels differ
    assert (found[0].p - found[1].p).abs().mean() < 1e-3


def test_a_one_pixel_attack_on_the_gpu_takes_the_cpu_s_steps():
    steps = []
    for device in ("cpu", "cuda"):
        net = on(device, "mnist-cnn")
        x = images.to_pixels(images.open_image(samples.sample("digit-8").path), net).to(device)
        y = net(x).argmax(1)
        knobs = {"pixels": 1, "targeted": False, "population": 50, "generations": 5}
        steps.append(list(one_pixel.attack(net, x, y, **knobs, generator=torch.Generator().manual_seed(0))))
    assert [s.pixels for s in steps[0]] == [s.pixels for s in steps[1]]
    assert [s.confidence for s in steps[0]] == pytest.approx([s.confidence for s in steps[1]], abs=1e-4)
