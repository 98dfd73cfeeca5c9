"""The teacher's data: inputs, labels and weights against closed forms, and what data sets have in common."""

from __future__ import annotations

import math

import pytest
import torch

from raydensity import data
from raydensity.data import teacher
from raydensity.data.teacher import DEVIATION, HIDDEN, Weights, _kernel
from raydensity.experiment import run_cohort
from raydensity.randomness import generator
from raydensity.spec import MLP, SGD, LastEpoch, NetworkSpec, NoPruning, Teacher, Training


def test_shapes_and_parts() -> None:
    options = Teacher(samples=1500)
    dataset = data.load(options)
    assert dataset.description == data.describe(options)
    assert dataset.description.logits == 2
    assert dataset.train_images.shape == (2500, 10)
    assert dataset.train_images.dtype == torch.float32
    assert dataset.test_images.shape == (1000, 10)
    for labels, size in ((dataset.train_labels, 2500), (dataset.test_labels, 1000)):
        assert labels.shape == (size,)
        assert labels.unique().tolist() == [0, 1]
    for data_seed in (0, 1):
        training, validation = data.split(dataset, data_seed)
        assert training.equal(torch.arange(1500))
        assert validation.equal(torch.arange(1500, 2500))


def test_inputs_are_independent_standard_normals() -> None:
    dataset = data.load(Teacher(inputs=50))
    inputs = torch.cat([dataset.train_images, dataset.test_images]).double()
    count = inputs.numel()
    assert abs(inputs.mean().item()) < 4 / math.sqrt(count)
    assert inputs.var().item() == pytest.approx(1, abs=4 * math.sqrt(2 / count))
    correlations = torch.corrcoef(inputs.T) - torch.eye(50)
    assert correlations.abs().max() < 5 / math.sqrt(len(inputs))
    assert len(inputs.unique(dim=0)) == len(inputs)


def test_kernels_are_normal_and_cut_at_two_deviations() -> None:
    kernel = _kernel((400, 500), generator(0, "test")).double() / DEVIATION
    assert kernel.abs().max() <= 2
    inside = math.erf(2 / math.sqrt(2))
    density = math.exp(-2) / math.sqrt(2 * math.pi)
    variance = 1 - 4 * density / inside  # of a standard normal cut at two deviations
    assert kernel.var().item() == pytest.approx(variance, rel=0.01)
    assert (kernel.abs() < 1).double().mean().item() == pytest.approx(math.erf(1 / math.sqrt(2)) / inside, abs=0.005)


def test_labels_of_a_literal_teacher() -> None:
    weights = Weights(torch.tensor([[1.0, 0.0], [0.0, -2.0]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    inputs = torch.tensor([[3.0, -1.0], [1.0, -1.0], [1.0, 5.0], [-1.0, -0.1], [-1.0, 1.0]])
    # The hidden units are (3, 2), (1, 2), (1, 0), (0, 0.2), (0, 0); of equals the first.
    assert weights.labels(inputs).tolist() == [0, 1, 0, 1, 0]


@pytest.mark.parametrize("slope", [0.2, 1.0, 3.0])
def test_the_share_of_a_label_is_the_share_of_its_angles(slope: float) -> None:
    hidden = torch.zeros(2, 10)
    hidden[0, 3] = hidden[1, 7] = 1
    weights = Weights(hidden, torch.tensor([[1.0, 0.0], [0.0, slope]]))
    labels = torch.cat([weights.labels(teacher.block(Teacher(), number)) for number in range(40)])
    expected = 1 / 4 + math.atan(slope) / (2 * math.pi)  # the second alone, and the part of the first quadrant
    assert labels.double().mean().item() == pytest.approx(expected, abs=4 * 0.5 / math.sqrt(len(labels)))


def test_a_teacher_is_the_first_draw_whose_labels_are_both_frequent() -> None:
    rejected = 0
    for seed in range(12):
        options = Teacher(seed=seed)
        dataset = data.load(options)
        share = torch.cat([dataset.train_labels, dataset.test_labels]).double().mean().item()
        assert 0.4 <= share <= 0.6
        accepted = teacher.teacher(10, seed)
        inputs = torch.cat([dataset.train_images, dataset.test_images])
        assert accepted.labels(inputs).equal(torch.cat([dataset.train_labels, dataset.test_labels]))
        source = generator(seed, "teacher", 10, "weights")
        while not (drawn := Weights(_kernel((HIDDEN, 10), source), _kernel((2, HIDDEN), source))).hidden.equal(
            accepted.hidden
        ):
            assert abs(drawn.labels(inputs).double().mean().item() - 0.5) > 0.1
            rejected += 1
        assert drawn.output.equal(accepted.output)
    assert rejected, "all first draws were accepted: the test shows nothing"


def test_larger_data_sets_begin_as_smaller_ones() -> None:
    small, middle, large = (data.load(Teacher(samples=samples)) for samples in (300, 1000, 2500))
    for one, other, shared in ((small, middle, 300), (middle, large, 1000)):
        assert one.train_images[:shared].equal(other.train_images[:shared])
        assert one.train_labels[:shared].equal(other.train_labels[:shared])
        assert one.train_images[-1000:].equal(other.train_images[-1000:])
        assert one.train_labels[-1000:].equal(other.train_labels[-1000:])
        assert one.test_images.equal(other.test_images)
        assert one.test_labels.equal(other.test_labels)
        assert one.digest != other.digest


def test_the_same_options_mean_the_same_tensors() -> None:
    before = torch.random.get_rng_state()
    options = [Teacher(), Teacher(seed=1), Teacher(inputs=12)]
    digests = [data.load(each).digest for each in options]
    assert len(set(digests)) == 3
    teacher.teacher.cache_clear()
    assert [teacher.read(each, data.resolve_root(None)).digest() for each in options] == digests
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_network_learns_what_the_teacher_says() -> None:
    spec = NetworkSpec(
        dataset=Teacher(),
        architecture=MLP(width=0.25, hidden=(128,)),
        initializer="glorot_uniform",
        training=Training(
            optimizer=SGD(learning_rate=0.1, momentum=0.9), batch_size=128, max_epochs=15, stopping=LastEpoch()
        ),
        pruning=NoPruning(),
        measures=(),
        init_seed=0,
        data_seed=0,
    )
    (row,) = run_cohort([spec]).to_pylist()
    assert (row["parameters"], row["validation_size"], row["inputs"], row["samples"]) == (418, 1000, 10, 1000)
    assert row["test_accuracy"] > 0.9  # guessing has at most 0.6
