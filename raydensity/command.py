"""What the command line does: check everything, then plan, run and analyse one study after the other."""

from __future__ import annotations

import contextlib
import shlex
import sys
import traceback
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
from rich.console import Console
from rich.table import Table

from raydensity import (
    cluster,
    costs,
    data,
    grid,
    mlflow_store,
    models,
    plan,
    published_weights,
    storage,
    sweep,
    tracking,
)
from raydensity.cost_model import need
from raydensity.errors import redacted
from raydensity.ledger import Ledger
from raydensity.placement import Node
from raydensity.plan import Plan
from raydensity.published_weights import Weights
from raydensity.spec import AnyDataset, NetworkSpec, content_hash
from raydensity.study import SCALES, Study
from raydensity.tracking import Tracker

LONG_SWEEP = 24 * 3600  # seconds beyond which a person is asked
TRACKED_NETWORKS = 2000  # beyond, only cohorts are shown in MLflow

Settings = dict[str, dict[str, list[str]]]  # study -> factor -> levels as they were typed


@dataclass(frozen=True)
class Request:
    """One study as the command asks for it.

    `asked` are the study's spaces with the command's levels, `spaces` what they are by what is finished.
    """

    study: Study
    scale: str
    asked: list[dict[str, Any]]
    spaces: list[dict[str, Any]]
    ledger: Ledger

    @cached_property
    def networks(self) -> dict[str, NetworkSpec]:
        """The networks of the spaces by id. ValueError, in one line, for a cell without sense."""
        return grid.expand(self.study, self.spaces)

    @cached_property
    def sweep_id(self) -> str:
        """The same command has the same id, and another grid another."""
        return content_hash({"study": self.study.name, "scale": self.scale, "networks": sorted(self.networks)})

    @property
    def initial_weights(self) -> set[str]:
        """Digests of published weights that networks start from."""
        return {spec.initial_weights for spec in self.networks.values()} - {""}

    @property
    def waits(self) -> bool:
        """Whether something of what was asked for cannot be known before the rest is finished."""
        asked, known = (
            {tuple(tuple(grid.levels([space], name)) for name in self.study.selecting) for space in spaces}
            for spaces in (self.asked, self.spaces)
        )
        return not asked <= known

    @property
    def datasets(self) -> set[AnyDataset]:
        return {spec.dataset for spec in self.networks.values()}


@dataclass(frozen=True)
class Options:
    """What the command says beside the studies; all paths absolute.

    `track_networks` is None for: where they are not too many. `confirm` asks a person whether to go on.
    """

    data_root: Path
    tracking_uri: str
    address: str | None = None
    gpus_per_cohort: float | None = None
    track_networks: bool | None = None
    confirm: Callable[[str], None] = lambda question: None


def requests(
    known: Mapping[str, Study],
    names: Sequence[str],
    *,
    scale: str,
    settings: Settings,
    out: Path,
    readonly: bool,
    shared: str = "",
) -> list[Request]:
    """What was asked for, once it makes sense. ValueError, in one line, for an unknown study, scale, factor or level,
    for a width that leaves a layer empty, and for a shared folder that cannot be used."""
    for name in names:
        if name not in known:
            raise ValueError(f"--study: {name!r} is unknown; there is {', '.join(known)}")
    if scale not in SCALES:
        raise ValueError(f"--scale: {scale!r} is unknown; it is {', '.join(SCALES)}")
    if shared:
        storage.check(shared)
    found = []
    for name in dict.fromkeys(names):
        spaces = grid.configure(known[name], scale=scale, settings=settings.get(name, {}))
        ledger = Ledger(out, name, readonly=readonly, shared=shared)
        ledger.meet()  # what a grid has may depend on what is finished
        request = Request(known[name], scale, spaces, known[name].resolved(spaces, ledger), ledger)
        for spec in {spec.cohort_key: spec for spec in request.networks.values()}.values():
            need(spec, device="cpu")
        found.append(request)
    return found


def grown(asked: Sequence[Request]) -> list[Request]:
    """Those whose study has other spaces now, for what a grid has may depend on what is finished."""
    again = [replace(request, spaces=request.study.resolved(request.asked, request.ledger)) for request in asked]
    return [new for new, old in zip(again, asked, strict=True) if new.spaces != old.spaces]


def settings(given: Iterable[str], names: Sequence[str]) -> Settings:
    """`STUDY.FACTOR=LEVEL,LEVEL` (the study may be left out where there is one) by study and factor."""
    found: Settings = defaultdict(dict)
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
        if factor in found[study]:
            raise ValueError(f"--set {factor}: given twice; write all its levels in one: {factor}=LEVEL,LEVEL")
        found[study][factor] = levels.split(",")
    return found


