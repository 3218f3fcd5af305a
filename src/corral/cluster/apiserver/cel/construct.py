"""`Object{spec: Object.spec{replicas: 3}}` and `JSONPatch{op: "add"}`, written as maps. Pure."""

from __future__ import annotations

import re
from typing import Final

_START: Final = re.compile(r"(?:Object(?:\.[A-Za-z_]\w*)*|JSONPatch)\s*\{")
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
    out: list[str] = []
    typed: list[bool] = []  # of each bracket that is open: does it hold the fields of a typed object?
    at, fresh = 0, False
    while at < len(expression):
        if fresh and (found := _FIELD.match(expression, at)):
            space = expression[at : found.start(1)]
            out.append(f"{space}{found[1]}'{unescape(found[2])}':")
            at, fresh = found.end(), False
            continue
        if found := _TEXT.match(expression, at):
            out.append(found[0])
            at, fresh = found.end(), False
            continue
        starts = not (at and (expression[at - 1].isalnum() or expression[at - 1] in "_."))
        if starts and (found := _START.match(expression, at)):
            out.append("{")
            typed.append(True)
            at, fresh = found.end(), True
            continue
        char = expression[at]
        if char in "([{":
            typed.append(False)
        elif char in ")]}" and typed:
            typed.pop()
        fresh = char == "," and bool(typed) and typed[-1]
        out.append(char)
        at += 1
    return "".join(out)
