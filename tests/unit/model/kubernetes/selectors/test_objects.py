import pytest

from corral.model.kubernetes import selectors
from corral.model.kubernetes.selectors import BadSelector


def expression(operator, values=(), key="a"):
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


def test_none_means_nothing_and_an_empty_one_everything():
    assert not selectors.of_object(None).matches({"a": "b"}) and not selectors.of_object(None).empty
    assert selectors.of_object({}).matches({}) and selectors.of_object({"matchLabels": {}}).empty


def test_labels_and_expressions_must_all_be_met():
    selector = selectors.of_object({"matchLabels": {"a": "1"}, **expression("NotIn", ["2"], "b")})
    assert selector.matches({"a": "1"}) and selector.matches({"a": "1", "b": "3"})
    assert not selector.matches({"a": "1", "b": "2"})
    assert str(selector) == "a=1,b notin (2)"


def test_an_unknown_operator_is_refused():
    with pytest.raises(BadSelector, match='"Gt" is not a valid label selector operator'):
        selectors.of_object(expression("Gt", ["1"]))
    with pytest.raises(BadSelector, match="values set must be empty for exists and does not exist"):
        selectors.of_object(expression("Exists", ["1"]))


def problems(selector, **options):
    return [str(one) for one in selectors.problems_of_object(selector, "spec.selector", **options)]


def test_what_is_wrong_is_said_with_its_place():
    at = "spec.selector.matchExpressions[0]"
    assert problems(None) == problems({}) == problems(expression("In", ["1"])) == []
    assert problems(expression("In")) == [
        f"{at}.values: Required value: must be specified when `operator` is 'In' or 'NotIn'"
    ]
    assert problems(expression("Exists", ["1"])) == [
        f"{at}.values: Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
    ]
    assert problems(expression("Gt", ["1"])) == [f'{at}.operator: Invalid value: "Gt": not a valid selector operator']
    assert problems({"matchLabels": {"a": "-"}})[0].startswith('spec.selector.matchLabels: Invalid value: "-": a valid')
    assert problems(expression("In", ["-"]))[0].startswith(f'{at}.values[0]: Invalid value: "-": a valid label')
    assert problems(expression("In", ["-"]), any_value=True) == []
