"""The memory of this machine."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def machine_memory() -> int:
    """Bytes that this machine, or the container around it, has."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with contextlib.suppress(OSError, ValueError):  # no such file, or "max"
        total = min(total, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return total
