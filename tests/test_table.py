"""Tables: what is read from files of all kinds, what is said of bad ones, and what is fitted to training rows alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from raydensity import data
from raydensity.data import table
from raydensity.data.columns import Column, examined
from raydensity.data.fitting import fitted, ordered
from raydensity.encoding import reading
from raydensity.encoding.reading import read_frame

ROWS = 30
HEADER = "age,town,price\n"


def rows(count: int = ROWS) -> list[str]:
    return [f"{20 + row % 7},{('Ulm', 'Bonn', 'Trier')[row % 3]},{row / 4}" for row in range(count)]


def written(folder: Path, lines: list[str], header: str = HEADER, name: str = "houses.csv") -> Path:
    (folder / name).write_text(header + "\n".join(lines) + "\n")
    return folder


def houses(folder: Path, **options):
    return table.examine("houses.csv", **{"target": "price", "task": "regression", "root": folder, **options})


# Reading --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "options", "rows", "test_rows", "inputs", "classes"),
    [
        ("uci/iris.csv", {"target": "5"}, 150, 0, 4, 3),
        ("uci/wine.csv", {"target": "14"}, 178, 0, 13, 3),
        # 9 columns of numbers, one of them with missing ones; the first is the patient.
        ("uci/breast-cancer-wisconsin.data", {"target": "11", "dropped": ("1",)}, 699, 0, 10, 2),
        ("uci/abalone.csv", {"target": "9", "task": "regression"}, 4177, 0, 10, 0),
        ("uci/boston-housing.data", {"target": "14", "task": "regression"}, 506, 0, 13, 0),
        ("uci/california-housing.csv", {"target": "median_house_value", "task": "regression"}, 20640, 0, 14, 0),
        # 6 numbers, and the categories of 8 columns: 8 16 7 14 6 5 2 41.
        ("uci/adult-train.csv", {"target": "15", "test_source": "uci/adult-test.csv"}, 32561, 16281, 105, 2),
    ],
)
def test_tables_of_uci(data_root: Path, source, options, rows, test_rows, inputs, classes) -> None:
    """Rows as the publishers count them; some with a header, blanks, semicolons or nothing between the columns."""
    if not (data_root / "uci").is_dir():
        pytest.skip("no tables of UCI in the data folder")
    found = table.examine(source, **{"task": "classification", **options}, root=data_root)
    assert (found.rows, found.test_rows, found.inputs, found.classes) == (rows, test_rows, inputs, classes)
    loaded = data.load(found, data_root=data_root, data_seed=3)
    known = loaded.description
    assert loaded.train_images.shape == (known.train_size, inputs)
    assert known.train_size + known.test_size == rows + test_rows
    assert loaded.train_images.isfinite().all()
    assert loaded.test_images.isfinite().all()


@pytest.mark.parametrize(
    ("name", "rows", "inputs", "classes"),
    [("iris", 150, 4, 3), ("wine", 178, 13, 3), ("breast_cancer", 569, 30, 2), ("diabetes", 442, 10, 0)],
)
def test_tables_of_scikit_learn(name, rows, inputs, classes, tmp_path) -> None:
    task = "classification" if classes else "regression"
    found = table.examine(f"scikit-learn/{name}", target="target", task=task, root=tmp_path)
    assert (found.rows, found.inputs, found.classes, found.title) == (rows, inputs, classes, name)


def test_a_table_is_the_same_however_it_is_written(tmp_path: Path) -> None:
    plain = written(tmp_path, rows())
    frame = read_frame(plain / "houses.csv")
    for separator in (";", "\t", "|", ", "):
        name = f"other{ord(separator[0])}.csv"
        (tmp_path / name).write_text((HEADER + "\n".join(rows())).replace(",", separator))
        pd.testing.assert_frame_equal(read_frame(tmp_path / name), frame)
    frame.to_parquet(tmp_path / "other.parquet")
    found = read_frame(tmp_path / "other.parquet")
    assert found.index[0] == 1  # a Parquet file has no row with a header
    pd.testing.assert_frame_equal(found.set_axis(frame.index), frame)


def test_a_file_read_in_parts_is_as_if_it_were_read_at_once(tmp_path: Path, monkeypatch) -> None:
    """Also where its parts look as if they were of different kinds."""
    columns = {
        "code": ["01", "02", "2b"] * 4,  # numbers alone in some parts
        "count": ["1"] * 9 + ["", "2.5", "3"],
        "large": ["9007199254740993"] * 9 + ["0.5"] * 3,
        "huge": ["18446744073709551615", *["1"] * 11],
        "true": ["true"] * 9 + ["maybe"] * 3,
        "owned": ["True"] * 6 + [""] * 3 + ["False"] * 3,
        "seldom": [""] * 6 + ["x"] * 6,
        "never": [""] * 12,
    }
    path = tmp_path / "parts.csv"
    pd.DataFrame(columns).to_csv(path, index=False)
    whole = read_frame(path)
    for rows in (1, 3, 5, 11, 12, 13):
        monkeypatch.setattr(reading, "CELLS", rows * len(columns))
        pd.testing.assert_frame_equal(read_frame(path).astype(object), whole.astype(object))
        monkeypatch.setattr(reading, "CELLS", rows * 2)
        for name in columns:
            pd.DataFrame({"row": range(12), name: columns[name]}).to_csv(tmp_path / "one.csv", index=False)
            pd.testing.assert_series_equal(
                read_frame(tmp_path / "one.csv")[name].astype(object), whole[name].astype(object)
            )


def test_quoted_text_may_hold_what_separates() -> None:
    frame = pd.DataFrame({"a": range(12), "b": ["x,y", "z"] * 6})
    assert examined(frame, target="a", task="regression").columns == [Column("b", ("x,y", "z"), "texts")]


def test_missing_numbers_and_categories(tmp_path: Path) -> None:
    lines = rows()
    lines[4], lines[7] = "?,Ulm,1", "23,?,2"
    found = houses(written(tmp_path, lines))
    assert table._read(found, tmp_path)[0].columns == [
        Column("age", missing=True),
        Column("town", ("Bonn", "Trier", "Ulm"), "texts"),
    ]
    encoding = data.load(found, data_root=tmp_path, data_seed=1).encoding
    inputs = encoding.encode(read_frame(tmp_path / "houses.csv"))
    age, town = encoding.columns
    assert (age.input, age.missing_input, town.inputs) == (0, 1, {"Bonn": 2, "Trier": 3, "Ulm": 4})
    assert inputs[4, 0] == pytest.approx((age.median - age.mean) / age.scale)
    assert inputs[:, 1].nonzero()[0].tolist() == [4]
    assert not inputs[7, 2:].any()
    assert (inputs[:, 2:].sum(1) == 1).sum() == ROWS - 1


def test_columns_can_be_left_out_and_called_categories(tmp_path: Path) -> None:
    folder = written(tmp_path, rows())
    assert houses(folder, dropped=("town",)).inputs == 1
    assert houses(folder, categorical=("age",)).inputs == 7 + 3
    assert houses(folder, target="town", task="classification").classes == 3


def test_what_the_first_row_is_the_target_decides(tmp_path: Path) -> None:
    """Text alone without a header, as UCI's mushrooms; and a header with numbers in it."""
    (tmp_path / "mushrooms.data").write_text(
        "\n".join(f"{'pe'[n % 2]},{'xyz'[n % 3]},{'ab'[n % 2]}" for n in range(30))
    )
    frame = read_frame(tmp_path / "mushrooms.data", header=["1"])
    assert (list(frame.columns), len(frame), frame.index[0]) == (["1", "2", "3"], 30, 1)
    (tmp_path / "years.tsv").write_text("2019\t2020\tsold\n" + "\n".join(f"{n}\t{n % 4}\t{n % 5}" for n in range(30)))
    frame = read_frame(tmp_path / "years.tsv", header=["sold"])
    assert (list(frame.columns), len(frame), frame.index[0]) == (["2019", "2020", "sold"], 30, 2)


