"""YAML as Kubernetes reads it: what JSON can say, with words such as `yes` as booleans, and times as text.

Follows sigs.k8s.io/yaml; numbers in base 60 and timestamps, which YAML 1.1 knows, are text there.
"""

from __future__ import annotations

import re
from typing import Any, cast

import yaml

from corral.model.kubernetes.status import bad_request

_FLOAT = re.compile(r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*|[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?$")
_INT = re.compile(r"[-+]?(?:0b[0-1_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|0|[1-9][0-9_]*)$")
_TIMESTAMP, _INTEGER, _REAL = (f"tag:yaml.org,2002:{name}" for name in ("timestamp", "int", "float"))
_BASE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _Loader(_BASE):  # type: ignore[misc]
    """Notes the keys that a mapping has twice in `duplicates`."""

    def __init__(self, stream: bytes) -> None:
        super().__init__(stream)
        self.duplicates: list[str] = []

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                self.duplicates.append(str(key.value))
            seen.add(key.value)
        return cast("dict[Any, Any]", super().construct_mapping(node, deep))


def _resolvers() -> dict[Any, Any]:
    """PyYAML's own, without those of times and numbers; then ours of numbers."""
    kept = {
        first: [(tag, pattern) for tag, pattern in some if tag not in (_TIMESTAMP, _INTEGER, _REAL)]
        for first, some in _BASE.yaml_implicit_resolvers.items()
    }
    for first in "-+0123456789":
        kept[first] = [(_INTEGER, _INT), (_REAL, _FLOAT), *kept.get(first, [])]
    kept["."] = [(_REAL, _FLOAT), *kept.get(".", [])]
    return kept


_Loader.yaml_implicit_resolvers = _resolvers()


def decode(data: bytes) -> tuple[Any, list[str]]:
    """The one document as plain JSON, and the keys that came twice. 400 for what is no YAML.

    >>> decode(b"a: yes\\nb: 2026-01-02\\nc: [1, 0.5]\\na: no")
    ({'a': False, 'b': '2026-01-02', 'c': [1, 0.5]}, ['a'])
    """
    loader = _Loader(data)
    try:
        found = loader.get_single_data()
    except (yaml.YAMLError, ValueError) as error:
        raise bad_request(f"error converting YAML to JSON: yaml: {' '.join(str(error).split())}") from None
    finally:
        loader.dispose()
    return _plain(found), loader.duplicates


def _plain(value: Any) -> Any:
    """Keys as text, as JSON has them."""
    if isinstance(value, dict):
        return {_key(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, (str, int, float)) or value is None:
        return value
    raise bad_request(f"error converting YAML to JSON: yaml: {type(value).__name__} has no place in JSON")


def _key(key: Any) -> str:
    if isinstance(key, bool):
        return "true" if key else "false"
    return str(key)


def encode(value: Any) -> bytes:
    """
    >>> encode({"b": 1, "a": ["x"]})
    b'a:\\n- x\\nb: 1\\n'
    """
    text: bytes = yaml.dump(value, Dumper=_DUMPER, encoding="utf-8", allow_unicode=True, sort_keys=True)
    return text
