"""Networks that are compressed and train again: each original once, and the same whatever trains beside it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from synthetic import new_store
from tracked import ledger_of, opened, runs

from raydensity import checkpoints, data, plan, published_weights, training
from raydensity.compression import compress, observe, refinement
from raydensity.data import table
from raydensity.experiment import run_cohort
from raydensity.ledger import Ledger
from raydensity.models.mlp import extracted, hidden_for
from raydensity.networks import trained
from raydensity.placement import Node
from raydensity.record import completed
from raydensity.rooms import room_of
from raydensity.spec import (
    MLP,
    SGD,
    Adam,
    BestAccuracy,
    Compression,
    Conv2,
    LastEpoch,
    NetworkSpec,
    NoPruning,
    Training,
    ValidationMinimum,
)
from raydensity.spec.compression import UNIT_MERGES, UNIT_SCORES, WEIGHT_SCORES
from raydensity.spec.sparsity import GMP, LTH, SNIP, RigL, Units
from raydensity.sweep import summary_table

WINE = table.examine("scikit-learn/wine", target="target", task="classification", root=Path())
EPOCHS = 8
TIMED = ["seconds_training", "seconds_pruning", "seconds_measuring"]


def network(
    rule: Compression | None = None,
    *,
    seed=0,
    stopping=None,
    epochs=EPOCHS,
    optimizer=None,
    hidden=(9, 9),
    **options,
) -> NetworkSpec:
    return NetworkSpec(
        dataset=WINE,
        architecture=MLP(width=1, hidden=hidden),
        initializer="he_normal",
        training=Training(
            optimizer=optimizer or Adam(learning_rate=1e-2),
            batch_size=16,
            max_epochs=epochs,
            stopping=stopping or ValidationMinimum(),
        ),
        compression=rule,
        pruning=NoPruning(),
        measures=(),
        init_seed=seed,
        data_seed=0,
        order_seed=seed,
        prune_seed=seed,
        **options,
    )


def rules() -> list[Compression]:
    """Every method, and lengths of the refinement that differ."""
    found = [Compression(method=method, level=0.5) for method in UNIT_SCORES]
    found += [Compression(method=each, level=0.5, compensation="none") for each in (*UNIT_MERGES, *WEIGHT_SCORES)]
    found += [Compression(method="output_deviation", level=0.5, refinement=share) for share in (0.25, 0.5, 1)]
    found += [Compression(method="output_deviation", criterion="relative", level=level) for level in (0.3, 0.7)]
    return found


WIDE = (40, 20)  # whose narrow networks train in rooms of 16 units, and of 32


@pytest.mark.parametrize(
    ("stopping", "optimizer", "hidden"),
    [
        (ValidationMinimum(), Adam(learning_rate=1e-2), (9, 9)),
        (LastEpoch(), SGD(learning_rate=0.05), (9, 9)),
        (ValidationMinimum(), Adam(learning_rate=1e-2), WIDE),
    ],
)
def test_refined_networks_do_not_depend_on_their_packing(stopping, optimizer, hidden) -> None:
    specs = [network(rule, stopping=stopping, optimizer=optimizer, hidden=hidden) for rule in (None, *rules())]
    together = run_cohort(specs).drop_columns(["cohort_id", *TIMED])
    for row, spec in zip(together.to_pylist(), specs, strict=True):
        [alone] = run_cohort([spec]).to_pylist()
        assert {name: alone[name] for name in row} == row


def test_an_interrupted_refinement_goes_on_where_it_was(tmp_path, monkeypatch) -> None:
    specs = [network(rule, hidden=WIDE) for rule in (None, *rules())]
    whole = run_cohort(specs)
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(training.train, "__kwdefaults__", {**training.train.__kwdefaults__, "checkpoint_seconds": 0.0})
    seen = []

    class Interrupted(Exception):
        pass

    def stop(progress) -> None:
        seen.append(progress.epoch)
        if progress.epoch in (3, EPOCHS + 1, EPOCHS + 3) and seen.count(progress.epoch) == 1:
            raise Interrupted

    for _ in range(3):
        with pytest.raises(Interrupted):
            run_cohort(specs, checkpoints=tmp_path, on_progress=stop)
    again = run_cohort(specs, checkpoints=tmp_path, on_progress=stop)
    assert again.drop_columns(TIMED).equals(whole.drop_columns(TIMED))
    assert max(seen) == 2 * EPOCHS  # the longest refinement is as long as the training
    assert seen.count(1) == 1  # what was trained is not trained again


def test_what_is_made_of_an_original_later_does_not_train_it_again(tmp_path) -> None:
    first, later = network(rules()[0], hidden=WIDE), network(rules()[1], hidden=WIDE)
    [original] = {first.original.id, later.original.id}
    ledger, seen = Ledger(tmp_path, "odf2nna"), []

    def run(spec: NetworkSpec) -> dict:
        seen.clear()
        record = run_cohort([spec], checkpoints=ledger.checkpoints, on_progress=lambda done: seen.append(done.epoch))
        ledger.drop_checkpoints([spec.id, original])
        [row] = record.drop_columns(TIMED).to_pylist()
        return row

    [alone] = run_cohort([later]).drop_columns(TIMED).to_pylist()
    run(first)
    assert min(seen) == 1
    assert run(later) == alone
    assert min(seen) > EPOCHS
    # A file that cannot be read costs a training, and no more.
    checkpoints.path_of(ledger.checkpoints / refinement.ORIGINALS, original).write_bytes(b"damaged")
    assert run(later) == alone
    assert min(seen) == 1


def test_a_refinement_begins_with_what_compress_gives() -> None:
    """The record's answers before the refinement are those of the smaller network as a plain module."""
    rule = Compression(method="output_deviation", criterion="relative", level=0.4, refinement=0.2)
    spec = network(rule)
    [original] = trained([spec.original])
    dataset = data.load(WINE)
    _, validation = data.split(dataset, 0)
    images, labels = dataset.train_images[validation], dataset.train_labels[validation]
    smaller = compress(observe(original, images, labels), rule, seed=0).network
    [row] = run_cohort([spec]).to_pylist()
    assert row["units_left"] == [smaller.fc1.out_features, smaller.fc2.out_features]
    assert row["parameters_after"] == sum(parameter.numel() for parameter in smaller.parameters())
    assert row["original_id"] == spec.original.id
    with torch.no_grad():
        loss = torch.nn.functional.cross_entropy(smaller(images), labels).item()
        right = (smaller(dataset.test_images).argmax(1) == dataset.test_labels).float().mean().item()
    assert row["removed_validation_loss"] == pytest.approx(loss, rel=1e-5)
    assert row["removed_test_accuracy"] == pytest.approx(right)
    assert (row["epochs"], len(row["curve_train_loss"])) == (2, 2)


