"""The record of sparse networks: what was kept, how it hangs together, and what pruning it further costs."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sparse_networks import SMALL, on_digits, on_spiral
from test_experiment import rows

from raydensity import data
from raydensity.experiment import run_cohort
from raydensity.measures.connectivity import connected, connected_nonzeros
from raydensity.record import SCHEMA
from raydensity.spec import GlobalMagnitudePruning, NetworkSpec
from raydensity.spec.sparsity import GMP, SNIP, Explicit, Random

SHAPES = [(5, 2), (5, 5), (5, 5), (1, 5)]


def specs_of(method, counts=(5, 13, 40), *, points=100, **fields):
    rule = GlobalMagnitudePruning(points=points)
    return [on_spiral(method(nonzeros=n, **fields), pruning=rule, init_seed=n, data_seed=n) for n in counts]


def rebuilt(row, shapes=SHAPES):
    """Weights and biases from the columns kept_*."""
    weights, biases = [np.zeros(shape, np.float32) for shape in shapes], [np.zeros(n, np.float32) for n, _ in shapes]
    columns = (row[f"kept_{name}"] for name in ("layer", "unit", "input", "value"))
    for layer, unit, source, value in zip(*columns, strict=True):
        if source < 0:
            biases[layer][unit] = value
        else:
            weights[layer][unit, source] = value
    return [torch.from_numpy(each) for each in weights], [torch.from_numpy(each) for each in biases]


def answers(weights, biases, images):
    for number, (weight, bias) in enumerate(zip(weights, biases, strict=True), start=1):
        images = F.linear(images, weight, bias)
        images = images.relu() if number < len(weights) else images
    return images[:, 0] > 0


@pytest.fixture(scope="module")
def randomly():
    specs = specs_of(Random)
    return specs, run_cohort(specs).to_pylist()


def test_columns_of_a_spec(randomly):
    specs, table = randomly
    for spec, row in zip(specs, table, strict=True):
        assert row.keys() == set(SCHEMA.names)
        assert NetworkSpec.model_validate_json(row["spec"]) == spec
        assert {name: row[name] for name in spec.factors()} == spec.factors()
        assert (row["weights"], row["parameters"]) == (65, 81)
        assert (row["validation_size"], row["epochs"], row["stopped_epoch"]) == (197, 2, 2)
        assert (row["overlap"], row["activations"], row["correctness"]) == (None, None, None)
        assert 0.4 < row["test_accuracy"] <= 1


def test_the_network_can_be_rebuilt_from_what_was_kept(randomly):
    dataset = data.load(SMALL)
    for spec, row in zip(*randomly, strict=True):
        weights, biases = rebuilt(row)
        assert sum(int((weight != 0).sum()) for weight in weights) == row["weights_kept"] == spec.sparsity.nonzeros
        assert len(row["kept_value"]) == row["nonzeros"]
        assert all(row["kept_value"])
        validation = data.split(dataset, spec.data_seed)[1]
        right = answers(weights, biases, dataset.train_images[validation]) == dataset.train_labels[validation].bool()
        assert row["validation_accuracy"] == pytest.approx(right.double().mean().item(), abs=1e-9)
        tested = answers(weights, biases, dataset.test_images) == dataset.test_labels.bool()
        assert row["test_accuracy"] == pytest.approx(tested.double().mean().item(), abs=1e-9)


def test_what_is_on_a_path_is_counted(randomly):
    for row in randomly[1]:
        weights, biases = rebuilt(row)
        found = connected([weight[None] != 0 for weight in weights])
        assert row["connected_nonzeros"] == connected_nonzeros(found, [bias[None] != 0 for bias in biases]).item()
        assert row["disconnected_units"] == found.disconnected_units[0].tolist()
        assert row["connected_nonzeros"] <= row["nonzeros"]
    assert any(sum(row["disconnected_units"]) for row in randomly[1])


def test_a_network_by_hand():
    """Inputs to unit 0, it to unit 1, that to unit 0, that out; units 2 of the first two layers lead nowhere."""
    rows_of = ((3, 0, 1), (0, 1, 4), (2,), (1,))
    spec = on_spiral(Explicit(rows=rows_of), pruning=GlobalMagnitudePruning(), init_seed=1)
    (row,) = run_cohort([spec]).to_pylist()
    assert (row["structure"], row["weights_kept"]) == ("3x3x1", 7)
    assert row["nonzeros"] == 7 + 2 + 1 + 1 + 1  # units 0 and 2, 1, 0 have outgoing weights; the output
    assert row["connected_nonzeros"] == 5 + 4
    assert row["disconnected_units"] == [1, 1, 0]
    places = zip(row["kept_layer"], row["kept_unit"], row["kept_input"], strict=True)
    assert list(places) == [
        *((0, 0, -1), (0, 0, 0), (0, 0, 1), (0, 2, -1), (0, 2, 0)),
        *((1, 1, -1), (1, 1, 0), (1, 2, 2)),
        *((2, 0, -1), (2, 0, 1)),
        *((3, 0, -1), (3, 0, 0)),
    ]


def test_pruning_goes_on_one_weight_at_a_time(randomly):
    dataset = data.load(SMALL)
    for spec, row in zip(*randomly, strict=True):
        kept = row["weights_kept"]
        assert row["prune_weights_left"] == list(range(kept, -1, -1))
        assert row["prune_removed"] == pytest.approx([gone / kept for gone in range(kept + 1)])
        assert row["prune_validation_accuracy"][0] == row["validation_accuracy"]
        assert row["prune_validation_loss"][0] == row["validation_loss"]
        weights, biases = rebuilt(row)
        validation = data.split(dataset, spec.data_seed)[1]
        labels = dataset.train_labels[validation].bool()
        for gone in range(1, kept + 1):
            flat = torch.cat([weight.abs().flatten() for weight in weights])
            flat[flat == 0] = torch.inf
            place, part = int(flat.argmin()), 0
            while place >= weights[part].numel():
                place, part = place - weights[part].numel(), part + 1
            weights[part].view(-1)[place] = 0
            right = answers(weights, biases, dataset.train_images[validation]) == labels
            assert row["prune_validation_accuracy"][gone] == pytest.approx(right.double().mean().item(), abs=1e-9)


def test_networks_of_more_weights_than_points_lose_several_at_a_time():
    table = run_cohort(specs_of(Random, (5, 10, 23, 40), points=10)).to_pylist()
    assert table[0]["prune_weights_left"] == [5, 4, 3, 2, 1, 0]
    assert table[1]["prune_weights_left"] == list(range(10, -1, -1))
    assert table[2]["prune_weights_left"] == [23, 20, 18, 16, 13, 11, 9, 6, 4, 2, 0]
    assert table[3]["prune_weights_left"] == list(range(40, -1, -4))


@pytest.mark.parametrize("method", [SNIP, GMP])
def test_the_record_does_not_depend_on_the_packing(method):
    specs = specs_of(method)
    together = rows(run_cohort(specs))
    for part in ([0], [2], [2, 1]):
        apart = rows(run_cohort([specs[index] for index in part]))
        for index in part:
            assert repr(apart[specs[index].id]) == repr(together[specs[index].id])


def test_networks_that_are_no_dense_ones_have_counts_alone():
    spec = on_digits(Random(nonzeros=60), "conv2", pruning=GlobalMagnitudePruning(points=4))
    (row,) = run_cohort([spec]).to_pylist()
    assert row["weights_kept"] == 60
    assert row["nonzeros"] > 60
    assert row["prune_weights_left"] == [60, 45, 30, 15, 0]
    assert (row["connected_nonzeros"], row["disconnected_units"], row["kept_value"]) == (None, None, None)


def test_a_whole_network_has_all_its_weights():
    (row,) = run_cohort([on_spiral(None, pruning=GlobalMagnitudePruning(points=5))]).to_pylist()
    assert (row["weights_kept"], row["nonzeros"]) == (65, 81)
    assert row["prune_weights_left"] == [65, 52, 39, 26, 13, 0]
    assert row["kept_value"] is None


def test_a_diverged_network_beside_others_has_no_results():
    calm, other = specs_of(SNIP, (5, 13))
    wild = on_spiral(
        SNIP(nonzeros=9),
        pruning=GlobalMagnitudePruning(),
        optimizer=calm.training.optimizer.model_copy(update={"learning_rate": 1e30}),
    )
    first, broken, last = run_cohort([calm, wild, other]).to_pylist()
    assert broken["status"] == "diverged"
    assert (broken["weights_kept"], broken["kept_value"], broken["prune_removed"]) == (None, None, None)
    assert (first["weights_kept"], last["weights_kept"]) == (5, 13)
    assert repr(rows(run_cohort([calm, other]))[other.id]) == repr(rows(run_cohort([calm, wild, other]))[other.id])
