"""Progress of a sweep, seen by its driver: networks done, rate, time left."""

from __future__ import annotations

import re
import threading
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ray import tune
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from raydensity.placement import Kind, makespan
from raydensity.plan import Cohort, duration

HOPELESS = 5  # workers
EACH_DEATH = "Failure # "  # how Tune heads every entry of a trial's error file
NODE_LOST = re.compile("node has died|preempt")  # as Ray says it
KNOWN = 0.02  # share of its epochs after which a cohort's own speed can be told
TERMINAL_SECONDS, PLAIN_SECONDS = 0.5, 10.0  # between two updates
LONGER, LONGEST_SECONDS = 1.2, 300.0  # without a terminal, each pause is longer than the last: a log is no film


class Watch(tune.Callback, tune.Stopper):
    """Follows Tune's trials, and shows them from a thread of its own while its `with` block runs.

    `failures` are the lines that cohorts failed with, `tracebacks` what is known beyond. Stops the sweep when HOPELESS
    workers have died before any has worked: the rest would die, too.
    """

    def __init__(self, cohorts: Sequence[Cohort], *, slots: Mapping[Kind, int], console: Console) -> None:
        self.cohorts, self.slots, self.console = cohorts, slots, console
        self.networks = sum(len(cohort.specs) for cohort in cohorts)
        self.done = [0] * len(cohorts)
        self.share = [0.0] * len(cohorts)
        self.spent = [0.0] * len(cohorts)
        self.failures: list[str] = []
        self.tracebacks: list[str] = []
        self.worked = self.warned = self.hopeless = False
        self.deaths, self.last_death = 0, ""
        self._stop = threading.Event()

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune saves its callbacks; nothing here is worth it

    def on_trial_result(self, iteration: int, trials: list, trial: Any, result: dict[str, Any], **info: Any) -> None:
        cohort = trial.config["cohort"]
        self.done[cohort] = result["networks_done"]
        self.share[cohort] = max(result["share"], result["networks_done"] / len(self.cohorts[cohort].specs))
        self.spent[cohort] = result["time_total_s"]
        self.worked = True
        if result["failed"]:
            self.failures.append(result["failed"])
        if result["traceback"]:
            self.tracebacks.append(result["traceback"])
        if result["warning"] and not self.warned:
            self.warned = True
            self.console.print(f"warning: {result['warning']}", markup=False, highlight=False)

    def on_trial_recover(self, iteration: int, trials: list, trial: Any, **info: Any) -> None:
        self._note_death(trial)
        # The next worker is told of one that may have been killed for its memory; a machine that went, as spot machines
        # do, is no reason for smaller parts.
        if not NODE_LOST.search(self.last_death):
            trial.config["deaths"] = [*trial.config.get("deaths", []), self.last_death.splitlines()[-1]]

    def on_trial_error(self, iteration: int, trials: list, trial: Any, **info: Any) -> None:
        self._note_death(trial)
        self.failures.append(self.last_death.splitlines()[-1])
        self.tracebacks.append(self.last_death)

    def _note_death(self, trial: Any) -> None:
        self.deaths += 1
        self.last_death = Path(trial.error_file).read_text().rpartition(EACH_DEATH)[2].strip()
        if self.deaths == HOPELESS and not self.worked:
            self.hopeless = True
            self.failures.append(self.last_death.splitlines()[-1])
            self.tracebacks.append(self.last_death)

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False  # a trial ends by itself

    def stop_all(self) -> bool:
        return self.hopeless

    def seconds_left(self) -> tuple[float, bool]:
        """Wall seconds until all cohorts are through, and whether that is more than a bound.

        A kind of network takes the part of its planned time that its cohorts took which are through; before one is,
        nobody knows how early its stopping rule may strike, and all epochs, at the speed so far, are the bound.
        """
        parts: dict[str, list[float]] = defaultdict(list)
        speeds: dict[str, list[float]] = defaultdict(list)
        for cohort, share, spent in zip(self.cohorts, self.share, self.spent, strict=True):
            if share > KNOWN:
                (parts if share == 1 else speeds)[_kind(cohort)].append(spent / share / cohort.seconds)
        left, known = [], True
        for cohort, share, spent in zip(self.cohorts, self.share, self.spent, strict=True):
            if share == 1:
                continue
            kind, seconds = cohort.work
            if own := parts.get(_kind(cohort)):
                left.append((kind, max(0.0, seconds * sum(own) / len(own) - spent)))
                continue
            known, own = False, speeds.get(_kind(cohort), [1.0])
            left.append((kind, (1 - share) * (spent / share if share > KNOWN else seconds * sum(own) / len(own))))
        return makespan(sorted(left, key=lambda work: -work[1]), self.slots), known

    def line(self, elapsed: float) -> str:
        """Such as: 12 of 54 networks · 3,200 an hour · about 40 s left."""
        done = sum(self.done)
        text = f"{done:,} of {self.networks:,} networks"
        if done and elapsed > 0:
            text += f" · {3600 * done / elapsed:,.0f} an hour"
        seconds, known = self.seconds_left()
        if not any(self.share) or not seconds:
            return text
        return text + (f" · about {duration(seconds)} left" if known else f" · {duration(seconds)} left as planned")

    def __enter__(self) -> Watch:
        self._thread = threading.Thread(target=self._show, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _show(self) -> None:
        start = time.monotonic()
        if not self.console.is_terminal:
            pause = PLAIN_SECONDS
            while not self._stop.wait(pause):
                self.console.print(self.line(time.monotonic() - start), markup=False, highlight=False)
                pause = min(pause * LONGER, LONGEST_SECONDS)
            return
        columns = BarColumn(), TextColumn("{task.percentage:>3.0f}%"), TextColumn("{task.description}")
        with Progress(*columns, console=self.console, transient=True) as bar:
            task = bar.add_task("starting", total=sum(cohort.seconds for cohort in self.cohorts))
            while not self._stop.wait(TERMINAL_SECONDS):
                reached = sum(share * cohort.seconds for share, cohort in zip(self.share, self.cohorts, strict=True))
                bar.update(task, completed=reached, description=self.line(time.monotonic() - start))


def _kind(cohort: Cohort) -> str:
    """What of a network decides how early it stops and how wrong the plan is about its speed."""
    return f"{cohort.specs[0].architecture.name} {cohort.specs[0].training.optimizer.name}"
