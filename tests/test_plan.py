"""Plans from a ledger that has measured some of the networks."""

import networks
import pytest
import synthetic

from raydensity import placement, plan
from raydensity.ledger import Ledger
from raydensity.placement import Cluster
from raydensity.spec import MLP


@pytest.fixture
def ledger(tmp_path):
    ledger = Ledger(tmp_path, "density")
    ledger.prepare()
    return ledger


def mlps(count, width=0.1):
    specs = [networks.network(MLP(width=width), init_seed=seed, epochs=20) for seed in range(count)]
    return {spec.id: spec for spec in specs}


def finish(ledger, specs, *, device, cohort_size, factor=1.0):
    """Write records of networks that took `factor` times what was expected of cohorts of this size."""
    need = placement.need(specs[0], device=device)
    seconds = factor * need.cohort_seconds(cohort_size) / cohort_size
    took = {"seconds_training": 0.75 * seconds, "seconds_pruning": 0.25 * seconds, "seconds_measuring": 0.0}
    rows = [synthetic.network(spec, device="cpu" if device == "cpu" else "NVIDIA", **took) for spec in specs]
    for table in synthetic.records(rows, cohort_size=cohort_size):
        ledger.write(table)


def planned(ledger, specs, device):
    resources = Cluster(cpus=4, gpus=float(device == "gpu"), gpu_memory=80 * 2**30 if device == "gpu" else 0)
    return plan.make("density", scale="quick", networks=specs, ledger=ledger, cluster=resources)


@pytest.mark.parametrize("factor", [1.0, 0.5])
@pytest.mark.parametrize("device", ["cpu", "gpu"])
@pytest.mark.parametrize("cohort_size", [1, 10, 50])
def test_seconds_as_estimated_confirm_the_estimate(ledger, device, cohort_size, factor):
    every = mlps(100)
    need = placement.need(next(iter(every.values())), device=device)
    finish(ledger, list(every.values())[:50], device=device, cohort_size=cohort_size, factor=factor)
    # another width has no measured networks: it goes by its architecture
    wide = mlps(10, width=0.5)
    wide_need = placement.need(next(iter(wide.values())), device=device)
    made = planned(ledger, every | wide, device)
    assert sum(len(cohort.specs) for cohort in made.cohorts) == 60
    for cohort in made.cohorts:
        expected = need if cohort.specs[0].architecture.width == 0.1 else wide_need
        assert cohort.seconds == pytest.approx(factor * expected.cohort_seconds(len(cohort.specs)))


def test_seconds_of_another_device_say_nothing(ledger):
    every = mlps(20)
    finish(ledger, list(every.values())[:10], device="gpu", cohort_size=10, factor=100)
    need = placement.need(next(iter(every.values())), device="cpu")
    for cohort in planned(ledger, every, "cpu").cohorts:
        assert cohort.seconds == pytest.approx(need.cohort_seconds(len(cohort.specs)))
