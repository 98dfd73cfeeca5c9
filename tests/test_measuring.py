"""The columns that a trained cohort's measures fill."""

import pytest
import torch
from networks import network

from raydensity import data, measuring
from raydensity.cohort import Cohort
from raydensity.data.dataset import Dataset, Description
from raydensity.experiment import run_cohort
from raydensity.measures import chunks
from raydensity.measures.chunks import MEASURE_CHUNK, MEASURE_NUMBERS, measure_chunk
from raydensity.measuring import _activation_rows, _Images
from raydensity.models.mlp import DenseNetwork
from raydensity.record import SCHEMA
from raydensity.spec import NoPruning

UNITS = ("prunability", "prunability_by_position", "redundancy", "correlation")
HIDDEN = {
    "mlp": ["fc1", "fc2"],
    "conv2": ["conv1", "conv2", "fc1", "fc2"],
    "resnet": ["conv", "block1", "block2", "block3"],
}


def test_fewer_images_are_measured_at_a_time_where_their_maps_are_large(monkeypatch):
    assert measure_chunk(1000) == MEASURE_CHUNK
    assert 1 < measure_chunk(128 * 32 * 32) < 64
    assert measure_chunk(2 * MEASURE_NUMBERS) == 1
    digits = data.load("digits")
    validation = data.split(digits, 0)[1]
    net = Cohort([network("resnet")], input_shape=(1, 8, 8), classes=10).network(0)
    whole = _activation_rows(net, digits, validation, "unit")
    monkeypatch.setattr(chunks, "MEASURE_NUMBERS", 2**13)
    for one, other in zip(whole, _activation_rows(net, digits, validation, "unit"), strict=True):
        assert one.pop("layer") == other.pop("layer")
        assert one == pytest.approx(other, rel=1e-5)


@pytest.mark.parametrize("architecture", sorted(HIDDEN))
def test_what_is_measured_of_units_does_not_depend_on_the_cohort(architecture):
    like = network(architecture, epochs=1)
    specs = [
        like.model_copy(update={"measures": UNITS, "pruning": NoPruning(), "init_seed": seed, "prune_seed": seed})
        for seed in range(2)
    ]
    record = run_cohort(specs)
    assert record.schema == SCHEMA
    rows, [alone] = record.to_pylist(), run_cohort(specs[1:]).to_pylist()
    layers = HIDDEN[architecture]
    for row in rows:
        kinds = [(curve["layer"], curve["repeat"], curve["by_position"]) for curve in row["prunability"]]
        assert kinds == [(layer, n, way) for way in (False, True) for layer in ("all", *layers) for n in range(3)]
        for curve in row["prunability"]:
            assert curve["removed"] == [part / 6 for part in range(7)]
            assert curve["unchanged"][0] == 1
            assert all(0 <= share <= 1 for share in curve["unchanged"])
        spectra = {spectrum["layer"]: spectrum for spectrum in row["redundancy"]}
        assert list(spectra) == [own["layer"] for own in row["correlation"]] == layers
        for spectrum in spectra.values():
            assert spectrum["eigenvalues"] == sorted(spectrum["eigenvalues"])
            assert spectrum["rows"] in (359 * side * side for side in (1, 2, 4, 8))
        for own in row["correlation"]:
            pairs = len(spectra[own["layer"]]["eigenvalues"])
            assert sum(own["histogram"]) <= pairs * (pairs - 1) / 2
    for column in ("prunability", "redundancy", "correlation"):
        assert repr(alone[column]) == repr(rows[1][column])
        assert rows[0][column] != rows[1][column]


def test_measures_that_are_not_asked_for_are_not_taken():
    [row] = run_cohort(
        [network(epochs=1).model_copy(update={"measures": ("redundancy",), "pruning": NoPruning()})]
    ).to_pylist()
    assert row["redundancy"]
    assert row["prunability"] is row["correlation"] is row["activations"] is row["overlap"] is None


def test_a_data_set_without_test_images_is_measured_on_validation_images(monkeypatch):
    monkeypatch.setattr(measuring, "UNIT_CHUNK", 2)
    images, none = torch.arange(10.0).view(10, 1), torch.zeros(0, 1)
    labels = torch.zeros(10, dtype=torch.int64)
    known = Description(name="numbers", input_shape=(1,), classes=2, train_size=10, validation_size=3, test_size=0)
    dataset = Dataset(known, images, labels, none, labels[:0], digest="")
    own = _Images(DenseNetwork(1, (4,), 2), dataset, torch.tensor([1, 5, 8]), "unit", 3)
    assert len(own) == 3
    assert [part.flatten().tolist() for part in own] == [[1, 5], [8]] == [part.flatten().tolist() for part in own]
    tested = Dataset(
        Description(name="numbers", input_shape=(1,), classes=2, train_size=7, validation_size=3, test_size=3),
        images[:7], labels[:7], images[7:], labels[7:], digest="",
    )  # fmt: skip
    own = _Images(DenseNetwork(1, (4,), 2), tested, torch.tensor([1, 5, 6]), "unit", 3)
    assert [part.flatten().tolist() for part in own] == [[7, 8], [9]]


def test_units_are_measured_on_as_many_images_as_are_asked_for():
    spec = network("mlp", epochs=1).model_copy(update={"measures": UNITS, "pruning": NoPruning()})
    (row,) = run_cohort([spec.model_copy(update={"measured_images": 40})]).to_pylist()
    assert {spectrum["rows"] for spectrum in row["redundancy"]} == {40}
    assert all(round(40 * share, 9).is_integer() for curve in row["prunability"] for share in curve["unchanged"])
    (every,) = run_cohort([spec.model_copy(update={"measured_images": 10_000})]).to_pylist()
    assert {spectrum["rows"] for spectrum in every["redundancy"]} == {359}
    assert every["test_accuracy"] == row["test_accuracy"]
