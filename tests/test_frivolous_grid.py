"""The frivolous-units study's grids: how many networks each group has, what its cells mean, and best learning rates."""

import collections
import itertools

import pyarrow as pa
import pytest

from raydensity import data
from raydensity.data import image_folder
from raydensity.grid import configure, expand
from raydensity.ledger import Ledger
from raydensity.record import RECORD_VERSION, SCHEMA
from raydensity.spec import BestAccuracy, ImageFolder, Teacher
from raydensity.spec.datasets import EVEN_TEACHER
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
        ({"group": ["rate_and_batch"]}, (5 + 1) * 2 * 5 * 3),
        ({"group": ["resnet56"]}, (3 + 1) * 5 * 3),
        ({"group": ["mlp"], "inputs": ["10"]}, (5 * 3 + 5 * 2 + 1) * 10 * 5 * 3),
        ({"group": ["imagenet"]}, (5 + 5 + 5 + 5 - 2) + 3 + 5),
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


def test_rate_and_batch_vary_with_every_regulariser_and_with_random_labels():
    """The experiments 157 to 216 of the published code."""
    found = networks("paper", group=["rate_and_batch"], width=["1"], repeat=["0"])
    assert {spec.initializer for spec in found} == {"glorot_normal"}
    for rate, batch in ((0.0025, 32), (0.04, 512)):
        own = [spec for spec in found if spec.training.optimizer.learning_rate == rate]
        assert {spec.training.batch_size for spec in own} == {batch}
        kinds = [
            (
                spec.augmentation,
                spec.architecture.dropout,
                spec.training.optimizer.weight_decay,
                spec.random_labels,
                spec.training.max_epochs,
            )
            for spec in own
        ]
        assert sorted(kinds) == [
            (False, 0.0, 0.0, False, 500),
            (False, 0.0, 0.0, True, 5000),
            (False, 0.0, 1e-3, False, 500),
            (False, 0.5, 0.0, False, 500),
            (True, 0.0, 0.0, False, 1000),
            (True, 0.5, 1e-3, False, 1000),
        ]


def test_adam_takes_the_learning_rate_that_is_given():
    """Its default where none is, also in place of an optimiser with another rate."""

    def rates(**settings):
        found = networks("paper", width=["1"], repeat=["0"], optimizer=["adam"], **settings)
        return {spec.training.optimizer.learning_rate for spec in found}

    assert rates(group=["optimisers"]) == {1e-3}
    assert rates(group=["initialisers"]) == {1e-3}
    assert rates(group=["optimisers"], learning_rate=["0.0003", "0.01"]) == {3e-4, 0.01}
    assert rates(group=["mlp"], learning_rate=["0"]) == {1e-3}
    with pytest.raises(ValueError, match="--set learning_rate: the paper tried several for an mlp, none is its own"):
        networks("paper", group=["mlp"], learning_rate=["0"])


def test_a_learning_rate_may_be_set_to_what_it_is():
    found = networks("paper", group=["initialisers"], learning_rate=["0.01"])
    assert {spec.id for spec in found} == {spec.id for spec in networks("paper", group=["initialisers"])}


def test_random_labels_stop_by_training_accuracy():
    for spec in networks("paper", group=["random_labels"], width=["0.25"], repeat=["0"]):
        assert spec.random_labels
        assert spec.training.stopping == BestAccuracy(split="train", patience=25)
    for group, regulariser in (("resnet56", "resnet"), ("random_labels", "all"), ("random_labels", "augmentation")):
        with pytest.raises(ValueError, match="--set regulariser=none"):
            networks("paper", group=[group], random_labels=["true"], regulariser=[regulariser])


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"group": ["regularisers"], "regulariser": ["dropuot"]}, "'dropuot' is none of those of alexnet: none, augm"),
        ({"group": ["initialisers"], "regulariser": ["dropout", "resnet"]}, "'resnet' is none of those of alexnet"),
        ({"group": ["optimisers"], "optimizer": ["lion"]}, "--set optimizer: 'lion' is none of momentum, sgd, adam"),
    ],
)
def test_levels_that_a_network_has_not_are_refused(settings, problem):
    with pytest.raises(ValueError, match=problem):
        networks("paper", **settings)


def test_settings_are_judged_together():
    found = networks("paper", group=["resnet56"], random_labels=["false"], regulariser=["resnet"], width=["0.25"])
    assert {(spec.random_labels, spec.augmentation) for spec in found} == {(False, True)}


def row(spec, accuracy, cohort):
    return {
        **spec.factors(),
        "network_id": spec.id,
        "cohort_id": cohort,
        "record_version": RECORD_VERSION,
        "spec": spec.model_dump_json(),
        "status": "finished",
        "validation_accuracy": accuracy,
    }


RATES = {1.0: 0.6, 0.1: 0.9, 0.01: 0.9, 1e-3: 0.5, 1e-4: 0.5}  # of two that are as good the larger is taken
SPACES = {"inputs": ["10000"], "width": ["0.25"]}


