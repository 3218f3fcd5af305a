"""Do expressions fit the types of what they speak of? As upstream says it of the same kinds."""

from __future__ import annotations

from typing import Any

import pytest

from corral.cluster.apiserver.admission.type_checking import job_of, kinds_of, params_of
from corral.cluster.apiserver.builtins import served_builtins
from corral.cluster.apiserver.cel.typed import check
from corral.model.kubernetes.resources import GroupVersionKind
from corral.model.kubernetes.schema import Schema, builtin
from corral.model.kubernetes.schema.crd import from_structural

DEPLOYMENT = GroupVersionKind("apps", "v1", "Deployment")
POD = GroupVersionKind("", "v1", "Pod")


def said(expression: str, gvk: GroupVersionKind = DEPLOYMENT, schema: Schema | None = None, **spec: Any) -> str:
    """What is wrong with it, its first line."""
    policy = {"spec": {"validations": [{"expression": expression}], **spec}}
    found = schema or builtin().schema(gvk)
    assert found is not None
    (text,) = check(job_of(policy, gvk, found, params_of(policy, served_builtins())))
    return "\n".join(one for one in text.splitlines() if one.startswith("ERROR"))


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("object.spec.replicas > 'a'", "1:22: found no matching overload for '_>_' applied to '(int, string)'"),
        ("object.spec.paused > 1", "1:20: found no matching overload for '_>_' applied to '(bool, int)'"),
        ("object.metadata.name + 1", "1:22: found no matching overload for '_+_' applied to '(string, int)'"),
        ("object.spec.replica > 1", "1:12: undefined field 'replica'"),
        ("object.spec.template.spec.containers.all(c, c.naem != '')", "1:46: undefined field 'naem'"),
        ("object.spec.template.spec.containers.all(c, c.name == 1)",
         "1:52: found no matching overload for '_==_' applied to '(string, int)'"),
        ("object.metadata.labels.all(k, k == 1)",
         "1:33: found no matching overload for '_==_' applied to '(string, int)'"),
        ("oldObject.nothing", "1:10: undefined field 'nothing'"),
        ("object.spec.nothing()", "1:20: undeclared reference to 'nothing' (in container '')"),
        ("lookup('a')", "1:7: undeclared reference to 'lookup' (in container '')"),
        ("thing.a", "1:1: undeclared reference to 'thing' (in container '')"),
        ("request.userInfo.user == 'a'", "1:17: undefined field 'user'"),
        ("request.dryRun == 'true'", "1:16: found no matching overload for '_==_' applied to '(bool, string)'"),
        ("namespaceObject.metadata.label == {}", "1:25: undefined field 'label'"),
        ("variables.size > 'a'", "1:16: found no matching overload for '_>_' applied to '(int, string)'"),
        ("variables.other", "1:10: undefined field 'other'"),
        ("variables.pod.spec.hostNetwork == 1",
         "1:32: found no matching overload for '_==_' applied to '(bool, int)'"),
        ("params.data == 1", "1:1: undeclared reference to 'params' (in container '')"),
    ],
)  # fmt: skip
def test_what_does_not_fit(expression: str, text: str) -> None:
    variables = [{"name": "size", "expression": "object.spec.replicas"},
        {"name": "pod", "expression": "object.spec.template"}, {"name": "bad", "expression": "object.x"}]  # fmt: skip
    assert said(expression, variables=variables) == f"ERROR: <input>:{text}"


@pytest.mark.parametrize(
    "expression",
    [
        "object.spec.replicas <= 5 && (oldObject == null || object.spec.replicas >= oldObject.spec.replicas)",
        "has(object.metadata.labels) && 'app' in object.metadata.labels && object.metadata.labels['app'] != 'x'",
        "object.metadata.labels.exists(k, k.startsWith('a')) || object.metadata.?annotations[?'x'].orValue('') == ''",
        "object.spec.template.spec.containers.all(c, c.image.matches('^r/') && has(c.resources.limits))",
        "object.spec.template.spec.containers.all(c, quantity(c.resources.limits['cpu']).isLessThan(quantity('1')))",
        "object.spec.template.spec.containers.map(c, c.name).isSorted()",
        "object.spec.template.spec.volumes.exists(v, has(v.hostPath) && v.hostPath.path == '/')",
        "object.spec.strategy.rollingUpdate.maxSurge == 1 || object.spec.strategy.rollingUpdate.maxSurge == '25%'",
        "object.metadata.creationTimestamp < timestamp('2030-01-01T00:00:00Z')",
        "request.userInfo.groups.exists(g, g == 'system:masters') && request.operation == 'CREATE'",
        "'k' in request.userInfo.extra && request.userInfo.extra['k'][0] == 'v' && request.options.a.b == 1",
        "namespaceObject.metadata.labels['env'] == 'prod' && namespaceObject.status.phase == 'Active'",
        "authorizer.group('').resource('pods').namespace('a').check('get').allowed()",
        "authorizer.requestResource.check('delete').allowed()",
        "object.metadata.ownerReferences.all(r, r.controller == true) && object.metadata.finalizers.size() == 0",
        "object.spec.replicas > 1.5 && variables.bad == 3",
        "object.apiVersion == 'apps/v1' && object.kind == 'Deployment'",
        "params.data['most'] == '3' && params.metadata.name == 'x'",
    ],
)
def test_what_fits(expression: str) -> None:
    params = {"apiVersion": "v1", "kind": "ConfigMap"}
    assert said(expression, paramKind=params, variables=[{"name": "bad", "expression": "object.x"}]) == ""


def test_each_kind_of_a_policy_has_its_own_types() -> None:
    rule = {"apiGroups": ["", "apps"], "apiVersions": ["v1"], "resources": ["pods", "deployments", "pods/status", "*"]}
    policy = {"spec": {"matchConstraints": {"resourceRules": [rule, {**rule, "apiGroups": ["*"]}]}}}
    assert [gvk for gvk, _ in kinds_of(policy, served_builtins())] == [POD, DEPLOYMENT]
    assert said("object.spec.replicas > 1", POD) == "ERROR: <input>:1:12: undefined field 'replicas'"


def test_kinds_of_definitions() -> None:
    size = {"type": "object", "properties": {"a-b": {"type": "integer"}, "any": {"x-kubernetes-int-or-string": True},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}, "namespace": {"type": "string"},
        "m": {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "string"}}}}}  # fmt: skip
    schema = from_structural({"type": "object", "properties": {"spec": size}})
    gvk = GroupVersionKind("a.io", "v1", "Web")
    good = "object.spec.a__dash__b > 1 && object.spec.any == 'x' && object.spec.free.x.y == 1 && 'k' in object.spec.m"
    assert said(f"{good} && object.spec.__namespace__ == 'a' && object.metadata.name == 'b'", gvk, schema) == ""
    text = "ERROR: <input>:1:24: found no matching overload for '_==_' applied to '(int, string)'"
    assert said("object.spec.a__dash__b == ''", gvk, schema) == text


def test_every_built_in_kind_can_be_described() -> None:
    policy = {"spec": {"validations": [{"expression": "object.nothing"}]}}
    for one in served_builtins():
        if one.schema is not None and one.schema.properties:
            assert check(job_of(policy, one.resource.gvk, one.schema, None)) != [""], one.resource.gvk
