"""Protobuf bodies by hand: every kind of value that has an encoding of its own."""

from __future__ import annotations

from typing import Any

import pytest

from corral.model.kubernetes import protobuf
from corral.model.kubernetes.resources import GroupVersionKind
from corral.model.kubernetes.status import StatusError


def part(number: int, value: bytes | int) -> bytes:
    """A field, of a number or of bytes; all sizes here are below 128."""
    if isinstance(value, int):
        return bytes([number << 3]) + varint(value) if number < 16 else varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def varint(number: int) -> bytes:
    number &= 2**64 - 1
    made = bytearray()
    while number > 0x7F:
        made.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*made, number])


def body(api_version: str, kind: str, raw: bytes, more: bytes = b"") -> bytes:
    meta = part(1, api_version.encode()) + part(2, kind.encode())
    return protobuf.MAGIC + part(1, meta) + part(2, raw) + more


def decoded(api_version: str, kind: str, raw: bytes) -> dict[str, Any]:
    found = protobuf.decode(body(api_version, kind, raw))
    assert (found.pop("apiVersion"), found.pop("kind")) == (api_version, kind)
    return found  # type: ignore[no-any-return]


def test_text_maps_and_times() -> None:
    label = part(1, b"k") + part(2, b"v")
    bare = part(1, b"empty")
    meta = part(1, b"x") + part(11, label) + part(11, bare) + part(8, part(1, 86400) + part(2, 5))
    assert decoded("v1", "ConfigMap", part(1, meta) + part(3, label)) == {
        "metadata": {"name": "x", "labels": {"k": "v", "empty": ""}, "creationTimestamp": "1970-01-02T00:00:00Z"},
        "binaryData": {"k": "dg=="},
    }


def test_the_zero_time_is_nothing_and_micro_times_have_six_digits() -> None:
    lease = part(2, part(1, b"me") + part(4, part(1, 1) + part(2, 250_000_999)))
    assert decoded("coordination.k8s.io/v1", "Lease", part(1, part(8, b"")) + lease) == {
        "metadata": {},
        "spec": {"holderIdentity": "me", "renewTime": "1970-01-01T00:00:01.250000Z"},
    }


def test_quantities_numbers_or_text_and_what_json_does_without() -> None:
    limit = part(1, b"cpu") + part(2, part(1, b"500m"))
    http = part(1, part(2, part(2, part(1, 1) + part(3, b"http"))))
    tcp = part(1, part(3, part(1, part(1, 0) + part(2, 80))))
    container = part(1, b"c") + part(8, part(1, limit)) + part(10, http) + part(11, tcp)
    assert decoded("v1", "Pod", part(2, part(2, container)))["spec"]["containers"] == [
        {
            "name": "c",
            "resources": {"limits": {"cpu": "500m"}},
            "livenessProbe": {"httpGet": {"port": "http"}},
            "readinessProbe": {"tcpSocket": {"port": 80}},
        }
    ]


def test_negative_numbers_packed_ones_and_false_that_means_something() -> None:
    spec = part(1, -3) + part(7, 0)
    assert decoded("apps/v1", "Deployment", part(2, spec)) == {"spec": {"replicas": -3}}
    context = part(14, part(4, varint(1) + varint(70000)))  # supplementalGroups, as one field
    assert decoded("v1", "Pod", part(2, context))["spec"]["securityContext"] == {"supplementalGroups": [1, 70000]}
    assert decoded("v1", "Pod", part(2, part(11, 0) + part(30, 0)))["spec"] == {"enableServiceLinks": False}


def test_json_inside() -> None:
    assert decoded("apps/v1", "ControllerRevision", part(2, part(1, b'{"a": [1]}'))) == {"data": {"a": [1]}}
    with pytest.raises(StatusError):
        decoded("apps/v1", "ControllerRevision", part(2, part(1, b"{")))


def test_lists_that_are_messages() -> None:
    extra = part(1, b"scopes") + part(2, part(1, b"a") + part(1, b"b"))
    user = part(2, part(3, b"jane") + part(5, extra) + part(5, part(1, b"none")))
    assert decoded("authorization.k8s.io/v1", "SubjectAccessReview", user) == {
        "spec": {"user": "jane", "extra": {"scopes": ["a", "b"], "none": []}}
    }


def test_schemas_that_may_be_something_else() -> None:
    text = part(5, b"string")
    depends = part(1, b"k") + part(2, part(2, b"a") + part(2, b"b"))
    schema = part(5, b"object") + part(30, part(1, 1)) + part(24, part(2, text)) + part(32, depends)
    schema += part(33, part(2, text)) + part(8, part(1, b'{"any": null}')) + part(20, part(1, b"1"))
    version = part(1, b"v1") + part(4, part(1, schema))
    found = decoded("apiextensions.k8s.io/v1", "CustomResourceDefinition", part(2, part(7, version)))
    assert found["spec"]["versions"][0]["schema"]["openAPIV3Schema"] == {
        "type": "object",
        "additionalProperties": True,
        "items": [{"type": "string"}],
        "dependencies": {"k": ["a", "b"]},
        "additionalItems": {"type": "string"},
        "default": {"any": None},
        "enum": [1],
    }


def test_unknown_fields_are_dropped_and_the_wanted_kind_fills_in() -> None:
    wanted = GroupVersionKind("", "v1", "ConfigMap")
    raw = part(1, part(1, b"x")) + part(15, b"newer than we") + part(14, 7)
    assert protobuf.decode(protobuf.MAGIC + part(2, raw), wanted) == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "x"},
    }


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "expected prefix"),
        (protobuf.MAGIC, "'Kind' is missing"),
        (protobuf.MAGIC + b"\x12\xff\x01", "unexpected EOF"),
        (protobuf.MAGIC + b"\x00", "illegal tag 0"),
        (protobuf.MAGIC + b"\x0b", "illegal wireType 3"),
        (protobuf.MAGIC + b"\x08" + b"\xff" * 11, "integer overflow"),
        (body("v1", "Pod", part(2, 5)), "wrong wireType"),
        (body("v1", "Pod", part(1, b"\xff")), "unexpected EOF"),
        (body("example.com/v1", "Widget", b""), 'no kind "Widget" is registered for version "example.com/v1"'),
        (body("v1", "Pod", b"", part(3, b"gzip")), "content encoding"),
        (body("v1", "Pod", part(1, part(8, part(1, 2**62)))), "year outside of range"),
        (body("v1", "Pod", part(2, part(32, part(1, b"cpu") + part(2, part(1, b"?"))))), "quantities must match"),
    ],
)
def test_refusals(data: bytes, says: str) -> None:
    with pytest.raises(StatusError) as caught:
        protobuf.decode(data)
    assert caught.value.code == 400 and says in caught.value.message


def test_schemas_within_schemas_have_an_end() -> None:
    schema = b""
    for _ in range(400):
        schema = part(28, schema)  # not: not: not: …
    raw = part(2, part(7, part(4, part(1, schema))))
    with pytest.raises(StatusError) as caught:
        protobuf.decode(body("apiextensions.k8s.io/v1", "CustomResourceDefinition", raw))
    assert "depth" in caught.value.message