def test_parquet_says_which_columns_are_categories_and_times(tmp_path: Path) -> None:
    frame = pd.DataFrame({"zip": [n % 3 for n in range(30)], "price": [float(n) for n in range(30)]})
    frame.astype({"zip": "category"}).to_parquet(tmp_path / "houses.parquet")
    found = table.examine("houses.parquet", target="price", task="regression", root=tmp_path)
    assert table._read(found, tmp_path)[0].columns == [Column("zip", ("0", "1", "2"), "numbers")]
    frame["sold"] = pd.date_range("2020-01-01", periods=30)
    frame.loc[3, "sold"] = pd.NaT
    frame.to_parquet(tmp_path / "houses.parquet")
    with pytest.raises(ValueError, match="column 'sold' holds times"):
        table.examine("houses.parquet", target="price", task="regression", root=tmp_path)
    frame.rename(columns={"sold": "zip "}).to_parquet(tmp_path / "houses.parquet")
    with pytest.raises(ValueError, match="two columns are called 'zip'"):
        table.examine("houses.parquet", target="price", task="regression", root=tmp_path)


def test_parquet_has_columns_and_an_index_of_any_name(tmp_path: Path) -> None:
    """The index is no column, and what has no name goes by its number."""
    frame = pd.DataFrame({0: [1.5, 2.5], 1: ["a", None]}, index=pd.Index(["x", "y"], name="patient"))
    frame.to_parquet(tmp_path / "rows.parquet")
    found = read_frame(tmp_path / "rows.parquet")
    assert found.index.tolist() == [1, 2]
    assert found.astype(object).where(found.notna(), None).to_dict("list") == {"1": [1.5, 2.5], "2": ["a", None]}


