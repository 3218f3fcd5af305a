"""Event: one kind in two groups, stored as that of the core group. Pure.

The newer group asks more of its events, and lets less of them change: the group of a request decides.
Follows pkg/apis/core/validation/events.go and pkg/apis/events/v1/conversion.go.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from corral.model.kubernetes.kind import Column, Kind, Object
from corral.model.kubernetes.kinds.ages import UNKNOWN, since
from corral.model.kubernetes.kinds.cells import column, own_name, wide
from corral.model.kubernetes.kinds.checks import Problems, dns_subdomain, each, immutable, listed, qualified_name
from corral.model.kubernetes.kinds.fields import has, is_new, metadata, number, part, text
from corral.model.kubernetes.problems import invalid, required

_LIMITS = {"reportingInstance": 128, "action": 128, "reason": 128, "message": 1024}
# events.k8s.io/v1 on the left, the core group on the right.
_RENAMED = {
    "regarding": "involvedObject",
    "note": "message",
    "reportingController": "reportingComponent",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
}
_FROM_CORE = {core: new for new, core in _RENAMED.items()}
_REPORTED = ("reportingComponent", "reportingInstance")  # always written in the core group


def to_core(event: Object) -> Object:
    """Pure: an event of events.k8s.io as one of the core group.

    >>> to_core({"apiVersion": "events.k8s.io/v1", "note": "hello"})
    {'apiVersion': 'v1', 'message': 'hello'}
    """
    return {**{_RENAMED.get(key, key): value for key, value in event.items()}, "apiVersion": "v1"}


def from_core(event: Object) -> Object:
    """Pure: the way back. Who reports is said here only if it is known.

    >>> from_core({"apiVersion": "v1", "message": "hello", "reportingComponent": ""})
    {'apiVersion': 'events.k8s.io/v1', 'note': 'hello'}
    """
    kept = {key: value for key, value in event.items() if value or key not in _REPORTED}
    return {**{_FROM_CORE.get(key, key): value for key, value in kept.items()}, "apiVersion": "events.k8s.io/v1"}


def _involved(event: Object) -> Object:
    return part(event, "involvedObject")


def _validate(event: Object, controller: str = "reportingComponent") -> Problems:
    """Of an event as the core group has it; `controller` is what the group of the request calls that field."""
    space, involved = text(metadata(event), "namespace"), text(_involved(event), "namespace")
    mismatch = invalid("involvedObject.namespace", involved, "does not match event.namespace")
    if has(event, "eventTime"):
        if not involved and space not in ("default", "kube-system"):
            yield mismatch
        yield from _reported(event, controller)
    elif (space not in ("", "default")) if not involved else space != involved:
        yield mismatch
    yield from each("namespace", space, dns_subdomain(space))


def _reported(event: Object, where: str) -> Problems:
    controller = text(event, "reportingComponent")
    if not controller:
        yield required(where)
    yield from each(where, controller, qualified_name(controller))
    for key, limit in _LIMITS.items():
        value = text(event, key)
        if not value and key != "message":
            yield required(key)
        if len(value.encode()) > limit:
            yield invalid(key, "", f"can have at most {limit} characters")


def _validate_newer(event: Object) -> Problems:
    """Of an event that came to events.k8s.io, in the core group's form."""
    yield from _validate(event, "reportingController")
    if is_new(event):
        yield from _check_new(event)


def _check_new(event: Object) -> Problems:
    yield from _series(event)
    if not has(event, "eventTime"):
        yield required("eventTime")
    if text(event, "type") not in ("Normal", "Warning"):
        yield invalid("type", "", f"has invalid value: {text(event, 'type')}")
    for key in ("firstTimestamp", "lastTimestamp"):
        if has(event, key):
            yield invalid(key, "", "needs to be unset")
    if number(event, "count"):
        yield invalid("count", "", "needs to be unset")
    if text(part(event, "source"), "component") or text(part(event, "source"), "host"):
        yield invalid("source", "", "needs to be unset")


def _series(event: Object) -> Problems:
    series = event.get("series")
    if isinstance(series, dict):
        if number(series, "count") < 2:
            yield invalid("series.count", "", "should be at least 2")
        if not has(series, "lastObservedTime"):
            yield required("series.lastObservedTime")


_FIXED = (
    "involvedObject reason message source firstTimestamp lastTimestamp count type eventTime action related "
    "reportingController reportingInstance"
).split()


def _check_change(new: Object, old: Object) -> Problems:
    """What events.k8s.io refuses in a change: all but the series."""
    if new.get("series") != old.get("series"):
        yield from _series(new)
    now, before = ({**one, "reportingController": one.get("reportingComponent")} for one in (new, old))
    yield from immutable(now, before, "", *_FIXED)


def _last_seen(event: Object, now: datetime) -> str:
    if isinstance(event.get("series"), dict):
        return since(event["series"].get("lastObservedTime"), now)
    last = since(event.get("lastTimestamp"), now)
    return _first_seen(event, now) if last == UNKNOWN else last


def _first_seen(event: Object, now: datetime) -> str:
    first = since(event.get("firstTimestamp"), now)
    return since(event.get("eventTime"), now) if first == UNKNOWN else first


def _count(event: Object) -> str:
    series = event.get("series")
    return str(number(series, "count") if isinstance(series, dict) else number(event, "count") or 1)


def _object(event: Object) -> str:
    """
    >>> _object({"involvedObject": {"kind": "Pod", "name": "web"}})
    'pod/web'
    """
    kind, name = text(_involved(event), "kind").lower(), text(_involved(event), "name")
    return f"{kind}/{name}" if name else kind


def source_of(event: Object) -> str:
    component = text(part(event, "source"), "component") or text(event, "reportingComponent")
    host = text(part(event, "source"), "host") or text(event, "reportingInstance")
    return f"{component}, {host}" if host else component


_FIELDS = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")


def _of_involved(key: str) -> Callable[[Object], str]:
    return lambda event: text(_involved(event), key)


EVENT = Kind(
    validate=listed(_validate),
    has_generation=False,
    columns=(
        Column("Last Seen", _last_seen),
        column("Type", lambda event: text(event, "type")),
        column("Reason", lambda event: text(event, "reason")),
        column("Object", _object),
        wide("Subobject", lambda event: text(_involved(event), "fieldPath")),
        wide("Source", source_of),
        column("Message", lambda event: text(event, "message").strip()),
        Column("First Seen", _first_seen, priority=1),
        wide("Count", _count),
        own_name(priority=1),
    ),
    fields={
        **{f"involvedObject.{key}": _of_involved(key) for key in _FIELDS},
        **{f"regarding.{key}": _of_involved(key) for key in _FIELDS},
        "reason": lambda event: text(event, "reason"),
        "type": lambda event: text(event, "type"),
        "reportingComponent": lambda event: text(event, "reportingComponent"),
        "reportingController": lambda event: text(event, "reportingComponent"),
        "source": lambda event: text(part(event, "source"), "component") or text(event, "reportingComponent"),
    },
    allow_create_on_update=True,
)
NEWER_EVENT = replace(EVENT, validate=listed(_validate_newer), validate_update=listed(_check_change))
