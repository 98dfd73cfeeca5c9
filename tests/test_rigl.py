"""RigL: which weights are dropped and grown, when, and what becomes of them."""

import math

import pytest
import torch
from sparse_networks import RATE, SMALL, on_digits, on_spiral

from raydensity import data, training
from raydensity.cohort import Cohort
from raydensity.optimizers import StackedOptimizer
from raydensity.pruning.budgets import erdos_renyi_kernel
from raydensity.pruning.masks import with_biases
from raydensity.pruning.rigl import RiggedLottery
from raydensity.spec import Adagrad, RMSProp
from raydensity.spec.sparsity import RigL

CPU = torch.device("cpu")


def rigl_of(networks=1, *, steps=1000, optimizer=RATE, **options):
    """The method on networks of 2-4-1 units, 12 weights."""
    method = RigL(**{"nonzeros": 7, "interval": 10, "drop": 0.55, **options})
    specs = [on_spiral(method, hidden=(4,), init_seed=seed, optimizer=optimizer) for seed in range(networks)]
    cohort = Cohort(specs, input_shape=(2,), classes=1)
    return RiggedLottery(specs, StackedOptimizer(cohort, specs), steps=steps)


def literal(method, **kernels):
    """Set weights and gradients (pairs of nested lists, None a masked weight) and the masks that go with them."""
    cohort, masks = method.cohort, {}
    cohort.gradients = {name: torch.zeros_like(p) for name, p in cohort.parameters.items()}
    for layer, (values, slopes) in kernels.items():
        name = f"{layer}.weight"
        flat = torch.tensor([[math.nan if value is None else value for value in row] for row in values])
        masks[name] = ~flat.isnan().unsqueeze(0)
        cohort.load(0, {name: flat.nan_to_num()})
        cohort.weights(name, cohort.gradients[name]).copy_(torch.tensor([slopes]))
        for slot in method.optimizer.slots.values():
            cohort.weights(name, slot[name])[masks[name]] = 3.0  # as if what there is had been trained
    cohort.set_masks(with_biases(cohort, masks))


def test_the_smallest_are_dropped_and_the_largest_gradients_grow():
    method = rigl_of(end=1.0, steps=10**9)  # so far from the end that the share is all of drop
    literal(
        method,
        # Of four weights two are dropped: 0.1 and -0.2. The largest gradients of all that are then not there: 9 and -8.
        fc1=(
            [[0.1, 0.5], [None, None], [-0.2, -0.6], [None, None]],
            [[1.0, 99.0], [9.0, 2.0], [0.5, 99.0], [3.0, -8.0]],
        ),
        # Of three one: 0.3. Its own gradient is the largest, it stays as it is.
        proj=([[0.9, -0.7, 0.3, None]], [[0.0, 0.0, 5.0, 4.0]]),
    )
    method.act(10)
    state, masks, slots = method.cohort.state(0), method.cohort.mask(0), method.optimizer.state(0)
    assert masks["fc1.weight"].int().tolist() == [[0, 1], [1, 0], [0, 1], [0, 1]]
    assert state["fc1.weight"].tolist() == torch.tensor([[0, 0.5], [0, 0], [0, -0.6], [0, 0]]).tolist()
    assert slots["momentum/fc1.weight"].tolist() == [[0, 3], [0, 0], [0, 3], [0, 0]]
    assert masks["proj.weight"].int().tolist() == [[1, 1, 1, 0]]
    assert state["proj.weight"].tolist() == [pytest.approx([0.9, -0.7, 0.3, 0.0])]
    assert slots["momentum/proj.weight"].tolist() == [[3, 3, 3, 0]]


def test_biases_follow_the_outgoing_weights():
    method = rigl_of(end=1.0, steps=10**9)
    literal(
        method,
        fc1=([[1.0, 1.0], [1.0, 1.0], [1.0, 1.0], [None, None]], [[0.0, 0.0]] * 4),
        proj=([[0.9, 0.1, None, None]], [[0.0, 0.0, 0.0, 4.0]]),
    )
    method.cohort.weights("fc1.bias").copy_(torch.tensor([[5.0, 6.0, 0.0, 0.0]]))
    method.act(10)
    assert method.cohort.mask(0)["fc1.bias"].tolist() == [True, False, False, True]
    assert method.cohort.state(0)["fc1.bias"].tolist() == [5.0, 0.0, 0.0, 0.0]


