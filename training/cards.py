"""Writes a weights file and its card: the only way a file gets into `weights/`."""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

WEIGHTS = Path(__file__).resolve().parent.parent / "weights"


def write(name: str, model: nn.Module, *, remake: str, architecture: str, data: str, epochs: float, metrics: dict, **more) -> Path:
    """Saves a net as `weights/<name>.safetensors` (fp16, what is not a float as it is) and `weights/<name>.json` beside it."""
    state = {
        key: value.half() if value.is_floating_point() else value
        for key, value in model.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }
    told = {
        "weights": sum(p.numel() for p in model.parameters()),
        "precision": "float16 on disk, float32 in memory",
        "remake": remake,
        "data": data,
        "epochs": epochs,
        "metrics": metrics,
        **more,
    }
    return keep(name, state, architecture=architecture, **told)


def keep(name: str, tensors: dict[str, Tensor], **told) -> Path:
    """Saves tensors as they are, and the card: name, sha256, bytes, what is told, the release of torch, date and licence."""
    WEIGHTS.mkdir(exist_ok=True)
    path = WEIGHTS / f"{name}.safetensors"
    save_file({key: value.detach().cpu().clone().contiguous() for key, value in tensors.items()}, path)
    path.chmod(0o644)
    card = {"name": name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "bytes": path.stat().st_size, **told}
    card |= {"torch": torch.__version__.split("+")[0], "date": datetime.date.today().isoformat(), "licence": "MIT"}
    _save(path.with_suffix(".json"), card)
    return path


def rounded(model: nn.Module, build: Callable[[], nn.Module]) -> nn.Module:
    """A fresh net with the weights that the file will hold, rounded to fp16: what a card's metrics are measured on."""
    made = build()
    made.load_state_dict({k: v.cpu().half().float() if v.is_floating_point() else v.cpu() for k, v in model.state_dict().items()})
    return made.eval().requires_grad_(False)


def add(name: str, metrics: dict) -> None:
    """Puts measured metrics into the card of a weights file that is there already."""
    path = WEIGHTS / f"{name}.json"
    card = json.loads(path.read_text(encoding="utf-8"))
    _save(path, card | {"metrics": card["metrics"] | metrics})


def _save(path: Path, card: dict) -> None:
    path.write_text(json.dumps(card, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