@pytest.mark.parametrize("hidden", [(9, 9), WIDE])
def test_what_is_removed_stays_removed(hidden) -> None:
    """Trained networks as modules: those of a unit method have zeros where nothing is, those of weights too."""
    for rule in rules():
        spec = network(rule, hidden=hidden)
        [module] = trained([spec])
        [row] = run_cohort([spec]).to_pylist()
        state = {name: parameter.detach() for name, parameter in module.named_parameters()}
        if rule.removes_units:
            narrow = extracted(state, row["units_left"])
            assert sum(each.numel() for each in narrow.values()) == row["parameters_after"]
            assert sum((each != 0).sum() for each in narrow.values()) == sum(
                (each != 0).sum() for each in state.values()
            )
        else:
            assert (
                row["parameters_after"] == row["nonzeros"] == sum((each != 0).sum().item() for each in state.values())
            )


def test_an_emptied_network_harms_no_other() -> None:
    refused = Compression(method="output_deviation", criterion="absolute", level=1e6, empty_layer="refuse")
    kept = refused.model_copy(update={"empty_layer": "keep_one"})
    first, second, third = run_cohort([network(), network(refused), network(kept)]).to_pylist()
    assert [row["status"] for row in (first, second, third)] == ["finished", "emptied", "finished"]
    assert (second["test_loss"], second["epochs"], second["parameters_after"]) == (None, None, None)
    assert [first["refused"], third["refused"]] == [None, None]
    assert second["refused"] == "level: fc1 loses all its 9 units at absolute level 1e+06"
    assert third["units_left"] == [1, 1]
    with pytest.raises(ValueError, match=f"network {network(refused).id} is refused .level: fc1 loses all its 9 units"):
        trained([network(refused)])


