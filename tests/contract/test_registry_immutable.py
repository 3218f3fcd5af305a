"""Tags that never change: no push, no deletion, no race and nothing that they stand on gives them a new meaning."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from corral.registry.retention import parse_rule
from corral.registry.sweep import sweep
from tests.support import oci
from tests.support.registry import LiveRegistry, RegistryClient


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[LiveRegistry]:
    rules = (parse_rule("*:*:last=1"),)
    kept = {"keep_untagged": 0.0, "keep_unreferenced": 0.0}
    with LiveRegistry(tmp_path, immutable=("*:v*",), retention=rules, **kept) as made:
        yield made


def an_image(registry: LiveRegistry, repository: str = "r") -> oci.OciImage:
    """With its blobs in the repository."""
    image = oci.image([os.urandom(100)])
    for blob in image.blobs:
        registry.push_blob(repository, blob)
    return image


def an_index(*digests: str, kind: str = oci.MANIFEST) -> bytes:
    parts = [{"mediaType": kind, "digest": digest, "size": 1} for digest in digests]
    return json.dumps({"schemaVersion": 2, "mediaType": oci.INDEX, "manifests": parts}).encode()


def test_its_meaning_stays(registry: LiveRegistry) -> None:
    first, other = an_image(registry), an_image(registry)
    assert registry.push_manifest("r", "v1", first.manifest).status == 201
    assert registry.push_manifest("r", "v1", first.manifest).status == 201, "the same again is no change"
    assert registry.push_manifest("r", other.digest, other.manifest).status == 201
    path = "/v2/r/manifests"
    headers = {"Content-Type": oci.MANIFEST}
    for method, where, body in (
        ("PUT", f"{path}/v1", other.manifest),
        ("PUT", f"{path}/%76%31", other.manifest),
        ("PUT", f"{path}/{other.digest}?tag=v1", other.manifest),
        ("PUT", f"{path}/{other.digest}?tag=new&tag=v1", other.manifest),
        ("DELETE", f"{path}/v1", b""),
        ("DELETE", f"{path}/{first.digest}", b""),
    ):
        answer = registry.ask(method, where, body, headers=headers)
        assert (answer.status, answer.json["errors"][0]["code"]) == (403, "DENIED"), (method, where)
    for blob in first.blobs:
        assert registry.ask("DELETE", f"/v2/r/blobs/{oci.digest(blob)}").status == 405
    assert registry.ask("GET", f"{path}/v1").body == first.manifest
    assert registry.ask("GET", f"{path}/new").status == 404, "none of several tags was set"


def test_what_it_stands_on_stays(registry: LiveRegistry) -> None:
    image, loose = an_image(registry), an_image(registry)
    for one in (image, loose):
        assert registry.push_manifest("r", one.digest, one.manifest).status == 201
    inner = an_index(image.digest)
    outer = an_index(oci.digest(inner), kind=oci.INDEX)
    for tag, data in ((oci.digest(inner), inner), ("v1", outer)):
        assert registry.ask("PUT", f"/v2/r/manifests/{tag}", data, headers={"Content-Type": oci.INDEX}).status == 201
    for digest, status in (
        (image.digest, 403),
        (oci.digest(inner), 403),
        (oci.digest(outer), 403),
        (loose.digest, 202),
    ):
        assert registry.ask("DELETE", f"/v2/r/manifests/{digest}").status == status, digest
    assert registry.ask("GET", f"/v2/r/manifests/{image.digest}").body == image.manifest


def test_one_of_many_at_once_has_it(registry: LiveRegistry) -> None:
    for number in range(10):
        images = [an_image(registry) for _ in range(4)]
        taken: list[str] = []

        def push(image: oci.OciImage, tag: str, taken: list[str]) -> None:
            if RegistryClient("127.0.0.1", registry.port).push_manifest("r", tag, image.manifest).status == 201:
                taken.append(image.digest)

        threads = [threading.Thread(target=push, args=(image, f"v{number}", taken)) for image in images]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert taken == [oci.digest(registry.ask("GET", f"/v2/r/manifests/v{number}").body)]


def test_retention_does_not_set_it_free(registry: LiveRegistry) -> None:
    first = an_image(registry)
    assert registry.push_manifest("r", "v1", first.manifest).status == 201
    for number in range(3):
        assert registry.push_manifest("r", f"later-{number}", an_image(registry).manifest).status == 201
    registry.run(sweep(registry.registry))
    assert registry.ask("GET", "/v2/r/tags/list").json["tags"] == ["later-2", "v1"]
    assert registry.push_manifest("r", "v1", an_image(registry).manifest).status == 403
    for blob in first.blobs:
        assert registry.ask("GET", f"/v2/r/blobs/{oci.digest(blob)}").body == blob
