"""The ledger: whole files or none, damage found and survived, one driver at a time."""

import logging
import multiprocessing
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from synthetic import grid, network, records

from raydensity import checkpoints, record
from raydensity.ledger import SUMMARY, Ledger, Superseded


@pytest.fixture
def tables():
    return records([network(spec) for spec in grid(widths=(0.5, 1))], cohort_size=8)


@pytest.fixture
def ledger(tmp_path, tables):
    ledger = Ledger(tmp_path, "density")
    ledger.prepare()
    for table in tables:
        ledger.write(table)
    return ledger


def ids(*tables):
    return {network for table in tables for network in table["network_id"].to_pylist()}


def test_what_is_written_is_read(ledger, tables):
    read = {path.stem: table for path, table in ledger.cohorts()}
    assert len(read) == 2
    for table in tables:
        assert read[table["cohort_id"][0].as_py()].equals(table)
    summary = ledger.summary()
    assert summary.column_names == SUMMARY
    assert ids(summary) == ids(*tables) == ledger.finished_ids()
    assert summary.equals(ledger.summary(whole=True))
    for _, table in ledger.cohorts(["width", "network_id"]):
        assert table.column_names == ["width", "network_id"]


@pytest.mark.parametrize("new", [["sparsity", "kept_value", "noise", "nonzeros"], ["overlap", "validation_loss"]])
def test_a_record_from_before_a_column_existed_has_nulls_there(ledger, tables, new):
    path = ledger.path(tables[0]["cohort_id"][0].as_py())
    pq.write_table(tables[0].drop_columns(new), path, compression="zstd", write_page_checksum=True)
    read = ledger.read(path)
    assert read.schema == record.SCHEMA
    assert {read[name].null_count for name in new} == {8}
    assert read.drop_columns(new).equals(tables[0].drop_columns(new))
    for whole in (True, False):
        assert ids(ledger.summary(whole=whole)) == ids(*tables)
    assert ledger.read(ledger.write(tables[0].drop_columns(new))).equals(read)


def test_a_column_of_a_later_version_is_left_out(ledger, tables):
    path = ledger.path(tables[0]["cohort_id"][0].as_py())
    pq.write_table(tables[0].append_column("later", pa.array(range(8))), path)
    assert ledger.read(path).equals(tables[0])
    with pytest.raises(AssertionError, match="would be lost"):
        ledger.write(tables[0].append_column("later", pa.array(range(8))))


def test_diverged_networks_are_finished(tmp_path):
    ledger = Ledger(tmp_path, "density")
    ledger.prepare()
    [table] = records([network(spec, status="diverged", converged=False) for spec in grid(widths=(1,))])
    ledger.write(table)
    assert ids(ledger.summary()) == ids(table)


def test_an_empty_ledger_has_no_networks(tmp_path):
    ledger = Ledger(tmp_path, "density")
    assert ledger.summary().num_rows == 0
    assert ledger.bytes_per_network(ledger.summary()) is None


def test_nothing_but_whole_files_stands_in_the_folder(ledger):
    assert {path.suffix for path in ledger.folder.iterdir()} == {".parquet"}


def test_a_failed_write_leaves_nothing(ledger, tables, monkeypatch):
    before = sorted(ledger.folder.iterdir())
    [other] = records([network(spec) for spec in grid(widths=(2,))])

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        ledger.write(other)
    assert sorted(ledger.folder.iterdir()) == before


