import pytest

from corral.model.kubernetes.selectors import BadSelector, fields


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("", []),
        (",", []),
        ("a=b", [("a", "b", True)]),
        ("a==b,c!=d", [("a", "b", True), ("c", "d", False)]),
        ("b=1,a=", [("a", "", True), ("b", "1", True)]),
        (r"a=b\,c\=d\\", [("a", "b,c=d\\", True)]),
    ],
)
def test_what_is_read(text, terms):
    selector = fields.parse(text)
    assert [tuple(one) for one in selector.terms] == terms
    assert fields.parse(str(selector)) == selector


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a", "invalid selector: 'a'; can't understand 'a'"),
        ("a=b=c", "invalid field selector: unescaped character in value: 61"),
        (r"a=\x", r"invalid field selector: invalid escape sequence: \x"),
        ("a=\\", "invalid field selector: invalid escape sequence: \\"),
    ],
)
def test_what_is_refused(text, says):
    with pytest.raises(BadSelector) as caught:
        fields.parse(text)
    assert caught.value.message == says


def test_missing_fields_are_empty():
    selector = fields.parse("a=,b!=x")
    assert selector.matches({}) and not selector.matches({"a": "1"}) and not selector.matches({"b": "x"})
    assert selector.matches(lambda name: "")
    assert selector.required_value("a") == "" and selector.required_value("b") is None
