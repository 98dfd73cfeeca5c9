"""The density study's grids: sizes, regimes and identities (paper, section 3.1; specification a.4)."""

import pytest

from raydensity.grid import configure, expand
from raydensity.spec import BestAccuracy
from sweeps.density import STUDY


def networks(scale, **settings):
    return list(expand(STUDY, configure(STUDY, scale=scale, settings=settings)).values())


@pytest.mark.parametrize(
    ("architecture", "optimizer", "size", "dataset", "learning_rate", "epochs", "stopping", "widths", "initializers"),
    [
        ("mlp", "sgd", 500, "mnist", 1e-3, 400, "loss_target", {0.1, 0.5, 1.0, 2.0, 5.0}, 2),
        ("conv2", "adam", 400, "cifar10", 2e-4, 100, "validation_minimum", {0.1, 0.5, 1.0, 2.0}, 2),
        ("conv2", "adagrad", 400, "cifar10", 1e-1, 25, "validation_minimum", {0.1, 0.5, 1.0, 2.0}, 2),
        ("resnet", "sgd", 200, "cifar10", 1e-2, 90, "validation_minimum", {0.1, 0.5, 1.0, 2.0}, 1),
    ],
)
def test_paper_grid(architecture, optimizer, size, dataset, learning_rate, epochs, stopping, widths, initializers):
    found = networks("paper", architecture=[architecture], optimizer=[optimizer])
    assert len(found) == size
    assert {spec.dataset for spec in found} == {dataset}
    assert {spec.training.optimizer.learning_rate for spec in found} == {learning_rate}
    assert {spec.training.max_epochs for spec in found} == {epochs}
    assert {spec.training.stopping.name for spec in found} == {stopping}
    assert {spec.architecture.width for spec in found} == widths
    assert len({spec.initializer for spec in found}) == initializers
    assert {spec.init_seed for spec in found} == set(range(10))
    assert {spec.data_seed for spec in found} == set(range(5))
    assert all(getattr(spec.training.optimizer, "momentum", 0) == 0 for spec in found)
    assert all(spec.training.optimizer.weight_decay == 0 for spec in found)


def test_paper_grid_is_1500_different_networks():
    found = networks("paper")
    assert len(found) == len({spec.id for spec in found}) == 1500


def test_mlps_stop_at_loss_0_2():
    assert {spec.training.stopping.loss for spec in networks("paper", architecture=["mlp"])} == {0.2}


def test_reduced_grid():
    found = networks("reduced")
    mlps = [spec for spec in found if spec.architecture.name == "mlp"]
    others = [spec for spec in found if spec.architecture.name != "mlp"]
    assert len(mlps) == 5 * 2 * 2 * 2
    assert {spec.dataset for spec in mlps} == {"mnist"}
    assert len(others) == 3 * 2 * 2
    assert {spec.architecture.width for spec in others} == {0.1, 0.5}
    assert {spec.training.max_epochs for spec in others} == {5}


def test_quick_grid_needs_nothing_from_outside():
    found = networks("quick")
    assert {spec.dataset for spec in found} == {"digits"}
    assert {spec.architecture.name for spec in found} == {"mlp", "conv2", "resnet"}


def test_every_null_hypothesis_has_its_twin_at_width_1():
    for scale in ("quick", "paper"):
        found = networks(scale)
        keys = {
            (
                s.architecture.name,
                s.training.optimizer.name,
                s.initializer,
                s.init_seed,
                s.data_seed,
                s.architecture.width,
            )
            for s in found
        }
        assert all((*key[:-1], 1.0) in keys for key in keys)


def test_unshared_is_a_level():
    found = networks("paper", architecture=["conv2"], optimizer=["adam"], unshared=["false", "true"])
    assert len(found) == 800
    assert {spec.architecture.unshared for spec in found} == {False, True}


def test_the_split_of_the_best_accuracy_is_a_level():
    settings = {"stopping": ["best_accuracy"], "stopping_split": ["train", "validation"]}
    found = networks("quick", architecture=["mlp"], **settings)
    assert {spec.training.stopping for spec in found} == {BestAccuracy(split=s) for s in ("train", "validation")}


def test_units_are_measured_where_that_is_asked_for():
    (plain,) = networks("quick", width=["0.1"], initializer=["he_uniform"], init_seed=["0"], data_seed=["0"])[:1]
    more = networks(
        "quick", width=["0.1"], initializer=["he_uniform"], init_seed=["0"], data_seed=["0"], units=["true"]
    )
    assert set(more[0].measures) - set(plain.measures) == {"prunability", "redundancy", "correlation"}
    assert more[0].model_copy(update={"measures": plain.measures}).id == plain.id
