"""Whatever a schema allows, a kind's functions take: they default it once for all, and judge it without an error."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from ipaddress import ip_network
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corral.model.kubernetes.kind import Kind, Object
from corral.model.kubernetes.kinds import CONVERSIONS, KINDS, metadata
from corral.model.kubernetes.kinds.core.service.allocation import InUse, Ranges, allocate
from corral.model.kubernetes.problems import Problem
from corral.model.kubernetes.resources import GroupVersionKind
from corral.model.kubernetes.schema.stable import builtin
from corral.model.kubernetes.schema.types import Schema
from corral.model.kubernetes.schema.zeros import complete
from corral.model.kubernetes.status import StatusError

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
STORED = {("autoscaling", "HorizontalPodAutoscaler"): "v2"}
WORDS = (
    "",
    "a",
    "web",
    "web-",
    "a.b",
    "A",
    "*",
    "..",
    "../x",
    "/",
    "/a/b",
    "None",
    "True",
    "False",
    "In",
    "NotIn",
    "Exists",
    "Equal",
    "TCP",
    "UDP",
    "Always",
    "Never",
    "OnFailure",
    "Localhost",
    "ClusterIP",
    "NodePort",
    "LoadBalancer",
    "ExternalName",
    "ClientIP",
    "IPv4",
    "IPv6",
    "SingleStack",
    "PreferDualStack",
    "RequireDualStack",
    "Local",
    "Limited",
    "Queue",
    "Exempt",
    "Indexed",
    "Resource",
    "Pods",
    "External",
    "Object",
    "Utilization",
    "RollingUpdate",
    "Recreate",
    "Pod",
    "Container",
    "PersistentVolumeClaim",
    "RWO",
    "ReadWriteOnce",
    "ReadWriteOncePod",
    "Bound",
    "10.0.0.1",
    "fd00::1",
    "10.0.0.0/24",
    "300.1.1.1",
    "@every 1h",
    "*/5 * * * *",
    "1-0 * * * *",
    "Europe/Berlin",
    "cpu",
    "memory",
    "hugepages-2Mi",
    "example.com/gpu",
    "limits.cpu",
    "metadata.labels['a']",
    "metadata.name",
    "v1",
    "a/b/c",
    "x" * 70,
    "kubernetes.io/tls",
    "kubernetes.io/dockerconfigjson",
    "Approved",
    "Denied",
    "Ready",
    "linux",
    "windows",
    "é\ud7ff",
)
NUMBERS = (0, 1, -1, 80, 65536, 2**31 - 1, -(2**31), 600, 30000)
AMOUNTS = ("0", "1", "500m", "-1", "1Gi", "0.1", "1e3", "1500u", 2, 0.25)


class Maker:
    """Objects of a schema, by chance: no more than some hundred fields, whatever the type."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.left = 150

    def make(self, schema: Schema, depth: int = 0) -> Any:
        self.left -= 1
        if schema.format == "quantity":
            return self.random.choice(AMOUNTS)
        if schema.format == "int-or-string":
            return self.random.choice((*NUMBERS, "25%", "150%", "http", ""))
        if schema.format == "date-time":
            return self.random.choice(("2026-01-02T03:04:05Z", "2026-01-02T03:04:05.123456Z"))
        if schema.format == "byte":
            return self.random.choice(("", "aGFsbG8=", "e30="))
        if schema.properties:
            return self.object(schema, depth)
        if schema.items is not None:
            return [self.make(schema.items, depth + 1) for _ in range(self.size(depth))]
        if schema.values is not None:
            keys = self.random.sample(WORDS, self.size(depth))
            return {key: self.make(schema.values, depth + 1) for key in keys}
        plain = {"string": WORDS, "integer": NUMBERS, "number": (0.5, -1.5), "boolean": (True, False)}
        return self.random.choice(plain.get(schema.type, ({}, {"a": 1})))

    def object(self, schema: Schema, depth: int) -> Object:
        share = 0.9 if depth < 2 else 0.45
        names = [name for name in schema.properties if self.random.random() < share or name in schema.required]
        self.random.shuffle(names)
        return {name: self.make(schema.properties[name], depth + 1) for name in names if self.left > 0 and depth < 14}

    def size(self, depth: int) -> int:
        return self.random.choice((0, 1, 1, 2, 3)) if self.left > 0 else 0


