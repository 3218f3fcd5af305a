"""Uploading: the endpoints that push a blob (end-4 to end-6, end-11, end-13, end-14)."""

from __future__ import annotations

from corral.http.message import Answer, Response
from corral.registry import records
from corral.registry.call import Call
from corral.registry.faults import Fault
from corral.registry.names import ALGORITHMS, check_name, is_digest, need_digest
from corral.registry.ranges import parse_content_range
from corral.registry.uploads import Upload


async def start_upload(call: Call) -> Answer:
    """POST: a session (end-4a), a whole blob at once (end-4b), or a blob of another repository (end-11)."""
    check_name(call.name)
    query = call.request.query
    if mount := query.get("mount"):
        answer = await _mount(call, mount, query.get("from"))
        if answer is not None:
            return answer
    if digest := query.get("digest"):
        upload = call.registry.uploads.start(call.name, need_digest(digest).partition(":")[0])
        return await _receive_and_finish(call, upload, digest, None)
    algorithm = query.get("digest-algorithm", "sha256")
    if algorithm not in ALGORITHMS:
        raise Fault(
            "DIGEST_INVALID", f"digest algorithm {algorithm!r} is not offered; offered: {', '.join(ALGORITHMS)}"
        )
    upload = call.registry.uploads.start(call.name, algorithm)
    return Response(202, upload.headers())


async def _mount(call: Call, digest: str, source: str) -> Answer | None:
    """The blob of a repository that the caller may read, found without `from` as well; None if it cannot be had."""
    if not is_digest(digest):
        return None
    repositories = call.registry.repositories
    target = repositories.get(call.name)
    if target is not None and digest in target.blobs:
        target.seen[digest] = call.registry.clock.now()
        return _created(call, digest)
    candidates = [source] if source else list(repositories.having(digest))
    for name in candidates:
        repository = repositories.get(name)
        blob = repository.blobs.get(digest) if repository else None
        if blob is not None and call.may("pull", name):
            record = records.Blob(blob.size, call.registry.clock.now())
            await repositories.change({records.blob_key(call.name, digest): record})
            call.registry.notify(call, "mount", digest, record, source=name)
            return _created(call, digest)
    return None


async def append(call: Call) -> Answer:
    """PATCH: the next piece (end-5)."""
    upload = await call.registry.uploads.find(call.name, call.item)
    part = parse_content_range(call.request.header("content-range"), call.length())
    with call.registry.uploads.using(upload):
        await _receive(call, upload, part)
    return Response(202, upload.headers())


async def finish(call: Call) -> Answer:
    """PUT: the last piece, if there is one, and the end (end-6)."""
    upload = await call.registry.uploads.find(call.name, call.item)
    digest = call.request.query.get("digest")
    if not digest:
        raise Fault("DIGEST_INVALID", "the digest of the whole blob is missing: PUT LOCATION?digest=…")
    need_digest(digest)
    part = parse_content_range(call.request.header("content-range"), call.length())
    return await _receive_and_finish(call, upload, digest, part)


async def _receive_and_finish(call: Call, upload: Upload, digest: str, part: tuple[int, int] | None) -> Answer:
    registry = call.registry
    with registry.uploads.using(upload), registry.content.pinned(digest):
        await _receive(call, upload, part)
        size = await registry.uploads.finish(upload, digest)
        record = records.Blob(size, registry.clock.now())
        await registry.repositories.change({records.blob_key(call.name, digest): record})
    registry.notify(call, "push", digest, record)
    return _created(call, digest)


async def _receive(call: Call, upload: Upload, part: tuple[int, int] | None) -> None:
    """The request's body. Status 416 if it does not belong where the upload stands."""
    if part is not None and part[0] != upload.offset:
        message = f"blob upload invalid: the next byte is number {upload.offset}, not {part[0]}"
        raise Fault("BLOB_UPLOAD_INVALID", message, status=416, headers=upload.headers())
    before = upload.offset
    expected = part[1] if part is not None else call.length()
    if call.request.has_body:
        await call.registry.uploads.receive(upload, call.request.stream(), expected)
    call.registry.metrics.received(upload.offset - before)


async def status(call: Call) -> Answer:
    """GET: how far it is (end-13)."""
    upload = await call.registry.uploads.find(call.name, call.item)
    return Response(204, upload.headers())


async def cancel(call: Call) -> Answer:
    """DELETE (end-14)."""
    upload = await call.registry.uploads.find(call.name, call.item)
    with call.registry.uploads.using(upload, refused=400):
        await call.registry.uploads.cancel(upload)
    return Response(204)


def _created(call: Call, digest: str) -> Response:
    return Response(201, {"Location": f"/v2/{call.name}/blobs/{digest}", "Docker-Content-Digest": digest})
