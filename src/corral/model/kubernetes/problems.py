"""What is wrong with a field of an object: the causes of a 422, in the words that kubectl's users know.

Follows k8s.io/apimachinery/pkg/util/validation/field: the same types, the same texts.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

REQUIRED = "FieldValueRequired"
INVALID = "FieldValueInvalid"
NOT_SUPPORTED = "FieldValueNotSupported"
DUPLICATE = "FieldValueDuplicate"
NOT_FOUND = "FieldValueNotFound"
FORBIDDEN = "FieldValueForbidden"
TOO_LONG = "FieldValueTooLong"
TOO_MANY = "FieldValueTooMany"
TYPE_INVALID = "FieldValueTypeInvalid"
INTERNAL = "InternalError"

_WORDS = {
    REQUIRED: "Required value",
    INVALID: "Invalid value",
    NOT_SUPPORTED: "Unsupported value",
    DUPLICATE: "Duplicate value",
    NOT_FOUND: "Not found",
    FORBIDDEN: "Forbidden",
    TOO_LONG: "Too long",
    TOO_MANY: "Too many",
    TYPE_INVALID: "Invalid value",
    INTERNAL: "Internal error",
}
_WITHOUT_VALUE = (REQUIRED, FORBIDDEN, TOO_LONG, TOO_MANY, INTERNAL)


class _Omitted:
    def __repr__(self) -> str:
        return "OMITTED"


OMITTED = _Omitted()  # the `value` of a problem whose value says nothing


@dataclass(frozen=True, slots=True)
class Problem:
    """One cause. `field` is a path such as `spec.containers[0].image`; `value` is the offender as plain JSON."""

    type: str
    field: str
    detail: str = ""
    value: Any = None

    @property
    def body(self) -> str:
        """The cause without its field, as `causes[].message` carries it.

        >>> Problem(INVALID, "spec.replicas", "must be greater than or equal to 0", -1).body
        'Invalid value: -1: must be greater than or equal to 0'
        >>> Problem(REQUIRED, "metadata.name", "name or generateName is required").body
        'Required value: name or generateName is required'
        """
        words = _WORDS[self.type]
        if self.type not in _WITHOUT_VALUE and self.value is not OMITTED:
            words += f": {_shown(self.value)}"
        return f"{words}: {self.detail}" if self.detail else words

    def __str__(self) -> str:
        return f"{self.field}: {self.body}"

    def under(self, prefix: str) -> Problem:
        """The same, of a field that lies below `prefix`.

        >>> Problem(REQUIRED, "name").under("spec.ports[0]").field, Problem(REQUIRED, "[1].x").under("spec.a").field
        ('spec.ports[0].name', 'spec.a[1].x')
        """
        joined = prefix + self.field if self.field.startswith("[") or not prefix else f"{prefix}.{self.field}"
        return Problem(self.type, joined, self.detail, self.value)


WHOLE = "[]"  # the path of no field, as Go writes one without a name
NOWHERE = "<nil>"  # and one that is not there at all

# What keeps the rules of a custom kind from being asked, and what is said then.
BLOCKING = frozenset((NOT_SUPPORTED, REQUIRED, TOO_LONG, TOO_MANY, TYPE_INVALID))
UNCHECKED = Problem(
    INVALID,
    NOWHERE,
    "some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation",
)


def required(field: str, detail: str = "") -> Problem:
    return Problem(REQUIRED, field, detail)


def invalid(field: str, value: Any, detail: str) -> Problem:
    return Problem(INVALID, field, detail, value)


def forbidden(field: str, detail: str) -> Problem:
    return Problem(FORBIDDEN, field, detail)


def duplicate(field: str, value: Any) -> Problem:
    return Problem(DUPLICATE, field, "", value)


def not_found(field: str, value: Any) -> Problem:
    return Problem(NOT_FOUND, field, "", value)


def not_supported(field: str, value: Any, allowed: Sequence[str]) -> Problem:
    """The allowed values are listed in the order given.

    >>> str(not_supported("spec.type", "X", ("ClusterIP", "NodePort")))
    'spec.type: Unsupported value: "X": supported values: "ClusterIP", "NodePort"'
    """
    listed = ", ".join(json.dumps(one) for one in allowed)
    return Problem(NOT_SUPPORTED, field, f"supported values: {listed}" if allowed else "", value)


def too_long(field: str, limit: int) -> Problem:
    return Problem(TOO_LONG, field, f"may not be more than {limit} bytes")


def too_many(field: str, found: int, limit: int) -> Problem:
    return Problem(TOO_MANY, field, f"{found}: must have at most {limit} {'item' if limit == 1 else 'items'}")


def _shown(value: Any) -> str:
    """As Go prints it: text quoted, numbers bare, the rest as JSON, nothing as null."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
