"""OCI distribution-spec 1.1.1, "Content Discovery" and "Content Management", sentence by sentence."""

from __future__ import annotations

import os
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from tests.support import oci
from tests.support.registry import Answer, LiveRegistry

MISSING = "sha256:" + "0" * 64


@pytest.fixture
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveRegistry]:
    with LiveRegistry(tmp_path_factory.mktemp("registry")) as made:
        yield made


def next_page(answer: Answer) -> str:
    """The path of the Link header."""
    link = answer.headers["link"]
    assert link.endswith('; rel="next"') and link.startswith("<")
    return link[1 : link.index(">")]


# Tags.


def test_tags_in_order_and_in_pages(registry: LiveRegistry) -> None:
    """ "the tags MUST be in lexical … or ASCIIbetical order"; `n`, `last` and Link."""
    for tag in ("b", "a", "B", "1", "_", "a.b"):
        registry.push("app", tag, oci.artifact(None))
    tags = sorted(("b", "a", "B", "1", "_", "a.b"))
    assert registry.ask("GET", "/v2/app/tags/list").json == {"name": "app", "tags": tags}
    first = registry.ask("GET", "/v2/app/tags/list?n=4")
    assert first.json["tags"] == tags[:4]
    second = registry.ask("GET", next_page(first))
    assert second.json["tags"] == tags[4:] and "link" not in second.headers
    assert "link" not in registry.ask("GET", "/v2/app/tags/list?n=6").headers
    assert registry.ask("GET", "/v2/app/tags/list?last=B").json["tags"] == tags[tags.index("B") + 1 :]
    assert registry.ask("GET", "/v2/app/tags/list?n=1&last=Azzz").json["tags"] == ["B"]
    assert registry.ask("GET", "/v2/app/tags/list?last=zzz").json["tags"] == []


def test_no_tags_asked_for(registry: LiveRegistry) -> None:
    """ "When n is zero, this endpoint MUST return an empty list, and MUST NOT include a Link header"."""
    registry.push("app", "x", oci.artifact(None))
    answer = registry.ask("GET", "/v2/app/tags/list?n=0")
    assert (answer.status, answer.json["tags"]) == (200, []) and "link" not in answer.headers


@pytest.mark.parametrize("count", ["-1", "x", "1.5", "", "9" * 30])
def test_numbers_that_are_none(registry: LiveRegistry, count: str) -> None:
    registry.push("app", "x", oci.artifact(None))
    assert registry.ask("GET", f"/v2/app/tags/list?n={count}").status == 400
    assert registry.ask("GET", f"/v2/_catalog?n={count}").status == 400


def test_a_repository_without_tags(registry: LiveRegistry) -> None:
    """ "The list of tags MAY be empty"; one that does not exist is 404."""
    registry.push_blob("app", b"x")
    assert registry.ask("GET", "/v2/app/tags/list").json == {"name": "app", "tags": []}
    answer = registry.ask("GET", "/v2/nowhere/tags/list")
    assert (answer.status, answer.codes) == (404, ["NAME_UNKNOWN"])


def test_the_catalogue(registry: LiveRegistry) -> None:
    assert registry.ask("GET", "/v2/_catalog").json == {"repositories": []}
    for name in ("c", "a/b", "b"):
        registry.push_blob(name, b"x")
    assert registry.ask("GET", "/v2/_catalog").json == {"repositories": ["a/b", "b", "c"]}
    first = registry.ask("GET", "/v2/_catalog?n=2")
    assert first.json["repositories"] == ["a/b", "b"]
    last = registry.ask("GET", next_page(first))
    assert last.json["repositories"] == ["c"] and "link" not in last.headers


# Referrers.


def test_referrers(registry: LiveRegistry) -> None:
    """200 with an index of descriptors: artifactType (or the config's type) and annotations "MUST" be there."""
    image = oci.image([b"layer"])
    registry.push("app", "v1", image)
    subject = oci.descriptor(image.manifest, oci.MANIFEST)
    sbom = oci.artifact(subject, annotations={"made": "today"})
    signature = oci.artifact(subject, "application/vnd.example.signature")
    plain = oci.image([b"other"], subject=subject)
    for one in (sbom, signature, plain):
        registry.push("app", "", one)
    listing = oci.index(subject=subject)
    assert registry.push_manifest("app", oci.digest(listing), listing, oci.INDEX).headers["oci-subject"] == image.digest

    answer = registry.ask("GET", f"/v2/app/referrers/{image.digest}")
    assert (answer.status, answer.headers["content-type"]) == (200, oci.INDEX)
    assert answer.json["schemaVersion"] == 2 and answer.json["mediaType"] == oci.INDEX
    found = {one["digest"]: one for one in answer.json["manifests"]}
    assert set(found) == {sbom.digest, signature.digest, plain.digest, oci.digest(listing)}
    assert found[sbom.digest] == oci.descriptor(
        sbom.manifest, oci.MANIFEST, artifactType="application/vnd.example.sbom", annotations={"made": "today"}
    )
    assert found[plain.digest]["artifactType"] == oci.CONFIG
    assert found[oci.digest(listing)] == oci.descriptor(listing, oci.INDEX)


