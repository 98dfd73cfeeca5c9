"""Which code makes a record: commit and changes of the checkout, and a digest, which all machines must share."""

from __future__ import annotations

import hashlib
import subprocess
from functools import cache
from pathlib import Path
from typing import NamedTuple

PACKAGE = Path(__file__).parent


class Code(NamedTuple):
    """`commit` of the checkout that holds this package, empty outside one, and whether it has changes (`dirty`);
    `digest` is of the package's Python files."""

    commit: str
    dirty: bool
    digest: str


def digest(package: Path = PACKAGE) -> str:
    """SHA-256 over all Python files of a package with their places: what is not code does not count."""
    found = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        content = path.read_bytes()
        found.update(f"{path.relative_to(package).as_posix()} {len(content)} ".encode())
        found.update(content)
    return found.hexdigest()


DIGEST = digest()  # when this process began: files may change while it runs


@cache
def code() -> Code:
    """The code of this process."""
    return Code(*_git_state(), DIGEST)


def other_code(digest: str, *, than: str, node: str) -> str:
    """What to say of a machine whose package has another digest than the driver's."""
    return (
        f"the node {node} has other code of raydensity than the driver ({digest[:12]}, not {than[:12]}): give all "
        "machines the same checkout"
    )


def _git_state() -> tuple[str, bool]:
    def git(*arguments: str) -> str:
        command = ["git", "-C", str(PACKAGE), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()

    try:
        if not git("ls-files", "--error-unmatch", "__init__.py"):
            return "", False
        return git("rev-parse", "HEAD"), bool(git("status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.SubprocessError):
        return "", False
