"""Specs of sparse networks: what their ids and cohorts depend on, and which combinations are refused."""

from typing import get_args

import pytest
from networks import network
from pydantic import ValidationError
from sparse_networks import on_digits, on_spiral
from test_spec import GOLDEN_COHORT_KEY, GOLDEN_ID

from raydensity.pruning.methods import AT_INITIALIZATION, DURING_TRAINING
from raydensity.spec import (
    ADDED_LATER,
    MLP,
    Cosine,
    GlobalMagnitudePruning,
    LossTarget,
    MultiStep,
    NetworkSpec,
    Spiral,
    content_hash,
)
from raydensity.spec.sparsity import GMP, LTH, METHODS, SNIP, AnyMethod, Explicit, GraSP, ProsPr, Random, RigL

ROWS = ((3, 1, 2), (7, 5), (3,))


def test_golden_ids_of_sparse_networks():
    assert on_spiral(SNIP(nonzeros=20)).id == "360445958e8403cf4c6f"
    assert on_spiral(Explicit(rows=ROWS), hidden=(3, 2)).id == "244cd78006343c17d686"


def test_fields_that_came_later_are_not_hashed_where_they_say_what_was_always_so():
    old = network().model_dump(mode="json")
    nested = {("training", "schedule", "warm_up")}  # of a schedule that this network has not
    assert nested < ADDED_LATER.keys()
    for path, value in ADDED_LATER.items():
        if path not in nested:
            part = old
            for name in path[:-1]:
                part = part[name]
            assert part.pop(path[-1]) == value
    assert content_hash({"schema": 1, **old}) == network().id == GOLDEN_ID
    assert NetworkSpec.model_validate(old).id == GOLDEN_ID
    assert NetworkSpec.model_validate(old).cohort_key == GOLDEN_COHORT_KEY


def test_a_schedule_without_warm_up_has_the_id_of_before_there_was_one():
    found = network()
    stepped = found.model_copy(update={"training": found.training.model_copy(update={"schedule": MultiStep()})})
    old = stepped.model_dump(mode="json")
    assert old["training"]["schedule"].pop("warm_up") == 0
    for path in ADDED_LATER.keys() - {("training", "schedule"), ("training", "schedule", "warm_up")}:
        part = old
        for name in path[:-1]:
            part = part[name]
        del part[path[-1]]
    assert stepped.id == content_hash({"schema": 1, **old})
    rising = stepped.training.model_copy(update={"schedule": MultiStep(warm_up=2)})
    assert found.model_copy(update={"training": rising}).id != stepped.id


def test_every_new_field_changes_the_id():
    base = on_spiral(SNIP(nonzeros=20))
    changed = [
        on_spiral(None),
        on_spiral(SNIP(nonzeros=21)),
        on_spiral(SNIP(nonzeros=20, shuffled=True)),
        on_spiral(Random(nonzeros=20)),
        on_spiral(SNIP(nonzeros=20), schedule=Cosine()),
        on_spiral(SNIP(nonzeros=20), schedule=MultiStep()),
        on_spiral(SNIP(nonzeros=20), schedule=MultiStep(milestones=(1,))),
        on_spiral(SNIP(nonzeros=20), initial_weights="0123"),
        on_spiral(SNIP(nonzeros=20), prune_seed=1),
        on_spiral(SNIP(nonzeros=20), hidden=(5, 5)),
        on_spiral(SNIP(nonzeros=20), pruning=GlobalMagnitudePruning()),
        base.model_copy(update={"dataset": Spiral(samples=1000, noise=0.1)}),
        base.model_copy(update={"dataset": Spiral()}),
    ]
    assert len({spec.id for spec in [base, *changed]}) == len(changed) + 1


CHANGES = {
    "nonzeros": 21,
    "published": True,
    "shuffled": True,
    "distribution": "uniform",
    "samples_per_class": 5,
    "temperature": 1.0,
    "iterations": 7,
    "steps": 7,
    "inner_steps": 7,
    "events": 7,
    "cycles": 7,
    "rewind_epoch": 1,
    "interval": 7,
    "drop": 0.5,
    "end": 0.5,
}


@pytest.mark.parametrize("method", get_args(AnyMethod), ids=lambda method: method.model_fields["name"].default)
def test_every_option_of_every_method_counts(method):
    base = on_spiral(method(nonzeros=20))
    names = set(method.model_fields) - {"name"}
    others = {name: on_spiral(method(**{"nonzeros": 20, name: CHANGES[name]})) for name in names}
    assert len({base.id, *(spec.id for spec in others.values())}) == len(names) + 1
    for name, spec in others.items():
        together = spec.cohort_key == base.cohort_key
        assert together == (name == "nonzeros"), f"{name}: may networks that differ in it share a cohort?"
        assert spec.factors()["sparsity"] == method(nonzeros=20).name
        assert NetworkSpec.model_validate_json(spec.model_dump_json()).id == spec.id


def test_the_registries_have_all_methods():
    known = {method.model_fields["name"].default for method in get_args(AnyMethod)}
    assert known == set(METHODS) == set(AT_INITIALIZATION) | set(DURING_TRAINING)
    assert set(AT_INITIALIZATION) & set(DURING_TRAINING) == {"rigl"}


