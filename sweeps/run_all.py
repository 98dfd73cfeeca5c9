"""Train, prune, measure, track and analyse the networks of one study or of all: `python sweeps/run_all.py --help`."""

from __future__ import annotations

import importlib
import logging
import pkgutil
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

PLAIN_WIDTH = 140  # columns where output is no terminal

HELP = """Train, prune, measure, track and analyse the networks of one study or of all.

Without options: every study at the scale `quick` on this machine, which takes minutes and downloads nothing. The same
command again does nothing twice; after an interruption it goes on where it was.

\b
Examples
  python sweeps/run_all.py
      everything, quick
  python sweeps/run_all.py --study density --scale reduced --dry-run
      what that would train, where and for how long; trains nothing
  python sweeps/run_all.py --study density --scale paper --set architecture=mlp --set width=0.1,0.5,1
      the paper's MLPs of three widths; whatever the grid varies can be set
  python sweeps/run_all.py --study sparsest --scale paper --set part=pruning --set method=gmp,lth --set width=16
      two pruners at one width; the settings of a study stand at the head of its file beside this one
  python sweeps/run_all.py --scale paper --address 10.0.0.1:6379 --tracking-uri http://10.0.0.1:5000
      on a Ray cluster that runs already, tracked by an MLflow server

Data are downloaded into ./data, or read from the folder that RAYDENSITY_DATA names.
"""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command(help=HELP)
def main(
    study: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A study; give it again for another. [default: all]")
    ] = None,
    scale: Annotated[str, typer.Option(metavar="quick|reduced|paper", help="How large a grid.")] = "quick",
    setting: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="FACTOR=LEVEL,LEVEL",
            help="Levels of a factor in place of the grid's; STUDY.FACTOR= where several studies run.",
        ),
    ] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the ledger and the reports go.")] = Path("results"),
    ledger: Annotated[
        str,
        typer.Option(
            metavar="URI",
            help="A folder that keeps the ledger for other machines too, such as s3://BUCKET/FOLDER. [default: none]",
            show_default=False,
        ),
    ] = "",
    tracking_uri: Annotated[
        str | None,
        typer.Option(metavar="URI", help="MLflow. [default: $MLFLOW_TRACKING_URI, else sqlite:///mlflow.db]"),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT|auto",
            envvar="RAY_ADDRESS",  # which a submitted job finds set
            show_envvar=False,
            help="A running Ray cluster; auto is the one here. [default: $RAY_ADDRESS, else a Ray of its own, here]",
        ),
    ] = None,
    gpus_per_cohort: Annotated[
        float | None,
        typer.Option(metavar="FRACTION", help="Share of a GPU per cohort; 0 keeps to the CPU. [default: by memory]"),
    ] = None,
    track_networks: Annotated[
        bool | None,
        typer.Option(
            "--track-networks/--no-track-networks",
            help="An MLflow run for every network. [default: up to 2,000 networks a sweep]",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done; do nothing.")] = False,
    sync: Annotated[bool, typer.Option("--sync", help="Rebuild MLflow from the ledger; train nothing.")] = False,
    list_studies: Annotated[bool, typer.Option("--list", help="List the studies and their sizes.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before a sweep of more than a day.")] = False,
) -> None:
    from raydensity import command, data  # Ray, torch and MLflow: --help need not wait for them
    from raydensity.errors import redacted

    logging.addLevelName(logging.WARNING, "warning")
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING)
    for chatty in ("alembic", "mlflow", "urllib3"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else PLAIN_WIDTH)
    complete = True
    try:
        known = studies()
        if list_studies:
            console.print(command.list_studies(known))
            return
        names = study or list(known)
        settings = command.settings(setting or [], names)
        asked = command.requests(known, names, scale=scale, settings=settings, out=out, readonly=dry_run, shared=ledger)
        options = command.Options(
            data_root=data.resolve_root(None),
            tracking_uri=command.tracking_uri(tracking_uri),
            address=address,
            gpus_per_cohort=gpus_per_cohort,
            track_networks=track_networks,
            confirm=lambda question: _confirm(question, yes=yes),
        )
        if dry_run:
            command.dry_run(asked, options, console)
        elif sync:
            complete = command.sync(asked, options, console)
        else:
            complete = command.run(asked, options, console)
            while complete and (asked := command.grown(asked)):
                complete = command.run(asked, options, console)
    except ValueError as error:
        print(f"error: {redacted(str(error))}", file=sys.stderr)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # at exit Ray's processes are ended, which must be left to end
        print("interrupted: what is finished is safe, and the same command goes on with the rest", file=sys.stderr)
        raise typer.Exit(130) from None
    raise typer.Exit(0 if complete else 1)


def studies() -> dict:
    """Every study there is, by name: the files beside this one that state a STUDY."""
    import sweeps

    names = [module.name for module in pkgutil.iter_modules(sweeps.__path__) if module.name != "run_all"]
    found = [importlib.import_module(f"sweeps.{name}") for name in names]
    return {module.STUDY.name: module.STUDY for module in found if hasattr(module, "STUDY")}


def _confirm(question: str, *, yes: bool) -> None:
    if sys.stdin.isatty() and not yes:
        typer.confirm(question, abort=True)


if __name__ == "__main__":
    app()
