"""What an expression may take is bounded by what it speaks of, not by how large the rest of the object is."""

from __future__ import annotations

from typing import Any

import pytest

from corral.cluster.apiserver.cel.bounds import bound
from corral.cluster.apiserver.cel.environment import environment
from corral.cluster.apiserver.cel.errors import EvaluationError
from corral.cluster.apiserver.cel.tree import read

TEXT = "x" * 100_000
LARGE = {
    "metadata": {"annotations": {"channel": "standard", "note": "n"}},
    "numbers": list(range(3000)),
    "words": [f"word number {number}" for number in range(3000)],
    "fields": {f"f{number}": {"name": f"n{number}", "kinds": ["a", "b"]} for number in range(3000)},
    "text": TEXT,
}
DOUBLED = "".join(f"cel.bind(v{n + 1}, v{n} + v{n}, " for n in range(12))


def run(expression: str, value: Any = LARGE) -> Any:
    return environment("self").compile(expression).run({"self": value})


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        (
            "self.metadata.annotations.exists(k, k == 'channel') && self.metadata['annotations'].exists(k, k == 'x') "
            "|| self.metadata.annotations.exists(k, self.metadata.annotations[k] == 'standard')",
            True,
        ),
        ("self.fields.all(f, self.fields[f].kinds.all(k, k in ['a', 'b']))", True),
        ("self.words.all(w, w.matches('^word number [0-9]+$')) && self.numbers.all(n, n >= 0)", True),
        ("self.words.filter(w, w.startsWith('word') && w.endsWith('9')).size()", 300),
        ("has(self.metadata.annotations) && self.words.exists(w, w == 'word number 7')", True),
        ("self.words.map(w, w.upperAscii()).join(',').size() > 0", True),
        ("cel.bind(all, self.words + self.words, all.exists(w, w == 'none'))", False),
    ],
)
def test_much_data_is_no_reason_to_refuse(expression: str, result: Any) -> None:
    assert run(expression) == result


@pytest.mark.parametrize(
    "expression",
    [
        "self.numbers.all(n, self == self)",
        "self.numbers.map(n, self.text + self.text).size() > 0",
        "self.numbers.all(n, self.text.replace('x', 'yyyy') != '')",
        "self.numbers.all(n, '%s %s'.format([self.text, self.text]) != '')",
        "self.numbers.all(n, base64.encode(bytes(self.text)) != '')",
        "self.numbers.map(n, self.fields)",
        "self.numbers.map(n, self.numbers)",
        f"cel.bind(v0, self.text + self.text, {DOUBLED}v12 == ''{')' * 13}",
    ],
)
def test_what_would_take_too_much_is_refused(expression: str) -> None:
    with pytest.raises(EvaluationError, match="cost limit exceeded"):
        run(expression)


def test_loops_beside_each_other_add_up_and_nested_ones_multiply() -> None:
    def steps(expression: str) -> int:
        return bound(read(environment("self").compile(expression).serialized), {"self": {"l": [1] * 50, "m": [1] * 40}})

    one, other = steps("self.l.all(a, a > 0)"), steps("self.m.all(a, a > 0)")
    assert steps("self.l.all(a, a > 0) && self.m.all(a, a > 0)") == one + other + 1
    assert steps("self.l.all(a, self.m.all(b, b > a))") > 40 * one > one + other


def test_what_is_not_there_costs_nothing() -> None:
    assert bound(read(environment("self").compile("has(self.a) && self.a.b == 1").serialized), {"self": {}}) < 10
