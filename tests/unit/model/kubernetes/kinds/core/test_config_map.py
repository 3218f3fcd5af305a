from __future__ import annotations

from typing import Any

import pytest

from tests.support.kinds import added, changed, defaulted, judged, row

TLS = {"type": "kubernetes.io/tls", "data": {"tls.crt": "", "tls.key": ""}}


def test_config_maps() -> None:
    assert added("", "ConfigMap", {"data": {"a": "1"}}) == {}
    assert judged("", "ConfigMap", {"data": {"a/b": "1"}}) == [
        "data[a/b]: Invalid value: \"a/b\": a valid config key must consist of alphanumeric characters, '-', '_' or "
        "'.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
    ]
    assert judged("", "ConfigMap", {"data": {"a": "x" * (1024 * 1024 + 1)}}) == [
        "[]: Too long: may not be more than 1048576 bytes"
    ]
    assert row("", "ConfigMap", {"data": {"a": "1"}, "binaryData": {"b": ""}}) == {"Data": 2, "Age": "<unknown>"}


def test_what_is_immutable_stays() -> None:
    fixed = {"data": {"a": "1"}, "immutable": True}
    assert changed("", "ConfigMap", fixed, data={"a": "2"}) == [
        "data: Forbidden: field is immutable when `immutable` is set"
    ]
    assert changed("", "ConfigMap", fixed, immutable=None) == [
        "immutable: Forbidden: field is immutable when `immutable` is set"
    ]
    assert changed("", "ConfigMap", {"data": {"a": "1"}}, data={"a": "2"}) == []


def test_secrets() -> None:
    assert defaulted("", "Secret", {"stringData": {"a": "hello"}}) == {"type": "Opaque", "data": {"a": "aGVsbG8="}}
    assert changed("", "Secret", TLS, type="Opaque") == ['type: Invalid value: "Opaque": field is immutable']
    assert row("", "Secret", TLS) == {"Type": "kubernetes.io/tls", "Data": 2, "Age": "<unknown>"}


@pytest.mark.parametrize(
    ("secret", "texts"),
    [
        (TLS, []),
        ({**TLS, "data": {}}, ["data[tls.crt]: Required value", "data[tls.key]: Required value"]),
        (
            {"type": "kubernetes.io/basic-auth"},
            ["data[username]: Required value", "data[password]: Required value"],
        ),
        ({"type": "kubernetes.io/basic-auth", "data": {"password": ""}}, []),
        ({"type": "kubernetes.io/ssh-auth"}, ["data[ssh-privatekey]: Required value"]),
        ({"type": "kubernetes.io/dockerconfigjson"}, ["data[.dockerconfigjson]: Required value"]),
        (
            {"type": "kubernetes.io/service-account-token"},
            ["metadata.annotations[kubernetes.io/service-account.name]: Required value"],
        ),
    ],
)
def test_types_and_their_keys(secret: dict[str, Any], texts: list[str]) -> None:
    assert judged("", "Secret", secret) == texts


@pytest.mark.parametrize(
    ("written", "cause"),
    [
        ("c2VjcmV0", "invalid character 's' looking for beginning of value"),
        ("", "unexpected end of JSON input"),
        ("W10=", "json: cannot unmarshal array into Go value of type map[string]interface {}"),
    ],
)
def test_a_docker_configuration_is_json_and_not_shown(written: str, cause: str) -> None:
    secret = {"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": written}}
    [text] = judged("", "Secret", secret)
    assert text == f'data[.dockerconfigjson]: Invalid value: "<secret contents redacted>": {cause}'