def schema_of(group: str, kind: str) -> Schema:
    version = STORED.get((group, kind), "v1")
    found = builtin().schema(GroupVersionKind("" if kind == "Event" else group, version, kind))
    assert found is not None, (group, kind)
    return found


@pytest.mark.parametrize(("group", "name"), sorted(KINDS), ids=lambda part: part or "core")
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_any_object_is_taken(group: str, name: str, seed: int) -> None:
    kind, schema = KINDS[group, name], schema_of(group, name)
    first, second = Maker(seed).make(schema), Maker(seed + 1).make(schema)
    for obj in (first, second):
        check_defaults(kind, obj)
    old, new = copy.deepcopy(first), copy.deepcopy(second)
    kind.prepare_create(old)
    before = copy.deepcopy(old)
    kind.prepare_update(new, old)
    judged = [*kind.validate(old), *kind.validate_update(new, old), *metadata.check(new, True)]
    judged += [*metadata.check_update(new, old), *kind.validate_update(old, old)]
    kind.prepare_status(new, old)
    judged += kind.validate_status(new, old)
    assert old == before, "validation and updates leave the old object alone"
    for problem in judged:
        assert isinstance(problem, Problem) and str(problem)
    assert all(isinstance(text, str) for text in (*kind.warnings(new, None), *kind.warnings(new, old)))
    check_shown(kind, first)


def check_defaults(kind: Kind, obj: Object) -> None:
    written = copy.deepcopy(obj)
    kind.default(obj)
    assert not list(lost(written, obj))
    once = json.dumps(obj)
    kind.default(obj)
    assert json.dumps(obj) == once, "a second time changes nothing, not even the order"


MOVED = {"stringData", "sessionAffinityConfig"}


def lost(written: Any, found: Any, path: str = "") -> Any:
    """The paths of what was written and is not there any more."""
    if isinstance(written, dict):
        if not isinstance(found, dict):
            yield path
            return
        for key, value in written.items():
            if key not in MOVED:
                yield from lost(value, found[key], f"{path}.{key}") if key in found else [f"{path}.{key}"]
        kept = [key for key in found if key in written]
        if kept != [key for key in written if key in found]:
            yield f"order of {path}"
    elif isinstance(written, list) and written:
        if not isinstance(found, list) or len(found) < len(written):
            yield path
        else:
            for index, value in enumerate(written):
                yield from lost(value, found[index], f"{path}[{index}]")


def check_shown(kind: Kind, obj: Object) -> None:
    for column in kind.columns:
        cell = column.cell(obj, NOW)
        assert isinstance(cell, str | int | bool | float) or column.name in ("Min Available", "Max Unavailable"), column
    for select in kind.fields.values():
        assert isinstance(select(obj), str)


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_conversions_take_anything(seed: int) -> None:
    for (group, version, name), conversion in CONVERSIONS.items():
        made = Maker(seed).make(builtin().schema(GroupVersionKind(group, version, name)))
        stored = conversion.to_stored({**made, "apiVersion": f"{group}/{version}", "kind": name})
        again = conversion.to_stored(conversion.from_stored(stored))
        assert complete(again) == complete(stored)  # an empty text that one group writes and the other does not is none


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_services_get_what_they_lack_or_are_refused(seed: int) -> None:
    ranges = Ranges((ip_network("10.96.0.0/24"), ip_network("fd00::/112")), range(30000, 30010))
    service = Maker(seed).make(schema_of("", "Service"))
    KINDS["", "Service"].default(service)
    if list(KINDS["", "Service"].validate(service)):
        return
    try:
        allocate(service, None, ranges, InUse(), Random(seed))
    except StatusError as error:
        assert error.code in (422, 500)
    else:
        assert not list(KINDS["", "Service"].validate(service))
