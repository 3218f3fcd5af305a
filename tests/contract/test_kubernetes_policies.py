"""Admission policies in CEL, and the built-in plugins, over HTTPS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.kubernetes import Answer, Namespace

API = "/apis/admissionregistration.k8s.io/v1"
Install = Callable[..., str]


@pytest.fixture
def install(ns: Namespace) -> Iterator[Install]:
    made: list[str] = []

    def act(kind: str, spec: dict[str, Any], binding: dict[str, Any] | None = None, plural: str = "configmaps") -> str:
        """A policy of `kind` (validating, mutating) and its binding, for the namespace of the test: its name."""
        name = f"{kind}-{ns.name}-{len(made)}"
        rule = {
            "operations": ["CREATE", "UPDATE"],
            "apiGroups": ["", "apps"],
            "apiVersions": ["v1"],
            "resources": [plural],
        }
        selector = {"matchLabels": {"kubernetes.io/metadata.name": ns.name}}
        constraints = {"resourceRules": [rule], "namespaceSelector": selector}
        policies = f"{API}/{kind}admissionpolicies"
        body = {"metadata": {"name": name}, "spec": {"matchConstraints": constraints, **spec}}
        ns.admin.ok("POST", policies, body)
        made.append(f"{policies}/{name}")
        bound = {"policyName": name, **(binding or {})}
        if kind == "validating":
            bound.setdefault("validationActions", ["Deny"])
        bindings = f"{API}/{kind}admissionpolicybindings"
        ns.admin.ok("POST", bindings, {"metadata": {"name": name}, "spec": bound})
        made.append(f"{bindings}/{name}")
        return name

    yield act
    for path in made:
        ns.admin.ok("DELETE", path)


def create(ns: Namespace, name: str, data: dict[str, str] | None = None) -> Any:
    return ns.admin.ask("POST", ns.path("configmaps"), {"metadata": {"name": name}, "data": data or {}})


def test_a_rule_refuses(ns: Namespace, install: Install) -> None:
    rules = [{"expression": "object.data.all(k, size(object.data[k]) < variables.most)"}, {"expression":
        "object.metadata.name != 'odd'", "messageExpression": "'not ' + object.metadata.name", "reason": "Forbidden"}]  # fmt: skip  # noqa: E501
    name = install("validating", {"validations": rules, "variables": [{"name": "most", "expression": "2 + 1"}]})
    assert create(ns, "a", {"x": "1"}).status == 201
    head = f"ValidatingAdmissionPolicy '{name}' with binding '{name}' denied request: "
    text = f'configmaps "b" is forbidden: {head}failed expression: {rules[0]["expression"]}'
    assert create(ns, "b", {"x": "1234"}).told == (422, "Invalid", text)
    assert create(ns, "odd", {"x": "1"}).told == (403, "Forbidden", f'configmaps "odd" is forbidden: {head}not odd')


def test_parameters_and_warnings(ns: Namespace, install: Install) -> None:
    ns.config("limits", {"most": "2"})
    spec = {"paramKind": {"apiVersion": "v1", "kind": "ConfigMap"}, "validations": [
        {"expression": "!has(object.data) || size(object.data) <= int(params.data.most)", "message": "too much"}]}  # fmt: skip  # noqa: E501
    ref = {"name": "limits", "namespace": ns.name, "parameterNotFoundAction": "Deny"}
    name = install("validating", spec, {"paramRef": ref, "validationActions": ["Warn", "Audit"]})
    answer = create(ns, "a", {"x": "", "y": "", "z": ""})
    assert answer.status == 201
    text = f"Validation failed for ValidatingAdmissionPolicy '{name}' with binding '{name}': too much"
    assert text in answer.headers["warning"]
    install("validating", spec, {"paramRef": {**ref, "name": "missing"}})
    assert "no params found for policy binding with `Deny`" in create(ns, "b").told[2]


def test_authorizer_conditions_and_failures(ns: Namespace, install: Install) -> None:
    allowed = "authorizer.group('').resource('secrets').namespace(request.namespace).check('get').allowed()"
    install(
        "validating", {"validations": [{"expression": f"{allowed} && authorizer.requestResource.check('x').allowed()"}]}
    )
    assert create(ns, "a").status == 201
    conditions = [{"name": "only-b", "expression": "object.metadata.name == 'b'"}]
    install("validating", {"validations": [{"expression": "object.missing == 1"}], "matchConditions": conditions})
    assert create(ns, "c").status == 201
    assert "resulted in error: no such key: missing" in create(ns, "b").told[2]


def test_what_does_not_compile_is_refused(ns: Namespace) -> None:
    body = {"metadata": {"name": "bad"}, "spec": {"matchConstraints": {"resourceRules": [
        {"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*"]}]},
        "validations": [{"expression": "object.x +"}]}}  # fmt: skip
    answer = ns.admin.ask("POST", f"{API}/validatingadmissionpolicies", body)
    assert answer.status == 422 and answer.json["details"]["causes"][0]["field"] == "spec.validations[0].expression"


@pytest.mark.parametrize(
    ("spec", "field", "said"),
    [
        ({"validations": [{"expression": "variables.b > 1"}]}, "validations[0].expression", "undefined field 'b'"),
        ({"variables": [{"name": "b", "expression": "variables.a"}]}, "variables[0].expression", "undefined field 'a'"),
        ({"variables": [{"name": "b c", "expression": "1"}]}, "variables[0].name", "not a valid CEL identifier"),
        ({"variables": [{"name": "b"}]}, "variables[0].expression", "Required value: expression is not specified"),
        ({"validations": [{"expression": "params.x == 1"}]}, "validations[0].expression", "reference to 'params'"),
        ({"matchConditions": [{"name": "c", "expression": "variables.a > 0"}]}, "matchConditions[0].expression",
         "reference to 'variables'"),
        ({"validations": [{"expression": "true", "messageExpression": "string(authorizer)"}]},
         "validations[0].messageExpression", "reference to 'authorizer'"),
        ({"validations": [{"expression": "1"}]}, "validations[0].expression", "must evaluate to bool but got int"),
        ({"validations": [{"expression": "object.spec.on"}]}, "validations[0].expression",
         "must evaluate to bool but got dyn"),
        ({"auditAnnotations": [{"key": "k", "valueExpression": "1"}]}, "auditAnnotations[0].valueExpression",
         "must evaluate to one of [string null_type] but got int"),
        ({"auditAnnotations": [{"key": "k", "valueExpression": "null"}, {"key": "k", "valueExpression": "''"}]},
         "auditAnnotations[1].key", 'Duplicate value: "k"'),
        ({"auditAnnotations": [{"key": "a b", "valueExpression": "''"}]}, "auditAnnotations[0].key", "alphanumeric"),
    ],
)  # fmt: skip
def test_what_expressions_of_a_policy_may_speak_of(ns: Namespace, spec: Any, field: str, said: str) -> None:
    """Its own variables, each those before it; parameters if there are any; and they give what is needed."""
    rules = [{"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*"]}]
    whole = {"matchConstraints": {"resourceRules": rules}, "validations": [{"expression": "true"}],
             "variables": [{"name": "a", "expression": "1"}], **spec}  # fmt: skip
    answer = ns.admin.ask("POST", f"{API}/validatingadmissionpolicies", {"metadata": {"name": "bad"}, "spec": whole})
    assert answer.status == 422, answer.body
    (cause,) = answer.json["details"]["causes"]
    assert cause["field"] == f"spec.{field}" and said in cause["message"], cause


def test_all_that_is_wrong_with_a_policy_is_said_at_once(ns: Namespace) -> None:
    rules = [{"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*"]}]
    spec = {"matchConstraints": {"resourceRules": rules}, "failurePolicy": "Odd", "validations": [{"expression": "1"}]}
    answer = ns.admin.ask("POST", f"{API}/validatingadmissionpolicies", {"metadata": {"name": "bad"}, "spec": spec})
    fields = [one["field"] for one in answer.json["details"]["causes"]]
    assert answer.status == 422 and fields == ["spec.failurePolicy", "spec.validations[0].expression"]


def test_selectors_of_devices_must_compile(ns: Namespace) -> None:
    body = {"metadata": {"name": "bad"}, "spec": {"selectors": [{"cel": {"expression": "1"}}]}}
    answer = ns.admin.ask("POST", "/apis/resource.k8s.io/v1/deviceclasses", body)
    (cause,) = answer.json["details"]["causes"]
    assert cause["field"] == "spec.selectors[0].cel.expression"
    assert cause["message"] == 'Invalid value: "1": must evaluate to bool or the unknown type, not int'


def test_the_status_tells_of_fields_that_are_not_there(ns: Namespace, install: Install) -> None:
    rules = [{"expression": "object.spec.replicas < 5 && object.spec.replica > 1"}, {"expression": "true"}]
    name = install("validating", {"validations": rules}, plural="deployments")
    path = f"{API}/validatingadmissionpolicies/{name}"
    stream = ns.admin.watch(f"{API}/validatingadmissionpolicies?watch=1&fieldSelector=metadata.name={name}")

    def until(generation: int) -> dict[str, Any]:
        while (found := stream.next()["object"]["status"]).get("observedGeneration", 0) < generation:
            pass
        return dict(found)

    text = (
        "apps/v1, Kind=Deployment: ERROR: <input>:1:40: undefined field 'replica'\n"
        f" | {rules[0]['expression']}\n | {'.' * 39}^\n"
    )
    warning = {"fieldRef": "spec.validations[0].expression", "warning": text}
    assert until(1)["typeChecking"] == {"expressionWarnings": [warning]}
    ns.admin.patch(path, {"spec": {"validations": [{"expression": "object.spec.replicas > 1"}]}})
    assert until(2) == {"observedGeneration": 2, "typeChecking": {}}
    expression = "object.spec.paused > 1 || object.metadata.nam == ''"
    assert ns.admin.patch(path, {"spec": {"validations": [{"expression": expression}]}}).status == 200
    (warning,) = until(3)["typeChecking"]["expressionWarnings"]
    first, second = [one for one in warning["warning"].splitlines() if "ERROR" in one]
    words = "found no matching overload for '_>_' applied to '(bool, int)'"
    assert first == f"apps/v1, Kind=Deployment: ERROR: <input>:1:20: {words}"
    assert second == "ERROR: <input>:1:42: undefined field 'nam'"
    stream.close()


def test_mutations(ns: Namespace, install: Install) -> None:
    apply = 'Object{metadata: Object.metadata{labels: Object.metadata.labels{team: "red"}}}'
    patch = '[JSONPatch{op: "add", path: "/metadata/annotations", value: {"a": string(size(object.metadata.name))}}]'
    mutations = [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": apply}},
        {"patchType": "JSONPatch", "jsonPatch": {"expression": patch}}]  # fmt: skip
    install("mutating", {"mutations": mutations, "reinvocationPolicy": "Never"})
    metadata = create(ns, "abc").json["metadata"]
    assert (metadata["labels"], metadata["annotations"]) == ({"team": "red"}, {"a": "3"})


def test_a_patch_whose_test_fails_is_not_applied(ns: Namespace, install: Install) -> None:
    """It is how a patch says what it is not meant for; one that does not fit otherwise is refused."""
    patch = (
        '[JSONPatch{op: "test", path: "/metadata/name", value: "abc"}, '
        'JSONPatch{op: "add", path: "/metadata/labels", value: {"a": "b"}}]'
    )
    mutations = [{"patchType": "JSONPatch", "jsonPatch": {"expression": patch}}]
    install("mutating", {"mutations": mutations, "reinvocationPolicy": "Never"})
    assert create(ns, "abc").json["metadata"]["labels"] == {"a": "b"}
    assert "labels" not in create(ns, "other").json["metadata"]
    lost = [{"patchType": "JSONPatch", "jsonPatch": {"expression": '[JSONPatch{op: "remove", path: "/metadata/x/y"}]'}}]
    install("mutating", {"mutations": lost, "reinvocationPolicy": "Never"})
    text = 'JSON Patch: remove operation does not apply: doc is missing path: "/metadata/x/y": missing value'
    assert text in create(ns, "next").told[2]


def test_containers_are_merged_by_name(ns: Namespace, install: Install) -> None:
    apply = (
        'Object{spec: Object.spec{containers: [Object.spec.containers{name: "side", image: "busybox"}], '
        "initContainers: []}}"
    )
    mutations = [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": apply}}]
    install("mutating", {"mutations": mutations, "reinvocationPolicy": "IfNeeded"}, plural="pods")
    spec = ns.pod("a")["spec"]
    assert sorted(one["name"] for one in spec["containers"]) == ["main", "side"]
    assert all(one["terminationMessagePath"] == "/dev/termination-log" for one in spec["containers"])


@pytest.mark.parametrize(
    ("apply", "text"),
    [
        ("Object{spec: Object.spec{nope: 1}}",
         "failed to convert patch object to typed object: .spec.nope: field not declared in schema"),
        ("Object{spec: Object.spec{selector: Object.spec.selector{matchLabels: {'a': 'b'}}}}",
         "invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: .spec.selector"),
        ("Object{spec: Object.specs{replicas: 1}}",
         'type mismatch: unexpected type name "Object.specs", expected "Object.spec", which matches field name path'),
    ],
)  # fmt: skip
def test_a_mutation_that_would_lose_something_is_refused(
    ns: Namespace, install: Install, apply: str, text: str
) -> None:
    mutations = [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": apply}}]
    install("mutating", {"mutations": mutations, "reinvocationPolicy": "Never"}, plural="deployments")
    labels = {"app": "x"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    body = {"metadata": {"name": "x"}, "spec": {"selector": {"matchLabels": labels}, "template": template}}
    answer = ns.admin.ask("POST", ns.path("deployments", group="apps/v1"), body)
    assert answer.status == 422 and text in answer.told[2], answer.body


def test_a_condition_that_fails_is_shown(ns: Namespace, install: Install) -> None:
    conditions = [{"name": "c", "expression": "object.data.missing == 'x'"}]
    install("validating", {"validations": [{"expression": "true"}], "matchConditions": conditions})
    text = "expression 'object.data.missing == 'x'' resulted in error: no such key: missing"
    assert text in create(ns, "a", {"x": "1"}).told[2]


# Built-in plugins


def test_pods_get_an_account_its_token_and_tolerations(ns: Namespace) -> None:
    spec = ns.pod("a")["spec"]
    assert spec["serviceAccountName"] == "default" and spec["priority"] == 0
    volume = spec["volumes"][0]
    assert volume["name"].startswith("kube-api-access-") and len(volume["projected"]["sources"]) == 3
    assert spec["containers"][0]["volumeMounts"][0]["mountPath"] == "/var/run/secrets/kubernetes.io/serviceaccount"
    assert [one["tolerationSeconds"] for one in spec["tolerations"]] == [300, 300]
    body = {"metadata": {"name": "b"}, "spec": {"serviceAccountName": "x", "containers": [{"name": "c", "image": "i"}]}}
    text = f'pods "b" is forbidden: error looking up service account {ns.name}/x: serviceaccount "x" not found'
    assert ns.admin.ask("POST", ns.path("pods"), body).told == (403, "Forbidden", text)


def test_quotas_count(ns: Namespace) -> None:
    ns.create("resourcequotas", {"metadata": {"name": "q"}, "spec": {"hard": {"pods": "2", "count/configmaps": "1"}}})
    ns.pod("a")
    ns.pod("b")
    body = {"metadata": {"name": "c"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    text = 'pods "c" is forbidden: exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2'
    assert ns.admin.ask("POST", ns.path("pods"), body).told == (403, "Forbidden", text)
    ns.admin.ok("DELETE", ns.path("pods", "a"))
    assert ns.admin.ask("POST", ns.path("pods"), body).status == 201
    ns.config("one")
    assert "exceeded quota: q" in create(ns, "two").told[2]


def test_quotas_count_the_devices_that_claims_ask_for(ns: Namespace) -> None:
    hard = {"gpu.deviceclass.resource.k8s.io/devices": "2"}
    ns.create("resourcequotas", {"metadata": {"name": "q"}, "spec": {"hard": hard}})
    path = f"/apis/resource.k8s.io/v1/namespaces/{ns.name}/resourceclaims"

    def ask(name: str, kind: str, count: int) -> Answer:
        requests = [{"name": "r", "exactly": {"deviceClassName": kind, "count": count}}]
        body = {"metadata": {"name": name}, "spec": {"devices": {"requests": requests}}}
        return ns.admin.ask("POST", path, body)

    assert ask("a", "gpu", 1).status == ask("b", "fpga", 9).status == 201
    counted = ", ".join(f"{word}: {next(iter(hard))}={count}" for word, count in (("requested", 2), ("used", 1)))
    text = f"exceeded quota: q, {counted}, limited: {next(iter(hard))}=2"
    assert ask("c", "gpu", 2).told == (403, "Forbidden", f'resourceclaims.resource.k8s.io "c" is forbidden: {text}')
    assert ask("c", "gpu", 1).status == 201


def test_limits_are_given_and_kept(ns: Namespace) -> None:
    limits = [{"type": "Container", "default": {"cpu": "1"}, "max": {"cpu": "2"}}]
    ns.create("limitranges", {"metadata": {"name": "l"}, "spec": {"limits": limits}})
    made = ns.pod("a")
    assert made["spec"]["containers"][0]["resources"] == {"limits": {"cpu": "1"}, "requests": {"cpu": "1"}}
    resources = {"limits": {"cpu": "3"}, "requests": {"cpu": "1"}}
    body = {"metadata": {"name": "b"}, "spec": {"containers": [{"name": "c", "image": "i", "resources": resources}]}}
    text = 'pods "b" is forbidden: maximum cpu usage per Container is 2, but limit is 3'
    assert ns.admin.ask("POST", ns.path("pods"), body).told[2] == text


def test_pod_security(ns: Namespace) -> None:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    ns.pod("old")
    answer = ns.admin.patch(f"/api/v1/namespaces/{ns.name}", {"metadata": {"labels": labels}})
    assert "existing pods in namespace" in answer.headers["warning"]
    body = {"metadata": {"name": "b"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    assert ns.admin.ask("POST", ns.path("pods"), body).told[2] == (
        'pods "b" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false (container '
        '"c" must set securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container "c" must set '  # noqa: E501
        'securityContext.capabilities.drop=["ALL"]), runAsNonRoot != true (pod or container "c" must set '
        'securityContext.runAsNonRoot=true), seccompProfile (pod or container "c" must set '
        'securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")'
    )
    bad = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "odd"}}}
    assert ns.admin.patch(f"/api/v1/namespaces/{ns.name}", bad).status == 422


def test_priorities(ns: Namespace) -> None:
    spec = {"priorityClassName": "system-node-critical", "containers": [{"name": "c", "image": "i"}]}
    made = ns.create("pods", {"metadata": {"name": "a"}, "spec": spec})
    assert made["spec"]["priority"] == 2000001000 and made["spec"]["preemptionPolicy"] == "PreemptLowerPriority"
    body = {"metadata": {"name": "b"}, "spec": {**spec, "priorityClassName": "nope"}}
    text = 'pods "b" is forbidden: no PriorityClass with name nope was found'
    assert ns.admin.ask("POST", ns.path("pods"), body).told[2] == text
