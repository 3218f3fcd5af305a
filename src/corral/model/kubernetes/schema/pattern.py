"""Regular expressions as Go knows them (RE2): found in time that grows with the text, whatever the pattern is."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import re2  # type: ignore[import-untyped]

_OPTIONS = re2.Options()
_OPTIONS.log_errors = False


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> Any:
    return re2.compile(pattern, options=_OPTIONS)


def problem(pattern: str) -> str:
    """Pure: why a pattern is none; "" if it is one.

    >>> problem("^a+$"), problem("(?=a)")
    ('', 'error parsing regexp: invalid or unsupported Perl syntax: `(?=`')
    """
    try:
        _compiled(pattern)
    except re2.error as error:
        cause = error.args[0]
        return _as_go(cause.decode(errors="replace") if isinstance(cause, bytes) else str(cause))
    return ""


# RE2's words, and those of Go's copy of it.
_GO = {
    "missing )": "missing closing )",
    "missing ]": "missing closing ]",
    "bad repetition operator": "invalid nested repetition operator",
    "invalid perl operator": "invalid or unsupported Perl syntax",
    "invalid repetition size": "invalid repeat count",
    "no argument for repetition operator": "missing argument to repetition operator",
    "invalid named capture group": "invalid named capture",
}


def _as_go(cause: str) -> str:
    code, _, expression = cause.partition(": ")
    return f"error parsing regexp: {_GO.get(code, code)}: `{expression}`"


def matches(pattern: str, text: str) -> bool:
    """Pure: whether the pattern is found anywhere in the text. A pattern that is none matches nothing.

    >>> matches("^a+$", "aa"), matches("^a$", "a\\n"), matches("(?=a)", "a")
    (True, False, False)
    """
    return not problem(pattern) and _compiled(pattern).search(text) is not None
