"""Specs of sparse networks for tests: small ones on a small spiral, or on the digits."""

from __future__ import annotations

from dataclasses import replace

from networks import network
from torch import Tensor

from raydensity.cohort import Cohort
from raydensity.data.dataset import Dataset, Description
from raydensity.pruning.at_initialization import Start
from raydensity.spec import MLP, SGD, Architecture, LastEpoch, NetworkSpec, Optimizer, Schedule, Spiral, Training
from raydensity.spec.sparsity import Sparsity

SMALL = Spiral(samples=1000)
RATE = SGD(learning_rate=0.1, momentum=0.9, weight_decay=5e-4)


def on_spiral(
    sparsity: Sparsity | None,
    *,
    hidden: tuple[int, ...] = (5, 5, 5),
    optimizer: Optimizer = RATE,
    schedule: Schedule | None = None,
    epochs: int = 2,
    batch_size: int = 32,
    **fields: object,
) -> NetworkSpec:
    """A network on 998 points of the spiral; further fields are those of NetworkSpec."""
    fields = {"initializer": "torch_default", "measures": (), "init_seed": 0, "data_seed": 0, **fields}
    return NetworkSpec(
        dataset=SMALL,
        architecture=MLP(width=1, hidden=hidden),
        sparsity=sparsity,
        training=Training(
            optimizer=optimizer,
            batch_size=batch_size,
            max_epochs=epochs,
            stopping=LastEpoch(),
            **({"schedule": schedule} if schedule else {}),
        ),
        **fields,
    )


def on_digits(
    sparsity: Sparsity, architecture: str | Architecture = "mlp", *, optimizer: Optimizer = RATE, epochs: int = 1, **own
) -> NetworkSpec:
    """A network on the digits, which has ten logits."""
    names = ("init_seed", "data_seed", "order_seed", "batch_size")
    of_all = {name: own.pop(name) for name in names if name in own}
    spec = network(architecture, optimizer, epochs=epochs, stopping=LastEpoch(), **of_all)
    return NetworkSpec.model_validate({**spec.model_dump(), "sparsity": sparsity, "measures": (), **own})


def tiny_dataset(images: Tensor, labels: Tensor) -> Dataset:
    """A binary question about these points, nothing held out."""
    known = Description("tiny", (images.shape[1],), classes=2, train_size=len(images), validation_size=0, test_size=0)
    nothing = images[:0], labels[:0]
    return Dataset(replace(known, binary=True), images, labels, *nothing, digest="")


def start_of(specs: list[NetworkSpec], dataset: Dataset, state: dict[str, Tensor] | None = None) -> Start:
    """What methods see before training; with a `state` all networks have those weights."""
    cohort = Cohort(specs, input_shape=dataset.description.input_shape, classes=1, stacked=True)
    for index in range(len(specs) if state else 0):
        cohort.load(index, state or {})
    return Start(cohort, specs, dataset)
