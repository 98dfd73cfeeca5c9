"""Networks that answer with a number: the squared error, its gradient, and a record without accuracies."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from raydensity import data
from raydensity.cohort import Cohort
from raydensity.cost_model import need
from raydensity.data import table
from raydensity.evaluation import evaluate
from raydensity.experiment import run_cohort
from raydensity.losses import example_losses, is_right, mean_loss
from raydensity.spec import MLP, SGD, Adam, BestAccuracy, LastEpoch, NetworkSpec, NoPruning, Training

DIABETES = table.examine("scikit-learn/diabetes", target="target", task="regression", root=Path())


def network(optimizer=None, *, hidden=(12, 12), seed=0, measures=(), epochs=3, **options) -> NetworkSpec:
    return NetworkSpec(
        dataset=DIABETES,
        architecture=MLP(width=1, hidden=hidden),
        initializer="he_normal",
        training=Training(
            optimizer=optimizer or Adam(learning_rate=1e-2),
            batch_size=32,
            max_epochs=epochs,
            stopping=options.pop("stopping", LastEpoch()),
        ),
        pruning=NoPruning(),
        measures=measures,
        init_seed=seed,
        data_seed=0,
        **options,
    )


def test_the_loss_is_the_squared_error() -> None:
    logits, labels = torch.tensor([[[1.0], [-2.0]]]), torch.tensor([[3.0, 1.0]])
    assert example_losses(logits, labels).tolist() == [[4.0, 9.0]]
    assert mean_loss(logits[0], labels[0]).item() == 6.5
    assert not is_right(logits, labels).any()


@pytest.mark.parametrize("hidden", [(12,), (12, 12)])
@pytest.mark.parametrize("optimizer", [SGD(learning_rate=0.01), Adam(learning_rate=1e-2)])
def test_gradients_and_steps_equal_plain_torch(hidden, optimizer) -> None:
    """Also those of one hidden layer, and of plain descent, which go ways of their own."""
    dataset = data.load(DIABETES)
    specs = [network(optimizer, hidden=hidden, seed=seed) for seed in range(3)]
    cohort = Cohort(specs, input_shape=(10,), classes=1)
    assert cohort.written_out
    images = dataset.train_images[:32].expand(3, -1, -1).contiguous()
    labels = dataset.train_labels[:32].expand(3, -1).contiguous()
    plain = [cohort.network(index) for index in range(3)]
    losses, right = cohort.loss_and_gradients(images, labels)
    assert right.tolist() == [0, 0, 0]
    for index, module in enumerate(plain):
        loss = nn.functional.mse_loss(module(images[index])[:, 0], labels[index])
        loss.backward()
        torch.testing.assert_close(losses[index], loss.detach())
        for name, parameter in module.named_parameters():
            torch.testing.assert_close(cohort.weights(name, cohort.gradients[name])[index], parameter.grad)
    everything = torch.arange(60).expand(3, -1)
    result = evaluate(cohort, dataset, everything, "unit")
    expected = [
        nn.functional.mse_loss(one(dataset.train_images[:60])[:, 0], dataset.train_labels[:60]) for one in plain
    ]
    torch.testing.assert_close(result.loss.float(), torch.stack(expected).detach())
    assert result.accuracy.isnan().all()


@pytest.mark.parametrize(
    "optimizer", [SGD(learning_rate=0.01), SGD(learning_rate=0.01, momentum=0.9), Adam(learning_rate=1e-3)]
)
def test_a_cohort_equals_single_networks(optimizer) -> None:
    specs = [network(optimizer, seed=seed) for seed in range(4)]
    together = run_cohort(specs)
    single = [run_cohort([spec]) for spec in specs]
    for column in ("curve_train_loss", "curve_validation_loss", "test_loss"):
        assert together[column].to_pylist() == [one[column][0].as_py() for one in single]


def test_the_record_has_losses_and_no_accuracies() -> None:
    [row] = run_cohort([network(epochs=30)]).to_pylist()
    assert row["task"] == "regression"
    assert (row["dataset"], row["status"], row["converged"]) == ("diabetes", "finished", True)
    assert 0.2 < row["test_loss"] < 1  # of the variance
    assert row["curve_train_loss"][0] > row["train_loss"]
    for column in ("test_accuracy", "validation_accuracy"):
        assert row[column] is None
    assert row["curve_train_accuracy"] == [None] * 30


def test_what_needs_classes_is_refused() -> None:
    with pytest.raises(ValueError, match="a regression has neither accuracy nor labels"):
        network(stopping=BestAccuracy())
    with pytest.raises(ValueError, match="a regression has neither accuracy nor labels"):
        network(random_labels=True)
    with pytest.raises(ValueError, match="activations, narrowing need classes, and diabetes is a regression"):
        need(network(measures=("narrowing", "activations", "redundancy")), device="cpu")
    need(network(measures=("redundancy", "correlation")), device="cpu")
