import json
from datetime import UTC, datetime

import pytest

from corral.cluster.apiserver.apply import last_applied, managed
from corral.model.kubernetes.status import StatusError
from tests.unit.cluster.apiserver.apply.schemas import ROOT

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def thing(spec, **annotations):
    return {"apiVersion": "x/v1", "kind": "Thing", "metadata": {"name": "a", "annotations": annotations}, "spec": spec}


def client_side(spec, said=None):
    """As `kubectl apply` leaves it: what it said is in the annotation."""
    text = json.dumps(said) if said is not None else json.dumps(thing(spec))
    obj = thing(spec, **{last_applied.ANNOTATION: text})
    obj["metadata"]["uid"] = "u"
    return managed.on_update(None, obj, "kubectl-client-side-apply", "", "x/v1", ROOT, NOW)


def apply(live, spec, manager="kubectl"):
    return managed.on_apply(live, thing(spec), manager, False, "", "x/v1", ROOT, NOW)


def test_kubectl_may_change_what_it_had_set_before():
    live = client_side({"replicas": 1, "text": "a"})
    found = apply(live, {"replicas": 2, "text": "b"})
    assert found["spec"] == {"replicas": 2, "text": "b"}


def test_nobody_else_may():
    with pytest.raises(StatusError, match="Apply failed with 2 conflicts"):
        apply(client_side({"replicas": 1, "text": "a"}), {"replicas": 2, "text": "b"}, "helm")


def test_only_what_is_still_as_it_was_said():
    live = client_side({"replicas": 5, "text": "a"}, thing({"replicas": 1, "text": "a"}))
    with pytest.raises(StatusError) as caught:
        apply(live, {"replicas": 2, "text": "b"})
    assert caught.value.message == (
        'Apply failed with 1 conflict: conflict with "kubectl-client-side-apply" using x/v1: .spec.replicas'
    )


@pytest.mark.parametrize(
    "said", [{}, [], {"apiVersion": "y/v1", "spec": {"replicas": 1}}, {"apiVersion": "x/v1", "spec": {"replicas": "x"}}]
)
def test_an_annotation_that_says_nothing_allows_nothing(said):
    with pytest.raises(StatusError):
        apply(client_side({"replicas": 1}, said), {"replicas": 2})


def test_an_annotation_that_is_no_json_allows_nothing():
    live = client_side({"replicas": 1})
    live["metadata"]["annotations"][last_applied.ANNOTATION] = "{"
    with pytest.raises(StatusError):
        apply(live, {"replicas": 2})


def test_the_annotation_is_brought_up_to_date():
    found = apply(client_side({"text": "a"}), {"text": "<b>"})
    assert found["metadata"]["annotations"][last_applied.ANNOTATION] == (
        '{"apiVersion":"x/v1","kind":"Thing","metadata":{"annotations":{},"name":"a"},'
        '"spec":{"text":"\\u003cb\\u003e"}}\n'
    )


def test_without_an_annotation_there_will_be_none_nor_for_others():
    assert last_applied.ANNOTATION not in apply(None, {"text": "a"})["metadata"]["annotations"]
    live = client_side({"text": "a"})
    assert apply(live, {"text": "a"}, "helm")["metadata"]["annotations"] == live["metadata"]["annotations"]


def test_an_annotation_that_gets_too_long_goes():
    live = client_side({"text": "a"})
    assert last_applied.ANNOTATION not in apply(live, {"text": "x" * 262_144})["metadata"]["annotations"]
