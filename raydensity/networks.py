"""Trained networks: as a cohort for what measures them, as plain modules for those who go on with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import torch

from raydensity import data, published_weights
from raydensity.checkpoints import Progress
from raydensity.cohort import Cohort
from raydensity.compression.refinement import train_all
from raydensity.data import Dataset
from raydensity.models.chain import Chain
from raydensity.published_weights import Weights
from raydensity.spec import NetworkSpec


def trained(specs: Sequence[NetworkSpec], *, device: str = "cpu", data_root: Path | None = None) -> list[Chain]:
    """Train networks of one `cohort_key` to their stopping rules: modules in evaluation mode, in the order of `specs`.

    Those that are compressed have the sizes of their originals, with zeros for what was removed.

    The ledger keeps what is measured, not the weights; the same specs give the same networks again. Raises ValueError
    for networks that cannot train together, data or published weights that cannot be loaded, and a network that
    diverged. On a CPU it sets torch to one thread.
    """
    if len({spec.cohort_key for spec in specs}) != 1:
        raise ValueError("specs: networks that train together differ in seeds, initialiser and learning rate alone")
    dataset = prepared(specs[0], device=device, data_root=data_root)
    digests = {spec.initial_weights for spec in specs} - {""}
    published = published_weights.load(digests, data.resolve_root(data_root))
    refined = train_all(specs, dataset, device=device, published=published)
    for spec, one in zip(specs, refined, strict=True):
        if one.emptied or one.progress.kept is None:
            what = f"is refused ({one.columns['refused']})" if one.emptied else "diverged"
            raise ValueError(f"specs: network {spec.id} {what}, there is none to go on with")
    progress = [one.progress for one in refined]
    cohort = trained_cohort(specs, progress, dataset, device=device, published=published)
    return [cast(Chain, cohort.network(index)) for index in range(len(specs))]


def prepared(spec: NetworkSpec, *, device: str, data_root: Path | None) -> Dataset:
    """The data that networks of one `cohort_key` see, and torch set so that they train the same way every time.

    On a CPU that is one thread: cores are used by cohorts side by side, and the number of threads would change the last
    bits. Raises ValueError for a data set that cannot be loaded or preprocessed so.
    """
    if torch.device(device).type == "cpu":
        torch.set_num_threads(1)
    else:  # TF32 would not be fp32, and some of cuDNN's kernels sum in another order every time
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
        torch.backends.cudnn.deterministic = True
    data.check_preprocessing(data.describe(spec.dataset), spec.preprocessing, augmentation=spec.augmentation)
    dataset = data.load(spec.dataset, data_root=data_root, device=device, data_seed=spec.data_seed)
    return data.with_random_labels(dataset, spec.data_seed) if spec.random_labels else dataset


def trained_cohort(
    specs: Sequence[NetworkSpec],
    progress: Sequence[Progress],
    dataset: Dataset,
    *,
    device: str,
    published: Mapping[str, Weights] | None = None,
) -> Cohort:
    """The cohort with the weights and masks that each network kept, which leave `progress`."""
    description = dataset.description
    cohort = Cohort(
        specs, input_shape=description.input_shape, classes=description.logits, device=device, published=published
    )
    if any(one.masks is not None for one in progress):
        whole = {name: torch.ones(shape, dtype=torch.bool, device=device) for name, shape in cohort.shapes.items()}
        masks = [one.masks or whole for one in progress]
        cohort.set_masks({name: torch.stack([each[name] for each in masks]) for name in whole})
    for index, one in enumerate(progress):
        assert one.kept is not None
        cohort.load(index, one.kept)
        one.kept = one.masks = None  # a stack of networks is in memory once, not twice
    return cohort
