"""JSON text to plain values, with the words of Go's scanner when it is not JSON."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from corral.errors import InvalidInput

SPACE = " \t\r\n"


def parse(body: bytes) -> Any:
    """The value that a body holds. InvalidInput in Go's words when it is no JSON, or more than one value.

    >>> parse(b' {"a": [1, null]} ')
    {'a': [1, None]}
    >>> parse(b'{"a": nope}')
    Traceback (most recent call last):
        ...
    corral.errors.InvalidInput: invalid JSON: invalid character 'n' looking for beginning of value
    """
    text = body.decode("utf-8", "replace").removeprefix("\ufeff")
    if not text.strip(SPACE):
        raise InvalidInput("invalid JSON: got EOF while reading request body")
    try:
        return json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise InvalidInput(_explain(text, error)) from None
    except RecursionError:
        raise InvalidInput("invalid JSON: exceeded max depth") from None
    except ValueError:
        raise InvalidInput("invalid JSON: a number has too many digits") from None


def _no_constant(name: str) -> NoReturn:
    """Python would take NaN and Infinity; JSON has neither."""
    letter = name.lstrip("-")[0]
    where = "in numeric literal" if name.startswith("-") else "looking for beginning of value"
    raise InvalidInput(f"invalid JSON: invalid character {letter!r} {where}")


# The start of Python's message -> what Go's scanner was doing there.
_DOING = {
    "Expecting value": "looking for beginning of value",
    "Expecting property name": "looking for beginning of object key string",
    "Illegal trailing comma": "looking for beginning of object key string",
    "Expecting ':' delimiter": "after object key",
    "Invalid control character": "in string literal",
    "Invalid \\escape": "in string escape code",
    "Invalid \\uXXXX escape": "in \\u hexadecimal character escape",
}


def _explain(text: str, error: json.JSONDecodeError) -> str:
    """Python's complaint in Go's words."""
    if error.msg == "Extra data":
        return "unexpected content after JSON"
    position = error.pos
    if error.msg.startswith("Invalid control character") and text[position : position + 1] in ("", '"'):
        position += 1
    while position < len(text) and text[position] in SPACE and "control" not in error.msg:
        position += 1
    if position >= len(text) or error.msg.startswith("Unterminated"):
        return "invalid JSON: unexpected EOF"
    if error.msg.startswith("Expecting ',' delimiter"):
        doing = "after array element" if _innermost(text[:position]) == "[" else "after object key:value pair"
    else:
        doing = next((go for start, go in _DOING.items() if error.msg.startswith(start)), error.msg)
    return f"invalid JSON: invalid character {_quote(text[position])} {doing}"


def _quote(character: str) -> str:
    return "'\\''" if character == "'" else f"'{json.dumps(character, ensure_ascii=False)[1:-1]}'"


def _innermost(text: str) -> str:
    """Pure: the bracket that is still open at the end of a piece of JSON.

    >>> _innermost('{"a": [1, "]"'), _innermost('{"a": [1]')
    ('[', '{')
    """
    open_brackets, in_string, escaped = [], False, False
    for character in text:
        if in_string:
            in_string, escaped = escaped or character != '"', character == "\\" and not escaped
        elif character == '"':
            in_string = True
        elif character in "[{":
            open_brackets.append(character)
        elif character in "]}" and open_brackets:
            open_brackets.pop()
    return open_brackets[-1] if open_brackets else ""
