"""The example of docs/adding-a-study.md, run as it stands there."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).parent.parent


def test_the_example_of_the_guide_runs(tmp_path):
    checkout = tmp_path / "checkout"
    for package in ("raydensity", "sweeps", "analysis"):
        shutil.copytree(ROOT / package, checkout / package, ignore=shutil.ignore_patterns("__pycache__"))
    blocks = re.findall(r"```python\n# (\S+)\n(.*?)```", (ROOT / "docs" / "adding-a-study.md").read_text(), re.DOTALL)
    assert [path for path, _ in blocks] == ["sweeps/batch_size.py", "analysis/batch_size/report.py"]
    for path, code in blocks:
        (checkout / path).parent.mkdir(exist_ok=True)
        (checkout / path).write_text(code)

    def command(*arguments):
        environment = os.environ | {"PYTHONPATH": str(checkout)}
        done = subprocess.run(
            [sys.executable, *arguments], cwd=checkout, env=environment, capture_output=True, text=True, timeout=240
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "batch_size" in command("sweeps/run_all.py", "--list")
    command("sweeps/run_all.py", "--study", "batch_size")
    table = pd.read_csv(checkout / "results/report/batch_size/tables/density.csv")
    assert list(table["size"]) == [2, 2, 2, 2]
    assert table["mean"].between(1, 99).all()
    assert "Batch size" in (checkout / "results/report/batch_size/report.html").read_text()
    added = command("sweeps/run_all.py", "--study", "batch_size", "--set", "batch_size=16,64,128", "--dry-run")
    assert "12 networks, 8 of them done" in added