def tracking_uri(given: str | None) -> str:
    """An absolute URI, for workers have folders of their own: as given, else MLFLOW_TRACKING_URI, else a file here."""
    uri = mlflow_store.chosen_uri(given)
    file = mlflow_store.database(uri)
    if file is not None:
        return mlflow_store.database_uri(file)
    if not uri.startswith(("http://", "https://")):
        raise ValueError(f"--tracking-uri: {redacted(uri)!r} is neither sqlite:///FILE nor http(s)://HOST:PORT")
    return uri


def dry_run(asked: Sequence[Request], options: Options, console: Console) -> None:
    """Say what would be done; change nothing."""
    here = cluster.local_resources()
    nodes = [here]
    with ExitStack() as stack:
        if options.address:
            nodes = stack.enter_context(cluster.connection(options.address, resources=here, wait=False))
        for request in asked:
            for dataset in sorted(request.datasets, key=str):
                data.check(dataset, download=False, loaded_here=False)
            _check_weights(request, published_weights.load(request.initial_weights, options.data_root, whole=False))
            _describe(request, _plan(request, options, nodes), console)


def run(asked: Sequence[Request], options: Options, console: Console) -> bool:
    """Run and analyse every study; whether all networks are there and reported. ValueError before anything trains."""
    _prepare(asked, options)
    if options.address:
        cluster.check_address(options.address)
    for dataset in sorted(set().union(*(request.datasets for request in asked)), key=str):
        data.check(dataset, loaded_here=not options.address)
    published = published_weights.load(set().union(*(request.initial_weights for request in asked)), options.data_root)
    for request in asked:
        _check_weights(request, published)
    with ExitStack() as stack:
        # All ledgers and the tracker, before the first study trains for days.
        owners = [stack.enter_context(request.ledger.driver()) for request in asked]
        trackers = [_open(request, options) for request in asked]
        try:
            complete = [_run(*each, published, options, console) for each in zip(asked, owners, trackers, strict=True)]
        except BaseException:  # an interruption, above all; the tracker is a view, and the user wants to be gone
            with contextlib.suppress(Exception):
                for request, tracker in zip(asked, trackers, strict=True):
                    _finish(request, tracker)
            raise
    return all(complete)


def sync(asked: Sequence[Request], options: Options, console: Console) -> bool:
    """Rebuild in MLflow what the ledger holds of these sweeps, train nothing; whether all of it was reported."""
    _prepare(asked, options)
    reported = True
    for request in asked:
        with request.ledger.driver():
            tracker = _open(request, options)
            late = tracker.catch_up(request.ledger, set(request.networks))
            _finish(request, tracker)
        name = f"{request.study.name} · {request.scale}"
        console.print(f"{name}: {late} cohorts written to MLflow, the others were there")
        reported &= _report(request, options, console)
    return reported


def list_studies(known: Mapping[str, Study]) -> Table:
    """The studies with their titles and, by scale, how many networks they have."""
    table = Table(box=None, pad_edge=False)
    for name in ("study", "title", *SCALES):
        table.add_column(name, justify="right" if name in SCALES else "left")
    for study in known.values():
        sizes = [f"{grid.size(study, study.spaces[scale]):,}" if scale in study.spaces else "" for scale in SCALES]
        table.add_row(study.name, study.title, *sizes)
    return table


def _prepare(asked: Sequence[Request], options: Options) -> None:
    for request in asked:
        request.ledger.prepare()
    tracking.check(options.tracking_uri)


def _check_weights(request: Request, published: Mapping[str, Weights]) -> None:
    """ValueError, in one line, where networks are larger than the weights that they should start from."""
    sizes = {(spec.initial_weights, spec.dataset, spec.architecture) for spec in request.networks.values()}
    for weights, dataset, architecture in sizes:
        if weights in published:
            model = models.outline(architecture, data.describe(dataset))
            shapes = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
            published_weights.fitted(published[weights], shapes)


