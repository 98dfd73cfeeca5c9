"""Where data files lie: below the data root, whatever a grid or a spec calls them."""

import contextlib
import os
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from raydensity import data
from raydensity.data import image_folder, table
from raydensity.data.files import below
from raydensity.spec import ImageFolder

ROOT = Path("/somewhere/data")
PARTS = st.one_of(st.sampled_from(["..", ".", "", "~", "a", "...", "..\\..", "\0", "%2e%2e"]), st.text(max_size=4))


@given(st.lists(PARTS, max_size=6).map("/".join))
@example("../data2/a.csv")
@example("a/../../b.csv")
@example("//etc/passwd")
def test_no_name_leads_out_of_the_data_root(name):
    with contextlib.suppress(ValueError):
        found = os.path.normpath(below(ROOT, name))
        assert found == str(ROOT) or found.startswith(f"{ROOT}/")
        assert "\0" not in found


@pytest.mark.parametrize("name", ["../secret", "a/../../secret", "/etc"])
def test_neither_tables_nor_photographs_lie_elsewhere(name, tmp_path):
    root = tmp_path / "data"
    root.mkdir()
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret.csv").write_text("x,y\n1,2\n")
    calls = [
        lambda: table.examine(f"{name}.csv", target="y", task="regression", root=root),
        lambda: table.examine("a.csv", test_source=f"{name}.csv", target="y", task="regression", root=root),
        lambda: image_folder.examine(name, size=8, root=root),
        lambda: data.check(ImageFolder(folder=name), root, loaded_here=False),
    ]
    for call in calls:
        with pytest.raises(ValueError, match=f"^{name}.*: data are files under the data root"):
            call()


def test_a_link_in_the_data_root_is_followed(tmp_path):
    """Whoever may write there decides; data sets are large, and often lie on other disks."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "a.csv").write_text("x,y\n" + "".join(f"{n},{2 * n}\n" for n in range(50)))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.csv").symlink_to(tmp_path / "disk" / "a.csv")
    assert table.examine("a.csv", target="y", task="regression", root=tmp_path / "data").rows == 50
