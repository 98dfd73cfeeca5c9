"""The Cubist Spiral against a plain computation, and its options."""

import math
from itertools import pairwise

import pytest
import torch
from pydantic import ValidationError

from raydensity import data
from raydensity.data.spiral import arrays
from raydensity.spec import Spiral


@pytest.fixture(scope="module")
def published():
    return data.load(Spiral())


def by_hand(samples):
    """Points of both arms: 16 segments each, evenly spaced points with both ends; mean 0, unbiased deviation 1."""
    points = []
    for arm in (1, -1):
        vertices = []
        for number in range(17):
            theta = math.pi + number * math.pi / 4 + 1.6 / 8 * 2 * math.pi
            radius = 10 * theta + math.pi + 15 * arm
            vertices.append((radius * math.cos(theta), radius * math.sin(theta)))
        lengths = [math.dist(a, b) for a, b in pairwise(vertices)]
        for (a, b), length in zip(pairwise(vertices), lengths, strict=True):
            count = int(length / sum(lengths) * (samples // 2))
            for place in range(count):
                t = place / (count - 1) if count > 1 else 0.0
                points.append([(1 - t) * p + t * q for p, q in zip(a, b, strict=True)])
    for axis in (0, 1):
        values = [point[axis] for point in points]
        mean = math.fsum(values) / len(values)
        deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))
        for point in points:
            point[axis] = (point[axis] - mean) / deviation
    return torch.tensor(points, dtype=torch.float64)


def test_the_published_points(published):
    images = published.train_images
    assert images.shape == (49_982, 2)
    assert images.dtype == torch.float32
    assert published.train_labels.tolist() == [0] * 24_991 + [1] * 24_991
    assert images.double().mean(0).tolist() == pytest.approx([0, 0], abs=1e-8)
    assert images.double().std(0).tolist() == pytest.approx([1, 1], abs=1e-7)
    assert images[0].tolist() == pytest.approx([-0.0079093, -0.7615969], abs=1e-6)
    assert images[24_990].tolist() == pytest.approx([-0.4593180, -2.2016020], abs=1e-6)
    assert images[24_991].tolist() == pytest.approx([0.0998566, -0.4178209], abs=1e-6)
    assert images[-1].tolist() == pytest.approx([-0.3515521, -1.8578261], abs=1e-6)


@pytest.mark.parametrize("samples", [50_000, 1000, 100])
def test_the_construction(samples):
    images = data.load(Spiral(samples=samples)).train_images
    torch.testing.assert_close(images.double(), by_hand(samples), rtol=0, atol=1e-6)


def test_the_published_set_is_training_and_validation_set(published):
    known = published.description
    assert (known.classes, known.logits, known.binary, known.input_shape) == (2, 1, True, (2,))
    assert (known.train_size, known.fitted_size, known.judged_size, known.test_size) == (49_982, 49_982, 49_982, 0)
    assert len(published.test_images) == 0
    for seed in (0, 7):
        for part in data.split(published, seed):
            assert torch.equal(part, torch.arange(49_982))
    assert data.normalize(published, published.train_images[:3], "standardized").equal(published.train_images[:3])


def test_other_sets_hold_a_fifth_out_by_data_seed():
    dataset = data.load(Spiral(samples=1000))
    assert (dataset.description.train_size, dataset.description.fitted_size) == (985, 788)
    parts = [data.split(dataset, seed) for seed in (0, 1)]
    for training, validation in parts:
        assert len(validation) == dataset.description.judged_size == 197
        assert torch.equal(torch.cat([training, validation]).sort().values, torch.arange(985))
        assert 0.4 < dataset.train_labels[validation].float().mean() < 0.6
    assert not torch.equal(parts[0][1], parts[1][1])


def test_test_points_lie_halfway_between_training_points():
    dataset = data.load(Spiral(samples=1000))
    points, labels = dataset.train_images.double(), dataset.train_labels
    assert dataset.description.test_size == len(dataset.test_images) == 985 - 32  # a segment has one fewer
    halfway = (points[1:] + points[:-1]) / 2
    of_one_arm = labels[1:] == labels[:-1]
    for arm in (0, 1):
        tested = dataset.test_images[dataset.test_labels == arm].double()
        near = torch.cdist(tested, halfway[of_one_arm & (labels[1:] == arm)]).min(1).values
        assert near.max() < 1e-5
        assert torch.cdist(tested, points).min() > 1e-3


def test_noise_has_the_deviation_that_was_asked_for_and_is_drawn_once():
    clean, noisy = data.load(Spiral(samples=20_000)), data.load(Spiral(samples=20_000, noise=0.1))
    for name in ("train", "test"):
        moved = getattr(noisy, f"{name}_images") - getattr(clean, f"{name}_images")
        assert moved.std(0).tolist() == pytest.approx([0.1, 0.1], rel=0.03)
        assert moved.mean(0).abs().max() < 0.005
        assert torch.equal(getattr(noisy, f"{name}_labels"), getattr(clean, f"{name}_labels"))
    again = arrays.__wrapped__(Spiral(samples=20_000, noise=0.1))  # not from the cache
    assert torch.equal(again.train_images, noisy.train_images)
    training, test = (getattr(noisy, f"{name}_images") - getattr(clean, f"{name}_images") for name in ("train", "test"))
    assert (training[:100] - test[:100]).abs().mean() > 0.05, "both parts have the same noise"


def test_only_the_defaults_are_the_published_set():
    assert Spiral().published
    assert not Spiral(noise=0.01).published
    assert not Spiral(samples=49_999).published
    assert data.load(Spiral(noise=0.01)).description.validation_size > 0


def test_digests_tell_the_options_apart():
    options = [Spiral(), Spiral(samples=1000), Spiral(samples=1000, noise=0.1)]
    assert len({data.load(each).digest for each in options}) == 3


@pytest.mark.parametrize("fields", [{"noise": -0.1}, {"samples": 99}])
def test_impossible_options_are_refused(fields):
    with pytest.raises(ValidationError, match=next(iter(fields))):
        Spiral(**fields)
