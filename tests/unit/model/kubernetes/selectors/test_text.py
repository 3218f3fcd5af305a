import pytest

from corral.model.kubernetes import selectors
from corral.model.kubernetes.selectors import BadSelector


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""), ("  ", ""), ("a", "a"), ("!a", "!a"), ("a=b", "a=b"), ("a==b", "a==b"), ("a!=b", "a!=b"),
        ("a in (c, b,b)", "a in (b,c)"), ("a notin (b)", "a notin (b)"), ("a>1", "a>1"), ("a < 2", "a<2"),
        ("b=1,a=2", "a=2,b=1"), ("in in (in)", "in in (in)"), ("notin=in", "notin=in"), ("a=", "a="), ("a=,b", "a=,b"),
        ("a in ()", "a in ()"), ("a in (,x)", "a in (,x)"), ("a in (x,)", "a in (,x)"), ("x/y.z=1\t", "x/y.z=1"),
    ],
)  # fmt: skip
def test_what_is_read(text, shown):
    assert str(selectors.parse(text)) == shown
    assert str(selectors.parse(shown)) == shown


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (",", "found ',', expected: !, identifier, or 'end of string'"),
        ("a,", "found '', expected: identifier after ','"),
        ("a=b c", "found 'c', expected: ',' or 'end of string'"),
        ("!", "unable to parse requirement: found '', expected: identifier"),
        ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ("!a=b", "found '=', expected: ',' or 'end of string'"),
        ("a in b", "unable to parse requirement: found 'b' expected: '('"),
        ("a in (b", "unable to parse requirement: found '', expected: ',' or ')'"),
        ("a in (b c)", "unable to parse requirement: found 'c', expected: ',' or ')'"),
        ("a in (b,!)", "unable to parse requirement: found '!', expected: ',', or identifier"),
        ("a in (", "unable to parse requirement: found '', expected: ',', ')' or identifier"),
        ("a=!", "unable to parse requirement: found '!', expected: identifier"),
        (
            "a>x",
            "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the value must be "
            "an integer",
        ),
        (
            f"a={'x' * 64}",
            f'unable to parse requirement: values[0][a]: Invalid value: "{"x" * 64}": must be no more than 63 bytes',
        ),
    ],
)  # fmt: skip
def test_what_is_refused(text, says):
    with pytest.raises(BadSelector) as caught:
        selectors.parse(text)
    assert caught.value.message == says


def test_a_bad_key_is_named_as_upstream_names_it():
    with pytest.raises(BadSelector) as caught:
        selectors.parse("a$=b")
    assert caught.value.message.startswith('unable to parse requirement: <nil>: Invalid value: "a$": name part must')


LABELS = {"app": "web", "n": "5", "empty": ""}


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("", True), ("app=web", True), ("app=x", False), ("app!=x", True), ("none!=x", True), ("none=", False),
        ("empty=", True), ("app in (x,web)", True), ("app notin (web)", False), ("none notin (a)", True), ("app", True),
        ("!app", False), ("!none", True), ("n>4", True), ("n>5", False), ("n<6", True), ("app>1", False),
        ("none<1", False), ("app=web,n=5", True), ("app=web,n=6", False),
    ],
)  # fmt: skip
def test_what_is_meant(text, meant):
    assert selectors.parse(text).matches(LABELS) is meant


def test_what_must_be_equal_is_known():
    selector = selectors.parse("a=1,b in (2),c in (3,4),d!=5")
    assert [selector.required_value(key) for key in "abcde"] == ["1", "2", None, None, None]
