"""Training that is killed after some checkpoints, for tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from raydensity import checkpoints, training
from raydensity.data import Dataset
from raydensity.spec import NetworkSpec


def train_until_killed(specs: Sequence[NetworkSpec], dataset: Dataset, folder: Path, *, saves: int) -> None:
    """Train with a checkpoint of every network after each step, until so many are saved."""
    save, left = checkpoints.save, saves

    def killed(*arguments) -> None:
        nonlocal left
        if not left:
            raise KeyboardInterrupt
        left -= 1
        save(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoints, "save", killed)
        with pytest.raises(KeyboardInterrupt):
            training.train(specs, dataset, device=torch.device("cpu"), checkpoint_folder=folder, checkpoint_seconds=0)