def test_an_emptied_network_is_counted_and_tracked(tmp_path) -> None:
    refused = Compression(method="output_deviation", criterion="absolute", level=1e6, empty_layer="refuse")
    specs = [network(), network(refused)]
    record = run_cohort(specs)
    uri, ledger = new_store(tmp_path), ledger_of(tmp_path)
    opened(uri, record, study="odf2nna").track(ledger.write(record), record)
    assert {run.data.tags["raydensity.status"] for run in runs(uri, "network")} == {"finished", "emptied"}
    by_id = {spec.id: spec for spec in specs}
    whole = plan.make("odf2nna", scale="quick", networks=by_id, ledger=ledger, nodes=[Node(cpus=2)])
    table = summary_table(whole, ledger.summary())
    counts = {column.header: list(column.cells) for column in table.columns}
    assert [counts[name] for name in ("n", "diverged", "emptied")] == [["2"], ["0"], ["1"]]
    assert completed(record.drop_columns(["refused"]))["refused"].null_count == 2  # of before there was this column


def test_a_diverged_original_is_told_of_those_that_are_made_of_it() -> None:
    rule = Compression(method="output_deviation", level=0.5)
    wild = SGD(learning_rate=1e20)
    rows = run_cohort([network(optimizer=wild), network(rule, optimizer=wild)]).to_pylist()
    assert [row["status"] for row in rows] == ["diverged", "diverged"]


def test_a_network_may_diverge_in_its_refinement(monkeypatch) -> None:
    """And harms no other, nor its original."""
    rule, other = (Compression(method="output_deviation", level=level) for level in (0.5, 0.7))
    usual = refinement._start

    def wild(smaller, shapes, epochs):
        start = usual(smaller, shapes, epochs)
        if smaller.network.fc1.out_features == 5:  # half of nine, rounded up
            start.parameters["fc1.weight"][0, 0] = float("nan")
        return start

    monkeypatch.setattr(refinement, "_start", wild)
    rows = run_cohort([network(), network(rule), network(other)]).to_pylist()
    assert [row["status"] for row in rows] == ["finished", "diverged", "finished"]


def test_originals_of_several_seeds_share_a_cohort() -> None:
    """As those of images do, whose numbers are the same for every data seed."""
    rule = Compression(method="output_deviation", level=0.7)
    specs = []
    for seed in range(2):
        own = network(rule, seed=seed, hidden=WIDE, epochs=2)
        own = own.model_copy(update={"dataset": "digits", "data_seed": seed})
        specs += [own.original, own]
    assert len({spec.cohort_key for spec in specs}) == 1
    for row, spec in zip(run_cohort(specs).to_pylist(), specs, strict=True):
        [alone] = run_cohort([spec]).to_pylist()
        assert (row["curve_train_loss"], row["test_loss"]) == (alone["curve_train_loss"], alone["test_loss"])


def test_networks_with_published_weights_are_compressed() -> None:
    [module] = trained([network()])
    weights = {name: parameter.detach() for name, parameter in module.named_parameters()}
    known = published_weights.digest(weights)
    rule = Compression(method="output_deviation", level=0.5)
    spec = network(rule).model_copy(update={"initial_weights": known})
    [row] = run_cohort([spec], published={known: weights}).to_pylist()
    assert row["status"] == "finished"


# A narrow network in the room of a wide one ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hidden", "units", "room"),
    [
        ((9, 9), (1, 1), None),
        ((40, 20), (1, 16), (16, 16)),
        ((40, 20), (17, 1), (32, 20)),
        ((40, 20), (33, 1), None),
        ((100, 100, 100), (1, 1, 40), (64, 64, 64)),
    ],
)
def test_rooms(hidden, units, room) -> None:
    assert room_of(network(sparsity=Units(kept=units), hidden=hidden)) == room
    assert room_of(network(hidden=hidden)) is None


def test_the_room_of_a_compressed_network_is_known_beforehand_where_a_share_goes() -> None:
    wide, share = (40, 40), Compression(method="output_deviation", level=0.7)
    absolute = share.model_copy(update={"criterion": "absolute"})
    assert room_of(network(share, hidden=wide)) == (16, 16)
    assert room_of(network(absolute, hidden=wide)) is None
    assert room_of(network(absolute, hidden=wide), units=(3, 30)) == (32, 32)
    weights = Compression(method="magnitude_global", level=0.7, compensation="none")
    assert room_of(network(weights, hidden=wide)) is None


