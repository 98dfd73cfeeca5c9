"""Train, prune, measure, track and analyse the networks of one study or of all: `python sweeps/run_all.py --help`."""

from __future__ import annotations

import importlib
import logging
import math
import os
import pkgutil
import sys
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

import sweeps
from raydensity import cluster, data, grid, plan, sweep, tracking
from raydensity.grid import Space
from raydensity.ledger import Ledger
from raydensity.placement import need
from raydensity.plan import Plan
from raydensity.spec import NetworkSpec
from raydensity.study import SCALES, Study

LONG_SWEEP = 24 * 3600  # seconds beyond which a person is asked
PLAIN_WIDTH = 140  # columns where output is no terminal
TRACKED_NETWORKS = 2000  # beyond, only cohorts are shown in MLflow

HELP = """Train, prune, measure, track and analyse the networks of one study or of all.

Without options: every study at the scale `quick` on this machine, which takes minutes and downloads nothing. The same
command again does nothing twice; after an interruption it goes on where it was.

Examples:

  python sweeps/run_all.py
      everything, quick

  python sweeps/run_all.py --study density --scale reduced --dry-run
      what that would train, where and for how long; trains nothing

  python sweeps/run_all.py --study density --scale paper --set architecture=mlp --set width=0.1,0.5,1
      the paper's MLPs of three widths: whatever the grid varies can be set

  python sweeps/run_all.py --study density --scale paper --address 10.0.0.1:6379 --tracking-uri http://10.0.0.1:5000
      on a Ray cluster that runs already, tracked by an MLflow server

Data are downloaded into ./data, or read from the folder that RAYDENSITY_DATA names.
"""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


def studies() -> dict[str, Study]:
    """Every study there is: the files beside this one that state a STUDY."""
    found = {}
    for module in pkgutil.iter_modules(sweeps.__path__):
        if module.name != "run_all":
            study = getattr(importlib.import_module(f"sweeps.{module.name}"), "STUDY", None)
            if study is not None:
                found[study.name] = study
    return found


Settings = dict[str, dict[str, list[str]]]  # study -> factor -> levels as they were typed


@dataclass(frozen=True)
class Request:
    """One study as the command asks for it."""

    study: Study
    scale: str
    spaces: list[Space]
    networks: dict[str, NetworkSpec]
    ledger: Ledger


@dataclass(frozen=True)
class Options:
    """What the command says beside the studies."""

    data_root: Path
    tracking_uri: str
    gpus_per_cohort: float | None
    track_networks: bool | None
    yes: bool


