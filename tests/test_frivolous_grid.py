"""The frivolous-units study's grids: how many networks each group has, what its cells mean, and best learning rates."""

import collections

import pytest

from raydensity.grid import configure, expand
from raydensity.ledger import Ledger
from raydensity.record import RECORD_VERSION, SCHEMA
from raydensity.spec import BestAccuracy, NetworkSpec
from sweeps.frivolous import STUDY


def networks(scale, **settings):
    return list(expand(STUDY, configure(STUDY, scale=scale, settings=settings)).values())


@pytest.mark.parametrize(
    ("settings", "count"),
    [
        ({"group": ["initialisers"]}, 6 * 5 * 3),
        ({"group": ["random_labels"]}, 6 * 5 * 3),
        ({"group": ["regularisers"]}, 4 * 5 * 3),
        ({"group": ["optimisers"]}, 7 * 5 * 3),
        ({"group": ["activations"]}, 6 * 5 * 3),
        ({"group": ["rate_and_batch"]}, 6 * 2 * 5 * 3),
        ({"group": ["resnet56"]}, (3 + 1) * 5 * 3),
        ({"group": ["mlp"], "inputs": ["10"]}, (3 + 2 * 5) * 0 + (5 * 3 + 5 * 2 + 1) * 10 * 5 * 3),
        ({"group": ["imagenet"]}, 5 + 3 + 5),
    ],
)
def test_the_paper_has_as_many_networks_as_its_experiments(settings, count):
    """Specification b.4: initialisers, widths, factors; three repeats, and one for ImageNet."""
    assert len(networks("paper", **settings)) == count


def test_what_regularisers_mean():
    found = {}
    for spec in networks("paper", group=["regularisers"], width=["1"], repeat=["0"]):
        training = spec.training
        key = (spec.augmentation, spec.architecture.dropout, training.optimizer.weight_decay, training.decayed)
        found[key] = training.max_epochs
    assert found == {
        (True, 0.0, 0.0, "hidden_dense"): 1000,
        (False, 0.5, 0.0, "hidden_dense"): 500,
        (False, 0.0, 1e-3, "hidden_dense"): 500,
        (True, 0.5, 1e-3, "hidden_dense"): 1000,
    }


def test_learning_rates_and_batches():
    found = networks("paper", group=["optimisers"], width=["1"], repeat=["0"])
    rates = {spec.training.optimizer.name: spec.training.optimizer.learning_rate for spec in found}
    assert rates == pytest.approx(
        {"sgd": 1e-2, "adam": 1e-3, "adagrad": 1e-3, "proximal_adagrad": 1e-3, "rmsprop": 1e-3, "ftrl": 1e-3}
    )
    both = networks("paper", group=["rate_and_batch"], width=["1"], repeat=["0"], initializer=["he_normal"])
    assert {(spec.training.optimizer.learning_rate, spec.training.batch_size) for spec in both} == {
        (0.0025, 32),
        (0.04, 512),
    }


def test_random_labels_stop_by_training_accuracy():
    for spec in networks("paper", group=["random_labels"], width=["0.25"], repeat=["0"]):
        assert spec.random_labels
        assert spec.training.stopping == BestAccuracy(split="train", patience=25)
    with pytest.raises(ValueError, match="--set regulariser=none"):
        networks("paper", group=["resnet56"], random_labels=["true"], regulariser=["resnet"])


def row(spec, accuracy, number):
    return {
        **spec.factors(),
        "network_id": f"{number:020x}",
        "cohort_id": "c" * 20,
        "record_version": RECORD_VERSION,
        "spec": spec.model_dump_json(),
        "status": "finished",
        "validation_accuracy": accuracy,
    }


def test_the_other_repeat_trains_at_the_learning_rate_that_was_best(tmp_path):
    import pyarrow as pa

    spaces = configure(STUDY, scale="reduced", settings={"inputs": ["10000"], "width": ["0.25"]})
    ledger = Ledger(tmp_path, "frivolous")
    ledger.prepare()
    before = expand(STUDY, STUDY.resolve(spaces, ledger))
    assert {spec.init_seed for spec in before.values() if spec.training.optimizer.name != "adam"} == {0}
    best = {1.0: 0.6, 0.1: 0.9, 0.01: 0.9, 1e-3: 0.5, 1e-4: 0.5}  # of two that are as good, the larger
    rows = []
    for spec in before.values():
        optimizer = spec.training.optimizer
        if spec.initializer_factor in (1.0, 100.0) and optimizer.name in ("sgd", "rmsprop"):
            tenth = 10 if optimizer.name == "rmsprop" else 1
            rows.append(row(spec, best[round(optimizer.learning_rate * tenth, 9)], len(rows)))
    ledger.write(pa.Table.from_pylist(rows, schema=SCHEMA))
    after = expand(STUDY, STUDY.resolve(spaces, ledger))
    new = [spec for spec in after.values() if spec.id not in before]
    rates = collections.Counter(
        (spec.training.optimizer.name, spec.training.optimizer.learning_rate, spec.init_seed) for spec in new
    )
    # Momentum and plain descent are both of torch's SGD; two scales of the initial weights each.
    assert rates == {("sgd", 0.1, 1): 4, ("rmsprop", 0.01, 1): 2}
    assert all(isinstance(spec, NetworkSpec) for spec in new)
