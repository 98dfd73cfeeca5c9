"""Which code runs: a digest of what is loaded, and the checkout's commit."""

import shutil
import subprocess

import pytest

from raydensity import provenance


@pytest.fixture
def package(tmp_path):
    folder = tmp_path / "package"
    (folder / "part").mkdir(parents=True)
    (folder / "one.py").write_text("1")
    (folder / "part" / "two.py").write_text("2")
    return folder


def test_the_same_files_have_the_same_digest_wherever_they_are(package, tmp_path):
    before = provenance.digest(package)
    assert provenance.digest(shutil.copytree(package, tmp_path / "copy")) == before
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "one.pyc").write_text("compiled")
    (package / "notes.txt").write_text("no code")
    assert provenance.digest(package) == before


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "one.py").write_text("2"),
        lambda folder: (folder / "one.py").rename(folder / "uno.py"),
        lambda folder: (folder / "one.py").rename(folder / "part" / "one.py"),
        lambda folder: (folder / "three.py").touch(),
        lambda folder: (folder / "part" / "two.py").unlink(),
    ],
)
def test_any_change_of_code_changes_it(package, change):
    before = provenance.digest(package)
    change(package)
    assert provenance.digest(package) != before


def test_the_checkout_is_told_with_its_commit():
    found = provenance.code()
    assert found.digest == provenance.digest()
    if not (provenance.PACKAGE.parent / ".git").exists():
        pytest.skip("not a git checkout")
    command = ["git", "-C", str(provenance.PACKAGE), "rev-parse", "HEAD"]
    assert found.commit == subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
