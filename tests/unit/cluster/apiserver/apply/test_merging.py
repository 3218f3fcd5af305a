import copy

import pytest

from corral.cluster.apiserver.apply import plan
from corral.cluster.apiserver.apply.merging import merge
from tests.unit.cluster.apiserver.apply.schemas import SPEC

PLAN = plan.of_schema(SPEC)


@pytest.mark.parametrize(
    ("live", "applied", "merged"),
    [
        ({"replicas": 1, "text": "a"}, {"replicas": 2}, {"replicas": 2, "text": "a"}),
        ({"replicas": 1}, {"replicas": None}, {"replicas": None}),
        ({"map": {"a": "1"}}, {"map": {"b": "2"}}, {"map": {"a": "1", "b": "2"}}),
        ({"map": {"a": "1"}}, {"map": {}}, {"map": {"a": "1"}}),
        ({"map": {"a": "1"}}, {"map": None}, {"map": {"a": "1"}}),
        ({"map": {}}, {"map": None}, {"map": None}),
        ({"atom": {"a": 1}}, {"atom": {"b": 2}}, {"atom": {"b": 2}}),
        ({"whole": ["a"]}, {"whole": ["b"]}, {"whole": ["b"]}),
        ({"whole": ["a"]}, {"whole": []}, {"whole": []}),
        ({"any": {"a": {"b": 1}}}, {"any": {"a": 2}}, {"any": {"a": 2}}),
        ({"any": {"a": 2}}, {"any": {"a": {"b": 1}}}, {"any": {"a": {"b": 1}}}),
        ({"list": [{"name": "a", "value": 1}]}, {"list": [{"name": "a", "other": 2}]},
         {"list": [{"name": "a", "value": 1, "other": 2}]}),
        ({"list": [{"name": "a", "value": 1}, {"name": "a", "value": 2}]}, {"list": [{"name": "a", "other": 3}]},
         {"list": [{"name": "a", "other": 3}]}),
        ({"ports": [{"port": 80, "name": "x"}]},
         {"ports": [{"port": 80, "protocol": "TCP"}, {"port": 80, "protocol": "UDP"}]},
         {"ports": [{"port": 80, "name": "x", "protocol": "TCP"}, {"port": 80, "protocol": "UDP"}]}),
    ],
)  # fmt: skip
def test_what_is_merged(live, applied, merged):
    before = copy.deepcopy((live, applied))
    assert merge(live, applied, PLAN) == merged
    assert (live, applied) == before


@pytest.mark.parametrize(
    ("live", "applied", "merged"),
    [
        ("abc", "", "abc"),
        ("", "abc", "abc"),
        ("abc", "ba", "bca"),
        ("abc", "cba", "cba"),
        ("abc", "xc", "abxc"),
        ("abc", "ax", "abcx"),
        ("abcd", "dxa", "bcdxa"),
        ("cdef", "ace", "acdef"),
        ("abb", "c", "abbc"),
        ("abb", "b", "ab"),
        ("abcb", "xc", "abxcb"),
    ],
)
def test_the_order_is_that_of_the_applied_items_with_the_others_between(live, applied, merged):
    found = merge({"set": list(live)}, {"set": list(applied)}, PLAN)
    assert "".join(found["set"]) == merged
