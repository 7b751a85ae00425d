"""Trains `cifar10-resnet`:  python -m training.cifar10_resnet [--epochs 28]

The recipe is that of short CIFAR runs (facts from Jordan 2024, arXiv:2404.00498): a frozen whitening layer computed from the
data, SGD with Nesterov momentum on a triangular schedule, label smoothing, alternating flips, 2-pixel shifts, cutout (DeVries & Taylor
2017, arXiv:1708.04552), and an averaging of the weights (lookahead). The convolutions run in bfloat16 where that is faster. 1,000
training pictures are held out: the temperature that makes the probabilities honest is fitted on them, and the test set is looked at once,
at the end. Checkpoints go to runs/, one per epoch.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.classifiers import CIFAR10_MEAN, CIFAR10_STD, cifar10_resnet
from training import cards, data, precision

RUNS = Path(__file__).resolve().parent.parent / "runs"
HELD_OUT = 1000
MOMENTUM, LR, WEIGHT_DECAY, BIAS_SCALE, SMOOTHING, CUTOUT, BATCH = 0.85, 0.75, 1.33e-3, 64, 0.2, 8, 512


def whiten(net: nn.Sequential, pictures: Tensor, eps: float = 5e-4) -> None:
    """Sets the first convolution to the eigenvectors of the 2x2 patches, each scaled to unit variance, and their negatives."""
    patches = net[0](pictures).unfold(2, 2, 1).unfold(3, 2, 1).permute(0, 2, 3, 1, 4, 5).reshape(-1, 12)
    variances, vectors = torch.linalg.eigh(patches.T @ patches / len(patches))
    filters = (vectors.T / (variances[:, None] + eps).sqrt()).flip(0).reshape(12, 3, 2, 2)
    conv = net[1]
    conv.weight.data = torch.cat([filters, -filters])
    conv.weight.requires_grad_(False)


def initialise(net: nn.Sequential) -> None:
    """Convolutions start as the identity on their first input channels; batch norms keep weight 1 and learn only the bias."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d) and module.kernel_size == (3, 3):
            nn.init.dirac_(module.weight[: module.in_channels].data)
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.4
            module.weight.requires_grad_(False)


