"""Writes a weights file and its card: the only way a file gets into `weights/`."""

from __future__ import annotations

import datetime
import hashlib
import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

WEIGHTS = Path(__file__).resolve().parent.parent / "weights"


def write(name: str, model: nn.Module, *, remake: str, architecture: str, data: str, epochs: float, metrics: dict, **more) -> Path:
    """Saves `weights/<name>.safetensors` (fp16, what is not a float as it is) and `weights/<name>.json` beside it."""
    state = {
        key: (value.half() if value.is_floating_point() else value).contiguous().cpu().clone()
        for key, value in model.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }
    WEIGHTS.mkdir(exist_ok=True)
    path = WEIGHTS / f"{name}.safetensors"
    save_file(state, path)
    path.chmod(0o644)
    card = {
        "name": name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "bytes": path.stat().st_size,
        "architecture": architecture,
        "weights": sum(p.numel() for p in model.parameters()),
        "precision": "float16 on disk, float32 in memory",
        "remake": remake,
        "data": data,
        "epochs": epochs,
        "metrics": metrics,
        **more,
        "torch": torch.__version__.split("+")[0],
        "date": datetime.date.today().isoformat(),
        "licence": "MIT",
    }
    path.with_suffix(".json").write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n")
    return path


def add(name: str, metrics: dict) -> None:
    """Puts measured metrics into the card of a weights file that is there already."""
    path = WEIGHTS / f"{name}.json"
    card = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(card | {"metrics": card["metrics"] | metrics}, indent=2, ensure_ascii=False) + "\n")
