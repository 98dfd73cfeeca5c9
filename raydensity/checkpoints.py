"""Checkpoints of networks in training: one safetensors file a network, so that another packing can go on.

Nothing random is stored: batches are drawn from generators that are functions of seed and epoch.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from raydensity.stack import State

PARTS = ("kept", "current", "slots", "masks", "rewind")
CURVES = ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy")


@dataclass
class Progress:
    """One network in training, after `epoch` epochs and `step` steps of the next, with that epoch's sums so far.

    `kept` is the state that pruning will see (None: none yet, or diverged), from epoch `kept_epoch`; `current` and
    `slots` are parameters, buffers and optimiser slots to go on from, and `rewind` those to go back to, dropped once
    the network is done. `masks` are those of `current`, then those of `kept`; None for a network that is whole.
    """

    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    correct_sum: int = 0
    done: bool = False
    diverged: bool = False
    converged: bool = False
    kept_epoch: int = 0
    curves: dict[str, list[float | None]] = field(default_factory=lambda: {name: [] for name in CURVES})
    kept: State | None = None
    current: State | None = None
    slots: State | None = None
    masks: State | None = None
    rewind: State | None = None


def path_of(folder: Path, network_id: str) -> Path:
    """Where the checkpoint of a network lies."""
    return folder / f"{network_id}.safetensors"


def save(folder: Path, network_id: str, progress: Progress) -> None:
    """Write a checkpoint atomically: a killed process leaves the previous one."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        f"{part}:{name}": tensor.detach().cpu().contiguous()
        for part in PARTS
        for name, tensor in (getattr(progress, part) or {}).items()
    }
    facts = {key: value for key, value in vars(progress).items() if key not in PARTS}
    target = path_of(folder, network_id)
    temporary = target.with_suffix(f".{os.getpid()}.partial")
    save_file(tensors, temporary, metadata={"progress": json.dumps(facts)})
    os.replace(temporary, target)


def load(folder: Path, network_id: str, device: torch.device) -> Progress:
    """The stored progress, or a fresh one where there is none or it cannot be read (it then trains from the start)."""
    path = path_of(folder, network_id)
    if not path.exists():
        return Progress()
    parts: dict[str, State] = {part: {} for part in PARTS}
    try:
        with safe_open(path, framework="pt", device=str(device)) as file:
            facts = json.loads(file.metadata()["progress"])
            for key in file.keys():  # noqa: SIM118 - the file is no mapping
                part, name = key.split(":", 1)
                parts[part][name] = file.get_tensor(key)
        return Progress(**facts, **{part: state or None for part, state in parts.items()})  # type: ignore[arg-type]
    except (SafetensorError, OSError, ValueError, KeyError, TypeError):
        return Progress()