@app.command(help=HELP)
def main(
    study: Annotated[list[str], typer.Option(metavar="NAME", help="A study; give it again for another. [all]")] = [],  # noqa: B006
    scale: Annotated[str, typer.Option(metavar="|".join(SCALES), help="How large a grid.")] = "quick",
    setting: Annotated[
        list[str],
        typer.Option(
            "--set",
            metavar="FACTOR=LEVEL,LEVEL",
            help="Levels of a factor in place of the grid's; STUDY.FACTOR= where several studies run.",
        ),
    ] = [],  # noqa: B006
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the ledger and the reports go.")] = Path("results"),
    tracking_uri: Annotated[
        str | None,
        typer.Option(metavar="URI", help="MLflow. [$MLFLOW_TRACKING_URI, else sqlite:///mlflow.db in this folder]"),
    ] = None,
    address: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="A running Ray cluster. [a Ray of its own, here]")
    ] = None,
    gpus_per_cohort: Annotated[
        float | None,
        typer.Option(metavar="FRACTION", help="Force the share of a GPU per cohort; 0 keeps to the CPU. [by memory]"),
    ] = None,
    track_networks: Annotated[
        bool | None,
        typer.Option(
            "--track-networks/--no-track-networks",
            help=f"An MLflow run for every network. [up to {TRACKED_NETWORKS:,} networks a sweep]",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done; do nothing.")] = False,
    sync: Annotated[bool, typer.Option("--sync", help="Rebuild MLflow from the ledger; train nothing.")] = False,
    list_studies: Annotated[bool, typer.Option("--list", help="List the studies and their sizes.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before a sweep of more than a day.")] = False,
) -> None:
    console = Console(highlight=False, width=None if sys.stdout.isatty() else PLAIN_WIDTH)
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING)
    logging.addLevelName(logging.WARNING, "warning")
    for chatty in ("alembic", "mlflow"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    try:
        known = studies()
        if list_studies:
            console.print(_list(known))
            return
        options = Options(
            data_root=data.resolve_root(None),
            tracking_uri=_tracking_uri(tracking_uri),
            gpus_per_cohort=gpus_per_cohort,
            track_networks=track_networks,
            yes=yes,
        )
        requests = _requests(
            known, study or list(known), scale, _settings(setting, study or list(known)), out=out, dry_run=dry_run
        )
        failed = (
            _dry_run(requests, options, address, console)
            if dry_run
            else _run(requests, options, address, sync, console)
        )
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        print("interrupted: what is finished is safe, and the same command goes on with the rest", file=sys.stderr)
        raise typer.Exit(130) from None
    raise typer.Exit(1 if failed else 0)


def _requests(
    known: dict[str, Study],
    names: list[str],
    scale: str,
    settings: dict[str, dict[str, list[str]]],
    out: Path,
    dry_run: bool,
) -> list[Request]:
    """Everything that was asked for, found to make sense before anything trains. ValueError where it does not."""
    for name in names:
        if name not in known:
            raise ValueError(f"--study: {name!r} is unknown; there is {', '.join(known)}")
    if scale not in SCALES:
        raise ValueError(f"--scale: {scale!r} is unknown; it is {', '.join(SCALES)}")
    requests = []
    for name in dict.fromkeys(names):
        study = known[name]
        spaces = grid.configure(study, scale=scale, settings=settings[name])
        networks = grid.expand(study, spaces)
        for spec in {spec.cohort_key: spec for spec in networks.values()}.values():
            need(spec, device="cpu")
        requests.append(Request(study, scale, spaces, networks, Ledger(out, name, readonly=dry_run)))
    return requests


def _dry_run(requests: list[Request], options: Options, address: str | None, console: Console) -> bool:
    resources = cluster.local_resources()
    with ExitStack() as stack:
        if address:
            resources = stack.enter_context(cluster.connection(address, resources=resources))
        for request in requests:
            for dataset in {spec.dataset for spec in request.networks.values()}:
                data.check(dataset, download=False)
            planned = _plan(request, options, resources)
            console.print(planned.table())
            console.print(planned.summary())
    return False


def _run(requests: list[Request], options: Options, address: str | None, sync: bool, console: Console) -> bool:
    """Check, then run and analyse one study after the other; returns whether networks are missing."""
    for request in requests:
        request.ledger.prepare()
    tracking.check(options.tracking_uri)
    if address and not sync:
        cluster.check_address(address)
    for dataset in {spec.dataset for request in requests for spec in request.networks.values()}:
        if not sync:
            data.check(dataset)
    failed = False
    for request in requests:
        failed |= _run_study(request, options, address, sync, console)
    return failed


def _run_study(request: Request, options: Options, address: str | None, sync: bool, console: Console) -> bool:
    name, ledger = request.study.name, request.ledger
    with ledger.driver() as owner, ExitStack() as stack:
        resources = cluster.local_resources()
        planned = _plan(request, options, resources)
        if planned.cohorts and not sync:
            resources = stack.enter_context(cluster.connection(address, resources=resources))
            planned = _plan(request, options, resources) if address else planned
            console.print(planned.table())
        console.print(planned.summary())
        if not sync:
            _confirm(planned, options)
        shown = options.track_networks
        tracker = tracking.open_sweep(
            options.tracking_uri,
            study=name,
            scale=request.scale,
            sweep_id=planned.sweep_id,
            network_ids=list(planned.networks),
            levels=planned.levels,
            networks=len(planned.networks) <= TRACKED_NETWORKS if shown is None else shown,
        )
        if sync:
            planned = planned.without_training()
        outcome = sweep.run(
            planned, ledger=ledger, owner=owner, tracker=tracker, data_root=options.data_root, console=console
        )
    finished = ledger.summary()
    console.print(sweep.summary_table(planned, finished))
    if outcome.missing and not sync:
        console.print(f"{outcome.missing} of {len(planned.networks)} networks are missing:")
        for reason, cohorts in outcome.reasons.items():
            console.print(f"  {cohorts} cohort{'s' if cohorts > 1 else ''}: {reason}", markup=False)
    if planned.done or finished.num_rows:
        _report(request, options, planned, console)
    return bool(outcome.missing) and not sync


def _plan(request: Request, options: Options, resources: cluster.Cluster) -> Plan:
    return plan.make(
        request.study.name,
        scale=request.scale,
        spaces=request.spaces,
        networks=request.networks,
        ledger=request.ledger,
        cluster=resources,
        gpus_per_cohort=options.gpus_per_cohort,
    )


def _report(request: Request, options: Options, planned: Plan, console: Console) -> None:
    from analysis.__main__ import (
        analyse,  # brings pandas, seaborn and statsmodels: seconds that bad input need not wait
    )

    name = request.study.name
    folder = request.ledger.folder.parents[1] / "report" / name
    report = analyse(name, out=folder, tracking_uri=options.tracking_uri, sweep=planned.sweep_id)
    console.print(f"report: {report}", markup=False, soft_wrap=True)
    if options.tracking_uri.startswith("sqlite:"):
        server = f"MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false mlflow server --backend-store-uri {options.tracking_uri}"
        console.print(f"MLflow: {server}  (then open http://127.0.0.1:5000)", markup=False, soft_wrap=True)
    else:
        console.print(f"MLflow: {options.tracking_uri}", markup=False)


def _confirm(planned: Plan, options: Options) -> None:
    if planned.seconds > LONG_SWEEP and not options.yes and sys.stdin.isatty():
        typer.confirm("This may take more than a day. Go on?", abort=True)


def _settings(given: list[str], names: list[str]) -> Settings:
    """`STUDY.FACTOR=LEVEL,LEVEL` (the study may be left out where there is one) by study and factor."""
    settings: Settings = defaultdict(dict)
    for text in given:
        target, equals, levels = text.partition("=")
        if not equals or not levels.strip():
            raise ValueError(f"--set: {text!r} is not FACTOR=LEVEL,LEVEL")
        study, dot, factor = target.strip().rpartition(".")
        if not dot:
            if len(names) > 1:
                raise ValueError(f"--set {factor}: which study? Write {names[0]}.{text}, or choose one with --study")
            study = names[0]
        if study not in names:
            raise ValueError(f"--set {target}: {study!r} is not among the studies that run: {', '.join(names)}")
        settings[study][factor] = levels.split(",")
    return settings


def _tracking_uri(given: str | None) -> str:
    """An absolute URI: workers have folders of their own."""
    uri = given or os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db"
    if uri.startswith("sqlite:///"):
        return f"sqlite:///{Path(uri.removeprefix('sqlite:///')).absolute()}"
    if not uri.startswith(("http://", "https://")):
        raise ValueError(f"--tracking-uri: {uri!r} is neither sqlite:///FILE nor http(s)://HOST:PORT")
    return uri


def _list(known: dict[str, Study]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("study", "title", *SCALES):
        table.add_column(name, justify="right" if name in SCALES else "left")
    for study in known.values():
        sizes = [_size(study.spaces[scale]) if scale in study.spaces else "" for scale in SCALES]
        table.add_row(study.name, study.title, *sizes)
    return table


def _size(spaces: list[Space]) -> str:
    return f"{sum(math.prod(len(grid.levels([space], factor)) for factor in space) for space in spaces):,} networks"


if __name__ == "__main__":
    app()
