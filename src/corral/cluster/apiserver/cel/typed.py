"""Expressions over objects whose types are known: only checked, never run.

The library takes the types of objects from protobuf's descriptions of messages, so shapes become such.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from cel_expr_python import cel
from google.protobuf import descriptor_pb2, descriptor_pool, duration_pb2, struct_pb2, timestamp_pb2

from corral.cluster.apiserver.cel.environment import OBJECT, Environment, Program
from corral.cluster.apiserver.cel.errors import CompileError, WrongType
from corral.cluster.apiserver.cel.messages import CheckTypes
from corral.cluster.apiserver.cel.shapes import DYN, Shapes
from corral.cluster.apiserver.cel.tree import Loop, Tree, read

Field = descriptor_pb2.FieldDescriptorProto
PACKAGE: Final = "shapes"
VARIABLES: Final = "kubernetes.variables"
OLD: Final = "oldSelfValue"
_SCALARS: Final = {
    "int": Field.TYPE_INT64,
    "double": Field.TYPE_DOUBLE,
    "bool": Field.TYPE_BOOL,
    "string": Field.TYPE_STRING,
    "bytes": Field.TYPE_BYTES,
}
_SIMPLE: Final = {
    "int": cel.Type.INT,
    "double": cel.Type.DOUBLE,
    "bool": cel.Type.BOOL,
    "string": cel.Type.STRING,
    "bytes": cel.Type.BYTES,
    "timestamp": cel.Type.TIMESTAMP,
    "duration": cel.Type.DURATION,
    DYN: cel.Type.DYN,
}
_MESSAGES: Final = {
    DYN: ".google.protobuf.Value",
    "list": ".google.protobuf.ListValue",
    "map": ".google.protobuf.Struct",
    "timestamp": ".google.protobuf.Timestamp",
    "duration": ".google.protobuf.Duration",
}
_IMPORTS: Final = (struct_pb2, timestamp_pb2, duration_pb2)
_STRUCT: Final = re.compile(r" not found in struct '[^']*'")
_NAMED: Final = re.compile(rf"\b{PACKAGE}\.(\w+)")


def check(job: CheckTypes) -> list[str]:
    """What is wrong with each expression; "" where nothing is.

    >>> shapes = {"Web": {"size": "int"}}
    >>> job = CheckTypes(shapes, {"object": "object Web"}, [("big", "object.size > 9")], ["variables.big", "object.x"])
    >>> [one.splitlines()[:1] for one in check(job)]
    [[], ["ERROR: <input>:1:7: undefined field 'x'"]]
    """
    shapes = {**job.shapes, VARIABLES: {}}
    for name, expression in job.variables:
        try:
            found = _type_of(
                _environment(shapes, job.names).compile(expression), {_message(one): one for one in shapes}
            )
        except CompileError:
            found = DYN
        shapes[VARIABLES] = {**shapes[VARIABLES], name: found}
    where, known = _environment(shapes, job.names), {_message(one): one for one in shapes}
    return [_problem(where, one, known) for one in job.expressions]


def _problem(where: Environment, expression: str, known: Mapping[str, str]) -> str:
    try:
        where.compile(expression)
    except CompileError as error:
        return _readable(error.message.removeprefix("compilation failed: "), known)
    return ""


def _readable(text: str, known: Mapping[str, str]) -> str:
    """With the shapes' own names."""
    text = _NAMED.sub(lambda found: known.get(found[1], found[1]), _STRUCT.sub("", text))
    return text.replace("null_type", "null")


class Rules:
    """Checks the rules of one schema. `word`: the type of self.

    >>> Rules("list int", {}, optional=False).check("self[0] > 1", "BOOL").root.function
    '_>_'
    >>> Rules("int", {}, optional=True).check("self > oldSelf.value() && oldSelf == 3", "BOOL")
    Traceback (most recent call last):
    corral.cluster.apiserver.cel.errors.CompileError: compilation failed: ERROR: <input>:1:35: found no matching overload for '_==_' applied to '(optional_type(int), int)'
     | self > oldSelf.value() && oldSelf == 3
     | ..................................^
    """  # noqa: E501

    def __init__(self, word: str, shapes: Shapes, *, optional: bool) -> None:
        kind = _variable(word)
        names = {"self": kind, OLD if optional else "oldSelf": kind}
        self._known = {_message(one): one for one in shapes}
        self._where = Environment(names, _pool(shapes))
        self._prefix, self._end = (f"cel.bind(oldSelf, optional.of({OLD}), (", "))") if optional else ("", "")

    def check(self, expression: str, returns: str) -> Tree:
        """Raises CompileError, with places in the expression as it was written."""
        try:
            found = read(self._where.compile(f"{self._prefix}{expression}{self._end}", returns).serialized)
        except WrongType:
            raise
        except CompileError as error:
            raise CompileError(self._own(_readable(error.message, self._known))) from None
        if self._prefix and isinstance(found.root, Loop):  # cel.bind()
            return replace(found, root=found.root.result)
        return found

    def _own(self, text: str) -> str:
        if not self._prefix:
            return text
        wide = len(self._prefix)
        text = re.sub(r"<input>:1:(\d+)", lambda found: f"<input>:1:{max(int(found[1]) - wide, 1)}", text)
        text = re.sub(rf" \| {re.escape(self._prefix)}(.*)\n \| \.{{{wide}}}", r" | \1\n | ", text)
        return re.sub(rf"{re.escape(self._end)}(\n \| \.*\^)", r"\1", text)


