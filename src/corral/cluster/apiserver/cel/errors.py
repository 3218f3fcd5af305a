"""What is wrong with an expression. Kept apart from the library, so that whoever only asks need not load it."""

from __future__ import annotations

from corral.errors import CorralError


class CompileError(CorralError):
    """An expression that is none, or does not fit its variables: the message has the place."""


class WrongType(CompileError):
    """It compiles, and gives something else than is needed.

    >>> WrongType(["bool"], "int").message, WrongType(["string", "null_type"], "int").message
    ('must evaluate to bool but got int', 'must evaluate to one of [string null_type] but got int')
    """

    def __init__(self, wanted: list[str], got: str) -> None:
        shown = wanted[0] if len(wanted) == 1 else f"one of [{' '.join(wanted)}]"
        super().__init__(f"must evaluate to {shown} but got {got}")


class EvaluationError(CorralError):
    """An expression that failed on these values: no such key, division by zero, …"""
