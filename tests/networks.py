"""Specs for tests: small networks on the digits that come with scikit-learn."""

from __future__ import annotations

from raydensity.spec import (
    FTRL,
    MLP,
    SGD,
    Adagrad,
    Adam,
    AlexNet,
    Architecture,
    Conv2,
    NetworkSpec,
    Optimizer,
    ProximalAdagrad,
    ResNet,
    ResNet56,
    RMSProp,
    StoppingRule,
    Training,
    ValidationMinimum,
)

ARCHITECTURES: dict[str, Architecture] = {
    "mlp": MLP(width=0.1),
    "conv2": Conv2(width=0.1),
    "conv2-unshared": Conv2(width=0.1, unshared=True),
    "resnet": ResNet(width=0.1),
    "alexnet": AlexNet(width=0.05, dropout=0.5),
    "resnet56": ResNet56(width=0.0625),
}
OPTIMIZERS: dict[str, Optimizer] = {
    "sgd": SGD(learning_rate=0.1),
    "momentum": SGD(learning_rate=0.02, momentum=0.9, weight_decay=1e-3),
    "adam": Adam(learning_rate=2e-3),
    "adagrad": Adagrad(learning_rate=0.02),
    "proximal_adagrad": ProximalAdagrad(learning_rate=0.02, l1=1e-4, l2=1e-3),
    "rmsprop": RMSProp(learning_rate=0.01),
    "ftrl": FTRL(learning_rate=0.1),
}


def network(
    architecture: str | Architecture = "mlp",
    optimizer: str | Optimizer = "sgd",
    *,
    init_seed: int = 0,
    data_seed: int = 0,
    order_seed: int = 0,
    epochs: int = 2,
    batch_size: int = 64,
    stopping: StoppingRule | None = None,
    precision: str = "fp32",
    initializer: str = "glorot_uniform",
) -> NetworkSpec:
    """One spec; names pick from ARCHITECTURES and OPTIMIZERS."""
    return NetworkSpec(
        dataset="digits",
        architecture=ARCHITECTURES[architecture] if isinstance(architecture, str) else architecture,
        initializer=initializer,
        training=Training(
            optimizer=OPTIMIZERS[optimizer] if isinstance(optimizer, str) else optimizer,
            batch_size=batch_size,
            max_epochs=epochs,
            stopping=stopping or ValidationMinimum(),
            precision=precision,
        ),
        init_seed=init_seed,
        data_seed=data_seed,
        order_seed=order_seed,
    )
