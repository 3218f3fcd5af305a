"""metadata.managedFields, decoded and encoded.

A manager is told apart by its name, operation and subresource, and (of an update) by its apiVersion. An entry keeps the
set as it came over the wire until someone needs it: most writes touch few of them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from corral.cluster.apiserver.apply import fieldset
from corral.cluster.apiserver.apply.elements import BadElement
from corral.cluster.apiserver.apply.fieldset import FieldSet

APPLY, UPDATE = "Apply", "Update"
Wire = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Manager:
    """Who owns fields."""

    name: str
    operation: str
    api_version: str = ""
    subresource: str = ""

    @property
    def identifier(self) -> str:
        """As upstream writes it; managers are sorted by it.

        >>> Manager("kubectl", APPLY, "v1").identifier, Manager("x", UPDATE, "v1").identifier
        ('{"manager":"kubectl","operation":"Apply"}', '{"manager":"x","operation":"Update","apiVersion":"v1"}')
        """
        version = "" if self.operation == APPLY else self.api_version
        parts = {"manager": self.name, "operation": self.operation, "apiVersion": version}
        parts["subresource"] = self.subresource
        shown = {key: value for key, value in parts.items() if value}
        return json.dumps(shown, ensure_ascii=False, separators=(",", ":"))

    def __str__(self) -> str:
        """As conflicts name it."""
        found = json.dumps(self.name, ensure_ascii=False)
        if self.subresource:
            found += f" with subresource {json.dumps(self.subresource)}"
        return f"{found} using {self.api_version}" if self.operation == UPDATE else found


@dataclass(slots=True)
class Entry:
    """What a manager owns. `time` is RFC 3339, or empty."""

    manager: Manager
    time: str
    wire: Wire | None = None
    _fields: FieldSet | None = field(default=None, repr=False)

    @property
    def applied(self) -> bool:
        return self.manager.operation == APPLY

    @property
    def fields(self) -> FieldSet:
        """The set; raises BadElement."""
        if self._fields is None:
            self._fields = fieldset.from_wire(self.wire)
        return self._fields

    @property
    def seconds(self) -> int:
        return seconds(self.time)

    def owns_of(self, change: FieldSet) -> bool:
        """Whether it owns a member of a set."""
        if self._fields is None and self.wire is not None:
            return fieldset.touches(self.wire, change)
        return bool(fieldset.intersection(self.fields, change))

    def with_fields(self, fields: FieldSet) -> Entry:
        return Entry(self.manager, self.time, None, fields)

    def encoded(self) -> dict[str, Any]:
        manager = self.manager
        found: dict[str, Any] = {"manager": manager.name} if manager.name else {}
        found |= {"operation": manager.operation, "apiVersion": manager.api_version}
        if self.time:
            found["time"] = self.time
        found["fieldsType"] = "FieldsV1"
        found["fieldsV1"] = self.wire if self.wire is not None else fieldset.to_wire(self.fields)
        if manager.subresource:
            found["subresource"] = manager.subresource
        return found


Entries = dict[str, Entry]


class BadEntry(ValueError):
    """An entry that upstream would not decode; the message is upstream's."""


def decode(entries: Any, *, trusted: bool = False) -> Entries:
    """Pure: the entries by their identifiers; raises BadEntry.

    `trusted`: they are the ones that are stored, so their sets have been looked at before.
    """
    if entries is not None and not isinstance(entries, list):
        raise BadEntry("managedFields must be a list")
    found: Entries = {}
    for index, one in enumerate(entries or ()):
        _check(index, one)
        manager = Manager(one.get("manager") or "", one["operation"], one["apiVersion"], one.get("subresource") or "")
        entry = Entry(manager, one.get("time") or "", one.get("fieldsV1") or {})
        if not trusted:
            try:
                entry = entry.with_fields(entry.fields)
            except BadElement as error:
                raise BadEntry(f"error decoding versioned set from {one}: error decoding set: {error}") from None
        found[manager.identifier] = entry
    return found


def problem(entries: Any) -> str:
    """Pure: what is wrong with entries, "" if nothing is.

    >>> problem([{"operation": "Fly"}]), problem([{"operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1"}])
    ('operation must be `Apply` or `Update`', '')
    """
    try:
        decode(entries)
    except BadEntry as error:
        return str(error)
    return ""


def encode(entries: Mapping[str, Entry]) -> list[dict[str, Any]]:
    """Pure: those who applied come first, then by time and by name."""
    return [entry.encoded() for entry in sorted(entries.values(), key=_rank)]


def is_reset(entries: Any) -> bool:
    """Pure: whether a client asks that nobody shall own anything: `[]`, or one empty entry.

    >>> is_reset([]), is_reset([{}]), is_reset(None)
    (True, True, False)
    """
    if not isinstance(entries, list):
        return False
    return not entries or (len(entries) == 1 and isinstance(entries[0], dict) and not any(entries[0].values()))


def seconds(time: str) -> int:
    """Pure: since 1970; no time is 0, and so is what cannot be read."""
    try:
        return int(datetime.fromisoformat(time).timestamp()) if time else 0
    except ValueError:
        return 0


def _rank(entry: Entry) -> tuple[Any, ...]:
    manager = entry.manager
    return manager.operation, seconds(entry.time), manager.name, manager.api_version, manager.subresource


def _check(index: int, entry: Any) -> None:
    if not isinstance(entry, dict):
        raise BadEntry(f"entry {index} is no object")
    texts: Sequence[Any] = [entry.get(key) for key in ("manager", "time", "subresource", "apiVersion")]
    if not all(one is None or isinstance(one, str) for one in texts):
        raise BadEntry(f"entry {index} has fields of a wrong type")
    if entry.get("operation") not in (APPLY, UPDATE):
        raise BadEntry("operation must be `Apply` or `Update`")
    if not entry.get("apiVersion"):
        raise BadEntry("apiVersion must not be empty")
    kind = entry.get("fieldsType") or ""
    if not kind:
        raise BadEntry(f"missing fieldsType in managed fields entry {index}")
    if kind != "FieldsV1":
        raise BadEntry(f"invalid fieldsType {json.dumps(kind)} in managed fields entry {index}")