def searched(ledger, rates, *, repeat=0, factors=(1.0, 100.0), **settings):
    """Write what the search over learning rates reached: these accuracies, RMSProp's at a tenth of each rate."""
    spaces = configure(
        STUDY, scale="reduced", settings={**SPACES, "group": ["mlp"], "repeat": [str(repeat)], **settings}
    )
    rows = []
    for spec in expand(STUDY, spaces).values():
        optimizer = spec.training.optimizer
        rate = round(optimizer.learning_rate * (10 if optimizer.name == "rmsprop" else 1), 9)
        if spec.initializer_factor in factors and optimizer.name in ("sgd", "rmsprop") and rate in rates:
            rows.append(row(spec, rates[rate], f"{len(settings)}{repeat:019x}"))
    ledger.write(pa.Table.from_pylist(rows, schema=SCHEMA))


def repeated(ledger):
    """How many networks of each optimiser and rate are repeated, apart from Adam's, which is not searched."""
    spaces = configure(STUDY, scale="reduced", settings=SPACES)
    specs = [spec for spec in expand(STUDY, STUDY.resolve(spaces, ledger)).values() if spec.init_seed]
    optimizers = [spec.training.optimizer for spec in specs]
    return collections.Counter((one.name, one.learning_rate) for one in optimizers if one.name != "adam")


@pytest.fixture
def ledger(tmp_path):
    made = Ledger(tmp_path, "frivolous")
    made.prepare()
    return made


def test_the_other_repeat_trains_at_the_learning_rate_that_was_best(ledger):
    assert not repeated(ledger)
    searched(ledger, RATES)
    # Momentum and plain descent are both of torch's SGD; two scales of the initial weights each.
    assert repeated(ledger) == {("sgd", 0.1): 4, ("rmsprop", 0.01): 2}


def test_rates_that_fall_otherwise_are_another_search(ledger):
    searched(ledger, {**RATES, 1.0: 0.95}, rate_decay=["1"])
    assert repeated(ledger) == {("rmsprop", 0.1): 2}  # whose rates do not fall
    searched(ledger, RATES)
    assert repeated(ledger)["sgd", 0.1] == 4
    assert repeated(ledger)["sgd", 1.0] == 0


def test_it_waits_for_the_whole_search(ledger):
    searched(ledger, {rate: accuracy for rate, accuracy in RATES.items() if rate != 1e-4})
    assert not repeated(ledger)


def test_what_the_other_repeat_reaches_does_not_change_the_choice(ledger):
    searched(ledger, RATES)
    searched(ledger, {0.1: 0.3}, repeat=1)
    assert repeated(ledger) == {("sgd", 0.1): 4, ("rmsprop", 0.01): 2}


def test_networks_at_the_best_rate_alone_need_the_search(ledger):
    with pytest.raises(ValueError, match="group=mlp_best: the group mlp is not finished"):
        STUDY.resolve(configure(STUDY, scale="reduced", settings={"group": ["mlp_best"]}), ledger)


REGIMES = [  # specification b.4: group and settings; optimiser, batch, epochs, schedule, stopping, weight decay
    ({"group": ["initialisers"]}, ("sgd", 0.01, 0.9), 128, 500, ("exponential", 0.95), ("validation", 50), 0.0),
    ({"group": ["random_labels"]}, ("sgd", 0.01, 0.9), 128, 5000, ("exponential", 0.95), ("train", 25), 0.0),
    (
        {"group": ["regularisers"], "regulariser": ["all"]},
        *(("sgd", 0.01, 0.9), 128, 1000, ("exponential", 0.95), ("validation", 50), 1e-3),
    ),
    (
        {"group": ["optimisers"], "optimizer": ["sgd"]},
        *(("sgd", 0.01, 0.0), 128, 500, ("exponential", 0.95), ("validation", 50), 0.0),
    ),
    (
        {"group": ["optimisers"], "optimizer": ["adagrad"]},
        *(("adagrad", 0.001, None), 128, 500, ("constant", None), ("validation", 50), 0.0),
    ),
    (
        {"group": ["rate_and_batch"], "rate_and_batch": ["4"], "regulariser": ["none"]},
        *(("sgd", 0.04, 0.9), 512, 500, ("exponential", 0.95), ("validation", 50), 0.0),
    ),
    (
        {"group": ["resnet56"], "rate_and_batch": ["0.25"]},
        *(("sgd", 0.025, 0.9), 32, 182, ("multistep", (91, 136)), None, 2e-4),
    ),
    (
        {"group": ["mlp"], "optimizer": ["momentum"], "learning_rate": ["0.1"]},
        *(("sgd", 0.1, 0.9), 128, 50, ("exponential", 0.95), ("validation", 0), 0.0),
    ),
    (
        {"group": ["mlp"], "optimizer": ["rmsprop"], "learning_rate": ["0.1"]},
        *(("rmsprop", 0.01, None), 128, 50, ("constant", None), ("validation", 0), 0.0),
    ),
    (
        {"architecture": ["resnet18"], "batch_size": ["3072"]},
        *(("sgd", 1.536, 0.9), 3072, 90, ("multistep", (30, 60, 80)), None, 1e-4),
    ),
    (
        {"architecture": ["resnet18"], "batch_size": ["512"], "learning_rate": ["0.3"]},
        *(("sgd", 0.3, 0.9), 512, 90, ("multistep", (30, 60, 80)), None, 1e-4),
    ),
    (
        {"architecture": ["inception_v3"]},
        *(("rmsprop", 0.045, None), 256, 90, ("exponential", 0.94**0.5), None, 4e-5),
    ),
    (
        {"architecture": ["inception_v3_layer"]},
        *(("rmsprop", 0.045, None), 256, 90, ("exponential", 0.94**0.5), None, 4e-5),
    ),
]