def test_full_stops_go_where_test_rows_alone_have_them(tmp_path: Path) -> None:
    """As in adult; elsewhere a full stop is part of the text."""
    (tmp_path / "train.csv").write_text("a,b\n" + "\n".join(f"{n},{'xy'[n % 2]}" for n in range(20)))
    (tmp_path / "test.csv").write_text("a,b\n" + "\n".join(f"{n},{'xy'[n % 2]}." for n in range(20)))
    options = {"target": "b", "task": "classification", "root": tmp_path}
    assert table.examine("train.csv", test_source="test.csv", **options).classes == 2
    (tmp_path / "stops.csv").write_text("a,b\n" + "\n".join(f"{n},{['x', 'x.'][n % 2]}" for n in range(20)))
    assert table.examine("stops.csv", **options).classes == 2


# What is said of bad tables -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "options", "said"),
    [
        (rows(), {"target": "cost"}, "houses.csv: target: there is no column 'cost'; there is age, town, price"),
        (rows(), {"dropped": ("cost",)}, "dropped: there is no column 'cost'"),
        (rows(), {"categorical": ("cost",)}, "categorical: there is no column 'cost'"),
        ([f"1,Ulm,{row}" for row in range(ROWS)], {}, "column 'age' is constant, '1' in all rows: leave it out"),
        ([f"{row},Ulm,7" for row in range(ROWS)], {}, "target: column 'price' is constant, '7' in all rows"),
        ([*rows(), "old,Ulm,7"], {}, "column 'age', row 32: 'old' is no number, and 30 others are"),
        ([*rows(), "1,Ulm,cheap"], {}, "column 'price', row 32: 'cheap' is no number, which a regression needs"),
        ([*rows(), "1,Ulm,"], {}, "target: column 'price' has nothing in 1 rows, the first of them row 32"),
        ([*rows(), "inf,Ulm,7"], {}, "column 'age', row 32: 'inf' is too large a number"),
        ([*rows(), "1,Ulm,-1e300"], {}, "column 'price', row 32: '-1e+300' is too large a number"),
        ([f"{row},$1{row}%,{row}" for row in range(9, 40)], {}, "which is as 1234.5: mend it"),
        ([f"{row % 7},n{row % 20},{row}" for row in range(30)], {}, "has 20 different texts in 30 rows: leave it out"),
        (rows(), {"categorical": ("age",), "target": "town", "task": "regression"}, "'Ulm' is no number"),
        (rows(), {"task": "classification"}, "target: column 'price' has 30 classes in 30 rows"),
        (rows(5), {}, "there are 5 rows; at least 10 are needed"),
        ([f"{row % 7},n{row},{row}" for row in range(200)], {}, "column 'town' has 200 different texts, more than 100"),
        (rows(), {"dropped": ("age", "town")}, "no column is left to answer 'price' from"),
        (["1,2,3,4", *rows()], {}, "cannot be read as a table"),
        ([], {}, "houses.csv: there are 0 rows"),
    ],
)
def test_a_bad_table_is_one_clear_line(tmp_path: Path, lines, options, said) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        houses(written(tmp_path, lines), **options)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bad_files(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"houses\.csv is missing"):
        houses(tmp_path)
    for source in ("/etc/passwd", "../houses.csv", "a/../../houses.csv"):
        with pytest.raises(ValueError, match="files under the data root"):
            table.examine(source, target="price", task="regression", root=tmp_path)
    (tmp_path / "houses.csv").write_text("")
    with pytest.raises(ValueError, match=r"houses\.csv cannot be read as a table: it is empty"):
        houses(tmp_path)
    (tmp_path / "houses.csv").write_bytes(b"\xff\xfe\x00\x81" * 9)
    with pytest.raises(ValueError, match=r"houses\.csv cannot be read as a table"):
        houses(tmp_path)
    (tmp_path / "houses.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(ValueError, match=r"houses\.parquet cannot be read as a table"):
        table.examine("houses.parquet", target="price", task="regression", root=tmp_path)
    written(tmp_path, rows(), header="age,age,price\n")
    with pytest.raises(ValueError, match=r"two columns are called 'age'"):
        houses(tmp_path)
    with pytest.raises(ValueError, match=r"scikit-learn has iris, wine, breast_cancer, diabetes"):
        table.examine("scikit-learn/boston", target="target", task="regression", root=tmp_path)


def test_a_file_that_changes_is_noticed(tmp_path: Path) -> None:
    """Between the plan of a sweep and its training, or between two machines."""
    planned = houses(written(tmp_path, rows()))
    data.check(planned, tmp_path)
    written(tmp_path, [*rows(), "21,Ulm,9"])
    with pytest.raises(ValueError, match=r"houses\.csv: the file has changed"):
        data.check(planned, tmp_path)
    assert houses(tmp_path).digest != planned.digest
    (tmp_path / "houses.csv").unlink()
    with pytest.raises(ValueError, match=r"houses\.csv is missing"):
        data.check(planned, tmp_path)


def test_test_rows_of_a_file_of_their_own(tmp_path: Path) -> None:
    written(tmp_path, rows(20), name="later.csv")
    found = houses(written(tmp_path, rows()), test_source="later.csv")
    loaded = data.load(found, data_root=tmp_path)
    assert (found.rows, found.test_rows) == (30, 20)
    assert (loaded.description.train_size, loaded.description.test_size) == (30, 20)
    written(tmp_path, rows(20), header="age,city,price\n", name="later.csv")
    with pytest.raises(ValueError, match=r"later\.csv: its columns are not those of houses\.csv"):
        houses(tmp_path, test_source="later.csv")


def test_a_fault_is_told_under_the_file_that_has_it(tmp_path: Path) -> None:
    for training, testing, said in (
        (rows(), [*rows(20), "old,Ulm,7"], "column 'age', row 22 of later.csv: 'old' is no number, and 50 others are"),
        ([*rows(), "old,Ulm,7"], rows(20), "column 'age', row 32 of houses.csv: 'old' is no number, and 50 others are"),
        (rows(), ["21,Ulm,"], "target: column 'price' has nothing in 1 rows, the first of them row 2 of later.csv"),
        (["1,Ulm,1", "1,Bonn,2"] * 9, ["1,Ulm,2"], "houses.csv and later.csv: column 'age' is constant"),
    ):
        written(tmp_path, testing, name="later.csv")
        with pytest.raises(ValueError, match=r".") as caught:
            houses(written(tmp_path, training), test_source="later.csv")
        assert said in str(caught.value)


# What is fitted -------------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 3), min_size=4, max_size=200), st.integers(0, 5))
def test_every_stretch_of_the_order_has_its_share_of_each_class(classes: list[int], seed: int) -> None:
    labels = np.array(classes)
    order = ordered(labels, seed)
    assert sorted(order.tolist()) == list(range(len(labels)))
    for start, end in ((0, len(labels) // 3), (len(labels) // 3, len(labels))):
        own = labels[order[start:end]]
        for each in set(classes):
            expected = (labels == each).mean() * (end - start)
            # The bounds of a stretch are those of all classes together: off by one for each of them at most.
            assert abs((own == each).sum() - expected) <= len(set(classes)) + 1


def test_orders_are_drawn_by_their_seed() -> None:
    labels = np.zeros(50)
    assert (ordered(labels, 1) == ordered(labels, 1)).all()
    assert (ordered(labels, 1) != ordered(labels, 2)).any()


def test_booleans_may_be_missing(tmp_path: Path) -> None:
    """pandas makes objects of them."""
    lines = [f"{('true', 'false', '')[row % 3]},{row}" for row in range(ROWS)]
    found = houses(written(tmp_path, lines, header="garden,price\n"))
    assert table._read(found, tmp_path)[0].columns == [Column("garden", ("False", "True"), "booleans")]


def test_scales_are_those_of_the_training_rows_alone(tmp_path: Path) -> None:
    """Whatever the other rows hold, the training rows look the same."""
    generator = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"a": generator.normal(5, 3, 40), "b": generator.integers(0, 2, 40), "y": generator.normal(7, 2, 40)}
    )
    frame.loc[3, "a"] = np.nan
    frame.loc[35, "b"] = 2  # a category that no training row has
    found = examined(frame, target="y", task="regression", categorical=("b",))
    training = np.arange(30)
    first = fitted(found, target="y", training=training)
    inputs = first.encode(frame)
    own = inputs[:30, 0]
    assert own.mean() == pytest.approx(0, abs=1e-6)
    assert own.std() == pytest.approx(1, abs=1e-6)
    assert first.columns[0].median == frame["a"][:30].median()
    assert inputs[3, 0] == pytest.approx((frame["a"][:30].median() - first.columns[0].mean) / first.columns[0].scale)
    assert (inputs[:35, 2] == (frame["b"] == 0)[:35]).all()
    assert (first.inputs, first.columns[1].inputs) == (5, {"0": 2, "1": 3})
    assert not inputs[35, 2:].any()
    answers = first.answer.standardized(found.answers)
    assert answers[:30].mean() == pytest.approx(0, abs=1e-6)
    assert answers[:30].std() == pytest.approx(1, abs=1e-6)
    assert first.answers(answers[:, None]) == pytest.approx(frame["y"].to_numpy())
    frame.loc[30:, ["a", "y"]] = 1000
    again = examined(frame, target="y", task="regression", categorical=("b",))
    assert fitted(again, target="y", training=training) == first


@pytest.mark.parametrize("seed", [0, 1])
def test_a_loaded_table_is_scaled_by_the_rows_that_train(seed: int) -> None:
    """Exactly by these: not by those to validate on, which stand in the same tensors, nor by those to test on."""
    diabetes = table.examine("scikit-learn/diabetes", target="target", task="regression", root=Path())
    loaded = data.load(diabetes, data_seed=seed)
    training, validation = data.split(loaded, seed)
    inputs, answers = loaded.train_images.double(), loaded.train_labels.double()
    own = torch.cat([inputs, answers[:, None]], dim=1)
    assert sorted([*training.tolist(), *validation.tolist()]) == list(range(len(own)))
    everything = torch.cat([own, torch.cat([loaded.test_images, loaded.test_labels[:, None]], dim=1).double()])
    assert own[training].mean(0).abs().max() < 1e-6
    assert (own[training].std(0, correction=0) - 1).abs().max() < 1e-6
    for others in (own, everything, own[validation]):
        assert others.mean(0).abs().max() > 1e-3
        assert (others.std(0, correction=0) - 1).abs().max() > 1e-3


def test_parts_are_drawn_by_the_data_seed() -> None:
    iris = table.examine("scikit-learn/iris", target="target", task="classification", root=Path())
    first, again, other = (data.load(iris, data_seed=seed) for seed in (0, 0, 1))
    assert first is again
    assert first.digest != other.digest
    later = data.load(iris, data_seed=0)
    assert later is not first  # only the last one is kept: a worker meets all seeds of a large table
    assert later.digest == first.digest
    known = first.description
    assert (known.fitted_size, known.validation_size, known.test_size) == (106, 22, 22)
    training, validation = data.split(first, 0)
    for part in (first.train_labels[training], first.train_labels[validation], first.test_labels):
        counts = torch.bincount(part)
        assert counts.max() - counts.min() <= 2
    everything = torch.cat([first.train_images, first.test_images])
    # Fitted on other rows, the same flowers: scaled back they are the same set.
    assert len(everything.unique(dim=0)) == len(torch.cat([other.train_images, other.test_images]).unique(dim=0))
