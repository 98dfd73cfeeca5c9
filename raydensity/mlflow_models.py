"""Exported networks as models of MLflow: ONNX, with the state dict and what inputs and answers mean beside it, and
nothing that has to be unpickled.

mlflow.onnx.load_model("models:/m-...") gives the network, mlflow.pyfunc.load_model one that answers arrays, and
raydensity.encoding.parse(model.metadata.metadata["encoding"]) what makes such arrays.
"""

from __future__ import annotations

import importlib
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import Message
from mlflow import MlflowClient
from mlflow.entities import LoggedModelOutput, Metric
from mlflow.models import ModelSignature
from mlflow.onnx import get_default_pip_requirements, save_model
from mlflow.types import Schema, TensorSpec

from raydensity.mlflow_store import NETWORK

with warnings.catch_warnings():
    # What mlflow.onnx loads when it is used: it warns of a part of its own that is not wanted here.
    warnings.filterwarnings("ignore", ".*Any type hint is inferred", UserWarning)
    importlib.import_module("mlflow.pyfunc")

STATE, ENCODING = "state.safetensors", "encoding.json"
TOLD = ("dataset", "data_seed", "preprocessing", "task", "compression", "level", "parameters", "parameters_after")
SCORES = ("test_accuracy", "test_loss", "validation_accuracy", "validation_loss")
NOT_IN_NAMES = str.maketrans(dict.fromkeys("/:.%\"'", "-"))


def log_model(client: MlflowClient, experiment_id: str, run_id: str, row: dict[str, Any]) -> str:
    """Log the exported network of a record's row as a model that the run has made; returns its id (m-...).

    It takes inputs [batch, ...] as its encoding (`raydensity.encoding`) makes them of rows or images: that stands in a
    file beside it, and in its metadata. Records of before there were encodings have none.
    """
    network = _network(row["exported_onnx"])
    told = {key: str(row[key]) for key in TOLD if row.get(key) is not None}
    name = f"{row['dataset']} {row['compression']} {row['parameters_after']}".translate(NOT_IN_NAMES)
    model = client.create_logged_model(
        experiment_id, name, source_run_id=run_id, tags={NETWORK: row["network_id"]}, params=told, model_type="onnx"
    )
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder) / "model"
        beside = {STATE: row["exported_state"]}
        if row.get("exported_encoding"):
            beside[ENCODING] = row["exported_encoding"].encode()
        for file, content in beside.items():
            (Path(folder) / file).write_bytes(content)
        save_model(
            network,
            str(files),
            signature=ModelSignature(inputs=_schema(network.graph.input), outputs=_schema(network.graph.output)),
            pip_requirements=get_default_pip_requirements(),  # else it loads the model to find them
            extra_files=[(Path(folder) / file).as_uri() for file in beside],
            metadata=told | ({"encoding": row["exported_encoding"]} if ENCODING in beside else {}),
        )
        client.log_model_artifacts(model.model_id, str(files))
    client.finalize_logged_model(model.model_id, "READY")
    client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])
    now = int(time.time() * 1000)
    scores = [Metric(key, row[key], now, 0, model_id=model.model_id) for key in SCORES if row[key] is not None]
    client.log_batch(run_id, scores)
    return model.model_id


def _network(content: bytes) -> onnx.ModelProto:
    """The ONNX model of a record. ValueError where a part of it is said to be in another file: that may be any file of
    this machine, and whoever can write to a shared ledger would choose it."""
    network = onnx.load_from_string(content)
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in _tensors(network)):
        raise ValueError("an exported network refers to files outside its record")
    return network


def _tensors(message: Message) -> Iterator[onnx.TensorProto]:
    """The tensors in a message of protobuf, however deep."""
    if isinstance(message, onnx.TensorProto):
        yield message
    for field, value in message.ListFields():
        if field.message_type is not None:
            for part in value if isinstance(value, Sequence) else [value]:
                yield from _tensors(part)


def _schema(values: Sequence[onnx.ValueInfoProto]) -> Schema:
    """Of float arrays, the length of whose first dimension is open."""
    return Schema([TensorSpec(np.dtype(np.float32), _shape(value), value.name) for value in values])


def _shape(value: onnx.ValueInfoProto) -> tuple[int, ...]:
    return tuple(size.dim_value if size.HasField("dim_value") else -1 for size in value.type.tensor_type.shape.dim)
