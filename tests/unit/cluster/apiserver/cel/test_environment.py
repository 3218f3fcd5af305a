"""Expressions: Kubernetes' functions, errors in the words that users know, and limits."""

from __future__ import annotations

from typing import Any

import pytest

from corral.cluster.apiserver.cel import things
from corral.cluster.apiserver.cel.environment import environment
from corral.cluster.apiserver.cel.errors import CompileError, EvaluationError
from corral.cluster.apiserver.cel.functions import deciding


def run(expression: str, value: Any = None) -> Any:
    return environment("self").compile(expression).run({"self": value})


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("quantity('1Gi').isGreaterThan(quantity('1G'))", True),
        ("quantity('1Ki') == quantity('1024')", True),
        ("quantity('500m').add(quantity('500m')).asInteger()", 1),
        ("quantity('3').sub(1).compareTo(quantity('2'))", 0),
        ("isQuantity('1Xi')", False),
        ("quantity('1').sign() + quantity('-1').sign()", 0),
        ("ip('::1').family() == 6 && ip('127.0.0.1').isLoopback()", True),
        ("ip.isCanonical('0::1')", False),
        ("cidr('10.0.0.0/8').containsIP('10.9.9.9') && !cidr('10.0.0.0/8').containsCIDR('0.0.0.0/0')", True),
        ("cidr('10.0.0.9/8').masked() == cidr('10.0.0.0/8')", True),
        ("url('https://u@h:8080/a?b=c&b=d').getHostname() + url('https://h:80/').getPort()", "h80"),
        ("url('https://h/?b=c&b=d').getQuery()", {"b": ["c", "d"]}),
        ("isURL('no url')", False),
        ("'aaab'.find('b+$') + 'x'.find('y')", "b"),
        ("'a1b2'.findAll('[0-9]', 1)", ["1"]),
        ("[1, 2, 2].isSorted() && ![2, 1].isSorted() && [1, 2].sum() == 3 && [4, 2].min() + [4, 2].max() == 6", True),
        ("semver('1.10.0').isGreaterThan(semver('1.9.9')) && semver('1.0.0-a').isLessThan(semver('1.0.0'))", True),
        ("self.?a.orValue('none')", "none"),
        ("[1, 2].all(i, v, v == i + 1)", True),
        ("'a,b'.split(',').map(x, x.upperAscii()).join('-')", "A-B"),
        ("jsonpatch.escapeKey('a/b~c')", "a~1b~0c"),
        ("timestamp('2026-01-02T03:04:05Z') + duration('1h')", "2026-01-02T04:04:05Z"),
    ],
)
def test_results(expression: str, result: Any) -> None:
    assert run(expression, {}) == result


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("self.a", "no such key: a"),
        ("1 / self.zero", "division by zero"),
        ("self.list[7]", "index out of bounds: 7"),
        ("self.zero + 'a'", "no such overload"),
        ("[].min()", "min called on empty list"),
        ("quantity('x')", "quantities must match the regular expression"),
        ("quantity('1').getHost()", "no such overload"),
        ("lists.range(100000)", "cost limit exceeded"),
        ("self.long.map(x, self.long)", "cost limit exceeded"),
    ],
)
def test_errors(expression: str, text: str) -> None:
    with pytest.raises(EvaluationError) as error:
        run(expression, {"zero": 0, "list": [1], "long": [list(range(50))] * 9000})
    assert text in error.value.message


@pytest.mark.parametrize("expression", ["self +", "other", "self.nothing()", "'a' + 1", "true ? 1", "x" * 20000])
def test_what_does_not_compile(expression: str) -> None:
    with pytest.raises(CompileError, match="compilation failed"):
        environment("self").compile(expression)


def test_a_result_of_the_wrong_type_is_refused() -> None:
    with pytest.raises(CompileError, match="must evaluate to bool"):
        environment("self").compile("'a'", "BOOL")


def test_the_authorizer_asks_who_is_set() -> None:
    asked = []

    def decide(thing: things.Thing, verb: str) -> tuple[bool, str]:
        asked.append((thing["group"], thing["resource"], thing.get("namespace"), verb))
        return verb == "get", "because"

    token = deciding.set(decide)
    try:
        env = environment("authorizer")
        check = "authorizer.group('apps').resource('deployments').namespace('n')"
        values = {"authorizer": things.authorizer()}
        assert env.compile(f"{check}.check('get').allowed()").run(values) is True
        assert env.compile(f"{check}.check('list').reason()").run(values) == "because"
    finally:
        deciding.reset(token)
    assert asked == [("apps", "deployments", "n", "get"), ("apps", "deployments", "n", "list")]


@pytest.mark.parametrize("count", [20, 33, 200])
def test_long_sums(count: int) -> None:
    """As messages are put together; the library's parser would take 32."""
    words = " + ".join(f"'a+{number}, '" for number in range(count))
    expected = "".join(f"a+{number}, " for number in range(count))
    assert run(f"[{words}].size() == 1 ? (1 > 2 ? '' : {words}) : 'x' + 'y'") == expected
    numbers = " + ".join("1" for _ in range(count))
    assert run(f"self.?a.orValue(3) + {numbers} == {count + 3} && 9 - 2 + 1 == 8", {}) is True


@pytest.mark.parametrize("expression", ["(" * 40 + "1" + ")" * 40, "[" * 40 + "]" * 40, "self" + ".a" * 40])
def test_what_nests_too_deep_is_told_so(expression: str) -> None:
    with pytest.raises(CompileError, match="expression recursion limit exceeded: 32 levels"):
        environment("self").compile(expression)
