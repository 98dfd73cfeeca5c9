"""What several test files share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder with the real MNIST and CIFAR-10: RAYDENSITY_DATA, else `shared/data` beside the checkout."""
    named = os.environ.get("RAYDENSITY_DATA")
    folder = Path(named) if named else Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real data: RAYDENSITY_DATA is not set and {folder} does not exist")
    return folder
