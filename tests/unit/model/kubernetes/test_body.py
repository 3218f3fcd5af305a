"""Bodies in three formats, one object."""

from __future__ import annotations

import pytest

from corral.model.kubernetes.body import decode_body
from corral.model.kubernetes.resources import GroupVersionKind
from corral.model.kubernetes.status import StatusError

POD = GroupVersionKind("", "v1", "Pod")
SAME = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}}
ENVELOPE = b"k8s\0" + bytes.fromhex("0a090a02763112 03506f64 1205 0a03 0a0178".replace(" ", ""))


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        (b'{"apiVersion":"v1","kind":"Pod","metadata":{"name":"x"}}', "application/json"),
        (b'{"metadata":{"name":"x"}}', "application/json; charset=utf-8"),
        (b'{"metadata":{"name":"x"}, "kind": null}', ""),
        (b"metadata: {name: x}", "application/yaml"),
        (ENVELOPE, "application/vnd.kubernetes.protobuf"),
    ],
)
def test_formats(body: bytes, media_type: str) -> None:
    assert decode_body(body, media_type, POD).object == SAME


def test_another_kind_is_handed_on_for_others_to_judge() -> None:
    found = decode_body(b'{"kind":"Node","apiVersion":"v1"}', "application/json", POD)
    assert found.object == {"kind": "Node", "apiVersion": "v1"}


def test_duplicates_come_along() -> None:
    found = decode_body(b'{"metadata":{"name":"x","name":"x"}}', "application/json", POD)
    assert found.duplicates == ('duplicate field "metadata.name"',)


@pytest.mark.parametrize(
    ("body", "media_type", "code", "says"),
    [
        (b"", "application/xml", 415, "accepted media types include: application/json, application/yaml"),
        (b"{}", "; charset=utf-8", 415, "accepted media types include"),
        (
            b"{",
            "application/json",
            400,
            "unrecognized (must be of type Pod): couldn't get version/kind; json parse error",
        ),
        (b"a: [", "application/yaml", 400, "the object provided is unrecognized (must be of type Pod)"),
        (b"[]", "application/json", 400, "the object provided is unrecognized (must be of type Pod)"),
        (b'{"kind": 5}', "application/json", 400, "cannot unmarshal kind into a string"),
        (b"{}", "application/vnd.kubernetes.protobuf", 400, "expected prefix 6b 38 73 00"),
    ],
)
def test_refusals(body: bytes, media_type: str, code: int, says: str) -> None:
    with pytest.raises(StatusError) as caught:
        decode_body(body, media_type, POD)
    assert caught.value.code == code and says in caught.value.message