@pytest.mark.parametrize("hidden", [(9, 9), WIDE])
@pytest.mark.parametrize("kept", [(9, 9), (4, 2), (1, 1)])
def test_a_narrow_network_in_the_room_of_a_wide_one_is_the_narrow_network(hidden, kept) -> None:
    """To rounding: the products are of other sizes."""
    spec = network(sparsity=Units(kept=kept), hidden=hidden)
    plain = spec.model_copy(update={"architecture": MLP(width=1, hidden=kept), "sparsity": None})
    [inside], [alone] = run_cohort([spec]).to_pylist(), run_cohort([plain]).to_pylist()
    assert inside["parameters_after"] == alone["parameters"]
    assert inside["curve_train_loss"] == pytest.approx(alone["curve_train_loss"], rel=1e-4)
    assert inside["test_loss"] == pytest.approx(alone["test_loss"], rel=1e-3)


def test_narrow_networks_of_many_shapes_do_not_depend_on_their_packing() -> None:
    sizes = ((3, 5), (19, 1), (2, 2), (33, 3))
    specs = [network(sparsity=Units(kept=kept), seed=seed, hidden=WIDE) for kept in sizes for seed in (0, 1)]
    assert len({spec.cohort_key for spec in specs}) == 1
    together = run_cohort(specs).to_pylist()
    for row, spec in zip(together, specs, strict=True):
        [alone] = run_cohort([spec]).to_pylist()
        assert (row["curve_validation_loss"], row["test_loss"]) == (alone["curve_validation_loss"], alone["test_loss"])


# Which weights are kept where masks change ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sparsity", "settled"),
    [
        (LTH(nonzeros=60, cycles=3), 2 * EPOCHS),
        (RigL(nonzeros=60, interval=3), 6),
        (SNIP(nonzeros=60), 0),
        (Units(kept=(3, 3)), 0),
    ],
)
def test_weights_are_kept_once_it_is_settled_which_they_are(sparsity, settled) -> None:
    """So the epoch with the smallest validation loss is one of a network that has what was asked for."""
    spec = network(sparsity=sparsity)
    assert spec.settled_epoch == settled
    [row] = run_cohort([spec]).to_pylist()
    assert row["epochs"] == spec.total_epochs
    curve = row["curve_validation_loss"][settled:]
    assert row["validation_loss"] == min(curve)
    assert row["stopped_epoch"] > settled
    if not isinstance(sparsity, Units):
        assert row["weights_in_mask"] == 60


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"sparsity": GMP(nonzeros=60)}, "last_epoch, or, but with gmp, validation_minimum"),
        ({"sparsity": SNIP(nonzeros=60), "stopping": BestAccuracy()}, "its stopping rule is last_epoch"),
        ({"sparsity": Units(kept=(3,))}, "as many numbers as there are hidden layers"),
        (
            {"rule": Compression(method="output_deviation", level=0.5), "stopping": BestAccuracy()},
            "a share of all epochs",
        ),
        (
            {"rule": Compression(method="output_deviation", level=0.5), "sparsity": SNIP(nonzeros=9)},
            "leave out sparsity",
        ),
    ],
)
def test_combinations_without_sense_are_refused(options, said) -> None:
    with pytest.raises(ValueError, match=said):
        network(**options)


def test_only_dense_networks_are_compressed() -> None:
    spec = network(Compression(method="output_deviation", level=0.5)).model_dump()
    with pytest.raises(ValueError, match="the architecture must be an mlp"):
        NetworkSpec.model_validate({**spec, "dataset": "digits", "architecture": Conv2(width=1)})


@pytest.mark.parametrize(
    ("parameters", "inputs", "outputs", "layers", "units"),
    [(105, 4, 3, 2, 7), (309, 10, 1, 2, 12), (50_000, 784, 10, 2, 59), (1, 4, 3, 2, 1), (100, 4, 1, 1, 16)],
)
def test_the_general_model_has_as_many_parameters_as_it_is_given(parameters, inputs, outputs, layers, units) -> None:
    assert hidden_for(parameters, inputs=inputs, outputs=outputs, layers=layers) == (units,) * layers
