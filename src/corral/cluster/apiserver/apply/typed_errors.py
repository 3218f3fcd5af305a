"""What does not fit a schema, and where."""

from __future__ import annotations


class TypedError(Exception):
    """`path` leads to the fault: `.spec.ports`; the text is upstream's."""

    def __init__(self, fault: str, path: str = "") -> None:
        super().__init__(fault)
        self.fault, self.path = fault, path

    def __str__(self) -> str:
        return f"{self.path}: {self.fault}" if self.path else self.fault


def text(errors: list[TypedError]) -> str:
    """Pure: one error as it is, several below each other.

    >>> text([TypedError("no", ".a"), TypedError("never")])
    'errors:\\n  .a: no\\n  never'
    """
    if len(errors) == 1:
        return str(errors[0])
    return "\n".join(["errors:", *(f"  {one}" for one in errors)])
