"""An object store on loopback that speaks S3's protocol, to which pyarrow's own client talks."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any

from servers import Server

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nothing", "AWS_EC2_METADATA_DISABLED": "true"}


@contextlib.contextmanager
def running(port: int) -> Iterator[None]:
    """moto's server with the bucket `sweeps`; its content goes with it."""
    server = Server([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], port)
    try:
        os.environ.update(CREDENTIALS)
        client(port).create_bucket(Bucket="sweeps")
        yield
    finally:
        server.stop()


def client(port: int) -> Any:
    """Of Amazon's own library, which writes what names it is told."""
    import boto3

    return boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}", region_name="us-east-1")


def uri(port: int, folder: str) -> str:
    return f"s3://sweeps/{folder}?endpoint_override=127.0.0.1:{port}&scheme=http&region=us-east-1"
