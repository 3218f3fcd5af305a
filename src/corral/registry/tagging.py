"""Manifests: pushing (end-7), giving out (end-3) and deleting them and their tags (end-9)."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from typing import Final

from corral.http.message import Answer, BodyTooLarge, Response
from corral.registry import records
from corral.registry.blobs import headers_of, not_modified
from corral.registry.call import Call
from corral.registry.faults import Fault
from corral.registry.manifests import LIMIT, Manifest, invalid, parse_manifest
from corral.registry.names import check_name, is_digest, is_tag, need_digest
from corral.registry.repositories import Repository
from corral.registry.retention import is_immutable
from corral.registry.sweep import left_behind

SMALL: Final = 65536  # bytes that are read and hashed without a thread


def unknown(reference: str) -> Fault:
    return Fault("MANIFEST_UNKNOWN", f"manifest unknown to registry: {reference}", {"reference": reference})


async def get_manifest(call: Call) -> Answer:
    """GET and HEAD. What the Accept header says is not looked at: who asks gets what was pushed."""
    if call.place is not None and call.registry.proxy is not None:
        await call.registry.proxy.refresh(call, call.place)
    repository = call.registry.repositories.get(call.name)
    digest = repository.find(call.item) if repository else ""
    if repository is None or not digest:
        raise unknown(call.item)
    record = repository.manifests[digest]
    headers = headers_of(digest, record.media_type)
    if ":" not in call.item:
        headers["Cache-Control"] = "no-cache"
    if not_modified(call, digest):
        return Response(304, headers)
    if call.request.method == "HEAD":
        return Response(200, headers | {"Content-Length": str(record.size)})
    content = call.registry.content
    data = content.read(digest) if record.size <= SMALL else await asyncio.to_thread(content.read, digest)
    call.registry.metrics.pulled()
    return Response(200, headers, data)


async def put_manifest(call: Call) -> Answer:
    check_name(call.name)
    by_digest = ":" in call.item
    if not by_digest and not is_tag(call.item):
        raise invalid(f"{call.item!r} is neither a tag nor a digest")
    tags = call.request.query.all("tag") if by_digest else [call.item]
    for tag in tags:
        if not is_tag(tag):
            raise invalid(f"{tag!r} is no tag")
    data = await _body(call)
    digest = _digest(data, need_digest(call.item) if by_digest else "sha256:")
    manifest = parse_manifest(data, call.request.header("content-type"))
    record = await _store(call, digest, data, manifest, tags)
    for tag in tags or [""]:
        call.registry.notify(call, "push", digest, record, tag=tag)
    headers = {"Location": f"/v2/{call.name}/manifests/{digest}", "Docker-Content-Digest": digest}
    if manifest.subject:
        headers["OCI-Subject"] = manifest.subject
    if by_digest and tags:
        headers["OCI-Tag"] = ", ".join(tags)
    return Response(201, headers)


async def _body(call: Call) -> bytes:
    try:
        return await call.request.body(LIMIT)
    except BodyTooLarge:
        raise Fault("MANIFEST_INVALID", f"manifest invalid: larger than {LIMIT} bytes", status=413) from None


def _digest(data: bytes, wanted: str) -> str:
    """Of the bytes, by the algorithm of `wanted`, which is to be met. DIGEST_INVALID."""
    algorithm, _, value = wanted.partition(":")
    found = hashlib.new(algorithm, data).hexdigest()
    if value and found != value:
        raise Fault("DIGEST_INVALID", f"the manifest has the digest {algorithm}:{found}, not {wanted}")
    return f"{algorithm}:{found}"


async def _store(call: Call, digest: str, data: bytes, manifest: Manifest, tags: list[str]) -> records.Manifest:
    registry = call.registry
    whole = not registry.config.sparse
    if whole:
        check_references(registry.repositories.get(call.name), manifest)

    def check(repository: Repository | None) -> None:
        if whole:
            check_references(repository, manifest)
        check_immutable(call, repository, tags, digest)

    return await keep_manifest(call, digest, data, manifest, tags, check)


async def keep_manifest(
    call: Call,
    digest: str,
    data: bytes,
    manifest: Manifest,
    tags: list[str],
    check: Callable[[Repository | None], None] = lambda repository: None,
) -> records.Manifest:
    """Stores a manifest that is right, and what it is called, if `check` agrees."""
    registry = call.registry
    with registry.content.pinned(digest):
        await registry.uploads.store(data, digest)
        # From here to `change` nothing waits: what was checked is still so.
        repository = registry.repositories.get(call.name)
        check(repository)
        now = registry.clock.now()
        puts = left_behind(repository, tags, now, digest) if repository else {}
        puts |= {records.tag_key(call.name, tag): records.Tag(digest, now) for tag in tags}
        record = records.Manifest(
            manifest.media_type,
            len(data),
            now,
            manifest.blobs,
            manifest.children,
            manifest.foreign,
            manifest.subject,
            manifest.artifact_type,
            manifest.annotations,
        )
        await registry.repositories.change(puts | {records.manifest_key(call.name, digest): record})
        return record


def check_references(repository: Repository | None, manifest: Manifest) -> None:
    """MANIFEST_BLOB_UNKNOWN for every blob and manifest that is referred to and not in the repository."""
    blobs = repository.blobs if repository else {}
    manifests = repository.manifests if repository else {}
    missing = [digest for digest in manifest.blobs if digest not in blobs and digest not in manifests]
    missing += [digest for digest in manifest.children if digest not in manifests]
    if missing:
        message = f"manifest references a manifest or blob unknown to registry: {missing[0]}"
        raise Fault("MANIFEST_BLOB_UNKNOWN", message, details=[{"digest": digest} for digest in missing])


def check_immutable(call: Call, repository: Repository | None, tags: list[str], digest: str) -> None:
    """DENIED if one of the tags means something already and may not be changed; `digest` "" is a deletion."""
    for tag in tags:
        old = repository.tags.get(tag) if repository else None
        if old and old.digest != digest and is_immutable(call.registry.config.immutable, call.name, tag):
            message = f"tag {tag} of {call.name} is immutable and means {old.digest} already"
            raise Fault("DENIED", message, {"tag": tag})


def check_unneeded(call: Call, repository: Repository, digest: str) -> None:
    """DENIED if a manifest is part of what a tag means that may not be changed."""
    patterns = call.registry.config.immutable
    above = repository.above(digest) if patterns else set()
    for tag, means in repository.tags.items():
        if means.digest in above and is_immutable(patterns, call.name, tag):
            message = f"manifest {digest} is part of {means.digest}, which the immutable tag {tag} of {call.name} means"
            raise Fault("DENIED", message, {"tag": tag})


async def delete_manifest(call: Call) -> Answer:
    """A tag goes alone; a manifest takes its tags along."""
    registry = call.registry
    repository = registry.repositories.get(call.name)
    if repository is None:
        raise Fault("NAME_UNKNOWN", f"repository name not known to registry: {call.name}", {"name": call.name})
    if is_digest(call.item) and call.item in repository.manifests:
        tags, gone = repository.tags_of(call.item), [records.manifest_key(call.name, call.item)]
    elif call.item in repository.tags:
        tags, gone = [call.item], []
    else:
        raise unknown(call.item)
    check_immutable(call, repository, tags, "")
    digest = repository.find(call.item)
    if gone:
        check_unneeded(call, repository, digest)
    record = repository.manifests.get(digest)
    puts = {} if gone else left_behind(repository, tags, registry.clock.now())
    await registry.repositories.change(puts, [*gone, *(records.tag_key(call.name, tag) for tag in tags)])
    if gone:
        await asyncio.to_thread(registry.content.collect, [call.item])
    if record is not None:
        registry.notify(call, "delete", digest, record, tag="" if gone else call.item)
    return Response(202)
