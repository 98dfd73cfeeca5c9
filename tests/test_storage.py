"""Folders that machines share: an object store by its real protocol, and a folder by file://."""

import multiprocessing
import os
import pickle
import time
import uuid

import object_store
import pyarrow.parquet as pq
import pytest
from servers import free_port
from synthetic import grid, network, records

from raydensity import storage
from raydensity.ledger import Ledger, Superseded
from raydensity.storage import SharedFolder, Unreachable


@pytest.fixture(scope="module")
def port():
    port = free_port()
    with object_store.running(port):
        yield port


@pytest.fixture(params=["s3", "file"])
def uri(request, tmp_path):
    """A folder that is not there yet."""
    name = uuid.uuid4().hex
    if request.param == "file":
        return (tmp_path / "shared" / name).as_uri()
    return object_store.uri(request.getfixturevalue("port"), name)


@pytest.fixture
def tables():
    return records([network(spec) for spec in grid(widths=(0.5, 1))], cohort_size=8)


def test_files_are_written_read_and_removed(uri):
    storage.check(uri)
    folder = SharedFolder(uri)
    assert folder.sizes() == {}
    assert folder.read("one") is None
    folder.write("one", b"123")
    folder.write("one", b"4567")
    assert folder.sizes() == {"one": 4}
    assert SharedFolder(uri).read("one") == b"4567"
    assert SharedFolder(storage.below(uri, "part")).sizes() == {}
    folder.remove("one")
    folder.remove("one")
    assert folder.sizes() == {}


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("results", "is no URI"),
        ("C:/results", "is no URI"),
        ("s3://", "is no URI"),
        ("s3://key:secret@bucket/folder", "credentials do not belong into a URI"),
        ("s3://bucket/folder?secret_key=abc", "credentials do not belong into a URI"),
        ("s3://key:sec/ret@bucket/folder", "credentials do not belong into a URI"),
        ("s3:key:secret@bucket/folder", "credentials do not belong into a URI"),
        ("key:secret@bucket/folder", "credentials do not belong into a URI"),
        ("s3://bucket/../other", "must not climb out"),
        ("file:///folder/%2e%2e/other", "must not climb out"),
        ("ftp://somewhere/folder", "cannot be used"),
    ],
)
def test_what_is_no_place_for_a_ledger_is_one_line(given, problem):
    with pytest.raises(ValueError, match=f"^--ledger: .*{problem}") as caught:
        storage.check(given)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "sec/ret" not in str(caught.value)


def test_a_store_that_does_not_answer_is_one_line():
    with pytest.raises(Unreachable, match=r"^--ledger: s3://sweeps/.* cannot be used"):
        storage.check(object_store.uri(free_port(), "folder"))


def test_two_machines_have_the_same_ledger(uri, tables, tmp_path):
    one, other = (Ledger(tmp_path / name, "density", shared=uri) for name in ("one", "other"))
    one.meet()
    one.share(one.write(tables[0]))
    other.meet()
    assert other.finished_ids() == one.finished_ids() == set(tables[0]["network_id"].to_pylist())
    assert other.path(tables[0]["cohort_id"][0].as_py()).read_bytes() == next(one.folder.glob("*.parquet")).read_bytes()
    other.write(tables[1])  # and not shared, as when the store was away
    other.meet()
    one.meet()
    assert len(one.finished_ids()) == 16
    assert len(SharedFolder(storage.below(uri, "density")).sizes()) == 2


def test_a_damaged_copy_is_replaced_and_a_damaged_original_set_aside(uri, tables, tmp_path, caplog):
    mine = Ledger(tmp_path / "mine", "density", shared=uri)
    mine.meet()
    path = mine.write(tables[0])
    mine.share(path)
    content = path.read_bytes()
    damaged = content[:-100] + bytes(100)
    path.write_bytes(damaged)
    assert len(mine.finished_ids()) == 8
    assert path.read_bytes() == content
    assert not caplog.records
    shared = SharedFolder(storage.below(uri, "density"))
    for name in shared.sizes():
        shared.write(name, damaged)
    path.write_bytes(damaged)
    assert not mine.finished_ids()
    assert path.with_suffix(".damaged").read_bytes() == damaged
    assert shared.sizes() == {}