@pytest.mark.parametrize(("settings", "rule", "batch", "epochs", "schedule", "stopping", "decay"), REGIMES)
def test_networks_are_trained_as_the_papers(settings, rule, batch, epochs, schedule, stopping, decay):
    random_labels = stopping is not None and stopping[0] == "train"
    found = [spec for spec in networks("paper", **settings) if spec.random_labels == random_labels]
    assert found
    for spec in found:
        training, row = spec.training, spec.factors()
        optimizer = training.optimizer
        assert (optimizer.name, getattr(optimizer, "momentum", None)) == rule[::2]
        assert optimizer.learning_rate == pytest.approx(rule[1])
        assert (training.batch_size, training.max_epochs) == (batch, epochs)
        falls = training.schedule
        if falls.name == "multistep":
            assert (falls.name, falls.milestones) == schedule
            assert falls.factor == 0.1
        else:
            assert (falls.name, getattr(falls, "factor", None)) == schedule
        if stopping is None:
            assert row["stopping"] == "last_epoch"
        else:
            assert (row["stopping"], row["stopping_split"], row["stopping_patience"]) == ("best_accuracy", *stopping)
        assert optimizer.weight_decay == decay


def test_inceptions_steps_are_damped_as_those_of_the_tensorflow_model():
    """A step of 0.045 times the sign of a gradient, as with an epsilon near 0, would ruin any network."""
    found = networks("paper", architecture=["inception_v3", "inception_v3_layer"])
    assert {spec.training.optimizer.epsilon for spec in found} == {1.0}
    others = networks("paper", group=["optimisers"], optimizer=["rmsprop"])
    assert {spec.training.optimizer.epsilon for spec in others} == {1e-10}


@pytest.mark.parametrize(
    "settings",
    [
        {"group": ["initialisers"], "width": ["1"], "initializer": ["he_normal"]},
        {"group": ["resnet56"], "width": ["1"], "rate_and_batch": ["1"], "random_labels": ["false"]},
        {"group": ["mlp"], "width": ["1"], "optimizer": ["adam"], "inputs": ["10"], "samples": ["1000"]},
    ],
)
def test_a_repeat_draws_weights_batches_and_ablations_and_never_the_data(settings):
    found = networks("paper", **settings)
    assert collections.Counter(
        (spec.init_seed, spec.order_seed, spec.prune_seed, spec.data_seed) for spec in found
    ) == collections.Counter({(repeat, repeat, repeat, 0): len(found) // 3 for repeat in range(3)})


def test_rates_stay_where_that_is_asked_for():
    constant = networks("paper", group=["mlp"], optimizer=["sgd"], inputs=["10"], rate_decay=["1"])
    assert {spec.training.schedule.name for spec in constant} == {"constant"}


def test_the_teacher_is_one_of_even_labels_unless_another_is_asked_for():
    usual = {(spec.dataset.inputs, spec.dataset.seed) for spec in networks("paper", group=["mlp"])}
    assert usual == {(10, 0), *EVEN_TEACHER.items()}
    for inputs, seed in EVEN_TEACHER.items():
        dataset = data.load(Teacher(inputs=inputs, seed=seed))
        labels = [*(dataset.train_labels[part] for part in data.split(dataset, 0)), dataset.test_labels]
        assert all(part.double().mean().item() == pytest.approx(0.5, abs=0.02) for part in labels)
    others = networks("reduced", group=["mlp"], inputs=["10000"], teacher=["0", "3"], learning_rate=["0.01"])
    assert {spec.factors()["teacher"] for spec in others} == {0, 3}


def test_some_classes_of_imagenet_are_a_data_set_as_well(tmp_path, monkeypatch):
    monkeypatch.setenv("RAYDENSITY_DATA", str(tmp_path))
    assert {spec.dataset for spec in networks("paper", architecture=["resnet18"])} == {ImageFolder()}
    for part, name in itertools.product(("train", "val"), ("ant", "bee")):
        folder = tmp_path / "imagenet" / part / name
        folder.mkdir(parents=True)
        for number in range(3 if part == "train" else 1):
            (folder / f"{number}.png").touch()
    image_folder.examine.cache_clear()
    found = networks("paper", group=["imagenet"], width=["1"])
    some = ImageFolder(classes=2, train=6, test=2, validation=1)
    assert {spec.dataset for spec in found} == {some, some.model_copy(update={"size": 299})}
    image_folder.examine.cache_clear()


def test_feature_maps_are_asked_of_networks_that_have_them():
    with pytest.raises(ValueError, match="by_position: an mlp has no feature maps"):
        networks("quick", by_position=["true"])
