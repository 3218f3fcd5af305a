"""OCI distribution-spec 1.1.1, "Push": each case is named after the sentence of the specification that it holds to."""

from __future__ import annotations

import json
import os
import re
import socket
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import oci
from tests.support.registry import LiveRegistry
from tests.support.wait import eventually

MISSING = "sha256:" + "0" * 64


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveRegistry]:
    with LiveRegistry(tmp_path_factory.mktemp("registry")) as made:
        yield made


@pytest.fixture
def blob() -> bytes:
    return os.urandom(1000)


def has(registry: LiveRegistry, repository: str, data: bytes) -> bool:
    answer = registry.ask("GET", f"/v2/{repository}/blobs/{oci.digest(data)}")
    return answer.status == 200 and answer.body == data


# Blobs at once.


def test_post_opens_a_session(registry: LiveRegistry) -> None:
    """ "MUST have a code of 202", "MUST include" a Location that "MUST contain a UUID"."""
    answer = registry.ask("POST", "/v2/a/blobs/uploads/", b"")
    assert answer.status == 202
    assert uuid.UUID(answer.headers["location"].rpartition("/")[2])


def test_post_then_put(registry: LiveRegistry, blob: bytes) -> None:
    """ "MUST have code 201 Created", Location "being a pullable blob URL"."""
    answer = registry.ask("PUT", f"{registry.start('a')}?digest={oci.digest(blob)}", blob)
    assert answer.status == 201
    assert answer.headers["docker-content-digest"] == oci.digest(blob)
    assert registry.ask("GET", answer.headers["location"]).body == blob


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_single_post(registry: LiveRegistry, blob: bytes, algorithm: str) -> None:
    answer = registry.ask("POST", f"/v2/a/blobs/uploads/?digest={oci.digest(blob, algorithm)}", blob)
    assert answer.status == 201
    assert registry.ask("GET", answer.headers["location"]).body == blob


def test_a_body_in_chunks_of_http(registry: LiveRegistry, blob: bytes) -> None:
    answer = registry.ask("PUT", f"{registry.start('a')}?digest={oci.digest(blob)}", iter([blob[:10], blob[10:]]))
    assert answer.status == 201 and has(registry, "a", blob)


@pytest.mark.parametrize("digest", [MISSING, "sha256:0", "md5:" + "0" * 32, "nonsense", "", "sha384:" + "0" * 96])
def test_a_wrong_digest_is_400(registry: LiveRegistry, blob: bytes, digest: str) -> None:
    """ "if the client provided digest is invalid or uses an unsupported algorithm, … 400"."""
    answer = registry.ask("PUT", f"{registry.start('a')}?digest={digest}", blob)
    assert (answer.status, answer.codes) == (400, ["DIGEST_INVALID"])
    assert not has(registry, "a", blob)
    if digest:
        answer = registry.ask("POST", f"/v2/a/blobs/uploads/?digest={digest}", blob)
        assert (answer.status, answer.codes) == (400, ["DIGEST_INVALID"])


def test_the_same_blob_twice(registry: LiveRegistry, blob: bytes) -> None:
    for _ in range(2):
        registry.push_blob("a", blob)
    registry.push_blob("b", blob)
    assert has(registry, "a", blob) and has(registry, "b", blob)


# Blobs in pieces.


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize("last_by_put", [True, False])
def test_pieces(registry: LiveRegistry, blob: bytes, last_by_put: bool, algorithm: str) -> None:
    """ "MUST be 202 Accepted", with Location and Range: 0-END; the closing PUT "MUST be 201 Created"."""
    where = registry.start("a", f"?digest-algorithm={algorithm}")
    spans = [(0, 399), (400, 799), (800, 999)]
    for first, last in spans[:2] if last_by_put else spans:
        headers = {"Content-Range": f"{first}-{last}", "Content-Type": "application/octet-stream"}
        answer = registry.ask("PATCH", where, blob[first : last + 1], headers)
        assert (answer.status, answer.headers["range"]) == (202, f"0-{last}")
        where = answer.headers["location"]
    body, headers = (blob[800:], {"Content-Range": "800-999"}) if last_by_put else (b"", {})
    answer = registry.ask("PUT", f"{where}?digest={oci.digest(blob, algorithm)}", body, headers)
    assert answer.status == 201
    assert registry.ask("GET", answer.headers["location"]).body == blob