def test_what_others_call_their_files_leads_nowhere(port, tables, tmp_path):
    """Whoever can write to a bucket chooses the names of what is in it."""
    name = uuid.uuid4().hex
    keys = ("../out.parquet", "/out.parquet", "a/../../out.parquet", "..\\out.parquet", "a/out.parquet", "...parquet")
    client = object_store.client(port)
    for key in keys:
        client.put_object(Bucket="sweeps", Key=f"{name}/density/{key}", Body=b"PAR1")
    there = {each["Key"] for each in client.list_objects_v2(Bucket="sweeps", Prefix=f"{name}/density/")["Contents"]}
    assert there == {f"{name}/density/{key}" for key in keys}
    mine = Ledger(tmp_path / "deep" / "er" / "mine", "density", shared=object_store.uri(port, name))
    mine.meet()
    mine.share(mine.write(tables[0]))
    assert len(mine.finished_ids()) == 8
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) >= 2
    assert {path.parent for path in written} == {mine.folder}


def test_a_link_is_replaced_and_not_followed(tmp_path):
    """In a folder to which others may write."""
    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / "one.parquet").symlink_to(tmp_path / "precious")
    storage.place(tmp_path / "one.parquet", b"new")
    assert (tmp_path / "precious").read_bytes() == b"precious"
    assert (tmp_path / "one.parquet").read_bytes() == b"new"
    assert not (tmp_path / "one.parquet").is_symlink()


def test_keys_of_the_environment_do_not_travel(port, tmp_path, monkeypatch):
    """A ledger goes to every worker."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-key-of-the-environment")
    mine = Ledger(tmp_path, "density", shared=object_store.uri(port, "folder"))
    mine.meet()
    assert b"a-key-of-the-environment" not in pickle.dumps(mine)


def test_a_dry_run_sees_what_is_shared_and_leaves_nothing(uri, tables, tmp_path):
    mine = Ledger(tmp_path / "mine", "density", shared=uri)
    mine.meet()
    mine.share(mine.write(tables[0]))
    looking = Ledger(tmp_path / "other", "density", shared=uri, readonly=True)
    looking.meet()
    assert len(looking.finished_ids()) == 8
    assert not (tmp_path / "other").exists()
    assert list(SharedFolder(storage.below(uri, "density")).sizes()) == [f"{tables[0]['cohort_id'][0].as_py()}.parquet"]


def test_records_are_safe_while_the_store_is_away(tables, tmp_path):
    port = free_port()
    uri = object_store.uri(port, "folder")
    with object_store.running(port):
        mine = Ledger(tmp_path, "density", shared=uri)
        mine.meet()
    path = mine.write(tables[0], owner=None)
    with pytest.raises(Unreachable, match=r"^--ledger: s3://sweeps/.* cannot be used"):
        mine.share(path)
    assert pq.read_table(path).num_rows == 8
    with object_store.running(port):
        mine.meet()
        assert SharedFolder(storage.below(uri, "density")).sizes() == {path.name: path.stat().st_size}


def _hold(uri, folder, holding):
    with Ledger(folder, "density", shared=uri).driver():
        holding.set()
        time.sleep(60)


def test_two_drivers_do_not_share_a_folder_and_a_killed_one_lets_go(uri, tables, tmp_path, monkeypatch):
    monkeypatch.setattr(storage, "EXPIRED", 4.0)
    context = multiprocessing.get_context("fork")
    holding = context.Event()
    for name in ("one", "other"):
        Ledger(tmp_path / name, "density", shared=uri).prepare()
    first = context.Process(target=_hold, args=(uri, tmp_path / "one", holding))
    first.start()
    assert holding.wait(60)
    mine = Ledger(tmp_path / "other", "density", shared=uri)
    with pytest.raises(ValueError, match="another sweep is running on"), mine.driver():
        pass
    first.kill()
    first.join()
    time.sleep(6)
    with mine.driver() as owner:
        mine.write(tables[0], owner=owner)
        assert mine.shared.is_held(owner)
        mine.shared.write(storage.LOCK, b"another driver, which took this one for dead")
        with pytest.raises(Superseded):
            mine.write(tables[0], owner=owner)


def test_a_dead_drivers_lock_from_before_the_clock_was_set_back_holds_nobody_up(tmp_path):
    folder = SharedFolder(tmp_path.as_uri())
    folder.write(storage.LOCK, b"a driver that was killed")
    later = time.time() + 2 * 24 * 3600
    os.utime(tmp_path / storage.LOCK, (later, later))
    with folder.held("mine"):
        assert folder.is_held("mine")


def test_a_driver_gives_signs_of_life(uri, monkeypatch):
    monkeypatch.setattr(storage, "RENEWED", 0.3)
    monkeypatch.setattr(storage, "SETTLED", 0.0)
    folder = SharedFolder(uri)
    folder.probe()
    with folder.held("mine"):
        before = folder._renewed()
        time.sleep(2.5)
        assert folder._renewed() > before
    assert folder.sizes() == {}
