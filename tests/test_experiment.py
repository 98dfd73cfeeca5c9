"""A cohort from specs to record, without Ray and MLflow."""

import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from networks import network

from raydensity import data
from raydensity.experiment import Progress, cohort_id, run_cohort
from raydensity.networks import trained_cohort
from raydensity.record import SCHEMA
from raydensity.spec import SGD, NetworkSpec
from raydensity.training import train

# What depends on the packing or the clock, not on the network.
OF_THE_RUN = {"cohort_id", "seconds_training", "seconds_pruning", "seconds_measuring", "git_commit", "git_dirty"}


def rows(record):
    return {row["network_id"]: {k: v for k, v in row.items() if k not in OF_THE_RUN} for row in record.to_pylist()}


@pytest.mark.parametrize("architecture", ["mlp", "conv2", "resnet"])
def test_record_is_complete_and_independent_of_the_cohort(architecture):
    specs = [network(architecture, init_seed=s, data_seed=d) for s in range(2) for d in range(2)]
    seen = []
    record = run_cohort(specs, on_progress=seen.append)
    assert record.schema == SCHEMA
    assert record["network_id"].to_pylist() == [spec.id for spec in specs]
    assert set(record["cohort_id"].to_pylist()) == {cohort_id(specs)}
    assert seen[-1] == Progress(epoch=2, max_epochs=2, networks=4, networks_done=4)
    for spec, row in zip(specs, record.to_pylist(), strict=True):
        assert NetworkSpec.model_validate_json(row["spec"]) == spec
        assert {name: row[name] for name in spec.factors()} == spec.factors()
        assert row["status"] == "finished"
        assert len(row["curve_epoch"]) == len(row["curve_validation_loss"]) == 2
        assert len(row["prune_removed"]) == len(row["prune_validation_accuracy"]) == 51
        assert row["prune_validation_accuracy"][0] == row["validation_accuracy"]
        assert row["prune_weights_left"][0] == row["weights"]
        answers = np.unpackbits(np.frombuffer(row["correctness"], np.uint8), count=row["validation_size"])
        assert answers.mean() == pytest.approx(row["validation_accuracy"])
        assert [o["weights"] for o in row["overlap"]][-1] > 0
        assert sum(o["weights"] for o in row["overlap"]) == row["weights"]
        assert all(0 <= a["hoyer"] <= 1 and 0 <= a["selectivity_normalized"] <= 1 for a in row["activations"])
    alone = run_cohort(specs[2:3])
    assert repr(rows(alone)[specs[2].id]) == repr(rows(record)[specs[2].id])


def test_a_diverged_network_has_a_row_without_results():
    specs = [network(init_seed=0), network(optimizer=SGD(learning_rate=1e30), init_seed=1)]
    calm, wild = run_cohort(specs).to_pylist()
    assert calm["status"] == "finished"
    assert wild["status"] == "diverged"
    assert wild["prune_removed"] is None
    assert wild["test_loss"] is None
    assert math.isnan(wild["validation_loss"])
    (alone,) = run_cohort(specs[1:]).to_pylist()
    assert alone["status"] == "diverged"


def test_what_networks_kept_is_let_go_once_it_is_in_the_stack():
    specs = [network(init_seed=seed) for seed in range(2)]
    digits = data.load("digits")
    trained = train(specs, digits, device=torch.device("cpu"))
    kept = trained[1].kept
    cohort = trained_cohort(specs, trained, digits, device="cpu")
    assert [one.kept for one in trained] == [None, None]
    assert all(torch.equal(value, cohort.state(1)[name]) for name, value in kept.items())


def test_the_engine_needs_neither_ray_nor_mlflow():
    code = "import sys; import raydensity.experiment; sys.exit(bool({'ray', 'mlflow'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
