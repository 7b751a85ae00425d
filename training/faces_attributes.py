"""Trains `faces-attributes`:  python -m training.faces_attributes [--epochs 8]

Which of 40 attributes a 64x64 face has: binary cross-entropy, AdamW on a one-cycle schedule, faces mirrored at random; the shipped weights
are an exponential average. The convolutions run in bfloat16 where that is faster. Every 10th face is held out for the test,
which is looked at once, at the end. Checkpoints go to runs/.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core import zoo
from core.classifiers import faces_attributes
from training import cards, data, precision

RUNS = Path(__file__).resolve().parent.parent / "runs"
BATCH, LR, DECAY, HELD_OUT = 100, 3e-3, 0.995, 10


@torch.no_grad()
def logits(net: nn.Module, pictures: Tensor) -> Tensor:
    net.eval()
    return torch.cat([net(part.float() / 255) for part in pictures.split(200)])


def balanced(right: Tensor, y: Tensor) -> Tensor:
    """Balanced accuracy of each attribute (K,): the mean of the shares found among those that have it and those that have it not."""
    yes, no = y > 0.5, y < 0.5
    return ((right & yes).sum(0) / yes.sum(0) + (right & no).sum(0) / no.sum(0)) / 2


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    generator = torch.Generator().manual_seed(options.seed)
    RUNS.mkdir(exist_ok=True)
    checkpoint = RUNS / f"faces-attributes-{options.epochs}.pt"
    pictures, rows = data.faces()
    labels = torch.tensor([[float(row[name]) for name in zoo.ATTRIBUTES] for row in rows])
    held = torch.arange(len(rows)) % HELD_OUT == 0
    test_x, test_y, train_x, train_y = pictures[held], labels[held], pictures[~held], labels[~held]
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    net = faces_attributes().to(device, memory_format=torch.channels_last)
    mean = torch.optim.swa_utils.AveragedModel(net, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(DECAY), use_buffers=True)
    optimiser = torch.optim.AdamW(net.parameters(), LR, weight_decay=0.02)
    steps = options.epochs * (len(train_x) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LR, total_steps=steps, pct_start=0.2)
    first, curve = 0, []
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        for part, name in ((net, "net"), (mean, "mean"), (optimiser, "optimiser"), (schedule, "schedule")):
            part.load_state_dict(saved[name])
        first, curve = saved["epoch"], saved["curve"]
        generator.set_state(saved["generator"])
    for epoch in range(first, options.epochs):
        start, losses = time.time(), []
        net.train()
        for chosen in torch.randperm(len(train_x), generator=generator)[: len(train_x) // BATCH * BATCH].split(BATCH):
            x = train_x[chosen].to(device).float() / 255
            mirrored = torch.rand(len(x), generator=generator).to(device) < 0.5
            x = torch.where(mirrored[:, None, None, None], x.flip(3), x).contiguous(memory_format=torch.channels_last)
            with precision.autocast(device.type):
                z = net(x)
            loss = F.binary_cross_entropy_with_logits(z.float(), train_y[chosen].to(device))
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
            mean.update_parameters(net)
            losses.append(loss.item())
        curve.append({"epoch": epoch + 1, "loss": round(sum(losses) / len(losses), 4)})
        print(curve[-1], f"{time.time() - start:.0f}s", flush=True)
        state = {"net": net.state_dict(), "mean": mean.state_dict(), "optimiser": optimiser.state_dict()}
        state |= {"schedule": schedule.state_dict(), "epoch": epoch + 1, "curve": curve, "generator": generator.get_state()}
        torch.save(state, checkpoint)

    final = cards.rounded(mean.module, faces_attributes)
    z = logits(final, test_x)
    right = (z > 0) == (test_y > 0.5)
    by_name = dict(zip(zoo.ATTRIBUTES, [round(v, 3) for v in balanced(right, test_y).tolist()], strict=True))
    metrics = {"test_accuracy": round(right.float().mean().item(), 4), "test_pictures": len(test_y)}
    metrics |= {"test_accuracy_smiling": round(right[:, zoo.ATTRIBUTES.index("Smiling")].float().mean().item(), 4)}
    metrics |= {
        "test_accuracy_male": round(right[:, zoo.ATTRIBUTES.index("Male")].float().mean().item(), 4),
        "test_balanced_accuracy": by_name,
    }
    print(json.dumps(metrics), flush=True)
    cards.write(
        "faces-attributes",
        final,
        remake=f"python -m training.faces_attributes --epochs {options.epochs} --seed {options.seed}",
        architecture="core.classifiers.faces_attributes",
        data="CelebA (for non-commercial research), 22,266 aligned near-frontal faces, 64x64, every 10th held out. Known faults: 5 to 10 % "
        "of Smiling are labelled wrongly, Eyeglasses includes sunglasses, Mustache is weak, few elderly people",
        epochs=options.epochs,
        metrics=metrics,
        curve=curve,
    )


if __name__ == "__main__":
    main()
