"""Networks that are trained, compressed and trained a little more: the networks of one cohort, each original once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from raydensity import checkpoints, data, models
from raydensity.checkpoints import Progress
from raydensity.cohort import Cohort
from raydensity.compression.observation import Observation, observe
from raydensity.compression.removal import Compressed, Emptied, compress
from raydensity.data import Dataset
from raydensity.evaluation import evaluate, evaluate_on_test, gather
from raydensity.models.mlp import DenseNetwork, embedded
from raydensity.pruning.masks import hidden_biases
from raydensity.published_weights import Weights
from raydensity.spec import NetworkSpec
from raydensity.training import Start, train, validation_images

ORIGINALS = "originals"  # a folder among the checkpoints, which nothing clears: some bytes for each parameter
OBSERVED = 2**27  # numbers of the images that units are judged by, at most: half a GiB


@dataclass
class Refined:
    """A network's progress, and what is known beside: `columns` of its record. `emptied` ones have no progress."""

    progress: Progress
    columns: dict[str, Any] = field(default_factory=dict)
    emptied: bool = False


def train_all(
    specs: Sequence[NetworkSpec],
    dataset: Dataset,
    *,
    device: str,
    checkpoint_folder: Path | None = None,
    on_epoch: Callable[[int, int], None] = lambda epoch, done: None,
    published: Mapping[str, Weights] | None = None,
) -> list[Refined]:
    """Train the networks of one cohort; those with a compression begin where their originals, trained once, ended.

    The originals are kept beside the checkpoints, so that what is made of them later is made of the same networks.
    """
    settings: dict[str, Any] = {
        "device": torch.device(device),
        "checkpoint_folder": checkpoint_folder,
        "published": published,
    }
    originals = {spec.original.id: spec.original for spec in specs}
    compressed = [index for index, spec in enumerate(specs) if spec.compression is not None]
    plain = len(specs) - len(compressed)
    folder = checkpoint_folder / ORIGINALS if checkpoint_folder and compressed else None
    progress = _kept(originals, folder, settings["device"])
    missing = [spec for identity, spec in originals.items() if identity not in progress]
    trained = train(missing, dataset, on_epoch=lambda epoch, done: on_epoch(epoch, min(done, plain)), **settings)
    for spec, one in zip(missing, trained, strict=True):
        progress[spec.id] = one
        if folder:
            checkpoints.save(folder, spec.id, one)
    found = [Refined(progress[spec.original.id]) for spec in specs]
    if not compressed:
        return found
    starts: dict[int, Start] = {}
    for identity, original in originals.items():
        own = [index for index in compressed if specs[index].original.id == identity]
        one = progress[identity]
        for index in own:
            found[index].columns["original_id"] = identity
        if own and not one.diverged:
            begun = _compressed([specs[index] for index in own], original, one, dataset)
            for index, start in zip(own, begun, strict=True):
                if isinstance(start, Emptied):
                    found[index].emptied = True
                    found[index].columns["refused"] = str(start)
                else:
                    starts[index] = start
    going = [index for index in compressed if index in starts]
    if going:
        chosen = [specs[index] for index in going]
        for index, columns in zip(going, _removed(chosen, [starts[i] for i in going], dataset, settings), strict=True):
            found[index].columns |= columns
        before = specs[0].total_epochs
        refined = train(
            chosen,
            dataset,
            starts=[starts[index] for index in going],
            on_epoch=lambda epoch, done: on_epoch(before + epoch, plain + done),
            **settings,
        )
        for index, one in zip(going, refined, strict=True):
            found[index].progress = one
    return found


def _kept(originals: Iterable[str], folder: Path | None, device: torch.device) -> dict[str, Progress]:
    """Those of the originals that an earlier call has trained, by id."""
    if folder is None:
        return {}
    found = {identity: checkpoints.load(folder, identity, device) for identity in originals}
    return {identity: progress for identity, progress in found.items() if progress.done}


def _compressed(
    specs: Sequence[NetworkSpec],
    original: NetworkSpec,
    progress: Progress,
    dataset: Dataset,
) -> list[Start | Emptied]:
    """Where networks begin that are one original's, by their rules; or what would be emptied."""
    assert progress.kept is not None
    network = models.outline(original.architecture, dataset.description)
    assert isinstance(network, DenseNetwork)
    network.load_state_dict(progress.kept, assign=True)
    network.eval()
    shapes = {name: tuple(parameter.shape) for name, parameter in network.named_parameters()}
    observations = {part: _observed(network, dataset, original, part) for part in {_part(spec) for spec in specs}}
    starts: list[Start | Emptied] = []
    for spec in specs:
        assert spec.compression is not None
        try:
            smaller = compress(observations[_part(spec)], spec.compression, seed=spec.prune_seed)
        except Emptied as error:
            starts.append(error)
            continue
        starts.append(_start(smaller, shapes, spec.refinement_epochs))
    return starts


def _part(spec: NetworkSpec) -> str:
    assert spec.compression is not None
    return spec.compression.scored_on


def _observed(network: DenseNetwork, dataset: Dataset, spec: NetworkSpec, part: str) -> Observation:
    training, validation = data.split(dataset, spec.data_seed)
    chosen = training if part == "training" else validation
    most = OBSERVED // dataset.train_images[0].numel()
    images, labels = gather(dataset, chosen[None, :most], spec.preprocessing)
    return observe(network, images[0], labels[0])


def _start(smaller: Compressed, shapes: Mapping[str, tuple[int, ...]], epochs: int) -> Start:
    """A compressed network in the room of its original."""
    state = {name: parameter.detach() for name, parameter in smaller.network.named_parameters()}
    if smaller.masks is None:
        ones = {name: torch.ones_like(each, dtype=torch.bool) for name, each in state.items()}
        units = tuple(len(bias) for name, bias in state.items() if name.endswith("bias"))[:-1]
        return Start(embedded(state, shapes), embedded(ones, shapes), epochs, units)
    own = {**smaller.masks, **hidden_biases(smaller.masks)}
    masks = {name: own.get(name, torch.ones_like(each, dtype=torch.bool)) for name, each in state.items()}
    return Start(state, masks, epochs)


def _removed(
    specs: Sequence[NetworkSpec], starts: Sequence[Start], dataset: Dataset, settings: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """What compressed networks answer before they train again."""
    description, preprocessing = dataset.description, specs[0].preprocessing
    cohort = Cohort(
        specs,
        input_shape=description.input_shape,
        classes=description.logits,
        device=settings["device"],
        published=settings["published"],
    )
    for index, start in enumerate(starts):
        cohort.load(index, start.parameters)
    judged = {"validation": evaluate(cohort, dataset, validation_images(specs, dataset), preprocessing)}
    if description.test_size:
        judged["test"] = evaluate_on_test(cohort, dataset, preprocessing)
    rows: list[dict[str, Any]] = [{} for _ in specs]
    for part, result in judged.items():
        for row, loss, accuracy in zip(rows, result.loss.tolist(), result.accuracy.tolist(), strict=True):
            row[f"removed_{part}_loss"] = loss
            row[f"removed_{part}_accuracy"] = None if description.regression else accuracy
    return rows
