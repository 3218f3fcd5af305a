"""What is wrong with an expression. Kept apart from the library, so that whoever only asks need not load it."""

from __future__ import annotations

from corral.errors import CorralError


class CompileError(CorralError):
    """An expression that is none, or does not fit its variables: the message has the place."""


class EvaluationError(CorralError):
    """An expression that failed on these values: no such key, division by zero, …"""
