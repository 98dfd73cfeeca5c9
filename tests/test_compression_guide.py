"""The code of docs/compression.md, as it stands there."""

import re
from pathlib import Path

import pytest
import torch
from synthetic import new_store
from test_refinement import network
from tracked import ledger_of, opened, pointed_at

from raydensity.data import table
from raydensity.experiment import run_cohort
from raydensity.spec import Compression

GUIDE = Path(__file__).parent.parent / "docs" / "compression.md"


STORE = "sqlite:///mlflow.db"  # of the guide: below the folder of whoever follows it


def run(name, uri=STORE):
    """The guide's file of that name; returns what it defines. MLflow keeps a store by its URI, so that one that is
    relative would be that of another test."""
    blocks = dict(re.findall(r"```python\n# (\S+)\n(.*?)```", GUIDE.read_text(encoding="utf-8"), flags=re.DOTALL))
    assert uri == STORE or STORE in blocks[name]
    found: dict = {}
    exec(compile(blocks[name].replace(STORE, uri), str(GUIDE), "exec"), found)
    return found


def test_the_library_makes_a_small_network_that_answers_alike() -> None:
    found = run("library.py")
    assert sum(found["row"]["units_left"]) < sum(found["hidden"])
    torch.testing.assert_close(found["small"](found["rows"]), torch.from_numpy(found["answers"]))
    right = found["small"](found["rows"]).argmax(1) == found["data"].load(found["wine"], data_seed=0).test_labels
    assert right.double().mean().item() == found["row"]["test_accuracy"] > 0.5


def test_mlflow_has_the_small_network_which_answers_rows_of_a_file(tmp_path, monkeypatch, capsys) -> None:
    rows = [f"{age},{('Ulm', 'Bonn', '')[age % 3]},{1000 * age}" for age in range(60)]
    (tmp_path / "houses.csv").write_text("\n".join(["age,town,price", *rows]))
    (tmp_path / "new-houses.csv").write_text("town;age\nUlm;30\nParis;\n")
    options = {"title": "houses: price", "target": "price", "task": "regression"}
    houses = table.examine("houses.csv", **options, root=tmp_path)
    rule = Compression(method="output_deviation", level=0.5)
    uri, ledger = new_store(tmp_path), ledger_of(tmp_path)
    monkeypatch.chdir(tmp_path)
    for seed, epochs in ((0, 200), (1, 1)):  # the last is the worse
        own = {"dataset": houses, "measures": ("export",), "data_seed": seed}
        spec = network(rule, epochs=epochs, seed=seed).model_copy(update=own)
        record = run_cohort([spec], data_root=tmp_path)
        opened(uri, record, study="odf2nna").track(ledger.write(record), record)
    with pointed_at(uri):
        found = run("from_mlflow.py", uri)
    assert found["encoder"].answers(found["logits"]) == pytest.approx([30_000, 30_000], abs=5_000)
    said = capsys.readouterr().out
    assert "of repeat 0, whose validation loss is the smallest of 2" in said
    assert "Paris" in said


def test_without_an_exported_network_the_guide_says_so(tmp_path, monkeypatch) -> None:
    uri = new_store(tmp_path)
    opened(uri, study="odf2nna")
    monkeypatch.chdir(tmp_path)
    with pointed_at(uri), pytest.raises(SystemExit, match="no network of houses: price was exported"):
        run("from_mlflow.py", uri)