def test_referrers_of_one_kind(registry: LiveRegistry) -> None:
    """ "If filtering is requested and applied, the response MUST include a header OCI-Filters-Applied"."""
    subject = oci.descriptor(b"anything", oci.MANIFEST)
    for kind in ("application/a", "application/b+json"):
        registry.push("app", "", oci.artifact(subject, kind))
    path = f"/v2/app/referrers/{subject['digest']}"
    assert "oci-filters-applied" not in registry.ask("GET", path).headers
    answer = registry.ask("GET", f"{path}?artifactType={quote('application/b+json', safe='')}")
    assert answer.headers["oci-filters-applied"] == "artifactType"
    assert [one["artifactType"] for one in answer.json["manifests"]] == ["application/b+json"]
    assert registry.ask("GET", f"{path}?artifactType=none").json["manifests"] == []


@pytest.mark.parametrize("repository", ["app", "nowhere"])
def test_no_referrers_is_an_empty_list(registry: LiveRegistry, repository: str) -> None:
    """ "the registry MUST NOT return a 404"; "an empty manifest list MUST be returned"."""
    registry.push_blob("app", b"x")
    answer = registry.ask("GET", f"/v2/{repository}/referrers/{MISSING}")
    assert (answer.status, answer.json["manifests"]) == (200, [])


def test_referrers_of_nonsense_is_400(registry: LiveRegistry) -> None:
    """ "If the request is invalid, such as a <digest> with an invalid syntax, a 400 Bad Request MUST be returned"."""
    answer = registry.ask("GET", "/v2/app/referrers/sha256:xyz")
    assert (answer.status, answer.codes) == (400, ["DIGEST_INVALID"])


def test_many_referrers_come_in_pages(registry: LiveRegistry) -> None:
    """ "A Link header MUST be included in the response when the descriptor list cannot be returned in a single
    manifest"."""
    subject = oci.descriptor(b"anything", oci.MANIFEST)
    made = [oci.artifact(subject, annotations={"n": str(n), "long": "x" * 3_000_000}) for n in range(3)]
    for one in made:
        registry.push("app", "", one)
    path, found = f"/v2/app/referrers/{subject['digest']}?artifactType=application/vnd.example.sbom", []
    while path:
        answer = registry.ask("GET", path)
        assert len(answer.body) <= 4 << 20 and answer.headers["oci-filters-applied"] == "artifactType"
        found += [one["digest"] for one in answer.json["manifests"]]
        path = next_page(answer) if "link" in answer.headers else ""
    assert found == sorted(one.digest for one in made)


def test_a_deleted_referrer_is_listed_no_more(registry: LiveRegistry) -> None:
    subject = oci.descriptor(b"anything", oci.MANIFEST)
    one = oci.artifact(subject)
    registry.push("app", "", one)
    assert registry.ask("DELETE", f"/v2/app/manifests/{one.digest}").status == 202
    assert registry.ask("GET", f"/v2/app/referrers/{subject['digest']}").json["manifests"] == []


# Deleting.


def test_a_deleted_tag_leaves_the_manifest(registry: LiveRegistry) -> None:
    """ "Upon success, the registry MUST respond with a 202"; then "a GET … will return a 404"."""
    image = oci.image([b"x"])
    for tag in ("one", "two"):
        registry.push("app", tag, image)
    assert registry.ask("DELETE", "/v2/app/manifests/one").status == 202
    assert registry.ask("GET", "/v2/app/manifests/one").status == 404
    assert registry.ask("GET", "/v2/app/manifests/two").status == 200
    assert registry.ask("GET", f"/v2/app/manifests/{image.digest}").status == 200
    assert registry.ask("DELETE", "/v2/app/manifests/one").status == 404