def test_a_layer_that_is_whole_stays_as_it_is():
    method = rigl_of(end=1.0, steps=10**9)
    fc1 = [[0.1, 0.5], [0.3, -0.4], [-0.2, -0.6], [0.7, 0.8]]
    literal(method, fc1=(fc1, [[1.0, 0.0]] * 4), proj=([[0.9, 0.7, 0.3, None]], [[0.0] * 4]))
    method.act(10)
    assert method.cohort.state(0)["fc1.weight"].tolist() == torch.tensor(fc1).tolist()


def dropped_at(step, *, kept, **options):
    """How many of the `kept` weights of fc1, half of all, are dropped at that step of 1,000."""
    spec = on_spiral(RigL(nonzeros=1, interval=10, **options), hidden=(kept, 1))
    cohort = Cohort([spec], input_shape=(2,), classes=1)
    method = RiggedLottery([spec], StackedOptimizer(cohort, [spec]), steps=1000)
    half = torch.zeros(1, kept, 2, dtype=torch.bool)
    half[:, : kept // 2] = True
    whole = {name: torch.ones_like(cohort.weights(name), dtype=torch.bool) for name in cohort.prunable()}
    cohort.set_masks(with_biases(cohort, {**whole, "fc1.weight": half}))
    cohort.gradients = {name: torch.zeros_like(p) for name, p in cohort.parameters.items()}
    cohort.gradients["fc1.weight"] = torch.where(half, 0.0, 1.0)
    method.act(step)
    assert cohort.mask(0)["fc1.weight"].sum() == kept
    return int((cohort.mask(0)["fc1.weight"] & ~half[0]).sum())


def test_the_share_falls_as_a_cosine():
    """Of 40 weights 0.3 / 2 (1 + cos(pi step / 750)), rounded down: of 11.99, 11.5, 6.1, 0.5 and 0.005."""
    assert [dropped_at(step, kept=40) for step in (10, 100, 370, 650, 740)] == [11, 11, 6, 0, 0]
    # A share of 0.29, of which double precision makes 28.999...96 weights, as the published code has it.
    assert dropped_at(500, kept=100, drop=0.58, end=1.0) == 28


def test_events_are_every_interval_until_the_end():
    method = rigl_of(interval=100, end=0.75, steps=19_500)
    events = [step for step in range(1, 19_501) if method.is_event(step)]
    assert events == list(range(100, 14_625, 100))
    assert [step for step in range(1, 41) if rigl_of(interval=10, end=0.75, steps=40).is_event(step)] == [10, 20]


def test_a_weight_that_was_dropped_and_comes_back_has_the_slots_of_a_fresh_optimiser():
    rule = Adagrad(learning_rate=0.02, initial_accumulator=0.1)
    method = rigl_of(end=1.0, steps=10**9, optimizer=rule)
    proj = ([[0.9, 0.7, 0.3, 0.2]], [[0.0] * 4])
    fc1 = [[1.0, 0.1], [None, None], [None, None], [None, None]]
    literal(method, fc1=(fc1, [[0.0, 0.0], [9.0, 0.0], [0.0, 0.0], [0.0, 0.0]]), proj=proj)
    method.act(10)
    assert method.optimizer.state(0)["sum/fc1.weight"][:2].tolist() == torch.tensor([[3, 0.1], [0.1, 0.1]]).tolist()
    gradient = method.cohort.weights("fc1.weight", method.cohort.gradients["fc1.weight"])
    gradient.copy_(torch.tensor([[[0.0, 9.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]]]))
    method.act(20)
    assert method.cohort.mask(0)["fc1.weight"].int().tolist()[:2] == [[1, 1], [0, 0]]
    assert method.optimizer.state(0)["sum/fc1.weight"][:2].tolist() == torch.tensor([[3, 0.1], [0.1, 0.1]]).tolist()


def test_also_where_its_slots_change_while_it_is_masked():
    method = rigl_of(end=1.0, steps=10**9, optimizer=RMSProp(learning_rate=0.02))
    fc1 = [[1.0, 0.1], [None, None], [None, None], [None, None]]
    slopes = [[0.0, 0.0], [9.0, 0.0], [0.0, 0.0], [0.0, 0.0]]
    literal(method, fc1=(fc1, slopes), proj=([[0.9, 0.7, 0.3, 0.2]], [[0.0] * 4]))
    for number in range(1, 10):
        method.optimizer.step(number)
    method.act(10)
    assert method.cohort.mask(0)["fc1.weight"].int().tolist()[:2] == [[1, 0], [1, 0]]
    square = method.optimizer.state(0)["square/fc1.weight"]
    assert square[:2].tolist() == [[pytest.approx(3 * 0.9**9), 1.0], [1.0, 1.0]]


@pytest.fixture
def events(monkeypatch):
    """Fills with (step, states before, gradients, states after, masks before and after) of each event."""
    seen = []
    act = RiggedLottery.act

    def spy(self, step):
        rows = range(self.cohort.size)

        def now():
            return [(self.cohort.state(r), self.cohort.mask(r), self.optimizer.state(r)) for r in rows]

        before = now()
        gradients = {
            name: self.cohort.weights(name, self.cohort.gradients[name]).clone() for name in self.cohort.shapes
        }
        act(self, step)
        seen.append((step, before, gradients, now()))

    monkeypatch.setattr(RiggedLottery, "act", spy)
    return seen


def test_training_starts_from_erk_keeps_the_counts_and_does_not_update_at_events(events):
    counts = (13, 33)
    specs = [on_spiral(RigL(nonzeros=n, interval=7), init_seed=n, prune_seed=n) for n in counts]
    networks = training.train(specs, data.load(SMALL), device=CPU)  # 48 steps, of which 36 are before the end
    assert [step for step, *_ in events] == [7, 14, 21, 28, 35]
    moved = 0
    for _, before, gradients, after in events:
        for index, ((state, masks, slots), (new_state, new_masks, new_slots)) in enumerate(
            zip(before, after, strict=True)
        ):
            for name, mask in masks.items():
                stays = mask & new_masks[name]
                assert torch.equal(new_state[name], state[name] * stays)
                assert torch.equal(new_slots[f"momentum/{name}"], slots[f"momentum/{name}"] * stays)
            grown = new_masks["fc2.weight"] & ~masks["fc2.weight"]
            moved += int(grown.sum())
            left_out = ~masks["fc2.weight"] & ~new_masks["fc2.weight"]
            slopes = gradients["fc2.weight"][index].abs()
            assert not grown.any() or slopes[grown].min() >= slopes[left_out].max()
            budget = erdos_renyi_kernel([(5, 2), (5, 5), (5, 5), (1, 5)], counts[index])
            assert [int(m.sum()) for n, m in new_masks.items() if n.endswith("weight")] == budget
    assert moved > 3, "nothing was grown: the test shows nothing"
    for one, count in zip(networks, counts, strict=True):
        assert sum(int(mask.sum()) for name, mask in one.masks.items() if name.endswith("weight")) == count


def test_gradients_at_events_are_those_of_the_batch_with_all_weights(events):
    spec = on_spiral(RigL(nonzeros=13, interval=7), init_seed=1)
    training.train([spec], data.load(SMALL), device=CPU)
    _, ((state, masks, _),), gradients, _ = events[0]
    assert any(gradients[name][0][~masks[name]].ne(0).any() for name in ("fc2.weight", "fc3.weight"))
    assert state["fc2.weight"][~masks["fc2.weight"]].eq(0).all()


def test_an_event_takes_the_place_of_its_step(monkeypatch):
    """With nothing to drop, a training with events is one whose optimiser stands still at those steps."""
    specs = [on_spiral(RigL(nonzeros=65, interval=7, end=1.0))]
    events = training.train(specs, data.load(SMALL), device=CPU)
    monkeypatch.setattr(RiggedLottery, "act", lambda self, step: None)
    still = training.train(specs, data.load(SMALL), device=CPU)
    monkeypatch.setattr(RiggedLottery, "is_event", lambda self, step: False)
    whole = training.train(specs, data.load(SMALL), device=CPU)
    assert all(torch.equal(events[0].kept[name], still[0].kept[name]) for name in still[0].kept)
    assert events[0].curves == still[0].curves
    assert not torch.equal(whole[0].kept["fc1.weight"], still[0].kept["fc1.weight"])


@pytest.mark.parametrize("architecture", ["conv2", "resnet"])
def test_convolutions_keep_their_counts_too(events, architecture):
    training.train([on_digits(RigL(nonzeros=150, interval=4), architecture)], data.load("digits"), device=CPU)
    assert [step for step, *_ in events] == [4, 8, 12]
    moved = 0
    for _, ((_, before, _),), _, ((_, after, _),) in events:
        for name in before:
            assert before[name].sum() == after[name].sum()
            moved += int((after[name] & ~before[name]).sum())
    assert moved > 3, "nothing was grown: the test shows nothing"
