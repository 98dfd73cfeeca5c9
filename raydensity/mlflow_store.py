"""The MLflow store, for those who write to it (tracking) and those who read from it (analysis). Imports no torch."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import unquote, urlparse, urlsplit
from urllib.request import url2pathname

from mlflow import MlflowClient
from mlflow.entities import Run
from sqlalchemy import URL, make_url

from raydensity.errors import redacted

PAGE = 1000  # runs a request: a server takes about 2 ms for each, and has 20 s
IDS = 200  # network ids a tag: a tag holds 5000 characters

KIND, COHORT, NETWORK = "raydensity.kind", "raydensity.cohort_id", "raydensity.network_id"
NETWORKS = "raydensity.network_ids."  # of a cohort's run, followed by a number
RECORD, CELLS = "record.parquet", "cells.parquet"


def default_uri() -> str:
    """`MLFLOW_TRACKING_URI`, else the SQLite file in the working folder."""
    return os.environ.get("MLFLOW_TRACKING_URI") or database_uri(Path("mlflow.db"))


def chosen_uri(given: str | None) -> str:
    """The URI that a command line has `given`, else `default_uri()`.

    User and password of a server go where MLflow looks for them as well, so that they are in nothing to which the URI
    goes. ValueError, in one line, where they were given: others see command lines.
    """
    uri = given or default_uri()
    try:
        parts = urlsplit(uri)
        parts.port  # noqa: B018 - it is parsed when it is asked for
    except ValueError:
        raise ValueError(f"--tracking-uri: {redacted(uri)} is no URI; a password has %2F for /, %40 for @") from None
    if not parts.password:
        return uri
    if given:
        raise ValueError(
            "--tracking-uri: a password does not belong on a command line, which others see; MLFLOW_TRACKING_USERNAME "
            "and MLFLOW_TRACKING_PASSWORD may have it, or MLFLOW_TRACKING_URI"
        )
    if parts.scheme in ("http", "https"):
        uri = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        os.environ["MLFLOW_TRACKING_USERNAME"] = unquote(parts.username or "")
        os.environ["MLFLOW_TRACKING_PASSWORD"] = unquote(parts.password)
        os.environ["MLFLOW_TRACKING_URI"] = uri
    return uri


def database(uri: str) -> Path | None:
    """The absolute path of the file that a SQLite URI names, None for a URI of another kind."""
    if not uri.startswith("sqlite:///"):
        return None
    # Asked of the driver: SQLAlchemy unquotes since 2.1, and did not before.
    return Path(make_url(uri).database or "").absolute()


def database_uri(path: Path) -> str:
    """The URI of a SQLite file."""
    path = path.absolute()
    plain = f"sqlite:///{path}"
    # Quoted only where it must be: MLflow makes the folder that it reads in a URI, and does not unquote.
    return plain if database(plain) == path else URL.create("sqlite", database=str(path)).render_as_string()


def search(client: MlflowClient, experiment_id: str, condition: str) -> Iterator[Run]:
    """All runs of an experiment that fit an MLflow filter. Delete none of them before the last has come."""
    token = None
    while True:
        page = client.search_runs([experiment_id], condition, max_results=PAGE, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def of_kind(kind: str) -> str:
    """The filter for `sweep`, `cohort` or `network`."""
    return f"tags.`{KIND}` = '{kind}'"


def newest_last(runs: Iterable[Run]) -> list[Run]:
    """Where two cohort runs hold the same network, the newer one is right."""
    return sorted(runs, key=lambda run: run.info.start_time)


def network_tags(network_ids: list[str]) -> dict[str, str]:
    """The tags by which a cohort's run says which networks it holds."""
    parts = [network_ids[start : start + IDS] for start in range(0, len(network_ids), IDS)]
    return {f"{NETWORKS}{number}": ",".join(part) for number, part in enumerate(parts)}


def network_ids(run: Run) -> set[str]:
    """The networks that a cohort's run holds; none where it does not say."""
    return {network for key, value in run.data.tags.items() if key.startswith(NETWORKS) for network in value.split(",")}


def artifact_folder(run: Run) -> Path | None:
    """The folder with a run's artifacts where they are files of this machine, else None."""
    parsed = urlparse(run.info.artifact_uri)
    return Path(url2pathname(parsed.path)) if parsed.scheme in ("", "file") else None


def artifact_size(client: MlflowClient, run: Run, name: str) -> int | None:
    """Bytes of an artifact, None where it is not there. A file of this machine costs no request."""
    folder = artifact_folder(run)
    if folder is not None:
        return (folder / name).stat().st_size if (folder / name).is_file() else None
    return next((file.file_size for file in client.list_artifacts(run.info.run_id) if file.path == name), None)


def delete_models(client: MlflowClient, experiment_id: str, run_id: str) -> None:
    """Delete the models that a run has made."""
    condition = f"source_run_id = '{run_id}'"
    while models := client.search_logged_models([experiment_id], condition):  # a page of them: what is deleted is gone
        for model in models:
            client.delete_logged_model(model.model_id)
