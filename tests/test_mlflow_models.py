"""Exported networks are models in MLflow: they can be loaded from there, and go with the run that they belong to."""

from __future__ import annotations

from pathlib import Path

import mlflow
import numpy as np
import onnx
import pyarrow as pa
import pytest
import torch
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from safetensors.torch import load_file
from synthetic import new_store
from test_refinement import network
from tracked import ledger_of, opened, pointed_at, runs

from raydensity import data, encoding
from raydensity.experiment import run_cohort
from raydensity.networks import trained
from raydensity.record import completed
from raydensity.spec import Compression

RULE = Compression(method="output_deviation", level=0.5)


@pytest.fixture(scope="module")
def spec():
    return network(RULE).model_copy(update={"measures": ("export",)})


@pytest.fixture(scope="module")
def record(spec):
    return run_cohort([spec])


def models(uri):
    client = MlflowClient(uri)
    return client.search_logged_models([each.experiment_id for each in client.search_experiments()])


@pytest.mark.parametrize("networks", [True, False])
def test_an_exported_network_is_a_model_that_answers(spec, record, tmp_path, networks) -> None:
    uri, ledger = new_store(tmp_path), ledger_of(tmp_path)
    opened(uri, record, networks=networks).track(ledger.write(record), record)
    [model] = models(uri)
    [run] = runs(uri, "network" if networks else "cohort")
    [row] = record.to_pylist()
    assert model.source_run_id == run.info.run_id
    assert [output.model_id for output in run.outputs.model_outputs] == [model.model_id]
    assert model.tags["raydensity.network_id"] == row["network_id"]
    assert model.params["compression"] == "output_deviation"
    assert model.params["parameters_after"] == str(row["parameters_after"])
    assert {each.key: each.value for each in model.metrics}["test_accuracy"] == row["test_accuracy"]
    wine = data.load(spec.dataset)
    expected = trained([spec])[0](wine.test_images).detach()
    with pointed_at(uri):
        loaded = mlflow.pyfunc.load_model(f"models:/{model.model_id}")
        answers = loaded.predict(wine.test_images.numpy())
        files = Path(download_artifacts(f"models:/{model.model_id}", dst_path=str(tmp_path / "got")))
    torch.testing.assert_close(torch.from_numpy(answers["logits"]), expected, atol=1e-5, rtol=1e-5)
    assert loaded.metadata.metadata["encoding"] == row["exported_encoding"]
    [written] = files.rglob("encoding.json")
    encoder = encoding.parse(written.read_text())
    assert encoder == data.load(spec.dataset).encoding
    right = (encoder.answers(answers["logits"]).astype(int) == wine.test_labels.numpy()).mean()
    assert right == row["test_accuracy"]
    [state] = files.rglob("*.safetensors")
    assert sum(each.numel() for each in load_file(state).values()) == row["parameters_after"]
    assert {each.suffix for each in files.rglob("*") if each.is_file()} <= {
        ".onnx",
        ".safetensors",
        ".json",
        ".yaml",
        ".txt",
        "",
    }


def test_a_record_of_before_there_were_encodings_has_a_model(record, tmp_path) -> None:
    uri, ledger = new_store(tmp_path), ledger_of(tmp_path)
    old = completed(record.drop_columns(["exported_encoding"]))
    opened(uri, old).track(ledger.write(old), old)
    [model] = models(uri)
    with pointed_at(uri):
        metadata = mlflow.pyfunc.load_model(f"models:/{model.model_id}").metadata.metadata
    assert "encoding" not in metadata
    assert metadata["compression"] == "output_deviation"


def test_models_go_with_their_run(record, tmp_path) -> None:
    """A cohort that is written anew, as its record is another, has its models once."""
    uri, ledger = new_store(tmp_path), ledger_of(tmp_path)
    tracker = opened(uri, record)
    tracker.track(ledger.write(record), record)
    [before] = models(uri)
    scores = record["test_accuracy"].to_numpy() * np.float64(0.5)
    changed = record.set_column(record.column_names.index("test_accuracy"), "test_accuracy", [scores])
    tracker.track(ledger.write(changed), changed)
    [after] = models(uri)
    assert after.model_id != before.model_id


@pytest.mark.parametrize("where", ["initializer", "attribute"])
def test_an_exported_network_that_names_other_files_is_refused(record, tmp_path, where) -> None:
    """A record may come from a shared ledger: it must not choose what is read or written on this machine."""
    [row] = record.to_pylist()
    network = onnx.load_from_string(row["exported_onnx"])
    tensor = network.graph.initializer[0]
    if where == "attribute":
        node = network.graph.node.add(op_type="Constant", output=["constant"])
        node.attribute.add(name="value", type=onnx.AttributeProto.TENSOR, t=tensor)
        tensor = node.attribute[0].t
    onnx.external_data_helper.set_external_data(tensor, "../../elsewhere")
    changed = pa.Table.from_pylist([row | {"exported_onnx": network.SerializeToString()}], schema=record.schema)
    uri, ledger = new_store(tmp_path), ledger_of(tmp_path)
    with pytest.raises(ValueError, match="refers to files outside its record"):
        opened(uri, changed).track(ledger.write(changed), changed)
    assert not list(tmp_path.rglob("elsewhere"))
