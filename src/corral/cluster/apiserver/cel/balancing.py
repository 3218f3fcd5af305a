"""Long sums in a shape that the library's parser takes: it knows 32 levels (cel-go 250), and each `+` is one. Pure.

A sum is the same however it is grouped, but for the last digits of fractions; what has a `-` in it is left alone.
"""

from __future__ import annotations

import re
from typing import Final

from corral.cluster.apiserver.cel.rewriting import TEXT, closing

LONG: Final = 16  # terms that are left as they are
_ENDS: Final = re.compile(r"==|!=|<=|>=|&&|\|\||[<>:,]|\bin\b|(?<![.\[{,])\?")


def balance(expression: str) -> str:
    """
    >>> found = balance("x == " + " + ".join(map(str, range(20))))
    >>> found.startswith("x == ((0 + 1 + 2 + 3 + 4 + 5 + 6 + 7 + 8 + 9)+(10 + "), found.endswith("19))")
    (True, True)
    >>> balance("1 - " + "+".join("2" * 20)) == "1 - " + "+".join("2" * 20)
    True
    """
    return _level(expression) if expression.count("+") >= LONG else expression


def _level(text: str) -> str:
    """Between two brackets: sums, and what is between those."""
    out: list[str] = []
    terms: list[str] = []
    term, fixed, at = "", False, 0
    while at < len(text):
        if quoted := TEXT.match(text, at):
            term, at = term + quoted[0], quoted.end()
        elif text[at] in "([{" and (end := closing(text, at + 1)) > 0:
            term, at = f"{term}{text[at]}{_level(text[at + 1 : end])}{text[end]}", end + 1
        elif found := _ENDS.match(text, at):
            out += [_sum([*terms, term], fixed), found[0]]
            terms, term, fixed, at = [], "", False, found.end()
        elif text[at] == "+":
            terms.append(term)
            term, at = "", at + 1
        else:
            fixed = fixed or text[at] == "-"
            term, at = term + text[at], at + 1
    return "".join([*out, _sum([*terms, term], fixed)])


def _sum(terms: list[str], fixed: bool) -> str:
    whole = "+".join(terms)
    if fixed or len(terms) <= LONG:
        return whole
    begin, end = whole[: len(whole) - len(whole.lstrip())], whole[len(whole.rstrip()) :]
    return f"{begin}({_grouped([one.strip() for one in terms])}){end}"


def _grouped(terms: list[str]) -> str:
    if len(terms) <= LONG:
        return " + ".join(terms)
    half = len(terms) // 2
    return f"({_grouped(terms[:half])})+({_grouped(terms[half:])})"
