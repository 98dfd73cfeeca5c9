"""What is measured of a trained cohort: the columns of the record that its specs ask for."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from raydensity.cohort import Cohort
from raydensity.data import Dataset, as_seen, encoding_of, normalize
from raydensity.evaluation import evaluate_on_test, gather, right_answers
from raydensity.export import export
from raydensity.initializers import starting_parameters
from raydensity.interpretability.units import MOST_UNITS, SHOWN, unit_images
from raydensity.measures.activations import class_selectivity, class_sums, hoyer_sparsity
from raydensity.measures.chunks import MEASURE_CHUNK, UNIT_CHUNK, images_at_a_time
from raydensity.measures.correlation import correlation
from raydensity.measures.covariance import Covariances
from raydensity.measures.outputs import passes
from raydensity.measures.overlap import overlap
from raydensity.measures.prunability import Prunability
from raydensity.measures.redundancy import redundancy
from raydensity.measuring_costs import COVARIANCE, NARROWING_NUMBERS, WAYS, measured_images
from raydensity.models.chain import Chain
from raydensity.models.mlp import DenseNetwork
from raydensity.narrowing import outcomes
from raydensity.pruning.masks import units_left
from raydensity.published_weights import Weights
from raydensity.spec import NetworkSpec

PER_NETWORK = {
    *("activations", "prunability", "prunability_by_position", "redundancy", "correlation", "interpretability"),
    *("narrowing", "export"),
}


def measured_columns(
    cohort: Cohort,
    dataset: Dataset,
    validation: Tensor,
    specs: Sequence[NetworkSpec],
    published: Mapping[str, Weights] | None,
) -> list[dict[str, Any]]:
    """One row a network: what it answers to test images, and its measures. validation [N, V] indexes the training file.

    Measures look at one network at a time, in fp32: their products are large enough by themselves, and nothing depends
    on the packing.
    """
    preprocessing, wanted, device = specs[0].preprocessing, specs[0].measures, cohort.device
    rows: list[dict[str, Any]] = [{} for _ in specs]
    if dataset.description.test_size:
        tested = evaluate_on_test(cohort, dataset, preprocessing)
        for row, loss, accuracy in zip(rows, tested.loss.tolist(), tested.accuracy.tolist(), strict=True):
            row |= {"test_loss": loss, "test_accuracy": None if dataset.description.regression else accuracy}
    if "correctness" in wanted:
        answers = right_answers(cohort, dataset, validation, preprocessing).cpu().numpy()
        for row, own in zip(rows, answers, strict=True):
            row["correctness"] = np.packbits(own).tobytes()
    for index, (row, spec) in enumerate(zip(rows, specs, strict=True)):
        if "overlap" in wanted:
            initial = starting_parameters(cohort.shapes, spec, published or {})
            row["overlap"] = [
                {"layer": name.removesuffix(".weight"), **overlap(initial[name].to(device), trained)._asdict()}
                for name, trained in ((name, cohort.weights(name)[index]) for name in cohort.prunable())
            ]
        if PER_NETWORK.isdisjoint(wanted):
            continue
        network = cohort.network(index)
        if "activations" in wanted:
            row["activations"] = _activation_rows(network, dataset, validation[index], preprocessing)
        images = _Images(network, dataset, validation[index], preprocessing, measured_images(spec, dataset.description))
        row |= _unit_columns(network, images, wanted, seed=spec.prune_seed)
        if "interpretability" in wanted:
            row["interpretability"] = _interpretability(network, dataset, spec)
        if "export" in wanted:
            row |= _exported(network, cohort, index, dataset, spec)
        if "narrowing" in wanted:
            row["narrowing"] = _narrowing(network, dataset, validation[index], spec)
    return rows


def _narrowing(network: Chain, dataset: Dataset, validation: Tensor, spec: NetworkSpec) -> list[dict[str, Any]]:
    """Of narrow networks that are made by validation images, which the choice of an epoch has used already.

    They are judged on test images; where a data set has none, on the same.
    """
    most = NARROWING_NUMBERS // math.prod(dataset.description.input_shape)
    [images], [labels] = gather(dataset, validation[None, :most], spec.preprocessing)
    judged = images
    if dataset.description.test_size:
        everything = torch.arange(min(dataset.description.test_size, most), device=images.device)
        [judged], [labels] = gather(dataset, everything[None], spec.preprocessing, test=True)
    return [each._asdict() for each in outcomes(network, images, judged, labels, seed=spec.prune_seed)]


def _exported(network: Chain, cohort: Cohort, index: int, dataset: Dataset, spec: NetworkSpec) -> dict[str, Any]:
    """The small network itself, compared with the one that was trained on test images, or training ones."""
    assert isinstance(network, DenseNetwork)
    left = units_left(cohort)[index].tolist()
    known = dataset.description
    images = dataset.test_images if known.test_size else dataset.train_images
    seen = normalize(dataset, images[:UNIT_CHUNK], spec.preprocessing)
    state, onnx, difference = export(network, left, seen)
    return {
        "exported_state": state,
        "exported_onnx": onnx,
        "exported_encoding": encoding_of(dataset, spec.preprocessing).model_dump_json(),
        "exported_difference": difference,
    }


def _interpretability(network: Chain, dataset: Dataset, spec: NetworkSpec) -> list[dict[str, Any]]:
    """Of some units of each hidden layer. Every network has images of its own: widths are compared as independent."""
    found = unit_images(
        network,
        input_shape=dataset.description.input_shape,
        seed=int(spec.id[:15], 16),
        most_units=MOST_UNITS,
        shown=SHOWN,
        preprocess=lambda images: as_seen(dataset, images, spec.preprocessing),
    )
    return [unit._asdict() for unit in found]


def _unit_columns(network: Chain, images: _Images, wanted: Collection[str], *, seed: int) -> dict[str, Any]:
    """Prunability, redundancy and correlation of one network's units, as far as they are wanted, in one pass."""
    ablations = [Prunability(network, seed=seed, by_position=own) for way, own in WAYS.items() if way in wanted]
    together = None if COVARIANCE.isdisjoint(wanted) else Covariances(count=len(images), seed=seed)
    measured: list[Prunability | Covariances] = [*ablations, *([together] if together else [])]
    for outputs in passes(network, images if measured else []):
        for each in measured:
            each.add(outputs)
    columns: dict[str, Any] = {}
    if ablations:
        columns["prunability"] = [curve._asdict() for each in ablations for curve in each.curves()]
    if together and "redundancy" in wanted:
        columns["redundancy"] = [spectrum._asdict() for spectrum in redundancy(together.of_layers())]
    if together and "correlation" in wanted:
        columns["correlation"] = [own._asdict() for own in correlation(together.of_layers())]
    return columns


