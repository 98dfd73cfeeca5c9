"""Errors that several modules tell apart, and how errors are told."""

from __future__ import annotations

import re

# Up to the last @: a password that is not quoted as it should be may have a / or an @ in it.
_CREDENTIALS = re.compile(r"([a-z][\w+.-]*:)(//)?(?!/)\S*@", re.IGNORECASE)
_PARAMETERS = re.compile(r"([?&][\w-]*(?:password|secret|token|key)[\w-]*=)[^&\s]*", re.IGNORECASE)


class MissingFiles(ValueError):
    """None of the layouts a data set may have is in the folder."""


def redacted(text: str) -> str:
    """A text, or a URI, without the users, passwords and keys of the URIs in it: fit for a screen, a log or a file."""
    return _PARAMETERS.sub(r"\1***", _CREDENTIALS.sub(r"\1\2***@", text))


def one_line(error: BaseException) -> str:
    """The first line of an error's message, redacted, or its kind where it has none: 300 characters at most."""
    lines = str(error).strip().splitlines()
    return redacted(lines[0] if lines else type(error).__name__)[:300]
