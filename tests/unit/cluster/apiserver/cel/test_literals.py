"""Times and patterns that are written out and are none, and lists of several types: refused when the expression is
compiled."""

from __future__ import annotations

import pytest

from corral.cluster.apiserver.cel.environment import environment
from corral.cluster.apiserver.cel.errors import CompileError
from corral.cluster.apiserver.cel.typed import Rules

COMPILATION = "compilation failed: ERROR: <input>"


def problem(expression: str) -> str:
    try:
        environment("a").compile(expression)
    except CompileError as error:
        return error.message
    return ""


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("a.matches('[')", ":1:11: invalid matches argument\n | a.matches('[')\n | ..........^"),
        ("duration('1d') > a", ":1:10: invalid duration argument\n | duration('1d') > a\n | .........^"),
        ("timestamp('1970') > a", ":1:11: invalid timestamp argument\n | timestamp('1970') > a\n | ..........^"),
        ("a.all(x,\n x.matches('('))", ":2:12: invalid matches argument\n |  x.matches('('))\n | ...........^"),
        ("a.l.indexOf(1) == 1 && a.matches('(')", ":1:34: invalid matches argument\n"),
        ("1 < 2.0 && a.matches('(')", ":1:22: invalid matches argument\n"),
        ("timestamp(253402300800) > a", ":1:11: invalid timestamp argument\n"),
        ("a in [1, 'x', 2.0]", ":1:10: expected type 'int' but found 'string'\n | a in [1, 'x', 2.0]\n | .........^"),
        ("a.all(x, x == [[1], 'y'])", ":1:21: expected type 'list' but found 'string'\n"),
        ("a == [a.c, null, true]", ":1:18: expected type 'null' but found 'bool'\n"),
    ],
)  # fmt: skip
def test_what_is_none(expression: str, text: str) -> None:
    assert problem(expression).startswith(COMPILATION + text)


def test_all_of_them_are_named_in_their_order() -> None:
    found = problem("a.matches('[') && duration('x') > duration('y')").splitlines()
    assert [one.rpartition("<input>")[2] for one in found[::3]] == [
        ":1:11: invalid matches argument",
        ":1:28: invalid duration argument",
        ":1:44: invalid duration argument",
    ]


@pytest.mark.parametrize("expression", ["a.find('[') == ''", "matches(a, '[')", "a.findAll('[', 2) == []"])
def test_patterns_that_only_the_program_reads(expression: str) -> None:
    assert problem(expression) == "program instantiation failed: error parsing regexp: missing closing ]: `[`"


@pytest.mark.parametrize(
    "expression",
    [
        "a.matches('^(?P<n>[a-z]+)$') && a.matches(a)",
        "duration('-1h2m3.5s') < duration('100us') && duration('0') < a && duration(a) < a",
        "timestamp('2024-02-29T23:59:59.123+01:00') < a && timestamp(0) < a",
        "a == 'matches([)' && a.find('a') == ''",
        "'%d %s'.format([1, 'a']) == a && a in [dyn(1), 'x'] && a == [[1], [], ['x']]",
        "[a, 1, a.b, 2] == [?optional.of(1), 1] && a == {'x': 1, 'y': 'z'}",
    ],
)
def test_what_is_one(expression: str) -> None:
    assert problem(expression) == ""


@pytest.mark.parametrize("optional", [False, True])
def test_rules_of_definitions(optional: bool) -> None:
    rules = Rules("string", {}, optional=optional)
    with pytest.raises(CompileError, match=r"<input>:1:14: invalid matches argument\n \| self\.matches\('\['\)\n"):
        rules.check("self.matches('[')", "BOOL")
    with pytest.raises(CompileError, match=r"<input>:1:13: expected type 'int' but found 'string'\n \| self in"):
        rules.check("self in [1, self]", "BOOL")