@pytest.mark.parametrize("first", [0, 100, 399, 401, 10_000])
def test_a_piece_out_of_order_is_416(registry: LiveRegistry, blob: bytes, first: int) -> None:
    """ "If a chunk is uploaded out of order, the registry MUST respond with 416"; GET tells how to go on."""
    where = registry.start("a")
    registry.ask("PATCH", where, blob[:400], {"Content-Range": "0-399"})
    answer = registry.ask("PATCH", where, blob[:100], {"Content-Range": f"{first}-{first + 99}"})
    assert (answer.status, answer.headers["range"]) == (416, "0-399")
    digest = oci.digest(blob)
    answer = registry.ask("PUT", f"{where}?digest={digest}", blob[:10], {"Content-Range": f"{first}-{first + 9}"})
    assert answer.status == 416
    answer = registry.ask("GET", where)
    assert (answer.status, answer.headers["range"]) == (204, "0-399")
    rest = {"Content-Range": "400-999"}
    assert registry.ask("PUT", f"{answer.headers['location']}?digest={digest}", blob[400:], rest).status == 201
    assert has(registry, "a", blob)


def test_the_first_piece_begins_at_0(registry: LiveRegistry, blob: bytes) -> None:
    assert registry.ask("PATCH", registry.start("a"), blob, {"Content-Range": "1-1000"}).status == 416


def test_a_second_writer_is_416(registry: LiveRegistry, blob: bytes) -> None:
    """While a piece is arriving, no other one is in order; and GET tells how to go on."""
    where = registry.start("a")
    upload = registry.registry.uploads._sessions[where.rpartition("/")[2]]
    with socket.create_connection((registry.host, registry.port)) as first:
        head = f"PATCH {where} HTTP/1.1\r\nHost: x\r\nContent-Length: 400\r\nContent-Range: 0-399\r\n\r\n"
        first.sendall(head.encode() + blob[:100])
        eventually(lambda: upload.busy, "the first one writes")
        for method, query in (("PATCH", ""), ("PUT", f"?digest={oci.digest(blob)}")):
            for headers in ({}, {"Content-Range": "0-999"}, {"Content-Range": "400-999"}):
                body = blob[400:] if "400-999" in headers.values() else blob
                answer = registry.ask(method, where + query, body, headers)
                assert (answer.status, answer.codes) == (416, ["BLOB_UPLOAD_INVALID"]), (method, headers)
                assert (answer.headers["location"], answer.headers["range"]) == (where, "0-0")
        assert registry.ask("DELETE", where).status == 400
        first.sendall(blob[100:400])
        assert first.recv(100).startswith(b"HTTP/1.1 202 ")
    assert registry.ask("GET", where).headers["range"] == "0-399"
    rest = {"Content-Range": "400-999"}
    assert registry.ask("PUT", f"{where}?digest={oci.digest(blob)}", blob[400:], rest).status == 201
    assert has(registry, "a", blob)


@pytest.mark.parametrize("told", ["0-1", "5-0", "x-y", "-", "0-", "0-999-"])
def test_a_range_that_is_none_or_not_the_length(registry: LiveRegistry, blob: bytes, told: str) -> None:
    where = registry.start("a")
    assert registry.ask("PATCH", where, blob, {"Content-Range": told}).status == 400
    assert registry.ask("GET", where).headers["range"] == "0-0"


