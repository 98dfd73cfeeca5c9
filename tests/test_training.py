"""Stopping rules, freezing, divergence and going on from checkpoints, on real digits."""

import math

import pytest
import torch
from interrupting import train_until_killed
from networks import OPTIMIZERS, network

from raydensity import checkpoints, data, training
from raydensity.spec import SGD, LastEpoch, LossTarget, ValidationMinimum

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


def same(one, other):
    return (
        one.curves == other.curves
        and (one.kept is None) == (other.kept is None)
        and all(torch.equal(one.kept[name], other.kept[name]) for name in one.kept or {})
        and (one.epoch, one.kept_epoch, one.converged, one.diverged)
        == (other.epoch, other.kept_epoch, other.converged, other.diverged)
    )


@pytest.mark.parametrize("split", ["train", "validation"])
def test_loss_target_stops_at_the_first_epoch_that_reaches_it(digits, split):
    rule = LossTarget(loss=0.5, split=split)
    specs = [network(init_seed=seed, epochs=30, stopping=rule) for seed in range(4)]
    for one in training.train(specs, digits, device=CPU):
        losses = one.curves[f"{split}_loss"]
        assert one.converged
        assert losses[-1] <= 0.5 < min(losses[:-1])
        assert one.epoch == one.kept_epoch == len(losses)


def test_epochs_that_run_out_are_recorded_as_not_converged(digits):
    (one,) = training.train([network(epochs=2, stopping=LossTarget(loss=1e-6))], digits, device=CPU)
    assert (one.converged, one.diverged, one.epoch, one.kept_epoch) == (False, False, 2, 2)
    assert one.kept is not None


def test_validation_minimum_is_found_in_retrospect(digits):
    specs = [network(optimizer=SGD(learning_rate=0.8), init_seed=seed, epochs=12) for seed in range(6)]
    progress = training.train(specs, digits, device=CPU)
    earlier = 0
    for spec, one in zip(specs, progress, strict=True):
        losses = one.curves["validation_loss"]
        assert one.epoch == 12
        assert losses[one.kept_epoch - 1] == min(losses)
        if one.kept_epoch == 12:
            continue
        earlier += 1
        stopped = spec.model_copy(
            update={
                "training": spec.training.model_copy(update={"max_epochs": one.kept_epoch, "stopping": LastEpoch()})
            }
        )
        (again,) = training.train([stopped], digits, device=CPU)
        assert all(torch.equal(again.kept[name], one.kept[name]) for name in one.kept)
    assert earlier, "no network had its minimum before the last epoch: the test shows nothing"


def test_networks_that_stop_at_different_epochs_equal_single_ones(digits):
    rule = LossTarget(loss=0.45, split="validation")
    specs = [network(init_seed=s, data_seed=d, epochs=30, stopping=rule) for s in range(3) for d in range(2)]
    together = training.train(specs, digits, device=CPU)
    assert len({one.epoch for one in together}) > 1, "all stop at once: the test shows nothing of compaction"
    for spec, one in zip(specs, together, strict=True):
        (alone,) = training.train([spec], digits, device=CPU)
        assert same(one, alone)


def test_a_network_that_diverges_late_has_not_converged(digits):
    growing = SGD(
        learning_rate=1e-12, weight_decay=2.5e12
    )  # weights grow by half a step, until their products overflow
    (late,) = training.train([network(optimizer=growing, epochs=6)], digits, device=CPU)
    losses = late.curves["validation_loss"]
    assert len(losses) > 2, "it diverged before its loss could rise: the test shows nothing"
    assert losses[0] < losses[1] < math.inf
    assert (late.diverged, late.converged, late.kept, late.kept_epoch) == (True, False, None, 0)


def test_divergence_is_recorded_and_isolated(digits):
    def specs(rate):
        return [
            network(optimizer=SGD(learning_rate=r), init_seed=s, epochs=4, stopping=ValidationMinimum())
            for s, r in enumerate((0.1, rate, 0.1))
        ]

    calm = training.train(specs(0.1), digits, device=CPU)
    wild = training.train(specs(1e30), digits, device=CPU)
    assert wild[1].diverged
    assert wild[1].kept is None
    assert not wild[1].converged
    assert not all(math.isfinite(loss) for loss in wild[1].curves["train_loss"])
    assert same(calm[0], wild[0])
    assert same(calm[2], wild[2])


@pytest.mark.parametrize("interrupted_at", [0, 40, 2 * 17])  # at once, within the second epoch, at its end
def test_a_kill_within_an_epoch_loses_no_more_than_what_was_not_saved(digits, tmp_path, interrupted_at):
    specs = [network("mlp", "adam", init_seed=seed, epochs=4) for seed in range(3)]
    whole = training.train(specs, digits, device=CPU)
    train_until_killed(specs, digits, tmp_path, saves=3 * interrupted_at)
    if interrupted_at:
        reached = checkpoints.load(tmp_path, specs[0].id, CPU)
        assert reached.epoch * 17 + reached.step == interrupted_at
    resumed = training.train(specs[::-1], digits, device=CPU, checkpoint_folder=tmp_path)
    assert all(same(one, again) for one, again in zip(whole, resumed[::-1], strict=True))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_interrupted_training_goes_on_bit_identically_in_another_packing(digits, optimizer, tmp_path):
    specs = [
        network("mlp", optimizer, init_seed=seed, epochs=5, stopping=LossTarget(loss=0.6, split="train"))
        for seed in range(4)
    ]
    whole = training.train(specs, digits, device=CPU)

    class Interrupted(Exception):
        pass

    def stop_after_two(epoch, done):
        if epoch == 2:
            raise Interrupted

    for part in (specs[:3], specs[3:]):  # the last network is not checkpointed before its second epoch ends
        with pytest.raises(Interrupted):
            training.train(
                part, digits, device=CPU, checkpoint_folder=tmp_path, checkpoint_seconds=0, on_epoch=stop_after_two
            )
    assert len(list(tmp_path.glob("*.safetensors"))) == 4
    epochs = []
    resumed = training.train(
        [specs[3], specs[0], specs[2], specs[1]],
        digits,
        device=CPU,
        checkpoint_folder=tmp_path,
        on_epoch=lambda epoch, done: epochs.append(epoch),
    )
    assert epochs == [] or min(epochs) == 2  # saved after its last step, to be judged again
    for one, again in zip([whole[3], whole[0], whole[2], whole[1]], resumed, strict=True):
        assert same(one, again)


def test_finished_networks_are_not_trained_again(digits, tmp_path):
    specs = [network(init_seed=seed) for seed in range(2)]
    first = training.train(specs, digits, device=CPU, checkpoint_folder=tmp_path, checkpoint_seconds=0)
    epochs = []
    second = training.train(
        specs, digits, device=CPU, checkpoint_folder=tmp_path, on_epoch=lambda epoch, done: epochs.append(epoch)
    )
    assert epochs == []
    assert all(same(one, again) for one, again in zip(first, second, strict=True))


def test_damaged_checkpoint_trains_from_the_start(digits, tmp_path):
    spec = network()
    (first,) = training.train([spec], digits, device=CPU, checkpoint_folder=tmp_path, checkpoint_seconds=0)
    path = checkpoints.path_of(tmp_path, spec.id)
    path.write_bytes(path.read_bytes()[:200])
    (again,) = training.train([spec], digits, device=CPU, checkpoint_folder=tmp_path)
    assert same(first, again)
