"""Texts as Go prints them, which clients and their users know. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable


def quoted(texts: Iterable[str]) -> str:
    """A list of texts with %q.

    >>> quoted(["a", "b"])
    '["a" "b"]'
    """
    return "[" + " ".join(json.dumps(text, ensure_ascii=False) for text in texts) + "]"


def joined(problems: Iterable[str]) -> str:
    """Several problems as one.

    >>> joined(["a"]), joined(["a", "b", "a"])
    ('a', '[a, b]')
    """
    once = list(dict.fromkeys(problems))
    return once[0] if len(once) == 1 else f"[{', '.join(once)}]"