def batches(pictures: Tensor, labels: Tensor, epoch: int, flips: Tensor, generator: torch.Generator):
    """Shuffled, shifted by up to 2 pixels (reflected border), a square made grey; each picture is mirrored in every second epoch."""
    n = len(pictures)
    padded = F.pad(pictures, (2,) * 4, "reflect")
    order = torch.randperm(n, generator=generator)
    shift = torch.randint(0, 5, (2, n), generator=generator)
    rows, grey = torch.arange(32), torch.tensor(CIFAR10_MEAN)
    for chosen in order[: n // BATCH * BATCH].split(BATCH):
        dy, dx = shift[0, chosen, None] + rows, shift[1, chosen, None] + rows
        dx = torch.where(((flips[chosen] + epoch) % 2 == 0)[:, None], dx, dx.flip(1))
        x = padded[chosen[:, None, None], :, dy[:, :, None], dx[:, None, :]]  # (B, 32, 32, 3): channels last already
        top, left = torch.randint(1 - CUTOUT, 32, (2, len(chosen), 1), generator=generator)
        hidden = ((rows >= top) & (rows < top + CUTOUT))[:, :, None] & ((rows >= left) & (rows < left + CUTOUT))[:, None, :]
        x = torch.where(hidden[..., None], grey, x)
        yield x.permute(0, 3, 1, 2), labels[chosen]


@torch.no_grad()
def logits(net: nn.Module, pictures: Tensor) -> Tensor:
    net.eval()
    return torch.cat([net(part.float() / 255) for part in pictures.split(1000)])


def rate(step: int, total: int) -> float:
    """The triangle: 0.2 -> 1 over the first 23 % of the steps, then down to 0.07."""
    peak = 0.23 * total
    return 0.2 + 0.8 * step / peak if step < peak else 1 - 0.93 * (step - peak) / (total - peak)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=28)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--compile", action="store_true", help="torch.compile the training step (needs a C++ compiler)")
    options = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(options.seed)
    generator = torch.Generator().manual_seed(options.seed)
    RUNS.mkdir(exist_ok=True)
    checkpoint = RUNS / f"cifar10-resnet-{options.epochs}.pt"

    pictures, labels, source = data.cifar10(train=True)
    held_x, held_y = pictures[-HELD_OUT:], labels[-HELD_OUT:]
    train_x, train_y = pictures[:-HELD_OUT].float() / 255, labels[:-HELD_OUT]
    flips = torch.randint(0, 2, (len(train_x),), generator=generator)

    net = cifar10_resnet()
    initialise(net)
    whiten(net, train_x[:5000])
    net = net.to(device, memory_format=torch.channels_last)
    biases = [p for name, p in net.named_parameters() if p.requires_grad and name.endswith("norm.bias")]
    weights = [p for name, p in net.named_parameters() if p.requires_grad and not name.endswith("norm.bias")]
    optimiser = torch.optim.SGD(
        [
            {"params": biases, "lr": LR * BIAS_SCALE, "weight_decay": WEIGHT_DECAY / BIAS_SCALE},
            {"params": weights, "lr": LR, "weight_decay": WEIGHT_DECAY},
        ],
        momentum=MOMENTUM,
        nesterov=True,
    )
    base = [group["lr"] for group in optimiser.param_groups]
    total = options.epochs * (len(train_x) // BATCH)
    slow = {k: v.clone() for k, v in net.state_dict().items() if v.is_floating_point()}
    step, first, curve = 0, 0, []
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        net.load_state_dict(saved["net"])
        optimiser.load_state_dict(saved["optimiser"])
        slow, step, first, curve = saved["slow"], saved["step"], saved["epoch"], saved["curve"]
        generator.set_state(saved["generator"])
    train_net = torch.compile(net) if options.compile else net

    def average(decay: float) -> None:
        state = net.state_dict()
        for key, value in slow.items():
            value.lerp_(state[key], 1 - decay)
            state[key].copy_(value)

    for epoch in range(first, options.epochs):
        start, losses = time.time(), []
        net.train()
        for x, y in batches(train_x, train_y, epoch, flips, generator):
            for group, lr in zip(optimiser.param_groups, base, strict=True):
                group["lr"] = lr * rate(step, total)
            with precision.autocast(torch.device(device).type):
                loss = F.cross_entropy(train_net(x.to(device)).float(), y.to(device), label_smoothing=SMOOTHING)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
            step += 1
            if step % 5 == 0:
                average(0.95**5 * (step / total) ** 3)
            if step % 20 == 0:
                print(f"  {step}/{total} loss {loss.item():.3f} {time.time() - start:.0f}s", flush=True)
        if epoch == options.epochs - 1:
            average(1.0)
        held = (logits(net, held_x.to(device)).argmax(1).cpu() == held_y).float().mean().item()
        curve.append({"epoch": epoch + 1, "loss": round(sum(losses) / len(losses), 4), "held_out_accuracy": round(held, 4)})
        print(curve[-1], f"{time.time() - start:.0f}s", flush=True)
        torch.save(
            {"net": net.state_dict(), "optimiser": optimiser.state_dict(), "slow": slow, "step": step}
            | {"epoch": epoch + 1, "curve": curve, "generator": generator.get_state()},
            checkpoint,
        )
    finish(net.float().cpu(), options, held_x, held_y, source, curve)


def finish(net: nn.Sequential, options: argparse.Namespace, held_x: Tensor, held_y: Tensor, source: str, curve: list) -> None:
    """Fits the temperature on the held-out pictures, rounds the weights to fp16, tests that, writes file and card."""
    held = logits(net, held_x)
    scales = torch.logspace(-1, 1.5, 400)
    nll = torch.stack([F.cross_entropy(held * s, held_y) for s in scales])
    net[-1].value.mul_(scales[nll.argmin()])
    net.load_state_dict({k: v.half().float() if v.is_floating_point() else v for k, v in net.state_dict().items()})
    test_x, test_y, _ = data.cifar10(train=False)
    z = logits(net, test_x)
    metrics = {
        "test_accuracy": round((z.argmax(1) == test_y).float().mean().item(), 4),
        "test_nll": round(F.cross_entropy(z, test_y).item(), 4),
        "test_mean_confidence": round(z.softmax(1).amax(1).mean().item(), 4),
        "test_pictures": len(test_y),
    }
    print(json.dumps(metrics), flush=True)
    cards.write(
        "cifar10-resnet",
        net,
        remake=f"python -m training.cifar10_resnet --epochs {options.epochs} --seed {options.seed}",
        architecture="core.classifiers.cifar10_resnet",
        data=f"CIFAR-10 ({source}); 49,000 training pictures, 1,000 held out for the temperature, {len(test_y):,} test pictures. "
        "Known faults: small, centred, one object a picture; the JPEG copy has lost half of the colour resolution",
        epochs=options.epochs,
        metrics=metrics,
        curve=curve,
        normalisation={"mean": CIFAR10_MEAN, "std": CIFAR10_STD},
    )


if __name__ == "__main__":
    main()
