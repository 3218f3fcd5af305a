"""Lists: tags (end-8), referrers (end-12) and repositories (the catalogue, and what `docker search` asks)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final

from corral.http.message import Answer, Response
from corral.registry.call import Call
from corral.registry.faults import Fault, json_response
from corral.registry.manifests import LIMIT, OCI_INDEX
from corral.registry.names import check_name, is_digest
from corral.registry.paging import next_link, parse_count, plan_page
from corral.registry.records import Manifest
from corral.registry.repositories import Repository

CATALOG_PAGE: Final = 1000
PODMAN: Final = "containers/"  # how the library that podman and its kin search with begins its name


async def list_tags(call: Call) -> Answer:
    query = call.request.query
    count = parse_count(query.get("n") if "n" in query else None)
    tags = await _tags(call)
    page, more = plan_page(tags, count, query.get("last"))
    headers = next_link(f"/v2/{call.name}/tags/list", last=page[-1], n=count) if more and count else {}
    return json_response({"name": call.name, "tags": list(page)}, headers=headers)


async def _tags(call: Call) -> list[str]:
    """In order."""
    if call.place is not None and call.registry.proxy is not None:
        return await call.registry.proxy.tags(call, call.place)
    return sorted(call.registry.repositories.by_name[call.need_name()].tags)


async def list_catalog(call: Call) -> Answer:
    """The repositories that the caller may pull from."""
    query = call.request.query
    count = parse_count(query.get("n") if "n" in query else None)
    count = CATALOG_PAGE if count is None else min(count, CATALOG_PAGE)
    names = [name for name in call.registry.repositories.names() if call.sees(name)]
    page, more = plan_page(names, count, query.get("last"))
    headers = next_link("/v2/_catalog", last=page[-1], n=count) if more else {}
    return json_response({"repositories": list(page)}, headers=headers)


async def list_referrers(call: Call) -> Answer:
    """An index of the manifests whose subject is the digest. One that nothing refers to has an empty list."""
    check_name(call.name)
    if not is_digest(call.item):
        raise Fault("DIGEST_INVALID", f"invalid digest {call.item!r}", {"digest": call.item})
    query = call.request.query
    wanted = query.get("artifactType")
    found = [one for one in await _referrers(call) if wanted in ("", one.get("artifactType", ""))]
    page, last = plan_referrers(found, query.get("last"))
    headers = {"Content-Type": OCI_INDEX}
    if wanted:
        headers["OCI-Filters-Applied"] = "artifactType"
    if last:
        more = {"last": last, "artifactType": wanted} if wanted else {"last": last}
        headers |= next_link(f"/v2/{call.name}/referrers/{call.item}", **more)
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": page}
    return Response(200, headers, json.dumps(index, separators=(",", ":"), ensure_ascii=False).encode())


async def _referrers(call: Call) -> list[dict[str, Any]]:
    """Descriptors in the order of their digests; an upstream's, where it can say."""
    if call.place is not None and call.registry.proxy is not None:
        found = await call.registry.proxy.referrers(call, call.place)
        if found is not None:
            return sorted(found, key=lambda one: str(one["digest"]))
    repository = call.registry.repositories.get(call.name)
    referrers = sorted(repository.referrers.get(call.item, ())) if repository else ()
    return [describe(digest, repository.manifests[digest]) for digest in referrers] if repository else []


def plan_referrers(found: Iterable[dict[str, Any]], last: str) -> tuple[list[dict[str, Any]], str]:
    """Pure: (the descriptors behind `last` that fit into one manifest, the last of them if more follow)."""
    page: list[dict[str, Any]] = []
    room = LIMIT - 1024
    for descriptor in found:
        if descriptor["digest"] <= last:
            continue
        room -= len(json.dumps(descriptor, ensure_ascii=False).encode())
        if room < 0 and page:
            return page, str(page[-1]["digest"])
        page.append(descriptor)
    return page, ""


def describe(digest: str, manifest: Manifest) -> dict[str, Any]:
    """Pure: a manifest as a descriptor in a list of referrers."""
    found: dict[str, Any] = {"mediaType": manifest.media_type, "size": manifest.size, "digest": digest}
    if manifest.artifact_type:
        found["artifactType"] = manifest.artifact_type
    if manifest.annotations:
        found["annotations"] = manifest.annotations
    return found


async def search(call: Call) -> Answer:
    """What `docker search` asks (the hub's form), among the repositories that the caller may pull from.

    Where nobody may see anything without a password it is asked for. podman never shows its own here, so it is sent
    on: to the catalogue, where it does, or as nobody gets a token.
    """
    access = call.registry.access
    if not access.anybody or call.request.header("user-agent").startswith(PODMAN):
        access.check(call.request, call.identity, "login", "")
    query = call.request.query
    words = query.get("q").lower()
    count = parse_count(query.get("n", "25")) or 25
    page = max(parse_count(query.get("page", "1")) or 1, 1)
    names = [n for n in call.registry.repositories.names() if words in n and call.sees(n)]
    names.sort(key=lambda name: (not name.startswith(words), name))
    chosen = names[(page - 1) * count : page * count]
    return json_response(
        {
            "query": query.get("q"),
            "num_results": len(names),
            "num_pages": -(-len(names) // count),
            "page": page,
            "page_size": count,
            "results": [_result(call, name) for name in chosen],
        }
    )


def _result(call: Call, name: str) -> dict[str, Any]:
    repository = call.registry.repositories.by_name[name]
    return {
        "name": name,
        "description": description_of(repository),
        "star_count": 0,
        "is_official": False,
        "is_trusted": False,
        "is_automated": False,
    }


def description_of(repository: Repository) -> str:
    """What the youngest tagged manifest says of itself in its annotations."""
    for _, tag in sorted(repository.tags.items(), key=lambda item: -item[1].at):
        manifest = repository.manifests.get(tag.digest)
        text = manifest.annotations.get("org.opencontainers.image.description", "") if manifest else ""
        if text:
            return text
    return ""