class _Images:
    """The test images as a network sees them, some at a time; validation images where the data set has no others.

    The first `count` of them.
    """

    def __init__(self, network: Chain, dataset: Dataset, validation: Tensor, preprocessing: str, count: int) -> None:
        tested = dataset.description.test_size > 0
        self.images = dataset.test_images if tested else dataset.train_images
        self.chosen = None if tested else validation
        self.count = count
        self.dataset, self.preprocessing = dataset, preprocessing
        self.at_a_time = images_at_a_time(network, normalize(dataset, self.images[:1], preprocessing), most=UNIT_CHUNK)

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Tensor]:
        for start in range(0, len(self), self.at_a_time):
            part = slice(start, min(start + self.at_a_time, len(self)))
            raw = self.images[part] if self.chosen is None else self.images[self.chosen[part]]
            yield normalize(self.dataset, raw, self.preprocessing)


@torch.no_grad()
def _activation_rows(network: Chain, dataset: Dataset, validation: Tensor, preprocessing: str) -> list[dict[str, Any]]:
    """Hoyer sparsity and class selectivity of each hidden layer; a convolution's unit is the mean of its map."""
    hoyer: dict[str, list[Tensor]] = {}
    sums: dict[str, Tensor] = {}
    first, _ = gather(dataset, validation[None, :1], preprocessing)
    for part in validation.split(images_at_a_time(network, first[0], most=MEASURE_CHUNK)):
        images, labels = gather(dataset, part[None], preprocessing)
        for layer, output in network.activations(images[0]).items():
            hoyer.setdefault(layer, []).append(hoyer_sparsity(output.flatten(1)))
            units = output.flatten(2).mean(2) if output.ndim == 4 else output
            own = class_sums(units, labels[0], classes=dataset.description.classes)
            sums[layer] = sums[layer] + own if layer in sums else own
    rows = []
    for layer, total in sums.items():
        selective = class_selectivity(total, dataset.train_labels[validation])
        rows.append(
            {
                "layer": layer,
                "units": total.shape[1],
                "hoyer": torch.cat(hoyer[layer]).nanmean().item(),
                "selectivity": selective.plain.mean().item(),
                "selectivity_normalized": selective.normalized.mean().item(),
            }
        )
    return rows
