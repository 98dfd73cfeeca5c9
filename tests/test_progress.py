"""The progress line of a sweep, and when a sweep is hopeless."""

from io import StringIO
from types import SimpleNamespace

import networks
import pytest
from rich.console import Console

from raydensity.plan import Cohort
from raydensity.progress import HOPELESS, Watch
from raydensity.spec import MLP


@pytest.fixture
def watch():
    """Two cohorts, of one and of three networks, the second planned to take three times as long."""
    specs = [networks.network(MLP(width=0.1), init_seed=seed) for seed in range(4)]
    cohorts = [Cohort((specs[0],), 100.0), Cohort(tuple(specs[1:]), 300.0)]
    return Watch(cohorts, slots={("cpu", ()): 2}, console=Console(file=StringIO()))


def report(watch, cohort, *, done=0, share=0.0, seconds=0.0, **result):
    trial = SimpleNamespace(config={"cohort": cohort})
    reported = {"networks_done": done, "share": share, "time_total_s": seconds}
    watch.on_trial_result(1, [], trial, {**reported, "failed": "", "traceback": "", "warning": "", **result})


def lose(watch, tmp_path, config, why="ActorDiedError: killed"):
    error = tmp_path / "error.txt"
    with error.open("a") as file:  # as Tune writes it
        file.write(f"Failure # 1 (occurred at some time)\nTraceback\n  ...\n{why}\n")
    watch.on_trial_recover(1, [], SimpleNamespace(config=config, error_file=str(error)))


def test_the_line_says_what_is_done_how_fast_and_how_long(watch):
    assert watch.line(1.0) == "0 of 4 networks"
    report(watch, 1, share=0.001, seconds=1.0)
    assert watch.line(2.0) == "0 of 4 networks · 5 min left as planned"  # as planned: nothing is known yet
    report(watch, 1, share=0.1, seconds=10.0)
    # The second takes a third of its planned 300 s, and 10 of these have gone; at this speed the first takes 33.
    assert watch.line(10.0) == "0 of 4 networks · 90 s left as planned"
    report(watch, 1, share=0.9, seconds=90.0)
    assert watch.line(90.0) == "0 of 4 networks · 34 s left as planned"
    report(watch, 1, share=0.1, seconds=10.0)
    # It took a fifth of its time, so will the other: 60 s, 10 of them gone.
    report(watch, 0, done=1, share=1.0, seconds=20.0)
    assert watch.line(40.0) == "1 of 4 networks · 90 an hour · about 50 s left"
    report(watch, 1, done=3, share=1.0, seconds=60.0)
    assert watch.line(80.0) == "4 of 4 networks · 180 an hour"


def test_kinds_that_stop_early_say_nothing_of_others():
    mlp, conv = (Cohort((networks.network(name),), 100.0) for name in ("mlp", "conv2"))
    watch = Watch([mlp, conv], slots={("cpu", ()): 1}, console=Console(file=StringIO()))
    report(watch, 0, done=1, share=1.0, seconds=1.0)
    assert watch.seconds_left() == (100.0, False)


def test_networks_that_are_done_count_though_their_cohort_trains_on(watch):
    report(watch, 1, done=2, share=0.1)
    assert watch.share[1] == pytest.approx(2 / 3)


def test_the_next_worker_of_a_lost_one_is_told(watch, tmp_path):
    config = {"cohort": 0}
    lose(watch, tmp_path, config)
    lose(watch, tmp_path, config, "The actor died because its node has died. Node Id: 12")
    lose(watch, tmp_path, config, "killed again")
    assert config == {"cohort": 0, "deaths": ["ActorDiedError: killed", "killed again"]}


def test_a_sweep_is_hopeless_when_workers_die_before_any_has_worked(watch, tmp_path):
    for death in range(HOPELESS):
        assert not watch.stop_all(), death
        lose(watch, tmp_path, {"cohort": 0})
    assert watch.stop_all()
    assert watch.failures == ["ActorDiedError: killed"]


def test_workers_that_have_worked_may_die_as_often_as_they_like(watch, tmp_path):
    report(watch, 0)
    for _ in range(2 * HOPELESS):
        lose(watch, tmp_path, {"cohort": 0})
    assert not watch.stop_all()


def test_a_warning_is_shown_once(watch):
    report(watch, 0, warning="MLflow is away")
    report(watch, 1, warning="MLflow is away")
    assert watch.console.file.getvalue().count("MLflow is away") == 1