def _run(
    request: Request,
    owner: str,
    tracker: Tracker,
    published: Mapping[str, Weights],
    options: Options,
    console: Console,
) -> bool:
    with ExitStack() as stack:
        here = cluster.local_resources()
        nodes = [here]
        finished = request.ledger.summary(whole=True)
        left = set(request.networks).difference(finished["network_id"].to_pylist())
        if left and options.address:
            wanted = bool(options.gpus_per_cohort)
            nodes = stack.enter_context(cluster.connection(options.address, resources=here, gpu=wanted))
        planned = _plan(request, options, nodes, finished)
        if left:
            _describe(request, planned, console)
            if planned.seconds > LONG_SWEEP:
                options.confirm("This may take more than a day. Go on?")
            if not options.address:
                stack.enter_context(cluster.connection(None, resources=here))
        else:
            console.print(planned.summary())
        outcome = sweep.run(
            planned,
            ledger=request.ledger,
            owner=owner,
            tracker=tracker,
            data_root=options.data_root,
            published=published,
            console=console,
        )
    console.print(sweep.summary_table(planned, outcome.finished))
    if outcome.missing:
        console.print(f"{outcome.missing} of {len(planned.networks)} networks are missing:")
        for reason, cohorts in outcome.reasons.items():
            console.print(f"  {cohorts} cohort{'s' if cohorts > 1 else ''}: {reason}", markup=False, soft_wrap=True)
    reported = outcome.missing < len(planned.networks) and _report(request, options, console)
    return not outcome.missing and reported


def _plan(request: Request, options: Options, nodes: Sequence[Node], finished: pa.Table | None = None) -> Plan:
    return plan.make(
        request.study.name,
        scale=request.scale,
        networks=request.networks,
        ledger=request.ledger,
        nodes=nodes,
        finished=finished,
        gpus_per_cohort=options.gpus_per_cohort,
        tracked=_tracked(request, options),
    )


def _describe(request: Request, planned: Plan, console: Console) -> None:
    console.print(planned.table())
    console.print(planned.summary(), soft_wrap=True)
    if request.waits and planned.cohorts:
        console.print(
            "More may follow when these are done: their settings are what turns out best, where anything does"
        )


def _open(request: Request, options: Options) -> Tracker:
    return tracking.open_sweep(
        options.tracking_uri,
        study=request.study.name,
        scale=request.scale,
        sweep_id=request.sweep_id,
        network_ids=list(request.networks),
        levels=_levels(request.networks.values()),
        networks=_tracked(request, options),
    )


def _tracked(request: Request, options: Options) -> bool:
    """Whether every network gets a run in MLflow."""
    few = request.study.track_networks and len(request.networks) <= TRACKED_NETWORKS
    return few if options.track_networks is None else options.track_networks


def _levels(specs: Collection[NetworkSpec]) -> dict[str, list]:
    """Every factor's levels, sorted: those of the networks, for what was typed may say the same in many ways."""
    found: dict[str, set] = {name: {getattr(spec, name) for spec in specs} for name in costs.SEEDS}
    alike = {}  # but for seeds and masks: factors take 20 µs, which is too much for each of half a million
    for spec, key in zip(specs, costs.cohort_keys(specs), strict=True):
        training = spec.training
        start = spec.initializer, spec.initializer_factor, spec.initial_weights
        varying = training.optimizer.learning_rate, training.schedule, *start
        alike[key, costs.size(spec), varying] = spec
    for spec in alike.values():
        for factor, level in spec.factors().items():
            found.setdefault(factor, set()).add(level)
    return {factor: sorted(levels) for factor, levels in found.items()}


def _finish(request: Request, tracker: Tracker) -> None:
    """Close the run of a sweep, as the ledger has it."""
    done = request.ledger.finished_ids().intersection(request.networks)
    tracker.finish(done=len(done), complete=len(done) == len(request.networks))


def _report(request: Request, options: Options, console: Console) -> bool:
    from analysis import analyse  # imports what nothing before needs

    folder = request.ledger.out / "report" / request.study.name
    try:
        report = analyse(request.study.name, out=folder, tracking_uri=options.tracking_uri, sweep=request.sweep_id)
    except ValueError as error:  # the networks are trained and safe: a report alone is missing
        print(f"error: no report: {redacted(str(error))}", file=sys.stderr)
        return False
    except Exception:  # a fault of a report must not cost the studies that wait behind it
        print(redacted(traceback.format_exc()), file=sys.stderr)
        print(f"error: no report of {request.study.name}: see above; its networks are safe", file=sys.stderr)
        return False
    console.print(f"report: {report}", markup=False, soft_wrap=True)
    if options.tracking_uri.startswith("sqlite:"):
        uri = shlex.quote(options.tracking_uri)
        server = f"MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false mlflow server --backend-store-uri {uri}"
        console.print(f"MLflow: {server}  (then open http://127.0.0.1:5000)", markup=False, soft_wrap=True)
    else:
        console.print(f"MLflow: {redacted(options.tracking_uri)}", markup=False, soft_wrap=True)
    return True
