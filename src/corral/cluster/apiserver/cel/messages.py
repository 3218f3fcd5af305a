"""What the daemon and the evaluator of expressions say to each other, as MessagePack behind four bytes of length. Pure.

A Job gets one answer. While it is worked on, the evaluator may ask back (`Ask`), and gets an `Allowed`.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from corral.model.kubernetes.problems import OMITTED, Problem

HEAD: Final = 4
LARGEST: Final = 256 * 1024 * 1024


class Compile(msgspec.Struct, tag=True):
    """May these expressions (text, type that it must give, or "") be used, with these variables?

    Answer: for each why not, "" if it may.
    """

    names: list[str]
    expressions: list[tuple[str, str]]


class Item(msgspec.Struct):
    """An expression, and the one that gives a message where that is not true."""

    expression: str
    message: str = ""


class Part(msgspec.Struct):
    """Expressions that share variables. `conditions` (name, expression) must hold, or nothing else is run."""

    items: list[Item]
    conditions: list[tuple[str, str]] = []
    variables: dict[str, str] = {}
    values: dict[str, Any] = {}


class Evaluate(msgspec.Struct, tag=True):
    """Runs parts over shared values. Answer: an Evaluated for each."""

    names: list[str]
    values: dict[str, Any]
    parts: list[Part]


class Found(msgspec.Struct):
    """What an Item gave: a value, or why not. `message` "": there is none."""

    value: Any = None
    error: str = ""
    message: str = ""


class Evaluated(msgspec.Struct):
    """`holds`: the conditions do; `error`: why that is not known. `found`: of each item."""

    holds: bool
    error: str = ""
    found: list[Found] = []


class Judge(msgspec.Struct, tag=True):
    """What the rules of a schema say of an object. Answer: problems, and the tolerated ones; or Unknown when `key` is
    new and `raw` is missing.

    `fresh`: there is no old object.
    """

    key: str
    new: Any
    old: Any
    fresh: bool
    raw: Any = None


class CheckSchemas(msgspec.Struct, tag=True):
    """What is wrong with the rules in schemas, each with its path. Answer: problems."""

    schemas: list[tuple[str, Any]]


class CheckTypes(msgspec.Struct, tag=True):
    """Do expressions fit types? `shapes` as in `cel/shapes`; `names`: what each variable is; `variables` of a policy.

    Answer: for each expression what is wrong, "" where nothing is.
    """

    shapes: dict[str, dict[str, str]]
    names: dict[str, str]
    variables: list[tuple[str, str]]
    expressions: list[str]


class Allowed(msgspec.Struct, tag=True):
    allowed: bool
    reason: str


class Ready(msgspec.Struct, tag=True):
    """The first thing that is said."""


class Ask(msgspec.Struct, tag=True):
    """May who asks do this?"""

    thing: Any
    verb: str


class Done(msgspec.Struct, tag=True):
    result: Any


class Unknown(msgspec.Struct, tag=True):
    """The schema must be sent along."""


Job = Compile | Evaluate | Judge | CheckSchemas | CheckTypes
ToEvaluator = Job | Allowed
ToDaemon = Ready | Ask | Done | Unknown
_encoder: Final = msgspec.msgpack.Encoder()
to_evaluator: Final = msgspec.msgpack.Decoder(Compile | Evaluate | Judge | CheckSchemas | CheckTypes | Allowed)
to_daemon: Final = msgspec.msgpack.Decoder(Ready | Ask | Done | Unknown)


def frame(message: Any) -> bytes:
    """Raises OverflowError for a number of more than 64 bits.

    >>> to_daemon.decode(frame(Done([1]))[HEAD:])
    Done(result=[1])
    """
    body = _encoder.encode(message)
    return len(body).to_bytes(HEAD, "big") + body


def of_problem(problem: Problem) -> list[Any]:
    """As it travels.

    >>> to_problem(of_problem(Problem("FieldValueInvalid", "a", "no", 1)))
    Problem(type='FieldValueInvalid', field='a', detail='no', value=1)
    """
    shown = [] if problem.value is OMITTED else [problem.value]
    return [problem.type, problem.field, problem.detail, *shown]


def to_problem(found: list[Any]) -> Problem:
    return Problem(found[0], found[1], found[2], found[3] if len(found) > 3 else OMITTED)