def test_a_piece_in_chunks_of_http_that_is_not_as_long_as_told(registry: LiveRegistry, blob: bytes) -> None:
    where = registry.start("a")
    answer = registry.ask("PATCH", where, iter([blob[:500]]), {"Content-Range": "0-999"})
    assert (answer.status, answer.codes) == (400, ["SIZE_INVALID"])
    assert registry.ask("PATCH", where, iter([blob]), {"Content-Range": "0-999"}).status == 202
    assert registry.ask("PUT", f"{where}?digest={oci.digest(blob)}", b"").status == 201


def test_a_stream_without_ranges(registry: LiveRegistry, blob: bytes) -> None:
    where = registry.start("a")
    answer = registry.ask("PATCH", where, iter([blob[:1], blob[1:]]))
    assert (answer.status, answer.headers["range"]) == (202, "0-999")
    assert registry.ask("PUT", f"{where}?digest={oci.digest(blob)}", b"").status == 201
    assert has(registry, "a", blob)


def test_another_algorithm_than_was_announced(registry: LiveRegistry, blob: bytes) -> None:
    where = registry.start("a", "?digest-algorithm=sha512")
    assert registry.ask("PUT", f"{where}?digest={oci.digest(blob)}", blob).status == 201
    assert registry.ask("POST", "/v2/a/blobs/uploads/?digest-algorithm=md5", b"").status == 400


def test_a_wrong_digest_ends_the_session(registry: LiveRegistry, blob: bytes) -> None:
    where = registry.start("a")
    registry.ask("PATCH", where, blob)
    assert registry.ask("PUT", f"{where}?digest={MISSING}", b"").status == 400
    assert registry.ask("GET", where).status == 404


def test_cancel(registry: LiveRegistry, blob: bytes) -> None:
    """ "If successful, the response SHOULD be a 204"."""
    where = registry.start("a")
    registry.ask("PATCH", where, blob)
    assert registry.ask("DELETE", where).status == 204
    for method in ("GET", "DELETE", "PATCH"):
        answer = registry.ask(method, where, b"" if method == "PATCH" else None)
        assert (answer.status, answer.codes) == (404, ["BLOB_UPLOAD_UNKNOWN"])


@pytest.mark.parametrize("identity", ["x", str(uuid.UUID(int=1)), "0" * 32])
def test_an_unknown_session_is_404(registry: LiveRegistry, identity: str) -> None:
    for method in ("GET", "PATCH", "DELETE"):
        assert registry.ask(method, f"/v2/a/blobs/uploads/{identity}").status == 404
    assert registry.ask("PUT", f"/v2/a/blobs/uploads/{identity}?digest={MISSING}", b"x").status == 404


def test_a_session_belongs_to_its_repository(registry: LiveRegistry) -> None:
    where = registry.start("a").replace("/v2/a/", "/v2/b/")
    assert registry.ask("GET", where).status == 404


# Mounting.


@pytest.mark.parametrize("source", ["&from=there", ""])
def test_mount(registry: LiveRegistry, blob: bytes, source: str) -> None:
    """ "MUST be 201 Created, and MUST contain" a Location; "MAY treat the from parameter as optional"."""
    digest = registry.push_blob("there", blob)
    answer = registry.ask("POST", f"/v2/here/blobs/uploads/?mount={digest}{source}", b"")
    assert answer.status == 201
    assert registry.ask("GET", answer.headers["location"]).body == blob


@pytest.mark.parametrize("query", [f"mount={MISSING}&from=there", "mount=nonsense", f"mount={MISSING}&from=no/where"])
def test_a_mount_that_cannot_be_is_a_session(registry: LiveRegistry, query: str, blob: bytes) -> None:
    """ "it SHOULD return a 202 … the client MAY proceed with the upload"."""
    answer = registry.ask("POST", f"/v2/here/blobs/uploads/?{query}", b"")
    assert answer.status == 202
    assert registry.ask("PUT", f"{answer.headers['location']}?digest={oci.digest(blob)}", blob).status == 201


