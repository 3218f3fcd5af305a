"""The libraries of upstream 1.37, one by one."""

from __future__ import annotations

from typing import Any

import pytest

from corral.cluster.apiserver.cel import messages as m
from corral.cluster.apiserver.cel.environment import environment
from corral.cluster.apiserver.cel.errors import CompileError, EvaluationError
from corral.cluster.apiserver.cel.jobs import evaluate

DIGEST = "sha256:" + "a" * 64


def run(expression: str, value: Any = None) -> Any:
    return environment("self").compile(expression).run({"self": value})


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        # strings
        ("'hello'.charAt(4) + 'abcabc'.substring(4) + 'tacocat'.substring(0, 4)", "obctaco"),
        ("['hello'.indexOf('l'), 'hello'.indexOf('l', 3), 'hello'.indexOf('x'), 'a'.indexOf('')]", [2, 3, -1, 0]),
        ("['hello'.lastIndexOf('l'), 'hello'.lastIndexOf('l', 2), 'hello'.lastIndexOf('x')]", [3, 2, -1]),
        ("' a '.trim() + 'Ab'.lowerAscii() + 'Ab'.upperAscii()", "aabAB"),
        ("'a a'.replace('a', 'b') + 'a a'.replace('a', 'b', 1)", "b bb a"),
        ("'a,b,c'.split(',', 2)", ["a", "b,c"]),
        ("['a', 'b'].join() + ['a', 'b'].join('-')", "aba-b"),
        ("'%s is %d, %.2f, %x'.format(['it', 7, 1.5, 255])", "it is 7, 1.50, ff"),
        # lists
        ("[1, 2, 3, 2].indexOf(2) * 10 + [1, 2, 3, 2].lastIndexOf(2)", 13),
        ("[['a'].indexOf('b'), ['a', 'b'].indexOf('b'), [[1], [2]].indexOf([2]), self.l.indexOf(9)]", [-1, 1, 1, 2]),
        ("['a', 'b'].isSorted() && [1.5, 2.5].sum() == 4.0 && [3, 1].min() == 1 && ['a', 'b'].max() == 'b'", True),
        ("[duration('1s'), duration('2m')].sum() == duration('121s')", True),
        ("[duration('-1.5s')].sum() < duration('0s')", True),
        ("string([duration('3s'), duration('2m')].max()) + string([duration('3s'), duration('2m')].min())", "120s3s"),
        ("[timestamp('2026-01-01T00:00:00+01:00'), timestamp('2026-01-01T00:00:00Z')].min()", "2025-12-31T23:00:00Z"),
        ("[timestamp('2026-01-02T00:00:00Z'), timestamp('2026-01-01T00:00:00Z')].max().getDayOfMonth()", 1),
        ("self.l.map(x, duration(string(x) + 's')).sum().getSeconds() + [1, 2].max() + [[4].min()].sum()", 30),
        # regex
        ("'abc 123'.find('[0-9]+') + 'abc'.find('[0-9]+')", "123"),
        ("'1 2 3'.findAll('[0-9]').size() + '1 2 3'.findAll('[0-9]', 2).size()", 5),
        ("'abc'.matches('^a.c$')", True),
        # URLs
        ("url('https://example.com:80/a b?x=1&x=2').getEscapedPath()", "/a%20b"),
        ("url('https://u@[::1]:80/').getHost() + '|' + url('https://[::1]:80/').getHostname()", "[::1]:80|::1"),
        ("url('https://h:80/?x=1').getScheme() + url('https://h:80').getPort()", "https80"),
        ("url('https://h/?x=1&x=2').getQuery()['x']", ["1", "2"]),
        ("isURL('https://h') && !isURL('h')", True),
        # quantities
        ("isQuantity('1.3Mi') && !isQuantity('200K')", True),
        ("quantity('50000000G').isInteger() && quantity('9999999999999G').asApproximateFloat() > 1.0", True),
        ("quantity('50k').add(20).compareTo(quantity('50020')) + quantity('50k').sub(quantity('50k')).sign()", 0),
        ("quantity('200M').isLessThan(quantity('0.3G')) && quantity('50Mi').isGreaterThan(quantity('50M'))", True),
        # versions
        ("isSemver('1.0.0') && !isSemver('v1.0') && isSemver('v1.0', true)", True),
        ("semver('v01.1', true).compareTo(semver('1.1.0')) + semver('1.2.3').minor()", 2),
        ("semver('1.2.3').major() + semver('1.2.3').patch()", 4),
        # addresses
        ("isIP('::1') && !isIP('127.0.0.256') && isCIDR('10.0.0.0/8') && !isCIDR('10.0.0.0')", True),
        ("string(ip('127.0.0.1')) + ' ' + string(cidr('10.0.0.0/8')) + ' ' + string(1)", "127.0.0.1 10.0.0.0/8 1"),
        ("cidr('10.1.2.3/8').ip() == ip('10.1.2.3') && cidr('::1/128').prefixLength() == 128", True),
        ("ip('224.0.0.1').isLinkLocalMulticast() && ip('169.254.1.1').isLinkLocalUnicast()", True),
        ("ip('8.8.8.8').isGlobalUnicast() && ip('0.0.0.0').isUnspecified()", True),
        # sets
        ("sets.contains([1, 2], [2]) && sets.intersects([1], [1, 2]) && sets.equivalent([1, 1], [1])", True),
        # formats
        ("format.dns1123Label().validate('a-b').hasValue()", False),
        ("format.dns1123Label().validate('a.b').value()", ["must not contain dots"]),
        ("!format.named('uuid').value().validate('123e4567-e89b-12d3-a456-426614174000').hasValue()", True),
        ("format.named('nope').hasValue()", False),
        ("format.date().validate('2021-02-30').orValue([]) + format.byte().validate('?').orValue([])",
         ["invalid date", "invalid base64"]),
        ("format.uri().validate('https://x/').hasValue() || format.datetime().validate('2021-01-01T00:00:00Z').hasValue()",  # noqa: E501
         False),
        ("[format.dns1035Label().validate('1a'), format.qualifiedName().validate('a/b/c'),"
         "format.labelValue().validate('-')].all(x, x.hasValue())", True),
        ("[format.dns1123LabelPrefix().validate('a-'), format.dns1123SubdomainPrefix().validate('a.b-'),"
         "format.dns1035LabelPrefix().validate('a-'), format.dns1123Subdomain().validate('a.b')]"
         ".all(x, !x.hasValue())",
         True),
        # images
        ("image('nginx').registry() + ' ' + image('r.io/a/b:t').repository() + ' ' + image('nginx').tag()",
         "index.docker.io a/b latest"),
        (f"image('r.io/ab:t@{DIGEST}').identifier()", DIGEST),
        (f"image('r.io/ab@{DIGEST}').containsDigest() && !image('r.io/ab:t').containsDigest()", True),
        ("isImage('r.io/ab:t') && !isImage('r.io//a') && !isImage('A')", True),
        # optional values
        ("optional.of(1).hasValue() && !optional.none().hasValue()", True),
        ("optional.ofNonZeroValue(0).orValue(7)", 7),
        ("self.?l[?0].orValue(0) + self.?x.optMap(x, x + 1).orValue(5)", 12),
        ("{?'a': self.?x, 'b': 1}.size() + [?self.?x, 1].size()", 2),
        # two variables
        ("[1, 2].all(i, v, v > i) && {'a': 1}.exists(k, v, k == 'a' && v == 1) && [1].existsOne(i, v, i == 0)", True),
        ("[3, 4].transformList(i, v, i < 1, v * 2)", [6]),
        ("{'a': 1, 'b': 2}.transformMap(k, v, v > 1, v * 10)", {"b": 20}),
        ("[1, 2].transformMap(i, v, v + i)", {0: 1, 1: 3}),
        ("{'a': 'x'}.transformMapEntry(k, v, {v: k})", {"x": "a"}),
        # numbers of different types
        ("1 < 1.5 && 2u >= 1 && 1.0 <= 1u", True),
        # texts are left alone
        ("'.indexOf(1) format.named(2)' + r'\\d'", ".indexOf(1) format.named(2)\\d"),
    ],
)  # fmt: skip
def test_results(expression: str, result: Any) -> None:
    assert run(expression, {"l": [7, 8, 9]}) == result


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("'a'.indexOf('a', 5)", "index out of range: 5"),
        ("image('r.io//a')", "could not parse reference"),
        ("semver('v1')", "invalid semantic version"),
        ("[1, 1].transformMapEntry(i, v, {v: i})", "insert failed: key 1 already exists"),
        ("quantity('1').validate('a')", "no such overload"),
        ("['a'].sum()", "no such overload"),
        ("[1].filter(x, x > 1).max()", "max called on empty list"),
        ("[timestamp('2026-01-01T00:00:00Z')].sum()", "no such overload"),
    ],
)
def test_failures(expression: str, text: str) -> None:
    with pytest.raises(EvaluationError) as error:
        run(expression, {})
    assert text in error.value.message


@pytest.mark.parametrize(
    "expression",
    ["[1].indexOf(1", "'a' < 1", "1 == 1.5", "format.named(1)", "[1].transformMap(v, v)"],
)
def test_what_does_not_compile(expression: str) -> None:
    with pytest.raises(CompileError, match="compilation failed"):
        environment("self").compile(expression)


def test_variables_may_be_optional() -> None:
    items = [m.Item("variables.o.orValue(5) == 1 && variables.deep == 1 && 'variables.o' != ''"),
        m.Item("variables.none.hasValue() || variables.none.orValue(7) == 7"), m.Item("variables.o")]  # fmt: skip
    variables = {"o": "a.?b", "none": "a.?zz", "deep": "variables.again.orValue(2)", "again": "variables.o"}
    found = evaluate(["a", "variables"], {"a": {"b": 1}}, m.Part(items, [], variables)).found
    assert [one.value for one in found] == [True, True, None]
    assert "it is optional" in found[2].error
