"""The rules that are in a schema, and the names in it. Pure; the library is not needed for it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from corral.cluster.apiserver.cel.limits import bare

Raw = Mapping[str, Any]
RULES: Final = "x-kubernetes-validations"
_OLD: Final = re.compile(r"(?<![\w.])oldSelf\b")
_WORDS: Final = frozenset(
    "true false null in as break const continue else for function if import let loop package namespace return var void "
    "while".split()
)
_ESCAPES: Final = (("__", "__underscores__"), (".", "__dot__"), ("-", "__dash__"), ("/", "__slash__"))


def escape(name: str) -> str:
    """Pure: a field's name as expressions write it.

    >>> escape("foo-bar"), escape("namespace"), escape("plain")
    ('foo__dash__bar', '__namespace__', 'plain')
    """
    if name in _WORDS:
        return f"__{name}__"
    for found, shown in _ESCAPES:
        name = name.replace(found, shown)
    return name


def uses_old(rule: str) -> bool:
    """
    >>> uses_old("self.a >= oldSelf.a"), uses_old("self.oldSelf == 'oldSelf'")
    (True, False)
    """
    return _OLD.search(bare(rule)) is not None


def has_rules(raw: Raw) -> bool:
    """Whether there is a rule in the schema, or below."""
    return bool(raw.get(RULES)) or any(has_rules(one) for one, _ in children(raw, ""))


def children(raw: Raw, path: str) -> Iterator[tuple[Raw, str]]:
    """The schemas below one, with their paths."""
    for key, one in (raw.get("properties") or {}).items():
        if isinstance(one, Mapping):
            yield one, f"{path}.properties[{key}]"
    for word in ("items", "additionalProperties"):
        if isinstance(raw.get(word), Mapping):
            yield raw[word], f"{path}.{word}"


def find_field(path: str, raw: Raw) -> str | None:
    """What a fieldPath is below the path of its rule; None if it leads nowhere."""
    at: Any = raw
    out = ""
    for name, quoted in re.findall(r"\.([^.\[\]]+)|\['((?:\\.|[^'\\])*)'\]", path):
        key = name or re.sub(r"\\(.)", r"\1", quoted)
        if not isinstance(at, Mapping):
            return None
        if key in (at.get("properties") or {}):
            at, out = at["properties"][key], f"{out}.{key}"
        elif isinstance(at.get("additionalProperties"), Mapping):
            at, out = at["additionalProperties"], f"{out}[{key}]"
        else:
            return None
    return out or None
