"""OCI distribution-spec 1.1.1, "Pull": each case is named after the sentence of the specification that it holds to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import oci
from tests.support.registry import LiveRegistry

MISSING = "sha256:" + "0" * 64


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveRegistry]:
    with LiveRegistry(tmp_path_factory.mktemp("registry")) as made:
        yield made


@pytest.fixture(scope="module")
def image(registry: LiveRegistry) -> oci.OciImage:
    made = oci.image([os.urandom(200_000), b"small"], annotations={"a": "b"})
    registry.push("team/app", "v1", made)
    return made


def test_support_is_told_by_200(registry: LiveRegistry) -> None:
    """end-1."""
    answer = registry.ask("GET", "/v2/")
    assert answer.status == 200
    assert answer.headers["docker-distribution-api-version"] == "registry/2.0"
    assert registry.ask("GET", "/v2").status == 200


@pytest.mark.parametrize("by_tag", [True, False])
def test_a_manifest_is_given_as_it_was_pushed(registry: LiveRegistry, image: oci.OciImage, by_tag: bool) -> None:
    """ "MUST provide the expected manifest, with a response code that MUST be 200", with Docker-Content-Digest."""
    answer = registry.ask("GET", f"/v2/team/app/manifests/{'v1' if by_tag else image.digest}")
    assert (answer.status, answer.body) == (200, image.manifest)
    assert answer.headers["docker-content-digest"] == image.digest
    assert answer.headers["content-type"] == oci.MANIFEST


def test_accept_never_refuses(registry: LiveRegistry) -> None:
    """Who asks for other types than the stored one gets the stored one: the client decides what to make of it."""
    for accept in ("application/vnd.docker.distribution.manifest.v2+json", "text/html", "*/*", ""):
        answer = registry.ask("GET", "/v2/team/app/manifests/v1", headers={"Accept": accept})
        assert (answer.status, answer.headers["content-type"]) == (200, oci.MANIFEST)


@pytest.mark.parametrize("reference", ["none", MISSING, ".INVALID", "sha256:baddigeststring", "sha512:" + "0" * 64])
@pytest.mark.parametrize("repository", ["team/app", "nowhere"])
def test_a_missing_manifest_is_404(
    registry: LiveRegistry, image: oci.OciImage, repository: str, reference: str
) -> None:
    answer = registry.ask("GET", f"/v2/{repository}/manifests/{reference}")
    assert (answer.status, answer.codes) == (404, ["MANIFEST_UNKNOWN"])
    assert registry.ask("HEAD", f"/v2/{repository}/manifests/{reference}").status == 404


def test_a_blob_is_given(registry: LiveRegistry, image: oci.OciImage) -> None:
    for blob in image.blobs:
        answer = registry.ask("GET", f"/v2/team/app/blobs/{oci.digest(blob)}")
        assert (answer.status, answer.body) == (200, blob)
        assert answer.headers["docker-content-digest"] == oci.digest(blob)
        assert answer.headers["content-type"] == "application/octet-stream"


@pytest.mark.parametrize("path", [f"team/app/blobs/{MISSING}", f"nowhere/blobs/{MISSING}", "team/app/blobs/sha256:xx"])
def test_a_missing_blob_is_404(registry: LiveRegistry, image: oci.OciImage, path: str) -> None:
    answer = registry.ask("GET", f"/v2/{path}")
    assert (answer.status, answer.codes) == (404, ["BLOB_UNKNOWN"])
    assert registry.ask("HEAD", f"/v2/{path}").status == 404


def test_a_blob_of_another_repository_is_404(registry: LiveRegistry, image: oci.OciImage) -> None:
    registry.push_blob("other/app", b"theirs")
    assert registry.ask("GET", f"/v2/team/app/blobs/{oci.digest(b'theirs')}").status == 404


def test_head_tells_digest_and_size(registry: LiveRegistry, image: oci.OciImage) -> None:
    """ "MUST contain the digest" and "MUST contain the size in bytes"."""
    for path, data in [
        ("manifests/v1", image.manifest),
        (f"manifests/{image.digest}", image.manifest),
        *((f"blobs/{oci.digest(blob)}", blob) for blob in image.blobs),
    ]:
        answer = registry.ask("HEAD", f"/v2/team/app/{path}")
        assert (answer.status, answer.body) == (200, b"")
        assert answer.headers["docker-content-digest"] == oci.digest(data)
        assert answer.headers["content-length"] == str(len(data))


@pytest.mark.parametrize("size", [2048, 300_000])
@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=500-1499", 500, 1499),
        ("bytes=500-", 500, None),
        ("bytes=-500", -500, None),
        ("bytes=2000-9999999", 2000, None),
        ("bytes=-9999999", 0, None),
    ],
)
def test_ranges(registry: LiveRegistry, size: int, asked: str, first: int, last: int | None) -> None:
    """ "A registry SHOULD support the Range request header in accordance with RFC 9110 (section 14)"."""
    data = bytes(n * n % 251 for n in range(size))
    digest = registry.push_blob("ranges", data)
    first = first + size if first < 0 else first
    last = size - 1 if last is None else last
    answer = registry.ask("GET", f"/v2/ranges/blobs/{digest}", headers={"Range": asked})
    assert (answer.status, answer.body) == (206, data[first : last + 1])
    assert answer.headers["content-range"] == f"bytes {first}-{last}/{size}"
    assert answer.headers["content-length"] == str(last - first + 1)
    assert answer.headers["accept-ranges"] == "bytes"


@pytest.mark.parametrize("asked", ["bytes=500-0", "bytes=5000-10000", "bytes=2048-", "bytes=-0"])
def test_ranges_outside(registry: LiveRegistry, asked: str) -> None:
    digest = registry.push_blob("ranges", bytes(2048))
    answer = registry.ask("GET", f"/v2/ranges/blobs/{digest}", headers={"Range": asked})
    assert answer.status == 416
    assert answer.headers["content-range"] == "bytes */2048"


@pytest.mark.parametrize("asked", ["bytes=0-1,4-5", "lines=0-1", "bytes=a-b", "bytes=-"])
def test_other_ranges_are_ignored(registry: LiveRegistry, asked: str) -> None:
    digest = registry.push_blob("ranges", bytes(2048))
    assert registry.ask("GET", f"/v2/ranges/blobs/{digest}", headers={"Range": asked}).status == 200


def test_if_range(registry: LiveRegistry) -> None:
    digest = registry.push_blob("ranges", bytes(2048))
    for tag, status in ((f'"{digest}"', 206), ('"other"', 200)):
        headers = {"Range": "bytes=0-9", "If-Range": tag}
        assert registry.ask("GET", f"/v2/ranges/blobs/{digest}", headers=headers).status == status


def test_what_the_client_has_is_not_sent_again(registry: LiveRegistry, image: oci.OciImage) -> None:
    for path in ("manifests/v1", f"blobs/{oci.digest(image.blobs[0])}"):
        first = registry.ask("GET", f"/v2/team/app/{path}")
        again = registry.ask("GET", f"/v2/team/app/{path}", headers={"If-None-Match": first.headers["etag"]})
        assert (again.status, again.body, again.headers["etag"]) == (304, b"", first.headers["etag"])
        assert registry.ask("GET", f"/v2/team/app/{path}", headers={"If-None-Match": '"other"'}).status == 200


def test_an_empty_blob(registry: LiveRegistry) -> None:
    digest = registry.push_blob("empty", b"")
    assert registry.ask("GET", f"/v2/empty/blobs/{digest}")[::2] == (200, b"")
    assert registry.ask("HEAD", f"/v2/empty/blobs/{digest}").headers["content-length"] == "0"


def test_sha512(registry: LiveRegistry) -> None:
    image = oci.image([b"layer"], algorithm="sha512")
    for blob in image.blobs:
        registry.push_blob("long", blob, "sha512")
    digest = oci.digest(image.manifest, "sha512")
    assert registry.push_manifest("long", digest, image.manifest).headers["docker-content-digest"] == digest
    assert registry.push_manifest("long", "tag", image.manifest).status == 201
    answer = registry.ask("GET", f"/v2/long/manifests/{digest}")
    assert (answer.body, answer.headers["docker-content-digest"]) == (image.manifest, digest)
    assert registry.ask("GET", "/v2/long/manifests/tag").headers["docker-content-digest"] == image.digest


def test_damage_on_disk_is_not_served_as_a_manifest(registry: LiveRegistry, tmp_path: Path) -> None:
    image = oci.image([b"damaged"])
    registry.push("damaged", "1", image)
    path = registry.registry.content.path(image.digest)
    Path(path).chmod(0o600)
    Path(path).write_bytes(image.manifest.replace(b"amd64", b"AMD64") + b" ")
    assert registry.ask("GET", "/v2/damaged/manifests/1").status == 500


def test_unknown_endpoints_and_methods(registry: LiveRegistry) -> None:
    assert registry.ask("GET", "/v2/team/app/nothing").status == 404
    assert registry.ask("GET", "/v3/").status == 404
    answer = registry.ask("POST", "/v2/team/app/manifests/v1", b"{}")
    assert (answer.status, answer.codes, answer.headers["allow"]) == (405, ["UNSUPPORTED"], "GET, PUT, DELETE")
