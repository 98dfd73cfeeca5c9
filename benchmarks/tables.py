"""How much memory reading a large table takes, beside what networks see of it.

    python benchmarks/tables.py                       a million rows of numbers and categories, and of numbers alone
    python benchmarks/tables.py --rows 100000

Each file, CSV and Parquet, is examined and loaded by a process of its own; counted is what it takes at its peak beyond
what it has after its imports, and what is left of that when the data are there.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

KINDS = {"20 numbers, 10 categories of 5": (20, 10), "30 numbers": (30, 0)}


def drawn(rows: int, numbers: int, categories: int) -> pd.DataFrame:
    """A table with a target `y`, some missing numbers, and categories of five texts."""
    source = np.random.default_rng(0)
    columns = {f"n{place}": np.round(source.normal(place, 1 + place, rows), 6) for place in range(numbers)}
    columns["n3"][source.random(rows) < 0.01] = np.nan
    texts = np.array(["alpha", "bravo", "charlie", "delta", "echo"])
    columns |= {f"c{place}": texts[source.integers(0, len(texts), rows)] for place in range(categories)}
    return pd.DataFrame({**columns, "y": np.round(2 * columns["n0"] + source.normal(0, 1, rows), 6)})


def status(name: str) -> int:
    """Bytes that this process has now (VmRSS), or had at its peak (VmHWM)."""
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name)]
    return 1024 * int(line.split()[1])


def measure(path: Path) -> None:
    """Print MiB and seconds of one file: at the peak of examining and of loading it, what is left, what there is."""
    import sklearn.impute  # here, so that they are not counted
    import sklearn.preprocessing  # noqa: F401

    from raydensity import data
    from raydensity.data import table

    before, clock = status("VmHWM"), time.process_time()
    known = table.examine(path.name, target="y", task="regression", root=path.parent)
    examined = status("VmHWM") - before
    loaded = data.load(known, data_root=path.parent)
    figures = (examined, status("VmHWM") - before, status("VmRSS") - before, loaded.description.bytes)
    print(*(f"{each / 2**20:.0f}" for each in figures), f"{time.process_time() - clock:.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.file:
        measure(arguments.file)
        return
    shown = Table(title=f"Reading {arguments.rows:,} rows, MiB")
    for column in ("", "file", "examined", "loaded, too", "left", "data", "seconds"):
        shown.add_column(column, justify="right" if column else "left")
    with tempfile.TemporaryDirectory() as folder:
        for name, kinds in KINDS.items():
            frame = drawn(arguments.rows, *kinds)
            for kind in ("csv", "parquet"):
                path = Path(folder) / f"rows.{kind}"
                if kind == "csv":
                    frame.to_csv(path, index=False)
                else:
                    frame.to_parquet(path)
                command = [sys.executable, __file__, "--file", str(path)]
                result = subprocess.run(command, check=True, capture_output=True, text=True)
                shown.add_row(f"{name}, {kind}", f"{path.stat().st_size / 2**20:.0f}", *result.stdout.split())
    Console().print(shown)


if __name__ == "__main__":
    main()
