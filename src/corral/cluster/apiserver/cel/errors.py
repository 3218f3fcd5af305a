"""What is wrong with an expression. Kept apart from the library, so that whoever only asks need not load it."""

from __future__ import annotations

from corral.errors import CorralError


class CompileError(CorralError):
    """An expression that is none, or does not fit its variables: the message has the place."""


class WrongType(CompileError):
    """It compiles, and gives something else than is needed.

    >>> WrongType("BOOL", "INT").message, WrongType("STRING|NULL", "INT").message
    ('must evaluate to bool but got int', 'must evaluate to one of [string null_type] but got int')
    >>> WrongType("BOOL|ANY", "INT").message
    'must evaluate to bool or the unknown type, not int'
    """

    def __init__(self, wanted: str, got: str) -> None:
        names = [_name_of(one) for one in wanted.split("|")]
        if names[-1] == "any":
            super().__init__(f"must evaluate to {names[0]} or the unknown type, not {_name_of(got)}")
            return
        shown = names[0] if len(names) == 1 else f"one of [{' '.join(names)}]"
        super().__init__(f"must evaluate to {shown} but got {_name_of(got)}")


def _name_of(kind: str) -> str:
    return {"NULL": "null_type", "LIST": "list(dyn)", "MAP": "map(dyn, dyn)"}.get(kind, kind.lower())


class EvaluationError(CorralError):
    """An expression that failed on these values: no such key, division by zero, …"""
