"""Access reviews: questions, answers, and questions that make no sense."""

from __future__ import annotations

from typing import Any

import pytest

from corral.cluster.apiserver.attributes import Attributes, User
from corral.cluster.apiserver.authorization import reviews
from corral.cluster.apiserver.authorization.decision import Decision, Rules
from corral.model.kubernetes.status import StatusError

JANE = User("jane", groups=("dev",))
YES, NONE = Decision(True, "because"), Rules(())
PODS = {"verb": "list", "resource": "pods", "namespace": "d"}


class Recording:
    """Remembers what it was asked."""

    def __init__(self, decision: Decision = YES, rules: Rules = NONE) -> None:
        self.decision, self.rules = decision, rules
        self.asked: list[Attributes] = []

    def authorize(self, attributes: Attributes) -> Decision:
        self.asked.append(attributes)
        return self.decision

    def rules_for(self, user: User, namespace: str) -> Rules:
        assert (user, namespace) == (JANE, "d")
        return self.rules


def test_may_i() -> None:
    authorizer = Recording()
    asked = {"kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": PODS}}
    found = reviews.review_self(asked, JANE, authorizer)
    assert found == {**asked, "status": {"allowed": True, "reason": "because"}}
    assert authorizer.asked == [Attributes(JANE, "list", resource="pods", namespace="d")]
    assert "status" not in asked


def test_may_they_with_selectors() -> None:
    authorizer = Recording(Decision(False))
    fields = {"requirements": [{"key": "spec.nodeName", "operator": "In", "values": ["a"]}]}
    labels = {"rawSelector": "app=web,tier"}
    resource = {**PODS, "group": "apps", "version": "v1", "subresource": "log", "name": "x"}
    spec = {"user": "kim", "uid": "7", "groups": ["ops"], "extra": {"a": ["b"]}}
    asked = {"spec": {**spec, "resourceAttributes": {**resource, "fieldSelector": fields, "labelSelector": labels}}}
    assert reviews.review_subject(asked, authorizer)["status"] == {"allowed": False}
    kim = User("kim", "7", ("ops",), {"a": ("b",)})
    expected = Attributes(kim, "list", "apps", "v1", "pods", "log", "d", "x", "", "spec.nodeName=a", "app=web,tier")
    assert authorizer.asked == [expected]


def test_paths() -> None:
    authorizer = Recording()
    asked = {"spec": {"nonResourceAttributes": {"verb": "get", "path": "/metrics"}, "groups": ["g"]}}
    reviews.review_subject(asked, authorizer)
    assert authorizer.asked == [Attributes(User("", groups=("g",)), "get", path="/metrics")]


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({"user": "x"}, "exactly one of nonResourceAttributes or resourceAttributes must be specified"),
        ({"user": "x", "resourceAttributes": {}, "nonResourceAttributes": {}},
         "cannot be specified in combination with resourceAttributes"),
        ({"resourceAttributes": {}}, "at least one of user or group must be specified"),
        ({"user": "x", "resourceAttributes": {"fieldSelector": {}}},
         "spec.resourceAttributes.fieldSelector.requirements: Required value"),
        ({"user": "x", "resourceAttributes": {"labelSelector": {"rawSelector": "a", "requirements": [{}]}}},
         "may not specified at the same time as requirements"),
        ({"user": "x", "resourceAttributes": {"labelSelector": {"requirements": [{"key": "a", "operator": "In"}]}}},
         "must be specified when `operator` is 'In' or 'NotIn'"),
        ({"user": "x", "resourceAttributes": {"labelSelector": {"requirements": [{"key": "a", "operator": "Is"}]}}},
         "not a valid selector operator"),
    ],
)  # fmt: skip
def test_questions_that_make_no_sense(spec: dict[str, Any], text: str) -> None:
    with pytest.raises(StatusError) as refused:
        reviews.review_subject({"spec": spec}, Recording())
    assert refused.value.code == 422 and text in refused.value.message
    assert refused.value.message.startswith("SubjectAccessReview.authorization.k8s.io")


def test_a_local_review_stays_in_its_namespace() -> None:
    spec = {"user": "kim", "resourceAttributes": PODS}
    assert reviews.review_local({"spec": spec}, "d", Recording())["status"]["allowed"]
    with pytest.raises(StatusError, match=r"must match metadata\.namespace"):
        reviews.review_local({"spec": spec}, "other", Recording())
    with pytest.raises(StatusError, match="must match namespace: other"):
        reviews.review_local({"metadata": {"namespace": "d"}, "spec": spec}, "other", Recording())
    path = {"user": "kim", "nonResourceAttributes": {"path": "/"}}
    with pytest.raises(StatusError, match="disallowed on this kind of request"):
        reviews.review_local({"spec": path}, "d", Recording())


def test_what_may_i() -> None:
    rules = [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}, {"verbs": ["get"], "nonResourceURLs": ["/"]}]
    found = reviews.review_rules({"spec": {"namespace": "d"}}, JANE, Recording(rules=Rules(rules, True, "odd")))
    assert found["status"] == {
        "resourceRules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}],
        "nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": ["/"]}],
        "incomplete": True,
        "evaluationError": "odd",
    }
    with pytest.raises(StatusError, match="no namespace on request"):
        reviews.review_rules({"spec": {}}, JANE, Recording())
