import pytest

from corral.cluster.apiserver.apply import elements
from corral.cluster.apiserver.apply.elements import BadElement


@pytest.mark.parametrize(
    ("found", "form"),
    [
        ('k:{"b":1,"a":"x"}', 'k:{"a":"x","b":1}'),
        ('k:{ "port" : 80.0 }', 'k:{"port":80}'),
        ('v:"a b"', 'v:"a b"'),
        ("v:1.50", "v:1.5"),
        ("v:true", "v:true"),
        ("i:07", "i:7"),
        ("i:-1", "i:-1"),
        ("f:", "f:"),
        ("q:x", None),
        ('v:"<&>"', 'v:"\\u003c\\u0026\\u003e"'),
    ],
)
def test_equal_elements_are_equal_texts(found, form):
    assert elements.canonical(found) == form
    assert form is None or elements.canonical(form) == form


@pytest.mark.parametrize("found", ["", "f", "fx", "k:[]", "k:{", "v:", "v:x", "i:x", 'k:{"a":1}x'])
def test_what_is_no_element_is_refused(found):
    with pytest.raises(BadElement):
        elements.canonical(found)


def test_keys_and_values_are_written_alike_however_they_are_made():
    assert elements.of_key("name", "web") == elements.of_keys({"name": "web"}) == 'k:{"name":"web"}'
    assert elements.of_key("name", 'a"b') == elements.of_keys({"name": 'a"b'})
    assert elements.of_key("port", 80.0) == elements.of_key("port", 80)
    assert elements.of_value("é") == 'v:"é"'


def test_the_order_is_that_of_kinds_then_of_values():
    shuffled = [
        "i:10",
        "i:2",
        "v:true",
        'v:"a"',
        "v:10",
        "v:9.5",
        'k:{"a":2,"b":1}',
        'k:{"a":1}',
        'k:{"a":1,"b":0}',
        "f:b",
        "f:B",
        ".",
    ]
    assert elements.in_order(shuffled) == [
        ".", "f:B", "f:b", 'k:{"a":1}', 'k:{"a":1,"b":0}', 'k:{"a":2,"b":1}', "v:9.5", "v:10", 'v:"a"', "v:true",
        "i:2", "i:10",
    ]  # fmt: skip


def test_null_and_nested_values_can_be_put_in_order():
    assert elements.in_order(["v:null", "v:{}", "v:[1]", "v:0"]) == ["v:0", "v:[1]", "v:{}", "v:null"]


def test_long_elements_are_read_too():
    long = f'k:{{"name":"{"x" * 1000}"}}'
    assert elements.canonical(long) == long and elements.in_order([long, "f:a"]) == ["f:a", long]


def test_fields_are_put_in_order_without_looking_into_each(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delattr(elements, "_rank")
    assert elements.in_order(["f:b", ".", "f:", "f:a.b", "f:B"]) == [".", "f:", "f:B", "f:a.b", "f:b"]
