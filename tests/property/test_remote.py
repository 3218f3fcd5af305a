"""What registries and archives say of images, however broken or hostile: read, or refused in words. Never a crash."""

from __future__ import annotations

import json
import string
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from corral.errors import CorralError
from corral.images import config as configs
from corral.images.manifests import parse_docker, parse_layout
from corral.images.platforms import Platform
from corral.images.remote import documents
from corral.images.remote.challenge import choose, parse_challenges
from corral.images.remote.documents import Index, check_image, choose_entry, parse_document
from corral.images.remote.endpoints import check_mirror, is_insecure, login_domain
from corral.images.remote.refusal import explain, parse_refusal
from corral.images.remote.repository import next_page, parse_upload_range
from corral.images.remote.retry import parse_retry_after, plan_retry
from corral.images.remote.search import parse_hits, split_term
from corral.images.remote.subject import plan_index, referrers_tag
from corral.images.remote.tokens import parse_token
from corral.registry.names import is_tag
from tests.property.test_registry import JSON, MANIFESTS

DATA = MANIFESTS.map(lambda found: json.dumps(found).encode()) | st.binary(max_size=100)
TYPES = st.sampled_from([documents.OCI_MANIFEST, documents.OCI_INDEX, documents.DOCKER_LIST, "", "text/html"])
NUMBERS = st.integers(-5, 2**70)
HISTORY = st.fixed_dictionaries({}, optional={"created": JSON, "created_by": JSON, "empty_layer": JSON})
CONFIGS = st.fixed_dictionaries(
    {},
    optional={
        "architecture": st.just("amd64") | JSON,
        "os": st.just("linux") | JSON,
        "created": st.text() | st.sampled_from(["2020-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "9999-99-99"]),
        "config": st.fixed_dictionaries(
            {},
            optional={"Cmd": JSON, "Env": JSON, "ExposedPorts": JSON, "Volumes": JSON, "Healthcheck": JSON},
        )
        | JSON,
        "rootfs": st.fixed_dictionaries({"diff_ids": st.lists(st.text(max_size=80), max_size=3) | JSON}) | JSON,
        "history": st.lists(HISTORY, max_size=3) | JSON,
    },
)  # fmt: skip


@given(DATA, TYPES | st.text())
def test_documents_of_registries(data: bytes, content_type: str) -> None:
    try:
        found = parse_document(data, content_type, "sha256:0", "app")
        if isinstance(found, Index):
            choose_entry(found, Platform("linux", "amd64"), 1)
        else:
            assert all(layer.size >= 0 for layer in [found.config, *found.layers])
            check_image(found, "app")
    except CorralError as error:
        assert error.message


@given(CONFIGS.map(lambda found: json.dumps(found).encode()) | st.binary(max_size=100))
def test_configurations(data: bytes) -> None:
    try:
        configs.parse(data)
    except CorralError as error:
        assert error.message


@given(st.lists(JSON | st.fixed_dictionaries({"Config": JSON, "RepoTags": JSON, "Layers": JSON}), max_size=2) | JSON)
def test_manifests_of_archives(found: Any) -> None:
    try:
        parse_docker(json.dumps(found).encode())
    except CorralError as error:
        assert error.message


@given(st.dictionaries(st.sampled_from(["index.json", "oci-layout"]), DATA), DATA)
def test_layouts_of_archives(files: dict[str, bytes], anything: bytes) -> None:
    """Whatever is read beyond those files is `anything`, so an index may well name itself."""
    asked: list[str] = []

    def read(name: str) -> bytes:
        asked.append(name)
        assert len(asked) < 10_000, "it does not end"
        return files.get(name, anything)

    try:
        parse_layout(read, "linux/amd64")
    except CorralError as error:
        assert error.message


@given(st.integers(100, 599), DATA | JSON.map(lambda found: json.dumps({"errors": found}).encode()))
def test_refusals(status: int, body: bytes) -> None:
    assert explain(parse_refusal(status, body, "http://a/")).message


@given(st.lists(st.text(string.printable, max_size=60) | st.from_regex(r'(Basic|Bearer) (\w+="[^"]*",?)*'), max_size=3))
def test_challenges(headers: list[str]) -> None:
    choose(parse_challenges(headers))


@given(st.text(max_size=80), st.text(max_size=40), NUMBERS)
def test_words_of_servers(text: str, other: str, number: int) -> None:
    url = "https://r.example/v2/a/tags/list"
    assert not (following := next_page(text, url)) or following.startswith("https://r.example/v2/")
    assert parse_upload_range(text) >= 0 and parse_retry_after(text, 0) >= -1
    assert plan_retry(0, 5, status=429, after=parse_retry_after(text, 0)) <= 120
    for parse in (check_mirror, split_term):
        try:
            parse(text)
        except CorralError as error:
            assert error.message
    login_domain(text)
    is_insecure(text, [other])


@given(JSON.map(lambda found: json.dumps({"results": found, "token": found}).encode()) | st.binary(max_size=60))
def test_answers_of_services(data: bytes) -> None:
    for parse in (parse_hits, lambda data: parse_token(data, 0.0)):
        try:
            parse(data)
        except CorralError as error:
            assert error.message


@given(st.none() | DATA, st.text(max_size=80) | st.sampled_from(["sha256:" + "0" * 64, "sha512:" + "0" * 128]))
def test_lists_of_referrers(known: bytes | None, digest: str) -> None:
    descriptor = {"digest": digest, "size": 1}
    try:
        made = plan_index(known, descriptor)
        assert made is None or plan_index(made, descriptor) is None
    except CorralError as error:
        assert error.message
    tag = referrers_tag(digest)
    assert is_tag(tag) or tag.startswith(("-", "."))
