"""Stopping rules on literal curves, and accuracies on real digits: going on, and networks that stop apart."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from networks import network

from raydensity import data, training
from raydensity.checkpoints import CURVES
from raydensity.cohort import Cohort
from raydensity.evaluation import evaluate
from raydensity.spec import MLP, SGD, BestAccuracy, LastEpoch, LossTarget, ValidationMinimum
from raydensity.stopping import judge

CPU = torch.device("cpu")


def followed(rule, values, *, curve):
    """Epoch that is kept, epochs trained and whether it converged, of a training whose curve would be `values`."""
    kept = 0
    for epoch in range(1, len(values) + 1):
        curves = {name: [None] * epoch for name in CURVES} | {curve: values[:epoch]}
        verdict = judge(rule, curves, kept=kept, last=epoch == len(values))
        kept = epoch if verdict.keeps else kept
        if verdict.done:
            return kept, epoch, verdict.converged
    raise AssertionError("it never stopped")


@pytest.mark.parametrize("split", ["train", "validation"])
@pytest.mark.parametrize(
    ("patience", "accuracies", "expected"),
    [
        (None, [0.1, 0.3, 0.3, 0.2], (2, 4, True)),  # the first of equals, in all epochs that it was to train
        (None, [0.4, 0.3, 0.2], (1, 3, True)),
        (1, [0.1, 0.2, 0.2, 0.9], (2, 3, True)),  # an equal one is no better
        (2, [0.1, 0.2, 0.1, 0.3, 0.1, 0.2, 0.9], (4, 6, True)),
        (2, [0.1, 0.3, 0.2, 0.2], (2, 4, True)),  # patience ends with the last epoch
        (3, [0.1, 0.3, 0.2, 0.2], (2, 4, False)),
        (1, [0.0, 0.0, 0.5], (1, 2, True)),
    ],
)
def test_best_accuracy(split, patience, accuracies, expected):
    rule = BestAccuracy(split=split, patience=patience)
    assert followed(rule, accuracies, curve=f"{split}_accuracy") == expected


def test_perfect_training_stops_at_once_and_perfect_validation_does_not():
    perfect = [0.5, 1.0, 1.0, 1.0]
    assert followed(BestAccuracy(split="train"), perfect, curve="train_accuracy") == (2, 2, True)
    assert followed(BestAccuracy(split="train", patience=2), perfect, curve="train_accuracy") == (2, 2, True)
    assert followed(BestAccuracy(), perfect, curve="validation_accuracy") == (2, 4, True)
    assert followed(BestAccuracy(patience=1), perfect, curve="validation_accuracy") == (2, 3, True)


@given(st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4, 0.5]), min_size=1), st.integers(1, 4))
def test_best_accuracy_stops_where_none_of_the_next_is_better(accuracies, patience):
    kept, epochs, converged = followed(BestAccuracy(patience=patience), accuracies, curve="validation_accuracy")
    bests = [max(accuracies[:epoch]) for epoch in range(1, len(accuracies) + 1)]
    stale = [epoch for epoch in range(patience + 1, len(bests) + 1) if bests[epoch - 1] == bests[epoch - 1 - patience]]
    assert (epochs, converged) == (stale[0], True) if stale else (len(accuracies), False)
    assert kept == 1 + accuracies.index(bests[epochs - 1])


def test_the_other_rules():
    losses = [0.5, 0.2, 0.3, 0.2, 0.4]
    assert followed(ValidationMinimum(), losses, curve="validation_loss") == (4, 5, True)
    assert followed(ValidationMinimum(), losses[:4], curve="validation_loss") == (4, 4, False)
    assert followed(LossTarget(loss=0.2), losses, curve="validation_loss") == (2, 2, True)
    assert followed(LossTarget(loss=0.2, split="train"), losses, curve="train_loss") == (2, 2, True)
    assert followed(LossTarget(loss=0.1), losses, curve="validation_loss") == (5, 5, False)
    assert followed(LastEpoch(), losses, curve="train_loss") == (5, 5, True)


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


RULES = {
    "validation": BestAccuracy(patience=2),
    "train": BestAccuracy(split="train", patience=6),
}


def specs_of(split):
    """Four networks of two steps an epoch, which stop at different ones."""
    rule, options = SGD(learning_rate=0.3, momentum=0.9), {"epochs": 40, "batch_size": 512, "stopping": RULES[split]}
    return [network(MLP(width=0.3), rule, init_seed=seed, **options) for seed in range(4)]


def facts(one):
    return one.curves, one.epoch, one.kept_epoch, one.converged, one.done


def same(one, other):
    return facts(one) == facts(other) and all(torch.equal(one.kept[name], other.kept[name]) for name in other.kept)


@pytest.mark.parametrize("split", RULES)
def test_networks_that_stop_apart_equal_single_ones(digits, split):
    specs, patience = specs_of(split), RULES[split].patience
    together = training.train(specs, digits, device=CPU)
    assert len({one.epoch for one in together}) > 2, "the test shows nothing of compaction"
    for spec, one in zip(specs, together, strict=True):
        curve = one.curves[f"{split}_accuracy"]
        perfect = split == "train" and curve[-1] == 1
        assert one.kept_epoch == 1 + curve.index(max(curve))
        assert one.epoch == len(curve) == one.kept_epoch + (0 if perfect else patience)
        assert one.converged
        assert None not in one.curves["validation_loss"]
        (alone,) = training.train([spec], digits, device=CPU)
        assert same(one, alone)
    if split == "train":
        endings = [one.curves["train_accuracy"][-1] for one in together]
        assert 1 in endings, "none is perfect: the test shows nothing of stopping at once"
        assert min(endings) < 1, "all are perfect: the test shows nothing of patience"


def test_the_kept_weights_are_those_of_the_best_epoch(digits):
    spec = specs_of("validation")[0]
    (one,) = training.train([spec], digits, device=CPU)
    update = {"max_epochs": one.kept_epoch, "stopping": LastEpoch()}
    (until,) = training.train(
        [spec.model_copy(update={"training": spec.training.model_copy(update=update)})], digits, device=CPU
    )
    assert all(torch.equal(one.kept[name], until.kept[name]) for name in one.kept)
    assert one.kept_epoch < one.epoch


def test_what_is_learned_by_heart_is_judged_by_the_weights_that_are_kept(digits):
    """Not by the batches of the epoch, which other weights answered."""
    spec, by_batches = specs_of("train")[0], specs_of("validation")[0]
    (one,) = training.train([spec], digits, device=CPU)
    (other,) = training.train([by_batches], digits, device=CPU)
    cohort = Cohort([spec], input_shape=(1, 8, 8), classes=10)
    cohort.load(0, one.kept)
    images, _ = data.split(digits, spec.data_seed)
    found = evaluate(cohort, digits, images[None], spec.preprocessing)
    assert one.curves["train_accuracy"][one.kept_epoch - 1] == found.accuracy.item()
    assert one.curves["train_loss"][one.kept_epoch - 1] == found.loss.item()
    assert one.curves["train_accuracy"][0] > other.curves["train_accuracy"][0] + 0.1  # the same epoch, the same batches


@pytest.mark.parametrize("split", RULES)
def test_interrupted_training_stops_at_the_same_epoch(digits, split, tmp_path):
    """Interrupted every third epoch, which was saved after its last step and is judged again."""
    specs = specs_of(split)
    whole = training.train(specs, digits, device=CPU)

    class Interrupted(Exception):
        pass

    calls = []
    while len(calls) < 100:
        started = len(calls)

        def stop(epoch, done, started=started):
            calls.append(epoch)
            if len(calls) == started + 4:
                raise Interrupted

        try:
            settings = {"checkpoint_folder": tmp_path, "checkpoint_seconds": 0, "on_epoch": stop}
            resumed = training.train(specs[::-1], digits, device=CPU, **settings)
            break
        except Interrupted:
            continue
    assert started > 8, "it was hardly interrupted: the test shows nothing"
    assert all(same(one, again) for one, again in zip(whole, resumed[::-1], strict=True))
