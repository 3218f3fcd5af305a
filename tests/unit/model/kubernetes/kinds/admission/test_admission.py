from __future__ import annotations

from typing import Any

import pytest

from tests.support.kinds import added, edited, judged, row

GROUP = "admissionregistration.k8s.io"
RULE = {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}
HOOK = {
    "name": "a.example.com",
    "clientConfig": {"service": {"name": "a", "namespace": "b"}},
    "rules": [RULE],
    "sideEffects": "None",
    "admissionReviewVersions": ["v1"],
}
HOOKS: dict[str, Any] = {"webhooks": [HOOK]}
POLICY: dict[str, Any] = {
    "spec": {"matchConstraints": {"resourceRules": [RULE]}, "validations": [{"expression": "true"}]}
}
BINDING: dict[str, Any] = {"spec": {"policyName": "a", "validationActions": ["Deny"]}}
MATCH = {"matchPolicy": "Equivalent", "namespaceSelector": {}, "objectSelector": {}}


def test_defaults() -> None:
    assert added(GROUP, "MutatingWebhookConfiguration", HOOKS)["webhooks"][0] == {
        "clientConfig": {"service": {"port": 443}},
        "rules": {0: {"scope": "*"}},
        "failurePolicy": "Fail",
        "timeoutSeconds": 10,
        "reinvocationPolicy": "Never",
        **MATCH,
    }
    assert added(GROUP, "ValidatingAdmissionPolicy", POLICY) == {
        "spec": {"failurePolicy": "Fail", "matchConstraints": {"resourceRules": {0: {"scope": "*"}}, **MATCH}},
        "status": {},
    }


@pytest.mark.parametrize(
    ("kind", "obj", "texts"),
    [
        ("ValidatingWebhookConfiguration", HOOKS, []),
        (
            "ValidatingWebhookConfiguration",
            {"webhooks": [HOOK, {**HOOK, "sideEffects": None, "timeoutSeconds": 31}]},
            [
                "webhooks[1].sideEffects: Required value: must specify one of None, NoneOnDryRun",
                "webhooks[1].timeoutSeconds: Invalid value: 31: the timeout value must be between 1 and 30 seconds",
                'webhooks[1].name: Duplicate value: "a.example.com"',
            ],
        ),
        (
            "ValidatingWebhookConfiguration",
            {"webhooks": [{**HOOK, "clientConfig": {"url": "http://a/b?c"}}]},
            [
                "webhooks[0].clientConfig.url: Invalid value: \"http\": 'https' is the only allowed URL "
                "scheme; desired "
                "format: https://host[/path]",
                'webhooks[0].clientConfig.url: Invalid value: "c": query parameters are not permitted in the URL',
            ],
        ),
        (
            "ValidatingWebhookConfiguration",
            {"webhooks": [{**HOOK, "rules": [{**RULE, "resources": ["*", "pods"], "operations": []}]}]},
            [
                "webhooks[0].rules[0].operations: Required value",
                'webhooks[0].rules[0].resources: Invalid value: ["*","pods"]: if \'*\' is present, must not specify '
                "other resources without subresources",
            ],
        ),
        ("ValidatingAdmissionPolicy", POLICY, []),
        (
            "ValidatingAdmissionPolicy",
            {"spec": {"validations": [{"expression": " ", "reason": "Because"}]}},
            [
                "spec.matchConstraints: Required value",
                "spec.validations[0].expression: Required value: expression is not specified",
                'spec.validations[0].reason: Unsupported value: "Because": supported values: "Forbidden", "Invalid", '
                '"RequestEntityTooLarge", "Unauthorized"',
            ],
        ),
        ("ValidatingAdmissionPolicyBinding", BINDING, []),
        (
            "ValidatingAdmissionPolicyBinding",
            edited(BINDING, spec__policyName="", spec__validationActions=[]),
            [
                "spec.policyName: Required value",
                "spec.validationActions: Required value: at least one validation action is required",
            ],
        ),
        (
            "MutatingAdmissionPolicy",
            edited(POLICY, spec__mutations=[{"patchType": "JSONPatch"}]),
            ["spec.mutations[0].jsonPatch: Required value: must be specified when patchType is JSONPatch"],
        ),
    ],
)
def test_rules(kind: str, obj: dict[str, Any], texts: list[str]) -> None:
    assert judged(GROUP, kind, obj) == texts


def test_columns() -> None:
    assert row(GROUP, "ValidatingWebhookConfiguration", HOOKS) == {"Webhooks": 1, "Age": "<unknown>"}
    assert row(GROUP, "ValidatingAdmissionPolicy", POLICY) == {
        "Validations": 1,
        "ParamKind": "<unset>",
        "Age": "<unknown>",
    }
    named = edited(BINDING, spec__paramRef={"name": "p"})
    assert row(GROUP, "ValidatingAdmissionPolicyBinding", named)["ParamRef"] == "*/p"
