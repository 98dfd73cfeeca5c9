"""The names of published weights and their digests: what a dry run and an analysis need, without torch and files."""

from __future__ import annotations

# What "Sparsest Models Elude Pruning" starts from, by file name.
PUBLISHED = {"BENCH-95": "916c1df2fbbe7221790b", "BENCH-995": "3bc324b0ca7a816b6763"}


def display_name(found: str) -> str:
    """The published name of a digest, or the digest."""
    return next((name for name, known in PUBLISHED.items() if known == found), found)