def test_a_deleted_manifest_takes_its_tags_along(registry: LiveRegistry) -> None:
    """ "Once deleted, a GET to the digest and any tag pointing to that digest will return a 404"."""
    image = oci.image([b"x"])
    for tag in ("one", "two"):
        registry.push("app", tag, image)
    assert registry.ask("DELETE", f"/v2/app/manifests/{image.digest}").status == 202
    for reference in ("one", "two", image.digest):
        assert registry.ask("GET", f"/v2/app/manifests/{reference}").status == 404
    assert registry.ask("GET", "/v2/app/tags/list").json["tags"] == []
    answer = registry.ask("DELETE", f"/v2/app/manifests/{image.digest}")
    assert (answer.status, answer.codes) == (404, ["MANIFEST_UNKNOWN"])


def test_deleting_in_a_repository_that_is_not_there(registry: LiveRegistry) -> None:
    """ "If the repository does not exist, the response MUST return 404"."""
    assert registry.ask("DELETE", "/v2/nowhere/manifests/x").status == 404
    assert registry.ask("DELETE", f"/v2/nowhere/blobs/{MISSING}").status == 404


def test_a_deleted_blob(registry: LiveRegistry) -> None:
    """ "Upon success, … 202"; "If the blob is not found, a 404 Not Found code MUST be returned"."""
    data = os.urandom(100)
    digest = registry.push_blob("app", data)
    assert registry.ask("DELETE", f"/v2/app/blobs/{digest}").status == 202
    assert registry.ask("GET", f"/v2/app/blobs/{digest}").status == 404
    answer = registry.ask("DELETE", f"/v2/app/blobs/{digest}")
    assert (answer.status, answer.codes) == (404, ["BLOB_UNKNOWN"])
    assert not registry.registry.content.has(digest)


def test_a_deleted_blob_stays_in_other_repositories(registry: LiveRegistry) -> None:
    digest = registry.push_blob("one", b"shared")
    registry.push_blob("two", b"shared")
    assert registry.ask("DELETE", f"/v2/one/blobs/{digest}").status == 202
    assert registry.ask("GET", f"/v2/two/blobs/{digest}").body == b"shared"


def test_a_blob_that_an_image_needs_is_not_deleted(registry: LiveRegistry) -> None:
    """It would be a broken image; the specification offers 405 for what is not deleted."""
    image = oci.image([b"x"])
    registry.push("app", "v1", image)
    answer = registry.ask("DELETE", f"/v2/app/blobs/{oci.digest(image.blobs[1])}")
    assert (answer.status, answer.codes) == (405, ["UNSUPPORTED"])
    assert image.digest in answer.json["errors"][0]["message"]
    registry.ask("DELETE", f"/v2/app/manifests/{image.digest}")
    assert registry.ask("DELETE", f"/v2/app/blobs/{oci.digest(image.blobs[1])}").status == 202


def test_a_repository_goes_with_its_last_content(registry: LiveRegistry) -> None:
    image = oci.artifact(None)
    registry.push("app", "v1", image)
    registry.ask("DELETE", f"/v2/app/manifests/{image.digest}")
    registry.ask("DELETE", f"/v2/app/blobs/{oci.digest(b'{}')}")
    assert registry.ask("GET", "/v2/_catalog").json == {"repositories": []}


# What `docker search` asks.


def test_search(registry: LiveRegistry) -> None:
    for name in ("team/redis", "redis", "nginx"):
        text = {"org.opencontainers.image.description": f"This is {name}."}
        registry.push(name, "1", oci.artifact(None, annotations=text))
    found = registry.ask("GET", "/v1/search?q=Redis&n=10").json
    assert (found["num_results"], found["num_pages"], found["page"], found["page_size"]) == (2, 1, 1, 10)
    assert [one["name"] for one in found["results"]] == ["redis", "team/redis"]
    assert found["results"][0]["description"] == "This is redis." and found["results"][0]["star_count"] == 0
    second = registry.ask("GET", "/v1/search?q=&n=2&page=2").json
    assert (second["num_pages"], len(second["results"])) == (2, 1)


def test_metrics(registry: LiveRegistry) -> None:
    registry.push("app", "v1", oci.image([b"x"]))
    registry.ask("GET", "/v2/app/manifests/v1")
    text = registry.ask("GET", "/metrics").body.decode()
    assert 'corral_registry_requests_total{endpoint="manifest",method="GET",status="200"} 1\n' in text
    assert "# TYPE corral_registry_tags gauge\ncorral_registry_tags 1\n" in text
