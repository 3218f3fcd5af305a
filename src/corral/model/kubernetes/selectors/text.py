"""Label selectors as text: `app=web,tier in (a, b),!canary`. Follows the grammar of k8s.io/apimachinery/pkg/labels."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from corral.model.kubernetes import names, problems
from corral.model.kubernetes.selectors.requirements import (
    BINARY,
    EXISTS,
    GREATER,
    IN,
    LESS,
    NOT_EXISTS,
    NOT_IN,
    BadSelector,
    Requirement,
    Selector,
    requirement,
)


def parse(text: str) -> Selector:
    """Pure: the selector that a text stands for; raises BadSelector.

    >>> str(parse("x, a in (c,b) ,!d, e!=f"))
    'a in (b,c),!d,e!=f,x'
    >>> parse("a=b=c")
    Traceback (most recent call last):
    ...
    corral.model.kubernetes.selectors.requirements.BadSelector: found '=', expected: ',' or 'end of string'
    """
    return Selector(tuple(sorted(_Parser(text).requirements(), key=lambda one: one.key)))


class _Token(NamedTuple):
    kind: str  # name, end, bad, or the symbol or word itself
    text: str


_END = _Token("end", "")
_SPACES = " \t\r\n"
_SPECIAL = "=!(),><"
_KNOWN = (")", ",", "!", "==", "=", ">", "<", "!=", "(")


def _tokens(text: str) -> Iterable[_Token]:
    """Pure: the tokens of a selector, of which the last is the end. A NUL ends it, as upstream's does."""
    text = text.partition("\0")[0]
    at = 0
    while True:
        while at < len(text) and text[at] in _SPACES:
            at += 1
        if at >= len(text):
            yield _END
            return
        start = at
        if text[at] in _SPECIAL:
            at += 2 if text[at : at + 2] in _KNOWN else 1
            yield _Token(text[start:at], text[start:at])
            continue
        while at < len(text) and text[at] not in _SPECIAL + _SPACES:
            at += 1
        word = text[start:at]
        yield _Token(word if word in (IN, NOT_IN) else "name", word)


class _Parser:
    """Recursive descent: `in` and `notin` are names too, except where an operator must stand."""

    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._at = 0

    def requirements(self) -> list[Requirement]:
        found: list[Requirement] = []
        token = self._peek()
        if token.kind == "end":
            return found
        if token.kind not in ("name", "!"):
            raise BadSelector(f"found '{token.text}', expected: !, identifier, or 'end of string'")
        while True:
            try:
                found.append(self._requirement())
            except BadSelector as error:
                raise BadSelector(f"unable to parse requirement: {error.message}") from None
            token = self._next()
            if token.kind == "end":
                return found
            if token.kind != ",":
                raise BadSelector(f"found '{token.text}', expected: ',' or 'end of string'")
            if (token := self._peek()).kind not in ("name", "!"):
                raise BadSelector(f"found '{token.text}', expected: identifier after ','")

    def _requirement(self) -> Requirement:
        token = self._next()
        negated = token.kind == "!"
        key = self._next() if negated else token
        if key.kind != "name":
            raise BadSelector(f"found '{key.text}', expected: identifier")
        if found := names.qualified_name(key.text):
            raise BadSelector(str(problems.invalid("<nil>", key.text, "; ".join(found))))
        if negated or self._peek().kind in ("end", ","):
            return requirement(key.text, NOT_EXISTS if negated else EXISTS, [])
        operator = self._operator()
        values = self._values() if operator in (IN, NOT_IN) else [self._value()]
        return requirement(key.text, operator, sorted(set(values)))

    def _operator(self) -> str:
        token = self._next(word=True)
        operator = {">": GREATER, "<": LESS}.get(token.kind, token.kind)
        if operator not in BINARY:
            raise BadSelector(f"found '{token.text}', expected: {', '.join(BINARY)}")
        return operator

    def _value(self) -> str:
        if self._peek().kind in ("end", ","):
            return ""
        token = self._next()
        if token.kind != "name":
            raise BadSelector(f"found '{token.text}', expected: identifier")
        return token.text

    def _values(self) -> list[str]:
        """`(a, b)`; an empty place between commas is the empty value."""
        token = self._next()
        if token.kind != "(":
            raise BadSelector(f"found '{token.text}' expected: '('")
        found, token = [""], self._next()
        if token.kind not in ("name", ",", ")"):
            raise BadSelector(f"found '{token.text}', expected: ',', ')' or identifier")
        named = False
        while token.kind != ")":
            if token.kind == "name":
                if named:
                    raise BadSelector(f"found '{token.text}', expected: ',' or ')'")
                found[-1], named = token.text, True
            elif token.kind == ",":
                found, named = [*found, ""], False
            else:
                rule = "',' or ')'" if named else "',', or identifier"
                raise BadSelector(f"found '{token.text}', expected: {rule}")
            token = self._next()
        return found

    def _peek(self, *, word: bool = False) -> _Token:
        token = self._tokens[min(self._at, len(self._tokens) - 1)]
        return token if word or token.kind not in (IN, NOT_IN) else _Token("name", token.text)

    def _next(self, *, word: bool = False) -> _Token:
        token = self._peek(word=word)
        self._at += 1
        return token
