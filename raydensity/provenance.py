"""Which code made a record."""

from __future__ import annotations

import subprocess
from functools import lru_cache
from pathlib import Path


@lru_cache(maxsize=1)
def git_state() -> tuple[str, bool]:
    """Commit of the checkout that holds this package, and whether it has changes; ("", False) outside one."""
    folder = Path(__file__).parent

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(folder), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()

    try:
        tracked = git("ls-files", "--error-unmatch", "__init__.py")
        return (
            (git("rev-parse", "HEAD"), bool(git("status", "--porcelain", "--untracked-files=no")))
            if tracked
            else ("", False)
        )
    except (OSError, subprocess.SubprocessError):
        return "", False
