"""Trained networks as plain modules, for those who go on with them: narrow them, look at their units."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import torch

from raydensity import data
from raydensity.cohort import Cohort
from raydensity.models.chain import Chain
from raydensity.spec import NetworkSpec
from raydensity.training import train


def trained(specs: Sequence[NetworkSpec], *, device: str = "cpu", data_root: Path | None = None) -> list[Chain]:
    """Train networks of one `cohort_key` to their stopping rules: modules in evaluation mode, in the order of `specs`.

    The ledger keeps what is measured, not the weights; the same specs give the same networks again. Raises ValueError
    for networks that cannot train together, a data set that cannot be loaded, and a network that diverged.
    """
    if len({spec.cohort_key for spec in specs}) != 1:
        raise ValueError("specs: networks that train together differ in seeds, initialiser and learning rate alone")
    dataset = data.load(specs[0].dataset, data_root=data_root, device=device)
    description = dataset.description
    cohort = Cohort(specs, input_shape=description.input_shape, classes=description.logits, device=device)
    for index, one in enumerate(train(specs, dataset, device=torch.device(device))):
        if one.kept is None:
            raise ValueError(f"specs: network {specs[index].id} diverged, there is none to go on with")
        cohort.load(index, one.kept)
    return [cast(Chain, cohort.network(index)) for index in range(len(specs))]
