"""What inputs and answers mean: raw rows become what training saw, however few they are, and logits become answers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from raydensity import data, encoding
from raydensity.data import table
from raydensity.data.dataset import Dataset, Description
from raydensity.encoding import (
    CategoryColumn,
    Classes,
    ImageEncoding,
    NumberColumn,
    Quantity,
    TableEncoding,
)
from raydensity.experiment import run_cohort
from raydensity.networks import trained
from raydensity.spec import MLP, Adam, Compression, LastEpoch, NetworkSpec, NoPruning, Training

HOUSES = TableEncoding(
    inputs=7,
    columns=(
        NumberColumn(name="age", input=0, median=30.0, mean=20.0, scale=10.0, missing_input=1),
        CategoryColumn(name="town", values="texts", inputs={"Ulm": 2, "01": 3}),
        CategoryColumn(name="rooms", values="numbers", inputs={"2": 4, "3.5": 5}),
        CategoryColumn(name="garden", values="booleans", inputs={"True": 6}),
    ),
    target="price",
    answer=Quantity(mean=100.0, scale=50.0),
)


# Tables ---------------------------------------------------------------------------------------------------------------


def test_each_column_has_its_inputs() -> None:
    rows = pd.DataFrame(
        {
            "town": ["Ulm", " 01 ", "Bonn", None],
            "price": [1, 2, 3, 4],  # and whatever else there is
            "garden": [True, False, True, False],
            "age": [10, None, 20, 40],
            "rooms": [2, 3.5, 4, None],
        }
    )
    assert HOUSES.encode(rows).tolist() == [
        [-1, 0, 1, 0, 1, 0, 1],
        [1, 1, 0, 1, 0, 1, 0],
        [0, 0, 0, 0, 0, 0, 1],
        [2, 0, 0, 0, 0, 0, 0],
    ]
    assert HOUSES.encode(rows, chosen=np.array([3, 0]))[:, 0].tolist() == [2, -1]
    assert HOUSES.encode(rows[:0]).shape == (0, 7)
    assert HOUSES.answers([[-2.0], [0.5]]).tolist() == [0.0, 125.0]


@pytest.mark.parametrize("rooms", [[2], [2.0], ["2"], ["2.0"], [np.int8(2)], pd.array([2], dtype="Int64")])
@pytest.mark.parametrize("garden", [[True], ["true"], ["TRUE"], pd.array([True], dtype="boolean")])
def test_categories_are_told_apart_by_what_they_are(rooms, garden) -> None:
    """Not by the type that their column happens to have."""
    rows = pd.DataFrame({"age": [20], "town": ["Ulm"], "rooms": rooms, "garden": garden})
    assert HOUSES.encode(rows).tolist() == [[0, 0, 1, 0, 1, 0, 1]]


def test_files_are_read_as_they_are_written(tmp_path: Path) -> None:
    """One row may not show what its column is: this town is no number."""
    (tmp_path / "new.csv").write_text("garden;town;rooms;age\nFALSE;01;3.50;?\n")
    rows = HOUSES.read(tmp_path / "new.csv")
    assert rows.index.tolist() == [2]
    assert HOUSES.encode(rows).tolist() == [[1, 1, 0, 1, 0, 1, 0]]


def test_columns_without_names_go_by_their_number(tmp_path: Path) -> None:
    columns = (
        NumberColumn(name="1", input=0, median=0.0, mean=0.0, scale=1.0),
        CategoryColumn(name="3", values="texts", inputs={"1": 1}),
    )
    encoder = TableEncoding(inputs=2, columns=columns, target="2", answer=Quantity(mean=0.0, scale=1.0))
    (tmp_path / "new.data").write_text("1,2,1\n4,5,01\n")
    assert encoder.encode(encoder.read(tmp_path / "new.data")).tolist() == [[1, 1], [4, 0]]
    assert encoder.encode(pd.read_csv(tmp_path / "new.data", header=None)).tolist() == [[1, 1], [4, 1]]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"age": ["old"]}, "column 'age', row 0: 'old' is no number, which this column takes (as 1234.5)"),
        ({"age": [1e39]}, "column 'age', row 0: '1e+39' is too large a number"),
        ({"age": pd.to_datetime(["2020-01-01"])}, "column 'age' holds times, and no numbers"),
        ({"age": None}, "there is no column 'age'; the network takes age, town, rooms, garden"),
        ({" town": ["Ulm"]}, "two columns are called 'town'"),
    ],
)
def test_rows_that_make_no_sense_are_one_clear_line(changed, said) -> None:
    rows = {"age": [20], "town": ["Ulm"], "rooms": [2], "garden": [True]} | changed
    with pytest.raises(ValueError, match=r".") as caught:
        HOUSES.encode(pd.DataFrame({name: own for name, own in rows.items() if own is not None}))
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"new\.csv is missing"):
        HOUSES.read(tmp_path / "new.csv")
    (tmp_path / "new.csv").write_text("age,town\n1,2,3\n")
    with pytest.raises(ValueError, match=r"new\.csv cannot be read as a table: its rows have more cells"):
        HOUSES.read(tmp_path / "new.csv")
    (tmp_path / "new.csv").write_text("age,town,rooms,garden\n1,Ulm,2,True\nx,Ulm,2,True\n")
    with pytest.raises(ValueError, match="column 'age', row 3: 'x' is no number"):
        HOUSES.encode(HOUSES.read(tmp_path / "new.csv"))


missing = st.sampled_from(["", "?", "NA"])
KINDS = {
    "number": st.floats(-1e6, 1e6).map(lambda number: f"{number:.6g}") | missing,
    "count": st.integers(0, 30).map(str),
    "text": st.sampled_from(["a", " b", "01", "1", "c,d", "True"]) | missing,
    "integer": st.integers(0, 3).map(str),
    "sometimes": st.integers(0, 3).map(str) | missing,
    "boolean": st.sampled_from(["True", "False"]),
    "perhaps": st.sampled_from(["true", "false"]) | missing,
}
CATEGORICAL = ("integer", "sometimes")


@st.composite
def tables(draw) -> pd.DataFrame:
    """Cells as text, every column with two different ones at least; `row` numbers the rows, `answer` repeats itself."""
    size = draw(st.integers(12, 40))
    chosen = draw(st.lists(st.sampled_from(list(KINDS)), unique=True, min_size=1))
    frame = pd.DataFrame({"row": map(str, range(size)), "answer": [str(row % 3) for row in range(size)]})
    for kind in chosen:
        few = draw(st.lists(KINDS[kind], min_size=2, max_size=size // 2))
        cells = [few[place] for place in draw(st.lists(st.integers(0, len(few) - 1), min_size=size, max_size=size))]
        frame[kind] = cells
    return frame


@settings(max_examples=40, deadline=None)
@given(tables(), st.integers(0, 3), st.booleans())
def test_raw_rows_become_what_training_saw(tmp_path_factory, frame: pd.DataFrame, seed: int, classes: bool) -> None:
    """All of them in a file, or some alone, whatever these look like by themselves."""
    folder = tmp_path_factory.mktemp("table")
    frame.to_csv(folder / "rows.csv", index=False)
    task = "classification" if classes else "regression"
    categorical = tuple(name for name in CATEGORICAL if name in frame)
    try:
        known = table.examine("rows.csv", target="answer", task=task, categorical=categorical, root=folder)
    except ValueError:  # a column is constant, or partly of numbers
        return
    arrays = table.source(known, seed).read(folder)
    encoder = encoding.parse(arrays.encoding.model_dump_json())
    assert encoder == arrays.encoding
    inputs = encoder.encode(encoder.read(folder / "rows.csv"))
    seen = torch.cat([arrays.train_images, arrays.test_images]).numpy()
    place = next(column.input for column in encoder.columns if column.name == "row")
    in_order = np.argsort(seen[:, place])
    np.testing.assert_array_equal(inputs, seen[in_order])
    answered = torch.cat([arrays.train_labels, arrays.test_labels]).numpy()[in_order]
    logits = np.eye(3)[answered] if classes else answered[:, None]
    np.testing.assert_allclose(encoder.answers(logits).astype(float), frame["answer"].astype(float), atol=1e-6)
    for row in (0, 5):
        some = frame.drop(columns="answer").iloc[row : row + 1 + row // 5]
        some.to_csv(folder / "some.csv", index=False, sep=";")
        part = encoder.encode(encoder.read(folder / "some.csv"))
        np.testing.assert_array_equal(part, inputs[row : row + len(some)])


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_an_exported_network_answers_raw_rows(tmp_path: Path, task: str) -> None:
    """As the network itself does its test rows, in words and in the target's units."""
    generator = np.random.default_rng(0)
    frames = {}
    for name, size in (("rows", 90), ("later", 30)):
        frame = pd.DataFrame({"age": generator.integers(1, 90, size), "town": generator.choice(["Ulm", "Bonn"], size)})
        frame["rooms"] = generator.integers(1, 4, size)
        large = frame["age"] + 20 * (frame["town"] == "Ulm") > 50
        frame["price"] = np.where(large, "high", "low") if task == "classification" else 3.0 * frame["age"] + 500
        frame["age"] = frame["age"].where(generator.random(size) > 0.1)
        frame["town"] = frame["town"].where(generator.random(size) > 0.1)
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
        frames[name] = frame
    options = {"target": "price", "task": task, "categorical": ("rooms",), "test_source": "later.csv"}
    spec = NetworkSpec(
        dataset=table.examine("rows.csv", **options, root=tmp_path),
        architecture=MLP(width=1, hidden=(8, 8)),
        initializer="he_normal",
        training=Training(optimizer=Adam(learning_rate=1e-2), batch_size=16, max_epochs=20, stopping=LastEpoch()),
        compression=Compression(method="output_deviation", level=0.5),
        pruning=NoPruning(),
        measures=("export",),
        init_seed=0,
        data_seed=0,
    )
    [row] = run_cohort([spec], data_root=tmp_path).to_pylist()
    encoder = encoding.parse(row["exported_encoding"])
    seen = data.load(spec.dataset, data_root=tmp_path).test_images
    inputs = encoder.encode(encoder.read(tmp_path / "later.csv"))
    np.testing.assert_array_equal(inputs, seen)
    np.testing.assert_array_equal(encoder.encode(frames["later"].drop(columns="price")), seen)
    session = onnxruntime.InferenceSession(row["exported_onnx"], providers=["CPUExecutionProvider"])
    [logits] = session.run(["logits"], {"inputs": inputs})
    [network] = trained([spec], data_root=tmp_path)
    np.testing.assert_allclose(logits, network(seen).detach(), rtol=1e-5, atol=1e-5)
    given, asked = encoder.answers(logits), frames["later"]["price"]
    assert encoder.target == "price"
    if task == "classification":
        assert (given == asked).mean() == pytest.approx(row["test_accuracy"])
    else:
        error = np.square(given - asked).mean() / encoder.answer.scale**2
        assert error == pytest.approx(row["test_loss"], rel=1e-4)


