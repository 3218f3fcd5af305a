"""What a client sent, as plain JSON: decoded as Go's decoder would, and hostile input refused.

Follows sigs.k8s.io/json: integers stay integers, the last of two equal keys counts, invalid UTF-8 is replaced.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from corral.model.kubernetes import status

# Upstream gives up at 10,000 levels; no real object comes near this, and whatever looks at an object may recurse
# (with up to five frames a level, of Python's thousand).
MAX_DEPTH = 128
_MAX_DUPLICATES = 100
_INT64 = range(-(2**63), 2**63)


class Document(NamedTuple):
    """`duplicates`: what strict validation has to say of keys that stand twice, ready to be listed."""

    object: Any
    duplicates: tuple[str, ...] = ()


def decode_json(data: bytes) -> Document:
    """Pure: any JSON. Raises StatusError 400.

    >>> decode_json(b'{"spec": {"a": 1, "a": 2}}')
    Document(object={'spec': {'a': 2}}, duplicates=('duplicate field "spec.a"',))
    >>> decode_json(b'{"a": 1e3, "b": 12345678901234567890}').object
    {'a': 1000.0, 'b': 1.2345678901234567e+19}
    """
    repeated: dict[int, list[str]] = {}

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(found)
        if len(made) != len(found):
            seen: set[str] = set()
            repeated[id(made)] = [key for key, _ in found if key in seen or seen.add(key)]  # type: ignore[func-returns-value]
            kept.append(made)  # ids are only unique among what is alive
        return made

    kept: list[dict[str, Any]] = []
    try:
        text = data.decode("utf-8", "replace")
        obj = json.loads(
            text, object_pairs_hook=pairs, parse_int=_integer, parse_float=_float, parse_constant=_constant
        )
    except RecursionError:
        raise _too_deep() from None
    except json.JSONDecodeError as error:
        raise status.bad_request(f"json parse error: {_syntax(text, error)}") from None
    check_depth(obj)
    if _ESCAPED_SURROGATE.search(data):
        obj = _without_surrogates(obj)
        repeated = {}  # of objects that are gone: who sends such text has other worries
    return Document(obj, tuple(_duplicates(obj, repeated)) if repeated else ())


def check_depth(obj: Any) -> None:
    """Raises StatusError 400 for what is nested deeper than MAX_DEPTH."""
    level: list[Any] = [obj]
    for _ in range(MAX_DEPTH + 1):
        level = [child for one in level for child in _children(one)]
        if not level:
            return
    raise _too_deep()


def _children(obj: Any) -> Iterable[Any]:
    if isinstance(obj, dict):
        return obj.values()
    return obj if isinstance(obj, list) else ()


def quote(text: str) -> str:
    """Pure: text as Go quotes it."""
    return json.dumps(text, ensure_ascii=False)


def _too_deep() -> status.StatusError:
    return status.bad_request(f"json parse error: exceeded max depth of {MAX_DEPTH}")


def _integer(text: str) -> int | float:
    if len(text) < 19:
        return int(text)
    if len(text) <= 20 and (found := int(text)) in _INT64:
        return found
    return _float(text)


def _float(text: str) -> float:
    found = float(text)
    if found in (float("inf"), float("-inf")):
        raise status.bad_request(f"json: cannot unmarshal number {text[:60]} into Go value of type float64")
    return found


def _constant(text: str) -> Any:
    raise status.bad_request(f"json parse error: invalid character '{text[0]}' looking for beginning of value")


def _syntax(text: str, error: json.JSONDecodeError) -> str:
    """
    >>> _syntax("{", json.JSONDecodeError("", "{", 1)), _syntax("{x", json.JSONDecodeError("", "{x", 1))
    ('unexpected end of JSON input', "invalid character 'x' looking for beginning of value")
    """
    if error.pos >= len(text.rstrip()):
        return "unexpected end of JSON input"
    found = text[error.pos]
    if error.msg.startswith("Extra data"):
        return f"invalid character '{found}' after top-level value"
    if "property name" in error.msg:
        return f"invalid character '{found}' looking for beginning of object key string"
    return f"invalid character '{found}' looking for beginning of value"


_ESCAPED_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def _without_surrogates(obj: Any) -> Any:
    if isinstance(obj, str):
        return obj.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(obj, dict):
        return {_without_surrogates(key): _without_surrogates(value) for key, value in obj.items()}
    return [_without_surrogates(one) for one in obj] if isinstance(obj, list) else obj


def _duplicates(obj: Any, repeated: dict[int, list[str]]) -> Iterator[str]:
    texts: dict[str, None] = {}
    for path in _repeated_paths(obj, "", repeated):
        texts[f"duplicate field {quote(path)}"] = None
        if len(texts) == _MAX_DUPLICATES:
            break
    return iter(texts)


def _repeated_paths(obj: Any, path: str, repeated: dict[int, list[str]]) -> Iterator[str]:
    if isinstance(obj, dict):
        prefix = f"{path}." if path else ""
        yield from (prefix + key for key in repeated.get(id(obj), ()))
        for key, value in obj.items():
            yield from _repeated_paths(value, prefix + key, repeated)
    elif isinstance(obj, list):
        for index, value in enumerate(obj):
            yield from _repeated_paths(value, f"{path}[{index}]", repeated)