def test_cohorts_share_all_but_seeds_rates_schedules_weights_and_masks():
    base = on_spiral(Explicit(rows=ROWS), hidden=(3, 2))
    alike = [
        on_spiral(Explicit(rows=((3,), (1,), (1,))), hidden=(3, 2)),
        on_spiral(Explicit(rows=ROWS), hidden=(3, 2), schedule=Cosine(), init_seed=3, order_seed=1, prune_seed=4),
        on_spiral(Explicit(rows=ROWS), hidden=(3, 2), initial_weights="0123"),
    ]
    assert {spec.cohort_key for spec in alike} == {base.cohort_key}
    others = [
        on_spiral(None, hidden=(3, 2)),
        on_spiral(Explicit(rows=ROWS), hidden=(3, 3)),
        on_digits(SNIP(nonzeros=1)),
    ]
    assert len({spec.cohort_key for spec in [base, *others]}) == 4


def test_factors_name_what_the_sparsity_is():
    explicit = on_spiral(Explicit(rows=ROWS), hidden=(3, 2)).factors()
    assert (explicit["sparsity"], explicit["structure"], explicit["nonzeros_asked"]) == ("explicit", "3x2", 0)
    assert (explicit["dataset"], explicit["samples"], explicit["hidden"]) == ("spiral", 1000, "3-2")
    ticket = on_spiral(LTH(nonzeros=9, published=True, rewind_epoch=1), schedule=Cosine()).factors()
    assert (ticket["sparsity"], ticket["nonzeros_asked"], ticket["published"]) == ("lth", 9, True)
    assert (ticket["rewind_epoch"], ticket["schedule"]) == (1, "cosine")
    assert on_spiral(RigL(nonzeros=9)).factors()["distribution"] == "erk"
    whole = on_spiral(None).factors()
    assert (whole["sparsity"], whole["structure"], whole["distribution"]) == ("", "", "")


def test_lottery_tickets_train_once_a_cycle():
    assert on_spiral(LTH(nonzeros=9, cycles=4), epochs=3).total_epochs == 12
    assert on_spiral(GMP(nonzeros=9), epochs=3).total_epochs == 3


def test_a_rewound_training_goes_on_from_the_epoch_that_it_went_back_to():
    spec = on_spiral(LTH(nonzeros=9, cycles=3, rewind_epoch=1), epochs=3)
    assert spec.total_epochs == 7
    assert [spec.place(epoch) for epoch in range(8)] == [
        (0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 1), (2, 2), (3, 1)
    ]  # fmt: skip
    whole = on_spiral(LTH(nonzeros=9, cycles=2), epochs=2)
    assert [whole.place(epoch) for epoch in range(5)] == [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0)]
    assert [on_spiral(None, epochs=2).place(epoch) for epoch in range(3)] == [(0, 0), (0, 1), (1, 0)]


def test_impossible_combinations_are_refused():
    with pytest.raises(ValidationError, match="its stopping rule is last_epoch"):
        NetworkSpec.model_validate({**network(stopping=LossTarget()).model_dump(), "sparsity": SNIP(nonzeros=5)})
    with pytest.raises(ValidationError, match="the architecture must be an mlp"):
        on_digits(Explicit(rows=ROWS), "conv2")
    with pytest.raises(ValidationError, match="rewind_epoch must be below max_epochs, 2"):
        on_spiral(LTH(nonzeros=9, rewind_epoch=2), epochs=2)
    assert on_spiral(LTH(nonzeros=9, rewind_epoch=1), epochs=2).sparsity.rewind_epoch == 1
    assert on_digits(Explicit(rows=ROWS), MLP(width=1, hidden=(3, 2))).sparsity.rows == ROWS


@pytest.mark.parametrize(
    ("method", "fields"),
    [
        (SNIP, {"nonzeros": 0}),
        (GMP, {"events": 1}),
        (LTH, {"cycles": 1}),
        (LTH, {"rewind_epoch": -1}),
        (RigL, {"drop": 1.1}),
        (RigL, {"end": 0.0}),
        (GraSP, {"temperature": 0.0}),
        (ProsPr, {"inner_steps": 0}),
        (Random, {"distribution": "by hand"}),
        (SNIP, {"unknown": 1}),
    ],
)
def test_impossible_options_are_refused(method, fields):
    with pytest.raises(ValidationError, match=next(iter(fields))):
        method(**{"nonzeros": 5, **fields})


def test_a_copy_has_an_id_of_its_own():
    spec = on_spiral(SNIP(nonzeros=20))
    before = spec.id, spec.cohort_key
    copied = spec.model_copy(update={"sparsity": Random(nonzeros=20)})
    assert copied.id == on_spiral(Random(nonzeros=20)).id != before[0]
    assert copied.cohort_key == on_spiral(Random(nonzeros=20)).cohort_key != before[1]
    assert (spec.id, spec.cohort_key) == before
    assert spec.model_copy().id == before[0]
