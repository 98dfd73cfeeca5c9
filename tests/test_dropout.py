"""Which units are dropped: with the right probability, by each network's own seed, the same after an interruption."""

import pytest
import torch
from networks import network

from raydensity import data, dropout, training
from raydensity.models.chain import Dropped
from raydensity.spec import AlexNet, LastEpoch, NetworkSpec

LAYERS = {"fc1": Dropped(units=400, share=0.2), "fc2": Dropped(units=50, share=0.5)}


def drawn(seeds, *, epoch=1, step=0):
    return dropout.factors(LAYERS, seeds, epoch=epoch, step=step, batch_size=250)


def test_a_share_is_dropped_and_the_mean_kept():
    factors = drawn([0])
    assert factors["fc1"].shape == (1, 250, 400)
    assert factors["fc1"].unique().tolist() == [0, 1.25]
    assert factors["fc2"].unique().tolist() == [0, 2]
    # 100,000 and 12,500 draws: five standard errors
    assert factors["fc1"].eq(0).double().mean().item() == pytest.approx(0.2, abs=5 * (0.2 * 0.8 / 1e5) ** 0.5)
    assert factors["fc2"].eq(0).double().mean().item() == pytest.approx(0.5, abs=5 * (0.5 * 0.5 / 12_500) ** 0.5)
    assert not torch.equal(factors["fc1"][0, 0], factors["fc1"][0, 1])


def test_units_depend_on_seed_epoch_and_step_alone():
    torch.manual_seed(1)
    together = drawn([3, 4, 3])["fc1"]
    torch.manual_seed(2)
    assert torch.equal(together[0], together[2])
    assert torch.equal(together[1], drawn([4])["fc1"][0])
    others = [drawn([4])["fc1"], drawn([3], epoch=2)["fc1"], drawn([3], step=1)["fc1"]]
    assert all(not torch.equal(together[0], other[0]) for other in others)


def specs(share=0.5):
    like = network(AlexNet(width=0.05, dropout=share), "momentum", batch_size=256, stopping=LastEpoch(), epochs=2)
    return [like.model_copy(update={"init_seed": seed, "order_seed": seed}) for seed in range(3)]


def finished(own: list[NetworkSpec], **settings):
    torch.set_num_threads(1)
    return training.train(own, data.load("digits"), device=torch.device("cpu"), **settings)


def test_neither_packing_nor_interruption_changes_a_bit(tmp_path, monkeypatch):
    together = finished(specs())
    save, saved = training.checkpoints.save, []

    def interrupt(folder, network_id, progress):
        save(folder, network_id, progress)
        saved.append(network_id)
        if len(saved) == 21:  # each of three networks, seven steps: in the middle of the second epoch
            raise KeyboardInterrupt

    monkeypatch.setattr(training.checkpoints, "save", interrupt)
    with pytest.raises(KeyboardInterrupt):
        finished(specs(), checkpoint_folder=tmp_path, checkpoint_seconds=0)
    monkeypatch.setattr(training.checkpoints, "save", save)
    left = [training.checkpoints.load(tmp_path, spec.id, torch.device("cpu")) for spec in specs()]
    assert {(one.epoch, one.step > 0) for one in left} == {(1, True)}
    resumed = [finished(specs()[part], checkpoint_folder=tmp_path) for part in (slice(1), slice(1, 3))]
    for one, other in zip(together, [*resumed[0], *resumed[1]], strict=True):
        assert other.curves == one.curves
        assert all(torch.equal(other.kept[name], one.kept[name]) for name in one.kept)


def test_dropout_acts_in_training_and_not_in_evaluation():
    dropping, whole = finished(specs()[:1]), finished(specs(0.0)[:1])
    assert dropping[0].curves["train_loss"][0] > whole[0].curves["train_loss"][0]
    known = data.load("digits")
    cohort = training.Cohort(specs()[:1], input_shape=(1, 8, 8), classes=10)
    indices = torch.arange(40)[None]
    twice = [training.evaluate(cohort, known, indices, "unit").loss for _ in range(2)]
    assert torch.equal(*twice)
    plain = cohort.network(0)
    x, labels = training.gather(known, indices, "unit")
    loss = torch.nn.functional.cross_entropy(plain(x[0]), labels[0])
    assert twice[0].item() == pytest.approx(loss.item(), rel=1e-5)