# Images and others ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [16, 255])
@pytest.mark.parametrize("preprocessing", ["unit", "standardized", "per_image", "crop_28"])
def test_pixels_are_preprocessed_as_in_training(preprocessing: str, scale: int) -> None:
    shape = (3, 32, 30)
    images = torch.randint(scale + 1, (9, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    images[0] = 7  # has no deviation
    known = Description("bytes", shape, 2, len(images), validation_size=0, test_size=0, scale=scale)
    dataset = Dataset(known, images, torch.zeros(9, dtype=torch.int64), images[:0], images[:0, 0, 0, 0].long(), "")
    encoder = data.encoding_of(dataset, preprocessing)
    assert encoding.parse(encoder.model_dump_json()) == encoder
    inputs = encoder.encode(images.numpy())
    assert inputs.dtype == np.float32
    expected = data.normalize(dataset, images, preprocessing).numpy()
    if preprocessing in ("unit", "standardized"):
        np.testing.assert_array_equal(inputs, expected)
    else:  # libraries sum in different orders
        np.testing.assert_allclose(inputs, expected, rtol=1e-4, atol=1e-5)
    for bad in (images.numpy() / 255, images.numpy().astype(np.int64) - 8, images.numpy()[:, :1]):
        with pytest.raises(ValueError, match=r"pixels are not whole numbers|inputs of the shape"):
            encoder.encode(bad)


def test_data_that_are_no_images_are_taken_as_they_are() -> None:
    known = Description("points", (2,), 2, 3, validation_size=0, test_size=0, pixels=False, binary=True)
    points = torch.arange(6.0).view(3, 2)
    dataset = Dataset(known, points, torch.zeros(3, dtype=torch.int64), points[:0], points[:0, 0].long(), "")
    encoder = encoding.parse(data.encoding_of(dataset, "unit").model_dump_json())
    assert encoder.encode(points.numpy()).tolist() == points.tolist()
    assert encoder.answers([[-0.1], [0.1]]).tolist() == ["0", "1"]
    with pytest.raises(ValueError, match=r"inputs of the shape \(2, 3\) are none of \[rows, 2\]"):
        encoder.encode(points.T.numpy())


def test_classes_have_the_names_of_their_data() -> None:
    digits = data.encoding_of(data.load("digits"), "standardized")
    assert isinstance(digits, ImageEncoding)
    assert digits.answers(np.eye(10)[[3, 9]]).tolist() == ["3", "9"]
    assert digits.white == 16


# Answers and JSON -----------------------------------------------------------------------------------------------------


def test_logits_of_another_shape_are_refused() -> None:
    three, number = Classes(names=("a", "b", "c")), Quantity(mean=0.0, scale=1.0)
    assert three.of([[0, 2, 1]]).tolist() == ["b"]
    for answer, logits in ((three, [[1, 2]]), (three, [[1]]), (three, [1, 2, 3]), (number, [[1, 2]]), (number, [1])):
        with pytest.raises(ValueError, match="cannot have the shape"):
            answer.of(logits)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"kind": "sounds"}, "sounds"),
        ({"inputs": 5}, "their inputs are not different ones of 5"),
        ({"columns": []}, "columns"),
        ({"answer": {"kind": "quantity", "mean": 0, "scale": 0}}, "greater than 0"),
        ({"more": 1}, "more"),
    ],
)
def test_json_that_is_no_encoding_is_one_clear_line(changed, said) -> None:
    written = json.dumps(json.loads(HOUSES.model_dump_json()) | changed)
    with pytest.raises(ValueError, match="this is no encoding of a network's inputs: ") as caught:
        encoding.parse(written)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="this is no encoding of a network's inputs: the text: Invalid JSON"):
        encoding.parse(written[:-1])


def test_neither_torch_nor_ray_is_needed() -> None:
    code = "import sys, raydensity.encoding; print({'torch', 'ray', 'mlflow', 'sklearn'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"
