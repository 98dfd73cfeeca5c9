import pytest
import torch
from networks import network

from raydensity import data
from raydensity.experiment import run_cohort
from raydensity.narrowing import difference, excise, refactor
from raydensity.networks import trained
from raydensity.spec import LastEpoch, NetworkSpec


def test_trained_networks_are_those_of_the_record_and_can_be_narrowed():
    specs = [network(init_seed=seed, epochs=3) for seed in (0, 1)]
    first, second = trained(specs)
    record = run_cohort(specs).to_pylist()
    digits = data.load("digits")
    _, validation = data.split(digits, 0)
    images = data.normalize(digits, digits.train_images[validation], "unit")
    for each, row in zip((first, second), record, strict=True):
        right = (each(images).argmax(1) == digits.train_labels[validation]).double().mean().item()
        assert right == pytest.approx(row["validation_accuracy"])
    assert difference(first, second, images).largest > 0
    units = first.fc1.out_features
    whole = excise(first, {"fc1": torch.arange(units)})
    assert difference(first, whole, images) == (1.0, 0.0, 0.0)
    by_refactoring = difference(first, refactor(first, images, removed={"fc1": units // 3}), images)
    at_random = difference(first, excise(first, {"fc1": torch.arange(units // 3, units)}), images)
    assert by_refactoring.mean < at_random.mean


@pytest.mark.parametrize("changed", [{"random_labels": True}, {"sparsity": {"name": "random", "nonzeros": 500}}])
def test_so_are_those_of_random_labels_and_sparse_ones(changed):
    spec = NetworkSpec.model_validate({**network(epochs=2, stopping=LastEpoch()).model_dump(), **changed})
    (row,) = run_cohort([spec]).to_pylist()
    (one,) = trained([spec])
    assert sum(int(parameter.count_nonzero()) for parameter in one.parameters()) == row["nonzeros"]
    digits = data.load("digits")
    if spec.random_labels:
        digits = data.with_random_labels(digits, spec.data_seed)
    _, validation = data.split(digits, 0)
    images = data.normalize(digits, digits.train_images[validation], "unit")
    right = (one(images).argmax(1) == digits.train_labels[validation]).double().mean().item()
    assert right == pytest.approx(row["validation_accuracy"])


def test_networks_that_cannot_train_together_are_one_clear_line():
    with pytest.raises(ValueError, match="specs: networks that train together differ in seeds, initialiser and"):
        trained([network(batch_size=32), network(batch_size=64)])


@pytest.mark.filterwarnings("ignore")
def test_a_network_that_diverged_is_one_clear_line():
    from raydensity.spec import SGD

    spec = network(optimizer=SGD(learning_rate=1e30), epochs=2)
    with pytest.raises(ValueError, match=f"specs: network {spec.id} diverged"):
        trained([spec])