# Manifests.


@pytest.mark.parametrize("by_digest", [True, False])
def test_a_manifest(registry: LiveRegistry, by_digest: bool) -> None:
    """ "MUST return 201 Created, and MUST have" a Location; "in the exact byte representation"."""
    made = oci.image([os.urandom(10)])
    spaced = made.manifest.replace(b", ", b",\n   ")
    for one in made.blobs:
        registry.push_blob("m", one)
    answer = registry.push_manifest("m", oci.digest(spaced) if by_digest else "tag", spaced)
    assert (answer.status, answer.headers["docker-content-digest"]) == (201, oci.digest(spaced))
    assert registry.ask("GET", answer.headers["location"]).body == spaced


def test_missing_content_is_named(registry: LiveRegistry) -> None:
    """ "it MUST result in one or more MANIFEST_BLOB_UNKNOWN errors"."""
    made = oci.image([b"1", b"2"])
    registry.push_blob("missing", made.blobs[1])
    answer = registry.push_manifest("missing", "x", made.manifest)
    assert (answer.status, answer.codes) == (400, ["MANIFEST_BLOB_UNKNOWN"] * 2)
    details = {error["detail"]["digest"] for error in answer.json["errors"]}
    assert details == {oci.digest(made.blobs[0]), oci.digest(made.blobs[2])}


def test_missing_manifests_of_an_index_are_named(registry: LiveRegistry) -> None:
    one, two = oci.image([b"1"]), oci.image([b"2"], architecture="arm64")
    registry.push("idx", "", one)
    answer = registry.push_manifest("idx", "all", oci.index(one, two), oci.INDEX)
    assert (answer.status, answer.codes) == (400, ["MANIFEST_BLOB_UNKNOWN"])
    registry.push("idx", "", two)
    assert registry.push_manifest("idx", "all", oci.index(one, two), oci.INDEX).status == 201
    nested = oci.index(oci.OciImage(oci.index(one, two), []))
    assert registry.push_manifest("idx", "nested", nested.replace(b"manifest.v1", b"index.v1"), oci.INDEX).status == 201


def test_a_sparse_registry_takes_what_is_incomplete(tmp_path: Path) -> None:
    """ "A registry MAY reject a manifest …": this one does not, and keeps what there is of it."""
    one, two = oci.image([b"1"]), oci.image([b"2"], architecture="arm64")
    with LiveRegistry(tmp_path / "data", sparse=True) as registry:
        registry.push("idx", "", one)
        index = oci.index(one, two)
        assert registry.push_manifest("idx", "all", index, oci.INDEX).status == 201
        assert registry.ask("GET", "/v2/idx/manifests/all").body == index
        assert registry.push_manifest("idx", "image", two.manifest).status == 201
        assert registry.ask("GET", f"/v2/idx/blobs/{oci.digest(two.blobs[0])}").status == 404


def test_a_subject_may_be_missing(registry: LiveRegistry) -> None:
    """ "MUST initially accept an otherwise valid manifest with a subject field that references a manifest that does not
    exist", and "MUST respond with the response header OCI-Subject"."""
    subject = oci.descriptor(b"not there", oci.MANIFEST)
    made = oci.artifact(subject)
    registry.push_blob("subjects", b"{}")
    answer = registry.push_manifest("subjects", made.digest, made.manifest)
    assert (answer.status, answer.headers["oci-subject"]) == (201, subject["digest"])


def test_tags_by_parameter(registry: LiveRegistry) -> None:
    """ "SHOULD support pushing at least 10 tags per request", "MUST include an OCI-Tag response header"."""
    made = oci.artifact(None)
    registry.push_blob("tags", b"{}")
    tags = [f"t{n}" for n in range(12)]
    query = "&".join(f"tag={tag}" for tag in tags)
    answer = registry.push_manifest("tags", f"{made.digest}?{query}", made.manifest)
    assert answer.headers["oci-tag"].split(", ") == tags
    assert registry.ask("GET", "/v2/tags/manifests/t11").body == made.manifest


