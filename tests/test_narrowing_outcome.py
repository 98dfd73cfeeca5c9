"""What narrow networks answer: the measure against its parts, in a record, and where it cannot be taken."""

import pytest
import torch
from networks import network
from random_networks import images, small

from raydensity import cost_model, measuring_costs
from raydensity.experiment import run_cohort
from raydensity.narrowing import difference, excise, outcomes, prunable, redundant, refactor
from raydensity.spec import MLP, ImageFolder, InceptionV3, NoPruning, Spiral


@pytest.mark.parametrize("architecture", ["mlp", "conv2", "alexnet"])
def test_narrow_networks_are_those_of_the_study_and_judged_on_other_images(architecture):
    own = small(architecture).float()
    x, others = images(160).float().split(80)
    labels = torch.arange(80) % 3
    found = {outcome.way: outcome for outcome in outcomes(own, x, others, labels, seed=2)}
    narrow = {
        "excised": excise(own, prunable(own, x, seed=2)),
        "refactored": refactor(own, x, removed=redundant(own, x)),
    }
    assert list(found) == list(narrow)
    for way, one in narrow.items():
        apart, outcome = difference(own, one, others), found[way]
        assert (outcome.same_answers, outcome.mean_difference) == (apart.same_answers, apart.mean)
        assert outcome.accuracy == pytest.approx((one(others).argmax(1) == labels).float().mean().item())
        assert outcome.whole_accuracy == pytest.approx((own(others).argmax(1) == labels).float().mean().item())
        sizes = [sum(out.shape[1] for out in each.activations(x[:1]).values()) for each in (own, one)]
        assert [outcome.units, outcome.left] == sizes
        assert outcome.left < outcome.units


@pytest.mark.parametrize("architecture", ["resnet", "resnet56", "resnet18"])
def test_units_of_a_residual_stream_are_refactored_alone(architecture):
    """Ablated at the end of a stage is not removed from all of its blocks."""
    own = small(architecture).float()
    x, others = images(60).float().split(30)
    assert [each.way for each in outcomes(own, x, others, torch.zeros(30, dtype=torch.int64), seed=0)] == ["refactored"]


def narrowed(architecture, seed=0):
    spec = network(architecture, "momentum", epochs=2, init_seed=seed)
    return spec.model_copy(update={"measures": ("narrowing",), "pruning": NoPruning()})


@pytest.mark.parametrize("architecture", ["mlp", "alexnet"])
def test_a_record_has_them_whatever_the_packing(architecture):
    specs = [narrowed(architecture, seed) for seed in range(2)]
    rows, [alone] = run_cohort(specs).to_pylist(), run_cohort(specs[1:]).to_pylist()
    assert alone["narrowing"] == rows[1]["narrowing"] != rows[0]["narrowing"]
    for row in rows:
        assert [each["way"] for each in row["narrowing"]] == ["excised", "refactored"]
        for each in row["narrowing"]:
            assert 0 < each["left"] <= each["units"]
            answered = each["accuracy"] * 359
            assert answered == pytest.approx(round(answered))
            assert each["whole_accuracy"] == pytest.approx(row["test_accuracy"])
    assert rows[0]["prunability"] is None, "it is measured to choose units, and was not asked for"


def test_where_there_are_no_test_images_both_are_validation_images():
    spec = narrowed("mlp").model_copy(update={"dataset": Spiral(), "architecture": MLP(width=1, hidden=(16, 16))})
    [row] = run_cohort([spec]).to_pylist()
    assert all(each["whole_accuracy"] == pytest.approx(row["validation_accuracy"]) for each in row["narrowing"])


def test_what_it_takes_is_planned_and_what_cannot_be_is_refused():
    spec = narrowed("mlp")
    bare = cost_model.need(spec.model_copy(update={"measures": ()}), device="cpu")
    planned = cost_model.need(spec, device="cpu")
    assert planned.seconds > bare.seconds
    assert planned.shared_bytes > bare.shared_bytes
    measuring_costs.check(spec)
    photographs = ImageFolder(folder="photographs", size=75)
    unknown = spec.model_copy(update={"architecture": InceptionV3(width=0.25), "dataset": photographs})
    with pytest.raises(ValueError, match="whose wiring is not known"):
        measuring_costs.check(unknown)