@pytest.mark.parametrize("damage", ["half", "empty", "header", "byte", "text"])
def test_a_damaged_file_is_set_aside_and_the_others_stay(ledger, tables, damage, caplog):
    victim = ledger.path(tables[0]["cohort_id"][0].as_py())
    content = bytearray(victim.read_bytes())
    if damage == "half":
        content = content[: len(content) // 2]
    elif damage == "empty":
        content = bytearray()
    elif damage == "header":
        content[-6] ^= 0xFF
    elif damage == "byte":  # the last of a page: a checksum alone can tell
        chunk = pq.read_metadata(victim).row_group(0).column(len(record.SCHEMA) // 2)
        start = chunk.dictionary_page_offset or chunk.data_page_offset
        content[start + chunk.total_compressed_size - 1] ^= 0x01
    else:
        content = bytearray(b"not parquet at all")
    victim.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert ids(ledger.summary(whole=True)) == ids(tables[1])
    assert len(caplog.records) == 1
    assert "\n" not in caplog.text.strip()
    assert not victim.exists()
    assert victim.with_suffix(".damaged").read_bytes() == bytes(content)
    caplog.clear()
    assert ids(ledger.summary()) == ids(tables[1])
    assert not caplog.records


@pytest.mark.parametrize(("column", "found"), [("epochs", True), ("network_id", True), ("curve_train_loss", False)])
def test_of_a_damaged_file_a_summary_sees_what_it_reads(ledger, tables, column, found):
    victim = ledger.path(tables[0]["cohort_id"][0].as_py())
    row_group = pq.read_metadata(victim).row_group(0)
    chunks = map(row_group.column, range(row_group.num_columns))
    [chunk] = [chunk for chunk in chunks if chunk.path_in_schema.split(".")[0] == column]
    content = bytearray(victim.read_bytes())
    content[(chunk.dictionary_page_offset or chunk.data_page_offset) + chunk.total_compressed_size - 1] ^= 0x01
    victim.write_bytes(content)
    assert (ledger.summary().num_rows == 8) == found
    assert ledger.summary(whole=True).num_rows == 8
    assert not victim.exists()


def test_a_readonly_ledger_moves_nothing(tmp_path, ledger, tables, caplog):
    victim, sound = (ledger.path(table["cohort_id"][0].as_py()) for table in tables)
    victim.write_bytes(victim.read_bytes()[:100])
    readonly = Ledger(tmp_path, "density", readonly=True)
    with caplog.at_level(logging.WARNING):
        summary = readonly.summary()
    assert ids(summary) == ids(tables[1])
    assert victim.exists()
    assert str(victim) in caplog.text
    assert "kept as" not in caplog.text
    assert readonly.bytes_per_network(summary) == sound.stat().st_size / 8


def test_of_a_network_in_two_files_the_first_counts(ledger, tables):
    rows = tables[0].to_pylist()[:3]
    twin = pa.Table.from_pylist([{**row, "cohort_id": "f" * 20, "epochs": 999} for row in rows], schema=record.SCHEMA)
    ledger.write(twin)
    summary = ledger.summary()
    assert summary.num_rows == 16
    assert 999 not in summary["epochs"].to_pylist()
    assert [table.num_rows for path, table in ledger.cohorts() if path.stem == "f" * 20] == [0]


def test_records_of_another_version_are_refused_and_left(ledger, tables):
    rows = [{**row, "record_version": 0} for row in tables[0].to_pylist()]
    path = ledger.write(pa.Table.from_pylist(rows, schema=record.SCHEMA))
    with pytest.raises(ValueError, match="record version"):
        ledger.summary()
    assert path.exists()


def test_an_unwritable_folder_is_one_clear_line(tmp_path):
    (tmp_path / "ledger").write_text("a file where the folder should be")
    with pytest.raises(ValueError, match="--out: cannot write to") as caught:
        Ledger(tmp_path, "density").prepare()
    assert "\n" not in str(caught.value)


def test_checkpoints_of_finished_networks_are_dropped(ledger, tables):
    finished, unfinished = tables[0]["network_id"][0].as_py(), "f" * 20
    for network_id in (finished, unfinished):
        checkpoints.save(ledger.checkpoints, network_id, checkpoints.Progress())
    ledger.drop_checkpoints([finished])
    assert [path.stem for path in ledger.checkpoints.iterdir()] == [unfinished]


def _hold(folder, holding, release):
    with Ledger(folder, "density").driver():
        holding.set()
        release.wait(30)


def test_two_drivers_do_not_share_a_ledger_and_a_killed_one_lets_go(tmp_path, ledger):
    context = multiprocessing.get_context("spawn")
    holding, release = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(tmp_path, holding, release))
    other.start()
    assert holding.wait(60)
    with pytest.raises(ValueError, match="another sweep is running on"), ledger.driver():
        pass
    other.kill()
    other.join()
    with ledger.driver():
        pass


def test_workers_of_a_former_driver_are_refused(ledger, tables):
    with ledger.driver() as former:
        ledger.write(tables[0], owner=former)
    with ledger.driver() as owner:
        with pytest.raises(Superseded):
            ledger.write(tables[0], owner=former)
        ledger.write(tables[0], owner=owner)