def test_the_digest_must_fit(registry: LiveRegistry) -> None:
    made = oci.artifact(None)
    registry.push_blob("fit", b"{}")
    for digest in (MISSING, "sha256:baddigeststring", "md5:" + "0" * 32):
        answer = registry.push_manifest("fit", digest, made.manifest)
        assert (answer.status, answer.codes) == (400, ["DIGEST_INVALID"])


def test_four_megabytes_are_the_limit(registry: LiveRegistry) -> None:
    """ "SHOULD respond … with 413"; "at least 4 megabytes"."""
    registry.push_blob("big", b"{}")

    def sized(size: int) -> bytes:
        empty = oci.artifact(None, annotations={"a": ""}).manifest
        return oci.artifact(None, annotations={"a": "x" * (size - len(empty))}).manifest

    assert registry.push_manifest("big", "x", sized(4 << 20)).status == 201
    answer = registry.push_manifest("big", "y", sized((4 << 20) + 1))
    assert (answer.status, answer.codes) == (413, ["MANIFEST_INVALID"])
    body = iter([sized((4 << 20) + 100)])
    assert registry.ask("PUT", "/v2/big/manifests/y", body, {"Content-Type": oci.MANIFEST}).status == 413


@pytest.mark.parametrize("content_type", [oci.MANIFEST, f"{oci.MANIFEST}; charset=utf-8", "application/json", ""])
def test_parameters_of_the_type_are_ignored(registry: LiveRegistry, content_type: str) -> None:
    made = oci.artifact(None)
    registry.push_blob("types", b"{}")
    assert registry.push_manifest("types", "x", made.manifest, content_type).status == 201
    assert registry.ask("GET", "/v2/types/manifests/x").headers["content-type"] == oci.MANIFEST


DESCRIPTOR = oci.descriptor(b"{}", oci.EMPTY)
GOOD: dict[str, Any] = {"schemaVersion": 2, "mediaType": oci.MANIFEST, "config": DESCRIPTOR, "layers": []}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no json",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"[" * 100_000,
        GOOD | {"schemaVersion": 1},
        GOOD | {"schemaVersion": "2"},
        GOOD | {"mediaType": oci.INDEX},
        GOOD | {"mediaType": 5},
        GOOD | {"config": None},
        GOOD | {"config": DESCRIPTOR | {"digest": "sha256:0"}},
        GOOD | {"config": DESCRIPTOR | {"size": -1}},
        GOOD | {"config": DESCRIPTOR | {"size": "2"}},
        GOOD | {"config": DESCRIPTOR | {"mediaType": None}},
        GOOD | {"layers": {}},
        GOOD | {"layers": [None]},
        GOOD | {"subject": "x"},
        GOOD | {"subject": {}},
        GOOD | {"annotations": {"a": 1}},
        GOOD | {"annotations": []},
        GOOD | {"artifactType": 1},
        GOOD | {"manifests": []},
    ],
)
def test_what_is_no_manifest(registry: LiveRegistry, body: bytes | dict[str, Any]) -> None:
    registry.push_blob("bad", b"{}")
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = registry.push_manifest("bad", "x", data)
    assert (answer.status, answer.codes) == (400, ["MANIFEST_INVALID"])
    assert registry.ask("GET", "/v2/bad/manifests/x").status == 404


@pytest.mark.parametrize("content_type", ["application/vnd.docker.distribution.manifest.v1+prettyjws", "image/png"])
def test_kinds_that_are_not_offered_are_named(registry: LiveRegistry, content_type: str) -> None:
    registry.push_blob("bad", b"{}")
    answer = registry.push_manifest("bad", "x", json.dumps(GOOD).encode(), content_type)
    assert (answer.status, answer.codes) == (400, ["MANIFEST_INVALID"])


