"""The registry under fire: whatever comes, it answers as the specification says, and never by failing itself."""

from __future__ import annotations

import itertools
import json
import socket
import string
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corral.errors import InvalidInput
from corral.registry.app import ENDPOINTS
from corral.registry.faults import Fault
from corral.registry.manifests import TYPES, parse_manifest
from corral.registry.names import check_name, is_digest, is_name, is_tag
from corral.registry.paging import plan_page
from corral.registry.ranges import parse_content_range, plan_range
from corral.registry.records import Tag
from corral.registry.retention import parse_rule, plan_retention
from corral.registry.routes import find_route
from corral.registry.sweep import sweep
from corral.registry.tokens import parse_scopes, verify
from corral.registry.upstreams import parse_accounts, parse_upstream
from tests.support import oci
from tests.support.registry import LiveRegistry

# Manifests.

LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
JSON = st.recursive(
    LEAVES, lambda some: st.lists(some, max_size=4) | st.dictionaries(st.text(max_size=10), some, max_size=4)
)
DIGESTS = st.sampled_from([oci.digest(b"{}"), "sha256:" + "0" * 64, "sha256:x", "", "md5:" + "0" * 32]) | st.text()
DESCRIPTORS = st.fixed_dictionaries(
    {},
    optional={
        "mediaType": st.sampled_from([*TYPES, oci.LAYER, oci.EMPTY]) | JSON,
        "digest": DIGESTS | JSON,
        "size": st.integers(-1, 2**70) | JSON,
        "urls": JSON,
        "platform": JSON,
    },
)
MANIFESTS = st.fixed_dictionaries(
    {},
    optional={
        "schemaVersion": st.just(2) | JSON,
        "mediaType": st.sampled_from(TYPES) | JSON,
        "config": DESCRIPTORS | JSON,
        "layers": st.lists(DESCRIPTORS | JSON, max_size=3) | JSON,
        "manifests": st.lists(DESCRIPTORS | JSON, max_size=3) | JSON,
        "subject": DESCRIPTORS | JSON,
        "annotations": st.dictionaries(st.text(max_size=5), st.text(max_size=5)) | JSON,
        "artifactType": st.text() | JSON,
    },
)
CONTENT_TYPES = st.sampled_from(
    [*TYPES, "", "application/json", "application/vnd.docker.distribution.manifest.v1+json"]
)


@given(MANIFESTS.map(lambda found: json.dumps(found).encode()) | st.binary(max_size=200), CONTENT_TYPES | st.text())
def test_a_manifest_is_one_or_is_refused(data: bytes, content_type: str) -> None:
    try:
        found = parse_manifest(data, content_type)
    except Fault as fault:
        assert fault.code == "MANIFEST_INVALID" and json.loads(fault.response().body)["errors"]
    else:
        assert found.media_type in TYPES
        assert all(is_digest(one) for one in (*found.blobs, *found.children, *found.foreign))


# The small grammars.


@given(st.text() | st.from_regex(r"(bytes ?= ?)?[0-9]*-[0-9]*(/[0-9*]+)?"), st.integers(0, 2**40))
def test_ranges_lie_inside(header: str, size: int) -> None:
    try:
        part = plan_range(header, size)
    except Fault as fault:
        assert fault.status == 416
    else:
        assert part is None or (part[0] >= 0 and part[1] > 0 and part[0] + part[1] <= size)
    try:
        piece = parse_content_range(header, None)
    except Fault as fault:
        assert fault.status == 400
    else:
        assert piece is None or (piece[0] >= 0 and piece[1] > 0)


@given(st.text(string.ascii_letters + string.digits + "/._-:@%ä\0", max_size=300))
def test_names_and_paths(text: str) -> None:
    route = find_route(f"/v2/{text}")
    assert route is None or (route.endpoint in {name for name, _ in ENDPOINTS} and route.name in text)
    assert not (is_tag(text) and is_digest(text))
    try:
        assert check_name(text) == text and is_name(text) and ".." not in text and not text.startswith("/")
    except Fault as fault:
        assert fault.code == "NAME_INVALID" and not is_name(text)


@given(st.lists(st.text(max_size=3), max_size=20), st.integers(0, 5), st.text(max_size=3))
def test_pages_are_the_list(names: list[str], count: int, last: str) -> None:
    names = sorted(set(names) - {""})
    page, more = plan_page(names, count, last)
    rest = [name for name in names if not last or name > last]
    assert list(page) == rest[:count] and more == (count > 0 and len(rest) > count)


@given(st.text(), st.binary(max_size=40))
def test_what_people_write(text: str, key: bytes) -> None:
    """Settings, tokens and scopes: refused in words, or ignored."""
    for parse in (parse_rule, parse_upstream, parse_accounts):
        try:
            parse(text)  # type: ignore[operator]
        except InvalidInput as error:
            assert error.message
    assert verify(text, key, 0) is None
    parse_scopes([text])


@given(
    st.lists(st.sampled_from(["*:*:last=1", "*:a*:keep", "r:*:younger=1m", "x:*:last=0", "*:b*:last=2"]), max_size=3),
    st.dictionaries(st.text("abc", min_size=1, max_size=2), st.builds(Tag, st.just("d"), st.integers(0, 10**12))),
)
def test_retention_removes_tags_that_are_there(rules: list[str], tags: dict[str, Tag]) -> None:
    parsed = [parse_rule(rule) for rule in rules]
    removed = plan_retention(parsed, "r", tags, 10**12)
    assert set(removed) <= set(tags) and len(set(removed)) == len(removed)
    left = {name: tag for name, tag in tags.items() if name not in removed}
    assert plan_retention(parsed, "r", left, 10**12) == []


