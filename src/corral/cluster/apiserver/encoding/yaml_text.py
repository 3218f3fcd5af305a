"""Objects as YAML, for who asks for it."""

from __future__ import annotations

from typing import Any

import yaml

_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def encode(value: Any) -> bytes:
    """
    >>> encode({"b": 1, "a": ["x"]})
    b'a:\\n- x\\nb: 1\\n'
    """
    text: bytes = yaml.dump(value, Dumper=_DUMPER, encoding="utf-8", allow_unicode=True, sort_keys=True)
    return text
