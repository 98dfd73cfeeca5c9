"""`python -m analysis STUDY`: the report of a study from its tracked runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from analysis import analyse, draw_network, reports


def main(
    study: Annotated[str, typer.Argument(help=f"One of {', '.join(reports())}.")],
    out: Annotated[Path | None, typer.Option(help="Folder to write to; results/report/STUDY by default.")] = None,
    tracking_uri: Annotated[
        str | None, typer.Option(help="MLflow; MLFLOW_TRACKING_URI, else mlflow.db in this folder by default.")
    ] = None,
    scale: Annotated[str | None, typer.Option(help="The latest sweep of this scale.")] = None,
    sweep: Annotated[str | None, typer.Option(help="The sweep with this id.")] = None,
    tolerance: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="Of frivolous, in place of the paper's: changed=0.3, unexplained=0.1, by_position=true.",
        ),
    ] = None,
    network: Annotated[
        str | None, typer.Option(metavar="ID", help="Of sparsest: draw the network whose id begins so instead.")
    ] = None,
) -> None:
    """Pull the runs of a study from MLflow and write report.html, figures and tables.

    A ledger without a tracking database: python sweeps/run_all.py --sync, with the options of the sweep, makes it anew.
    """
    from raydensity.errors import redacted
    from raydensity.mlflow_store import chosen_uri

    folder = out or Path("results", "report", study)
    try:
        uri = chosen_uri(tracking_uri)
        if network is None:
            own = tolerance or []
            paths = [analyse(study, out=folder, tracking_uri=uri, scale=scale, sweep=sweep, tolerances=own)]
        else:
            paths = draw_network(study, network, out=folder, tracking_uri=uri, scale=scale, sweep=sweep)
    except ValueError as error:
        typer.echo(f"error: {redacted(str(error))}", err=True)
        raise typer.Exit(2) from None
    for path in paths:
        typer.echo(path)


if __name__ == "__main__":
    typer.run(main)
