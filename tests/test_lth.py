"""Lottery tickets: how many weights are left after each cycle, which, and where they go back to."""

import pytest
import torch
from sparse_networks import RATE, on_digits, on_spiral

from raydensity import data, training
from raydensity.initializers import starting_parameters
from raydensity.optimizers import StackedOptimizer
from raydensity.pruning.lth import LotteryTicket
from raydensity.spec import Adagrad, Cosine, ResNet
from raydensity.spec.sparsity import LTH

CPU = torch.device("cpu")


@pytest.fixture
def cycles(monkeypatch):
    """Fills with what each network was before and after the end of each cycle: (state, masks, slots) twice."""
    seen = []
    end = LotteryTicket.end_of_cycle

    def spy(self, cycle):
        def now():
            rows = range(self.cohort.size)
            return [(self.cohort.state(r), self.cohort.mask(r), self.optimizer.state(r)) for r in rows]

        before = now()
        end(self, cycle)
        seen.append((before, now()))

    monkeypatch.setattr(LotteryTicket, "end_of_cycle", spy)
    return seen


def kernels(state):
    return {name: value for name, value in state.items() if value.dim() > 1}


def count(masks):
    return sum(int(mask.sum()) for mask in kernels(masks).values())


def train(*specs):
    return training.train(list(specs), data.load(specs[0].dataset), device=CPU)


@pytest.mark.parametrize(
    ("published", "expected"),
    [(False, [[43, 29, 19, 13], [55, 46, 39, 33]]), (True, [[42, 28, 18, 12], [53, 45, 38, 32]])],
)
def test_counts_fall_by_the_same_factor_to_the_last_but_one_cycle(cycles, published, expected):
    specs = [on_spiral(LTH(nonzeros=n, published=published), epochs=1, init_seed=n) for n in (13, 33)]
    networks = train(*specs)
    assert len(cycles) == 5
    found = [[count(masks) for _, masks, _ in after] for _, after in cycles]
    assert [list(each) for each in zip(*found[:4], strict=True)] == expected  # of 65
    assert found[4] == found[3], "nothing is pruned after the last cycle"
    for one, counts in zip(networks, expected, strict=True):
        assert (one.epoch, one.kept_epoch) == (5, 5)
        assert count(one.masks) == counts[-1]
        assert all(one.kept[name][~mask].eq(0).all() for name, mask in one.masks.items())


@pytest.mark.parametrize("rewind_epoch", [0, 1])
def test_weights_go_back_to_where_they_were(cycles, rewind_epoch):
    spec = on_spiral(LTH(nonzeros=13, cycles=3, rewind_epoch=rewind_epoch), epochs=2)
    train(spec)
    whole = on_spiral(None, epochs=2)
    start = starting_parameters({name: tuple(v.shape) for name, v in cycles[0][0][0][0].items()}, whole, {})
    if rewind_epoch:
        (first,) = train(on_spiral(None, epochs=1))  # the first of its two epochs, had it gone on
        assert not torch.equal(first.kept["fc1.weight"], start["fc1.weight"])
        start = first.kept
    for _, ((state, masks, slots),) in cycles[:2]:
        for name, value in state.items():
            assert torch.equal(value, start[name] * masks[name])
        assert all(slot.eq(0).all() for slot in slots.values()), "the optimiser did not start anew"
    ((before, _, slots),), ((after, _, _),) = cycles[2]
    assert all(torch.equal(before[name], after[name]) for name in before), "the last cycle's weights are kept"
    assert any(slot.ne(0).any() for slot in slots.values())


def test_what_is_left_is_what_was_largest_at_the_end_of_the_cycle(cycles):
    train(on_spiral(LTH(nonzeros=13, cycles=3), epochs=2))
    gone = torch.zeros(65, dtype=torch.bool)
    for (((trained, _, _),), ((_, masks, _),)), left in zip(cycles, (29, 13), strict=False):
        values = torch.cat([value.abs().flatten() for value in kernels(trained).values()])
        kept = torch.cat([masks[name].flatten() for name in kernels(trained)])
        assert values[gone].eq(0).all()
        assert kept.sum() == left
        assert values[kept].min() >= values[~kept].max()
        assert not (kept & gone).any()
        gone = ~kept
        for unit, above in (("fc1", "fc2"), ("fc2", "fc3"), ("fc3", "proj")):
            assert torch.equal(masks[f"{unit}.bias"], masks[f"{above}.weight"].any(0))


def test_the_first_cycle_is_the_training_of_a_whole_network(cycles):
    train(on_spiral(LTH(nonzeros=13, cycles=2), epochs=2, schedule=Cosine()))
    (whole,) = train(on_spiral(None, epochs=2, schedule=Cosine()))
    (((trained, _, _),), _) = cycles[0]
    assert all(torch.equal(trained[name], whole.kept[name]) for name in trained)


def test_a_rewound_training_takes_up_the_schedule_where_it_went_back_to(monkeypatch):
    seen = []
    schedule = StackedOptimizer.schedule

    def spy(self, factors):
        seen.append(factors)
        schedule(self, factors)

    monkeypatch.setattr(StackedOptimizer, "schedule", spy)
    train(on_spiral(LTH(nonzeros=13, cycles=2, rewind_epoch=1), epochs=3, schedule=Cosine()))
    assert seen[3:] == seen[1:3]
    assert seen[1] == [pytest.approx(0.75)]  # (1 + cos(pi / 3)) / 2
    assert len(seen) == 5


def test_every_cycle_has_batches_of_its_own(cycles):
    """With nothing pruned, a second cycle differs from the first only in the order of the images."""
    train(on_spiral(LTH(nonzeros=65, cycles=2), epochs=2))
    (((first, _, _),), ((rewound, masks, _),)), (((second, _, _),), _) = cycles
    assert all(mask.all() for mask in masks.values())
    assert not torch.equal(first["fc1.weight"], second["fc1.weight"])
    assert not torch.equal(first["fc1.weight"], rewound["fc1.weight"])


@pytest.mark.parametrize("optimizer", [RATE, Adagrad(learning_rate=0.02, initial_accumulator=0.1)])
def test_batch_norm_and_slots_go_back_as_well(cycles, optimizer):
    train(on_digits(LTH(nonzeros=200, cycles=2), ResNet(width=0.1), optimizer=optimizer))
    ((before, _, _),), ((after, masks, slots),) = cycles[0]
    assert before["norm.running_mean"].ne(0).any()
    assert after["norm.running_mean"].eq(0).all()
    assert after["norm.running_var"].eq(1).all()
    assert after["norm.weight"].eq(1).all()
    initial = getattr(optimizer, "initial_accumulator", 0.0)
    for name, mask in masks.items():
        for slot, values in slots.items():
            if slot.endswith(f"/{name}"):
                torch.testing.assert_close(values[mask], torch.full_like(values[mask], initial))
