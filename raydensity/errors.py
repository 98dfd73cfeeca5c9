"""Errors that several modules tell apart, and how errors are told."""

from __future__ import annotations


class MissingFiles(ValueError):
    """None of the layouts a data set may have is in the folder."""


def one_line(error: BaseException) -> str:
    """The first line of an error's message, or its kind where it has none: 300 characters at most."""
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:300]
