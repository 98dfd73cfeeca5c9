"""Specs of sparse networks for tests: small ones on a small spiral, or on the digits."""

from __future__ import annotations

from networks import network

from raydensity.sparsity import Sparsity
from raydensity.spec import MLP, SGD, Architecture, LastEpoch, NetworkSpec, Optimizer, Schedule, Spiral, Training

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
    seeds = {name: own.pop(name) for name in ("init_seed", "data_seed", "order_seed") if name in own}
    spec = network(architecture, optimizer, epochs=epochs, stopping=LastEpoch(), **seeds)
    return NetworkSpec.model_validate({**spec.model_dump(), "sparsity": sparsity, "measures": (), **own})
