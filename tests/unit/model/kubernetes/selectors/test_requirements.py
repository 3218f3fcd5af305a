from corral.model.kubernetes import selectors


def test_a_map_of_labels_selects_what_has_them_all():
    selector = selectors.of_labels({"b": "2", "a": "1"})
    assert str(selector) == "a=1,b=2"
    assert selector.matches({"a": "1", "b": "2", "c": "3"}) and not selector.matches({"a": "1"})
    assert selectors.of_labels({}).empty and selectors.of_labels(None).matches(None)


def test_a_repeated_key_needs_both():
    assert not selectors.parse("a=1,a=2").matches({"a": "1"})
    assert not selectors.NOTHING.matches({}) and selectors.EVERYTHING.matches({})
