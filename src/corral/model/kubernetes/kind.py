"""What is special about one kind: its defaults, its rules, its columns. Each is a pure function, and may be missing.

The API server does what all kinds have in common (metadata, versions, finalizers, schemas); `kinds/` has one Kind for
each kind that differs, found by (group, kind) in the plain dictionary `kinds.KINDS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from corral.model.kubernetes.problems import Problem

Object = dict[str, Any]


class Column(NamedTuple):
    """A column of the Table that `kubectl get` prints. `priority` above 0 is for `-o wide`.

    `cell` gives the value from the object and the present moment (for ages).
    """

    name: str
    cell: Callable[[Object, datetime], Any]
    type: str = "string"
    format: str = ""
    description: str = ""
    priority: int = 0


def _nothing(obj: Object) -> None:
    return None


def _keep(new: Object, old: Object) -> None:
    return None


def _fine(obj: Object) -> Sequence[Problem]:
    return ()


def _fine_change(new: Object, old: Object) -> Sequence[Problem]:
    return ()


def _silent(obj: Object, old: Object | None) -> Sequence[str]:
    return ()


@dataclass(frozen=True, slots=True)
class Kind:
    """The functions for one kind; objects are in the stored version, `default` and `prepare_…` change them in place.

    default          fills in what was left out, as upstream's defaulting does; also runs on what is read back
    prepare_create   before admission's last word: drops what clients may not set (status), sets what is always set
    prepare_update   the same for an update: `(new, old)`
    prepare_status   for an update of the status subresource: all but status (and metadata) stays as it was
    validate         the causes for which a new object is refused; has seen defaults
    validate_update  … a change is refused, for what `validate(new)` does not see: immutable fields; `(new, old)`
    validate_status  … an update of the status subresource is refused; `(new, old)`
    validate_parts   … an update of another subresource, by its name, beyond what `validate(new)` sees; `(new, old)`
    warnings         what is accepted, but worth a `Warning:` header; `(new, old or None)`
    deprecated       what every request for it is warned of, reads too
    has_status       status is a subresource: the main resource ignores it
    has_generation   `metadata.generation` grows when anything but metadata and status changes
    columns          after Name (and the Age, if any, among them); empty: Name and Age. One that is called Name itself
                     stands where it is, instead of the first
    fields           field selectors beyond metadata.name and metadata.namespace: path -> value as text
    allow_unconditional_update   an update without a resourceVersion is taken
    allow_create_on_update       a PUT to a name that is not there creates it
    """

    default: Callable[[Object], None] = _nothing
    prepare_create: Callable[[Object], None] = _nothing
    prepare_update: Callable[[Object, Object], None] = _keep
    prepare_status: Callable[[Object, Object], None] = _keep
    validate: Callable[[Object], Sequence[Problem]] = _fine
    validate_update: Callable[[Object, Object], Sequence[Problem]] = _fine_change
    validate_status: Callable[[Object, Object], Sequence[Problem]] = _fine_change
    validate_parts: Mapping[str, Callable[[Object, Object], Sequence[Problem]]] = field(default_factory=dict)
    validate_name: Callable[[str], Sequence[str]] | None = None
    warnings: Callable[[Object, Object | None], Sequence[str]] = _silent
    deprecated: str = ""
    has_status: bool = False
    has_generation: bool = True
    columns: tuple[Column, ...] = ()
    fields: Mapping[str, Callable[[Object], str]] = field(default_factory=dict)
    allow_unconditional_update: bool = True
    allow_create_on_update: bool = False
