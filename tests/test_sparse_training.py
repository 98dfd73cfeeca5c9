"""Sparse networks in cohorts: each is what it would be alone, to the bit, whatever interrupts it."""

import pytest
import torch
from sparse_networks import RATE, on_digits, on_spiral

from raydensity import checkpoints, data, training
from raydensity.spec import Conv2, Cosine, MultiStep, ResNet
from raydensity.spec.sparsity import (
    FORCE,
    GMP,
    LTH,
    SNIP,
    Explicit,
    GraSP,
    IterSNIP,
    ProsPr,
    Random,
    RigL,
    SynFlow,
)

CPU = torch.device("cpu")
METHODS = {
    "random": Random(nonzeros=1, distribution="erk"),
    "snip": SNIP(nonzeros=1),
    "snip, shuffled": SNIP(nonzeros=1, shuffled=True),
    "grasp": GraSP(nonzeros=1, samples_per_class=5),
    "synflow": SynFlow(nonzeros=1, iterations=10),
    "iter_snip": IterSNIP(nonzeros=1, steps=4),
    "force": FORCE(nonzeros=1, steps=4),
    "prospr": ProsPr(nonzeros=1),
    "gmp": GMP(nonzeros=1, events=4),
    "lth": LTH(nonzeros=1, cycles=2),
    "lth, rewound": LTH(nonzeros=1, cycles=3, rewind_epoch=1),
    "rigl": RigL(nonzeros=1, interval=3),
}
MASKS = (
    ((3, 1), (3, 2), (1, 2), (3,)),
    ((1, 2, 3), (7,), (1,), (1,)),
    ((3,), (0,), (1,), (1,)),
    ((2, 2), (1,), (1,), (0,)),
)
COUNTS, RATES = (13, 20, 47, 30), (0.1, 0.05, 0.2, 0.1)
SCHEDULES = (None, Cosine(), MultiStep(milestones=(1,)), Cosine())


def asked(method, index, scale=1):
    if method == "explicit":
        return Explicit(rows=MASKS[index])
    return METHODS[method].model_copy(update={"nonzeros": scale * COUNTS[index]})


def rule(index):
    return RATE.model_copy(update={"learning_rate": RATES[index]})


def four(method, **fields):
    """Networks that differ in all that a cohort's networks may differ in."""
    return [
        on_spiral(
            asked(method, index),
            optimizer=rule(index),
            schedule=SCHEDULES[index],
            **{**dict.fromkeys(("init_seed", "data_seed", "order_seed", "prune_seed"), index), **fields},
        )
        for index in range(4)
    ]


def train(specs, **options):
    return training.train(specs, data.load(specs[0].dataset), device=CPU, **options)


def same(one, other):
    def equal(mine, theirs):
        return mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine)

    return equal(one.kept, other.kept) and equal(one.masks, other.masks) and one.curves == other.curves


def weights(tensors):
    return sum(int((value != 0).sum()) for name, value in tensors.items() if value.dim() > 1)


@pytest.mark.parametrize("method", [*METHODS, "explicit"])
def test_a_network_of_a_cohort_is_what_it_is_alone(method):
    specs = four(method)
    together = train(specs)
    for index, (spec, one) in enumerate(zip(specs, together, strict=True)):
        assert weights(one.masks) == (
            sum(row.bit_count() for layer in MASKS[index] for row in layer) if method == "explicit" else COUNTS[index]
        )
        assert all(one.kept[name][~mask].eq(0).all() for name, mask in one.masks.items())
        assert same(train([spec])[0], one)
    for part in ([3, 1], [2, 0, 3]):
        for index, one in zip(part, train([specs[index] for index in part]), strict=True):
            assert same(one, together[index])
    assert len({one.curves["train_loss"][-1] for one in together}) == 4


def killed_after(saves, monkeypatch):
    """The process is killed when that many checkpoints have been written."""
    save, written = checkpoints.save, []

    def spy(*arguments):
        if len(written) == saves:
            raise KeyboardInterrupt
        written.append(arguments)
        save(*arguments)

    monkeypatch.setattr(checkpoints, "save", spy)
    return written


@pytest.mark.parametrize("method", ["gmp", "lth, rewound", "rigl", "snip", "explicit"])
def test_interrupted_networks_go_on_bit_identically_in_another_packing(method, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "COMPILED_STEPS", 7)  # 24 steps an epoch
    specs = four(method)
    whole = train(specs)
    with monkeypatch.context() as patch:
        written = killed_after(-1, patch)
        train(specs, checkpoint_folder=tmp_path / "all", checkpoint_seconds=0)
    points = sorted({1, 4, *range(6, len(written), max(7, len(written) // 7)), len(written) - 5})
    reached = set()
    for point in points:
        folder = tmp_path / str(point)
        with monkeypatch.context() as patch:
            killed_after(point, patch)
            with pytest.raises(KeyboardInterrupt):
                train(specs, checkpoint_folder=folder, checkpoint_seconds=0)
        found = checkpoints.load(folder, specs[0].id, CPU)
        reached.add((found.epoch, found.step > 0, found.masks is not None, found.rewind is not None))
        resumed = train(specs[:0:-1], checkpoint_folder=folder) + train(specs[:1], checkpoint_folder=folder)
        assert all(same(one, again) for one, again in zip([*whole[:0:-1], whole[0]], resumed, strict=True))
    assert any(inside for _, inside, *_ in reached)
    epochs = {epoch for epoch, *_ in reached}
    if method == "lth, rewound":
        assert {0, 1, 2, 3} <= epochs, "it was not interrupted in the second cycle"
        assert {(False, False), (False, True), (True, True)} <= {each[2:] for each in reached}
    else:
        assert {0, 1} <= epochs
        assert not any(rewinds for *_, rewinds in reached)
        assert {True} <= {masked for _, _, masked, _ in reached}


@pytest.mark.parametrize("method", ["gmp", "lth", "lth, rewound", "rigl", "snip"])
def test_a_network_that_diverges_leaves_the_others_as_they_are(method):
    specs = four(method)
    wild = on_spiral(asked(method, 0), optimizer=RATE.model_copy(update={"learning_rate": 1e30}), init_seed=9)
    diverged, *others = train([wild, *specs])
    assert diverged.diverged
    assert diverged.kept is None
    assert all(same(one, again) for one, again in zip(train(specs), others, strict=True))


ON_DIGITS = {
    "mlp": "mlp",
    "conv2": Conv2(width=0.05),
    "resnet": ResNet(width=0.1),
}


@pytest.mark.parametrize("method", [name for name in METHODS if "," not in name])
@pytest.mark.parametrize("architecture", ON_DIGITS)
def test_images_and_more_logits(architecture, method):
    """Dense networks of ten logits train by batched products, convolutions one by one: the same holds."""
    specs = [
        on_digits(
            asked(method, index, scale=4),
            ON_DIGITS[architecture],
            optimizer=rule(index),
            batch_size=128,
            **dict.fromkeys(("init_seed", "data_seed", "order_seed", "prune_seed"), index),
        )
        for index in range(3)
    ]
    together = train(specs)  # 8 steps
    for index, one in enumerate(together):
        assert weights(one.masks) == 4 * COUNTS[index]
        assert all(one.kept[name][~mask].eq(0).all() for name, mask in one.masks.items())
    assert same(train([specs[1]])[0], together[1])
