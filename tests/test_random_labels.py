"""Random labels: how they are drawn, and that training and record have them."""

from __future__ import annotations

import torch
from networks import network
from scipy import stats

from raydensity import data, experiment, training
from raydensity.spec import LastEpoch


def test_labels_are_drawn_uniformly_and_test_labels_stay() -> None:
    digits = data.load("digits")
    before = torch.random.get_rng_state()
    labelled = [data.with_random_labels(digits, seed) for seed in (0, 0, 1)]
    assert torch.equal(torch.random.get_rng_state(), before)
    assert labelled[0].train_labels.equal(labelled[1].train_labels)
    assert labelled[0].digest == labelled[1].digest
    assert len({digits.digest, labelled[0].digest, labelled[2].digest}) == 3
    for one in labelled:
        assert one.train_labels.dtype == torch.int64
        counts = torch.bincount(one.train_labels, minlength=10)
        assert len(counts) == 10
        assert stats.chisquare(counts.numpy()).pvalue > 0.01
        agreeing = (one.train_labels == digits.train_labels).double().mean().item()
        assert abs(agreeing - 0.1) < 4 * (0.1 * 0.9 / len(one.train_labels)) ** 0.5
        assert one.test_labels is digits.test_labels
        assert one.train_images is digits.train_images
    other = (labelled[0].train_labels == labelled[2].train_labels).double().mean().item()
    assert abs(other - 0.1) < 4 * (0.1 * 0.9 / len(labelled[0].train_labels)) ** 0.5


def test_a_cohort_learns_and_is_judged_by_random_labels() -> None:
    plain = network(data_seed=3, epochs=4, stopping=LastEpoch())
    spec = plain.model_copy(update={"random_labels": True})
    assert spec.cohort_key != spec.model_copy(update={"data_seed": 4}).cohort_key
    labelled = data.with_random_labels(data.load("digits"), 3)
    (row,) = experiment.run_cohort([spec]).to_pylist()
    (trained,) = training.train([spec], labelled, device=torch.device("cpu"))
    assert row["data_digest"] == labelled.digest
    assert row["curve_train_loss"] == trained.curves["train_loss"]
    assert row["curve_validation_loss"] == trained.curves["validation_loss"]
    (true,) = experiment.run_cohort([plain]).to_pylist()
    assert row["train_loss"] > 1.5 * true["train_loss"]