def test_an_index_of_blobs_is_a_cache_of_an_older_buildkit(registry: LiveRegistry, blob: bytes) -> None:
    """Its blobs must be here as those of an image must, and are not deleted while it is."""
    config = b"{}"
    entries = [
        oci.descriptor(blob, "application/vnd.oci.image.layer.v1.tar+gzip"),
        oci.descriptor(config, "application/vnd.buildkit.cacheconfig.v0"),
    ]
    index = json.dumps({"schemaVersion": 2, "mediaType": oci.INDEX, "manifests": entries}).encode()
    registry.push_blob("team/cache", config)
    assert registry.push_manifest("team/cache", "v1", index, oci.INDEX).codes == ["MANIFEST_BLOB_UNKNOWN"]
    registry.push_blob("team/cache", blob)
    assert registry.push_manifest("team/cache", "v1", index, oci.INDEX).status == 201
    assert registry.ask("DELETE", f"/v2/team/cache/blobs/{oci.digest(blob)}").codes == ["UNSUPPORTED"]


def test_layers_that_may_not_be_distributed_need_not_be_here(registry: LiveRegistry) -> None:
    foreign = oci.descriptor(b"far away", "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip")
    body = json.dumps(GOOD | {"layers": [foreign | {"urls": ["https://example.com/x"]}]}).encode()
    registry.push_blob("foreign", b"{}")
    assert registry.push_manifest("foreign", "x", body).status == 201


# Names.


@pytest.mark.parametrize("name", ["Upper", "a//b", "-a", "a-", "a/_b", "a___b", "a..b", "a" * 256, "ä", "a b", "a/"])
def test_invalid_names_are_refused(registry: LiveRegistry, name: str) -> None:
    """ "<name> MUST match the following regular expression"."""
    path = name.replace("ä", "%C3%A4").replace(" ", "%20")
    answer = registry.ask("POST", f"/v2/{path}/blobs/uploads/", b"")
    assert (answer.status, answer.codes) == (400, ["NAME_INVALID"])
    assert registry.push_manifest(path, "x", b"{}").status == 400
    for rest in ("manifests/x", f"blobs/{MISSING}", "tags/list"):
        assert registry.ask("GET", f"/v2/{path}/{rest}").status == 404


@pytest.mark.parametrize("name", ["a", "a/b/c/d", "a.b-c_d__e---f", "0/1", "manifests/blobs", "a/tags/list", "x" * 255])
def test_valid_names(registry: LiveRegistry, name: str) -> None:
    registry.push(name, "x", oci.artifact(None))
    assert registry.ask("GET", f"/v2/{name}/tags/list").json == {"name": name, "tags": ["x"]}


@pytest.mark.parametrize("tag", ["-x", ".x", "a" * 129, "a+b", "a%20b", "%C3%A4"])
def test_invalid_tags_are_refused(registry: LiveRegistry, tag: str) -> None:
    """ "MUST be at most 128 characters in length and MUST match"."""
    registry.push_blob("bad", b"{}")
    answer = registry.push_manifest("bad", tag, oci.artifact(None).manifest)
    assert (answer.status, answer.codes) == (400, ["MANIFEST_INVALID"])
    assert registry.ask("GET", f"/v2/bad/manifests/{tag}").status == 404


def test_error_codes_have_the_form_of_the_specification(registry: LiveRegistry) -> None:
    """ "containing only uppercase alphabetic characters and underscores"."""
    for answer in (
        registry.ask("GET", f"/v2/a/blobs/{MISSING}"),
        registry.ask("GET", "/v2/none/tags/list"),
        registry.ask("PUT", "/v2/a/manifests/x", b"{"),
    ):
        assert all(re.fullmatch("[A-Z_]+", code) for code in answer.codes)
        assert answer.headers["content-type"].startswith("application/json")
