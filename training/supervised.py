"""The loop that the small classifiers are trained by: AdamW on a one-cycle schedule, an exponential average of the weights, checkpoints."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from training import precision

RUNS = Path(__file__).resolve().parent.parent / "runs"


def device() -> torch.device:
    """A GPU if there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def fit(
    name: str,
    net: nn.Module,
    count: int,
    loss_of: Callable[[Tensor, torch.Generator], Tensor],
    *,
    epochs: int,
    batch: int,
    rate: float,
    decay: float,
    seed: int,
) -> tuple[nn.Module, list[dict]]:
    """Trains `net` in place, goes on from the last epoch in runs/ if there is one, and gives the averaged net and the curve of the losses.

    count: of the training pictures; loss_of(chosen, generator): the loss of the pictures with these numbers, on `device()`.
    """
    generator = torch.Generator().manual_seed(seed)
    RUNS.mkdir(exist_ok=True)
    checkpoint = RUNS / f"{name}-{epochs}.pt"
    net.to(device(), memory_format=torch.channels_last)
    mean = torch.optim.swa_utils.AveragedModel(net, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(decay), use_buffers=True)
    optimiser = torch.optim.AdamW(net.parameters(), rate, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=epochs * (count // batch), pct_start=0.2)
    parts, first, curve = {"net": net, "mean": mean, "optimiser": optimiser, "schedule": schedule}, 0, []
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        for key, part in parts.items():
            part.load_state_dict(saved[key])
        first, curve = saved["epoch"], saved["curve"]
        generator.set_state(saved["generator"])
    for epoch in range(first, epochs):
        start, losses = time.time(), []
        net.train()
        for chosen in torch.randperm(count, generator=generator)[: count // batch * batch].split(batch):
            with precision.autocast(device().type):
                loss = loss_of(chosen, generator)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
            mean.update_parameters(net)
            losses.append(loss.item())
        curve.append({"epoch": epoch + 1, "loss": round(sum(losses) / len(losses), 4)})
        print(curve[-1], f"{time.time() - start:.0f}s", flush=True)
        state = {key: part.state_dict() for key, part in parts.items()}
        torch.save(state | {"epoch": epoch + 1, "curve": curve, "generator": generator.get_state()}, checkpoint)
    return mean.module, curve
