"""Do an object's values keep to the rules of its schema? Of CustomResourceDefinitions: types, limits, patterns.

Follows k8s.io/kube-openapi/pkg/validation/validate and how apiextensions shows its findings.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from corral.model.kubernetes.problems import TYPE_INVALID, Problem, invalid, not_supported, required, too_long, too_many
from corral.model.kubernetes.problems import duplicate as duplicate_problem
from corral.model.kubernetes.schema import formats, pattern
from corral.model.kubernetes.schema.crd import EMBEDDED, INT_OR_STRING, LIST_MAP_KEYS, LIST_TYPE

Raw = Mapping[str, Any]
_RANGES = {"int32": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1)}


def validate(value: Any, raw: Raw, path: str = "") -> list[Problem]:
    """Pure: what is wrong with a value. `raw` is a structural schema as it was written, defaults already applied.

    >>> schema = {"type": "object", "properties": {"size": {"type": "integer", "maximum": 5}}, "required": ["name"]}
    >>> [str(one) for one in validate({"size": 9}, schema, "spec")]
    ['spec.size: Invalid value: 9: spec.size in body should be less than or equal to 5', 'spec.name: Required value']
    >>> str(validate({"size": "x"}, {"properties": schema["properties"]})[0])
    'size: Invalid value: "string": size in body must be of type integer: "string"'
    """
    return list(_validate(value, raw, path))


def _validate(value: Any, raw: Raw, path: str) -> Iterator[Problem]:
    yield from _type(value, raw, path)
    yield from _enum(value, raw, path)
    if value is None:
        return
    if isinstance(value, str):
        yield from _string(value, raw, path)
    elif _is_number(value):
        yield from _number(value, raw, path)
    elif isinstance(value, list):
        yield from _array(value, raw, path)
    elif isinstance(value, dict):
        yield from _object(value, raw, path)
    yield from _junctions(value, raw, path)


def _type(value: Any, raw: Raw, path: str) -> Iterator[Problem]:
    wanted = ("integer", "string") if raw.get(INT_OR_STRING) else (raw["type"],) if raw.get("type") else ()
    if not wanted or (value is None and raw.get("nullable")):
        return
    found = kind_of(value)
    fitting = {found}
    if found == "integer":
        fitting.add("number")
    elif found == "number" and float(value).is_integer():
        fitting.add("integer")
    if not fitting & set(wanted):
        text = f'{path} in body must be of type {",".join(wanted)}: "{found}"'
        yield Problem(TYPE_INVALID, path, text, found)


def kind_of(value: Any) -> str:
    """Pure: the type of a JSON value, in the words of schemas.

    >>> [kind_of(one) for one in (None, True, 1, 1.5, "", [], {})]
    ['null', 'boolean', 'integer', 'number', 'string', 'array', 'object']
    """
    if isinstance(value, bool):
        return "boolean"
    kinds = {int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return kinds.get(type(value), "null")


def _enum(value: Any, raw: Raw, path: str) -> Iterator[Problem]:
    allowed = raw.get("enum")
    if allowed and not any(equal(value, one) for one in allowed):
        yield not_supported(path, value, [one if isinstance(one, str) else _json(one) for one in allowed])


def _string(value: str, raw: Raw, path: str) -> Iterator[Problem]:
    longest, shortest, wanted = raw.get("maxLength"), raw.get("minLength"), raw.get("pattern")
    if longest is not None and len(value) > longest:
        yield too_long(path, int(longest))
    if shortest is not None and len(value) < shortest:
        yield invalid(path, value, f"{path} in body should be at least {shortest} chars long")
    if wanted and not pattern.matches(wanted, value):
        yield invalid(path, value, f"{path} in body should match '{wanted}'")
    name = raw.get("format")
    if name and raw.get("type", "string") == "string" and not formats.fits(value, name):
        yield Problem(TYPE_INVALID, path, f"{path} in body must be of type {name}: {_json(value)}", value)


def _number(value: int | float, raw: Raw, path: str) -> Iterator[Problem]:
    most, least, step = raw.get("maximum"), raw.get("minimum"), raw.get("multipleOf")
    if most is not None and (value >= most if raw.get("exclusiveMaximum") else value > most):
        words = "less than" if raw.get("exclusiveMaximum") else "less than or equal to"
        yield invalid(path, value, f"{path} in body should be {words} {_shown(most)}")
    if least is not None and (value <= least if raw.get("exclusiveMinimum") else value < least):
        words = "greater than" if raw.get("exclusiveMinimum") else "greater than or equal to"
        yield invalid(path, value, f"{path} in body should be {words} {_shown(least)}")
    if step and not _is_multiple(value, step):
        yield invalid(path, value, f"{path} in body should be a multiple of {_shown(step)}")
    low, high = _RANGES.get(raw.get("format", ""), (None, None))
    if low is not None and high is not None and not low <= value <= high:
        text = f"{path} in body must be of type {raw['format']}: {_json(_json(value))}"
        yield Problem(TYPE_INVALID, path, text, value)


def _array(value: list[Any], raw: Raw, path: str) -> Iterator[Problem]:
    if isinstance(raw.get("items"), Mapping):
        for index, one in enumerate(value):
            yield from _validate(one, raw["items"], f"{path}[{index}]")
    if raw.get("minItems") is not None and len(value) < raw["minItems"]:
        yield invalid(path, len(value), f"{path} in body should have at least {raw['minItems']} items")
    if raw.get("maxItems") is not None and len(value) > raw["maxItems"]:
        yield too_many(path, len(value), raw["maxItems"])
    if raw.get("uniqueItems") and len({_key(one) for one in value}) < len(value):
        yield invalid(path, "", f"{path} in body shouldn't contain duplicates")
    if raw.get(LIST_TYPE) in ("set", "map"):
        yield from _same_items(value, tuple(raw.get(LIST_MAP_KEYS) or ()), path)


def _same_items(value: list[Any], keys: tuple[str, ...], path: str) -> Iterator[Problem]:
    """Items of a set, or with the same keys in a map, that stand there twice."""
    seen = set()
    for index, one in enumerate(value):
        if keys and not isinstance(one, dict):
            continue  # of the wrong type, which is said elsewhere
        known = {key: one[key] for key in keys if key in one} if keys else one
        if _key(known) in seen:
            yield duplicate_problem(f"{path}[{index}]", known)
        seen.add(_key(known))


def _object(value: dict[str, Any], raw: Raw, path: str) -> Iterator[Problem]:
    properties, more = raw.get("properties") or {}, raw.get("additionalProperties")
    if raw.get("minProperties") is not None and len(value) < raw["minProperties"]:
        yield invalid(path, len(value), f"{path} in body should have at least {raw['minProperties']} properties")
    if raw.get("maxProperties") is not None and len(value) > raw["maxProperties"]:
        yield too_many(path, len(value), raw["maxProperties"])
    for key, one in value.items():
        below = properties.get(key, more)
        if isinstance(below, Mapping):
            yield from _validate(one, below, f"{path}.{key}" if path else key)
    for key in raw.get("required") or ():
        if key not in value:
            yield required(f"{path}.{key}" if path else key)
    if raw.get(EMBEDDED):
        for key in ("apiVersion", "kind"):
            if not value.get(key):
                yield required(f"{path}.{key}", "must not be empty")


def _junctions(value: Any, raw: Raw, path: str) -> Iterator[Problem]:
    if raw.get("anyOf"):
        failures = [validate(value, one, path) for one in raw["anyOf"]]
        if all(failures):
            yield _whole(f"{_json(path)} must validate at least one schema (anyOf)")
            yield from min(failures, key=len)
    if raw.get("oneOf"):
        failures = [validate(value, one, path) for one in raw["oneOf"]]
        valid = sum(not one for one in failures)
        if valid != 1:
            found = f"Found {valid} valid alternatives" if valid else "Found none valid"
            yield _whole(f"{_json(path)} must validate one and only one schema (oneOf). {found}")
            yield from () if valid else min(failures, key=len)
    if raw.get("allOf"):
        failures = [validate(value, one, path) for one in raw["allOf"]]
        yield from (problem for one in failures for problem in one)
        if any(failures):
            yield _whole(
                f"{_json(path)} must validate all the schemas (allOf){'. None validated' if all(failures) else ''}"
            )
    if raw.get("not") is not None and not validate(value, raw["not"], path):
        yield _whole(f"{_json(path)} must not validate the schema (not)")


def _whole(text: str) -> Problem:
    """Of a combination of schemas: upstream has no path for it, and shows that."""
    return invalid("<nil>", "", text)


def equal(one: Any, other: Any) -> bool:
    """Pure: as JSON; true is not 1, but 1.0 is.

    >>> equal(1, 1.0), equal(True, 1), equal([{"a": 1}], [{"a": 1}])
    (True, False, True)
    """
    return bool(_key(one) == _key(other))


def _key(value: Any) -> Any:
    if isinstance(value, dict):
        return "object", frozenset((key, _key(one)) for key, one in value.items())
    if isinstance(value, list):
        return "array", tuple(map(_key, value))
    return ("boolean", value) if isinstance(value, bool) else value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_multiple(value: int | float, step: int | float) -> bool:
    if isinstance(value, int) and isinstance(step, int):
        return value % step == 0
    ratio = value / step
    return ratio == ratio and abs(ratio) != float("inf") and float(ratio).is_integer()


def _shown(number: int | float) -> str:
    return str(int(number)) if float(number).is_integer() and abs(number) < 1e21 else repr(number)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