def _type_of(program: Program, known: Mapping[str, str]) -> str:
    """What a variable is that an expression gives."""
    if found := _NAMED.fullmatch(program.returns):
        return f"object {known[found[1]]}"
    plain = {**{one.upper(): one for one in _SCALARS}, "TIMESTAMP": "timestamp", "DURATION": "duration"}
    return plain.get(program.returns, DYN)


def _environment(shapes: Shapes, names: Mapping[str, str]) -> Environment:
    types = {name: _variable(word) for name, word in names.items()}
    types |= {"variables": cel.Type(f"{PACKAGE}.{_message(VARIABLES)}"), "authorizer": OBJECT}
    return Environment(types, _pool(shapes))


def _variable(word: str) -> Any:
    kind, _, rest = word.partition(" ")
    if kind == "object":
        return cel.Type(f"{PACKAGE}.{_message(rest)}")
    if kind == "list":
        return cel.Type.List(_variable(rest))
    if kind == "map":
        return cel.Type.Map(cel.Type.STRING, _variable(rest))
    return _SIMPLE[kind]


def _message(shape: str) -> str:
    return re.sub(r"\W", "_", shape)


def _pool(shapes: Shapes) -> Any:
    pool, imports = descriptor_pool.DescriptorPool(), [one.DESCRIPTOR for one in _IMPORTS]
    for one in imports:
        pool.AddSerializedFile(one.serialized_pb)
    file = descriptor_pb2.FileDescriptorProto(
        name="shapes.proto", syntax="proto2", package=PACKAGE, dependency=[one.name for one in imports]
    )
    for name, fields in shapes.items():
        message = file.message_type.add(name=_message(name))
        for number, (field, word) in enumerate(fields.items(), 1):
            _add_field(message, number, field, word)
    pool.AddSerializedFile(file.SerializeToString())
    return pool


def _add_field(message: Any, number: int, name: str, word: str) -> None:
    kind, _, rest = word.partition(" ")
    entry = _entry_name(name)
    if kind == "map" and entry not in [one.name for one in message.nested_type]:
        made = message.nested_type.add(name=entry)
        made.options.map_entry = True
        made.field.add(name="key", number=1, type=Field.TYPE_STRING, label=Field.LABEL_OPTIONAL)
        made.field.add(name="value", number=2, label=Field.LABEL_OPTIONAL, **_typed(rest))
        typed = {"type": Field.TYPE_MESSAGE, "type_name": f".{PACKAGE}.{message.name}.{entry}"}
    else:
        typed = _typed(rest if kind == "list" else word)
    repeated = kind == "list" or typed.get("type_name", "").endswith(f".{entry}")
    label = Field.LABEL_REPEATED if repeated else Field.LABEL_OPTIONAL
    message.field.add(name=name, number=number, label=label, **typed)


def _typed(word: str) -> dict[str, Any]:
    """Of one value: a list within a list, or in a map, is one of anything."""
    kind, _, rest = word.partition(" ")
    if kind in _SCALARS:
        return {"type": _SCALARS[kind]}
    name = f".{PACKAGE}.{_message(rest)}" if kind == "object" else _MESSAGES[kind]
    return {"type": Field.TYPE_MESSAGE, "type_name": name}


def _entry_name(field: str) -> str:
    """As protobuf's own compiler names the entries of a map.

    >>> _entry_name("match_labels"), _entry_name("labels")
    ('MatchLabelsEntry', 'LabelsEntry')
    """
    return "".join(part[:1].upper() + part[1:] for part in field.split("_")) + "Entry"
