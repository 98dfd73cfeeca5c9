"""Learning rates by epoch, as torch.optim.lr_scheduler has them."""

import pytest
import torch
from sparse_networks import RATE, SMALL, on_spiral
from torch.optim import lr_scheduler

from raydensity import data, training
from raydensity.optimizers import StackedOptimizer
from raydensity.pruning.schedules import cubic, exponential
from raydensity.schedules import factor
from raydensity.spec import Constant, Cosine, Exponential, MultiStep
from raydensity.spec.sparsity import LTH, SNIP

EPOCHS = 50
SCHEDULES = {
    "constant": (Constant(), lambda rule: lr_scheduler.ConstantLR(rule, factor=1.0)),
    "cosine": (Cosine(), lambda rule: lr_scheduler.CosineAnnealingLR(rule, EPOCHS)),
    "multistep": (MultiStep(), lambda rule: lr_scheduler.MultiStepLR(rule, [15, 30], gamma=0.1)),
    "exponential": (Exponential(), lambda rule: lr_scheduler.ExponentialLR(rule, 0.95)),
    "steps of a half": (
        MultiStep(milestones=(1, 2, 40), factor=0.5),
        lambda rule: lr_scheduler.MultiStepLR(rule, [1, 2, 40], gamma=0.5),
    ),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_factors_equal_those_of_torch(name):
    ours, theirs = SCHEDULES[name]
    rule = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = theirs(rule)
    for epoch in range(EPOCHS):
        assert factor(ours, epoch, EPOCHS) == pytest.approx(scheduler.get_last_lr()[0], abs=1e-12)
        rule.step()
        scheduler.step()


def test_factors_by_hand():
    assert [factor(Cosine(), epoch, 4) for epoch in range(4)] == pytest.approx([1, 0.8535534, 0.5, 0.1464466])
    assert [factor(MultiStep(milestones=(2, 3)), epoch, 4) for epoch in range(4)] == pytest.approx([1, 1, 0.1, 0.01])
    rising = MultiStep(milestones=(3,), warm_up=2)
    assert [factor(rising, epoch, 4) for epoch in range(4)] == pytest.approx([0.25, 0.75, 1, 0.1])


@pytest.fixture
def rates(monkeypatch):
    """Fills with the learning rates of the networks, a list an epoch."""
    seen = []
    schedule = StackedOptimizer.schedule

    def spy(self, factors):
        schedule(self, factors)
        seen.append(self._row_rates.tolist())

    monkeypatch.setattr(StackedOptimizer, "schedule", spy)
    return seen


def test_networks_of_one_cohort_follow_their_own_schedules(rates):
    slow = RATE.model_copy(update={"learning_rate": 0.05})
    schedules = (Cosine(), MultiStep(milestones=(1,)), Constant())
    specs = [on_spiral(SNIP(nonzeros=20), schedule=each, epochs=2) for each in schedules]
    specs.append(on_spiral(SNIP(nonzeros=20), schedule=Cosine(), optimizer=slow, epochs=2))
    training.train(specs, data.load(SMALL), device=torch.device("cpu"))
    assert rates[0] == pytest.approx([0.1, 0.1, 0.1, 0.05])
    assert rates[1] == pytest.approx([0.05, 0.01, 0.1, 0.025])


def test_every_cycle_of_lottery_tickets_starts_its_schedule_anew(rates):
    specs = [on_spiral(LTH(nonzeros=20, cycles=3), schedule=each, epochs=2) for each in (Cosine(), Constant())]
    training.train(specs, data.load(SMALL), device=torch.device("cpu"))
    assert [pytest.approx(each) for each in rates] == [[0.1, 0.1], [0.05, 0.1]] * 3


def test_how_many_weights_are_left():
    assert [cubic(100, 20, progress) for progress in (0, 0.5, 1, 1.1)] == [100, 30, 20, 20]
    assert [exponential(160, 10, progress) for progress in (0, 0.25, 0.5, 0.75, 1)] == [160, 80, 40, 20, 10]
    assert [exponential(561, 15, step / 4) for step in range(5)] == [561, 227, 92, 37, 15]
