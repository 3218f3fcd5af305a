"""`Object{spec: Object.spec{replicas: 3}}` and `JSONPatch{op: "add"}`, written as maps. Pure."""

from __future__ import annotations

import re
from typing import Final

_START: Final = re.compile(r"(Object(?:\.[A-Za-z_]\w*)*|JSONPatch)\s*\{")
_FIELD: Final = re.compile(r"\s*(\??)([A-Za-z_]\w*)\s*:")
_TEXT: Final = re.compile(r"[rRbB]?(\"\"\".*?\"\"\"|'''.*?'''|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*')", re.S)
_ESCAPES: Final = (("__dot__", "."), ("__dash__", "-"), ("__slash__", "/"), ("__underscores__", "__"))


def unescape(name: str) -> str:
    """
    >>> unescape("foo__dash__bar"), unescape("__namespace__")
    ('foo-bar', 'namespace')
    """
    if found := re.fullmatch(r"__([a-z]+)__", name):
        return found[1]
    for shown, plain in _ESCAPES:
        name = name.replace(shown, plain)
    return name


def as_maps(expression: str) -> str:
    """Pure: the same with maps in the place of typed objects.

    >>> as_maps("Object{spec: Object.spec{?replicas: object.x ? 1 : 2, a: {'b': c}}}")
    "{'spec': {?'replicas': object.x ? 1 : 2, 'a': {'b': c}}}"
    >>> as_maps('[JSONPatch{op: "add", path: "/a{b:", value: 1}]')
    '[{\\'op\\': "add", \\'path\\': "/a{b:", \\'value\\': 1}]'
    """
    return _read(expression)[0]


def misnamed(expression: str) -> str:
    """Pure: which typed object is not named after the field that it is in, in upstream's words; "" for none.

    >>> misnamed("Object{spec: Object.spec{containers: [1].map(x, Object.spec.containers{name: 'a'})}}")
    ''
    >>> misnamed("Object{spec: Object.specs{}}")
    'unexpected type name "Object.specs", expected "Object.spec", which matches field name path from root Object type'
    """
    return "\n".join(
        f'unexpected type name "{found}", expected "{wanted}", which matches field name path from root Object type'
        for found, wanted in _read(expression)[1]
    )


def _read(expression: str) -> tuple[str, list[tuple[str, str]]]:
    """With maps; and (name, name that was expected) of typed objects whose names do not say where they are."""
    out: list[str] = []
    wrong: list[tuple[str, str]] = []
    # Of each bracket that is open: whose fields it holds ("" of none), and how an object in here is to be named.
    opened: list[tuple[str, str]] = []
    at, fresh = 0, False
    while at < len(expression):
        wanted = opened[-1][1] if opened else ""
        if fresh and (found := _FIELD.match(expression, at)):
            space, owner, name = expression[at : found.start(1)], opened[-1][0], unescape(found[2])
            opened[-1] = (owner, f"{owner}.{name}" if owner != "JSONPatch" else "")
            out.append(f"{space}{found[1]}'{name}':")
            at, fresh = found.end(), False
            continue
        if found := _TEXT.match(expression, at):
            out.append(found[0])
            at, fresh = found.end(), False
            continue
        starts = not (at and (expression[at - 1].isalnum() or expression[at - 1] in "_."))
        if starts and (found := _START.match(expression, at)):
            if wanted not in ("", found[1]):
                wrong.append((found[1], wanted))
            out.append("{")
            opened.append((found[1], ""))
            at, fresh = found.end(), True
            continue
        char = expression[at]
        if char in "([{":
            opened.append(("", wanted))
        elif char in ")]}" and opened:
            opened.pop()
        fresh = char == "," and bool(opened) and bool(opened[-1][0])
        out.append(char)
        at += 1
    return "".join(out), wrong