# Requests, as bytes, to one that listens.


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveRegistry]:
    with LiveRegistry(tmp_path_factory.mktemp("registry")) as made:
        yield made


NAMES = st.sampled_from(["a", "team/app", "Upper", "..", "a//b", "x" * 300, "%2e%2e/%2e%2e", "a%00b", "%ff", "%C3%A4"])
ITEMS = st.sampled_from(
    ["latest", oci.digest(b"{}"), "sha256:x", "..", "%2e%2e%2f%2e%2e", "a" * 200, "uploads", "0" * 36, "sha512:00"]
)  # fmt: skip
PATHS = st.builds(lambda form, name, item: form.format(name=name, item=item), st.sampled_from([
    "/v2/", "/v2/_catalog", "/v2/{name}/tags/list", "/v2/{name}/manifests/{item}", "/v2/{name}/blobs/{item}",
    "/v2/{name}/blobs/uploads/", "/v2/{name}/blobs/uploads/{item}", "/v2/{name}/referrers/{item}", "/v1/search",
    "/token", "/metrics", "/{name}/{item}",
]), NAMES, ITEMS)  # fmt: skip
WORDS = st.sampled_from(["", "0", "-1", "9" * 40, "x", "a&b", oci.digest(b"{}"), "%00", "sha512", "../..", "*"])
QUERIES = st.dictionaries(
    st.sampled_from(["n", "last", "digest", "mount", "from", "digest-algorithm", "tag", "artifactType", "q", "scope"]),
    WORDS,
    max_size=3,
)  # fmt: skip
HEADERS = st.dictionaries(
    st.sampled_from(["Range", "Content-Range", "Content-Type", "If-None-Match", "If-Range", "Authorization", "Accept"]),
    st.sampled_from(["bytes=0-0", "0-1", "5-1", "bytes=-1", "", oci.MANIFEST, "*", "Basic !!!", "Bearer a.b.c", '"x"']),
    max_size=3,
)
METHODS = st.sampled_from(["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS"])
BODIES = st.sampled_from([b"", b"{}", b"x" * 100]) | MANIFESTS.map(lambda found: json.dumps(found).encode())


@settings(max_examples=300, deadline=None)
@given(METHODS, PATHS, QUERIES, HEADERS, BODIES)
def test_every_request_has_an_answer(
    registry: LiveRegistry, method: str, path: str, query: dict[str, str], headers: dict[str, str], body: bytes
) -> None:
    words = "&".join(f"{key}={value}" for key, value in query.items())
    answer = registry.ask(method, f"{path}?{words}", body, headers)
    assert answer.status < 500, (method, path, query, headers, body, answer)
    if answer.status >= 400 and answer.body and method != "HEAD" and path.startswith("/v2"):
        assert all(code.isupper() for code in answer.codes)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300) | st.builds(lambda a, b: a + b, st.sampled_from([
    b"PATCH /v2/a/blobs/uploads/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"PUT /v2/a/manifests/x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n",
    b"GET /v2/ HTTP/1.1\r\n",
]), st.binary(max_size=100)))  # fmt: skip
def test_no_bytes_disturb_the_others(registry: LiveRegistry, data: bytes) -> None:
    with socket.create_connection((registry.host, registry.port), 10) as link:
        link.sendall(data)
        link.shutdown(socket.SHUT_WR)
        while link.recv(65536):
            pass
    assert registry.ask("GET", "/v2/").status == 200


# A life: pushes, moves and deletions in any order, against a model.


class Model:
    """What a repository should have: tags, and the manifests by their digests."""

    def __init__(self) -> None:
        self.tags: dict[str, str] = {}
        self.manifests: dict[str, oci.OciImage] = {}


LIVES = itertools.count()
STEPS = st.lists(
    st.tuples(st.sampled_from(["push", "untag", "delete", "sweep"]), st.integers(0, 2), st.integers(0, 2)), max_size=12
)


@settings(max_examples=30, deadline=None)
@given(STEPS)
def test_a_life(registry: LiveRegistry, steps: list[tuple[str, int, int]]) -> None:
    unique = next(LIVES)
    name, model = f"life/{unique}", Model()
    images = [oci.image([b"shared", bytes([n])], annotations={"n": f"{unique} {n}"}) for n in range(3)]
    for what, number, tag in steps:
        image = images[number]
        if what == "push":
            registry.push(name, f"t{tag}", image)
            model.manifests[image.digest], model.tags[f"t{tag}"] = image, image.digest
        elif what == "untag":
            status = registry.ask("DELETE", f"/v2/{name}/manifests/t{tag}").status
            assert status == (202 if model.tags.pop(f"t{tag}", "") else 404)
        elif what == "delete":
            status = registry.ask("DELETE", f"/v2/{name}/manifests/{image.digest}").status
            assert status == (202 if model.manifests.pop(image.digest, None) else 404)
            model.tags = {tag: digest for tag, digest in model.tags.items() if digest != image.digest}
        else:
            registry.run(sweep(registry.registry))
    for image in images:
        answer = registry.ask("GET", f"/v2/{name}/manifests/{image.digest}")
        assert answer.status == (200 if image.digest in model.manifests else 404)
        if answer.status == 200:
            for blob in image.blobs:
                assert registry.ask("GET", f"/v2/{name}/blobs/{oci.digest(blob)}").body == blob
    found = registry.ask("GET", f"/v2/{name}/tags/list")
    assert (found.json["tags"] if found.status == 200 else []) == sorted(model.tags)
