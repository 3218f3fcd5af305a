"""Blobs: giving them out whole or in part (end-2), deleting them (end-10)."""

from __future__ import annotations

import asyncio
import logging
import os
from typing import Final

from corral.http.message import Answer, FileResponse, Response
from corral.registry import records
from corral.registry.call import Call
from corral.registry.faults import Fault
from corral.registry.names import is_digest
from corral.registry.ranges import plan_range

log = logging.getLogger("corral.registry")

SMALL: Final = 65536  # bytes that are read and sent together with the head
MONTHS: Final = "max-age=31536000"  # what a digest names never changes


def unknown(digest: str) -> Fault:
    return Fault("BLOB_UNKNOWN", f"blob unknown to registry: {digest}", {"digest": digest})


def size_of(call: Call) -> int:
    """The bytes of the blob that is asked for. BLOB_UNKNOWN."""
    repository = call.registry.repositories.get(call.name)
    if repository is None or not is_digest(call.item):
        raise unknown(call.item)
    record = repository.blobs.get(call.item) or repository.manifests.get(call.item)
    if record is None:
        raise unknown(call.item)
    if call.request.method == "HEAD":
        repository.seen[call.item] = call.registry.clock.now()
    return record.size


def headers_of(digest: str, media_type: str) -> dict[str, str]:
    return {
        "Content-Type": media_type,
        "Docker-Content-Digest": digest,
        "ETag": f'"{digest}"',
        "Cache-Control": MONTHS,
    }


def not_modified(call: Call, digest: str) -> bool:
    """Whether the client says that it has this already (RFC 9110, section 13.1.2)."""
    known = [tag.strip().removeprefix("W/").strip('"') for tag in call.request.header("if-none-match").split(",")]
    return digest in known or "*" in known


async def get_blob(call: Call) -> Answer:
    """GET and HEAD."""
    if call.place is not None and call.registry.proxy is not None:
        answer = await call.registry.proxy.get_blob(call, call.place)
        if answer is not None:
            return answer
    size = size_of(call)
    headers = headers_of(call.item, "application/octet-stream") | {"Accept-Ranges": "bytes"}
    if not_modified(call, call.item):
        return Response(304, headers)
    if call.request.method == "HEAD":
        return Response(200, headers | {"Content-Length": str(size)})
    unchanged = call.request.header("if-range", call.item).strip('"') == call.item
    part = plan_range(call.request.header("range"), size) if unchanged else None
    offset, count = part or (0, size)
    if part:
        headers["Content-Range"] = f"bytes {offset}-{offset + count - 1}/{size}"
    call.registry.metrics.sent(count)
    return _from_file(call, offset, count, 206 if part else 200, headers)


def _from_file(call: Call, offset: int, count: int, status: int, headers: dict[str, str]) -> Answer:
    try:
        file = open(call.registry.content.path(call.item), "rb")
    except FileNotFoundError:
        log.error("blob %s of %s is missing in the content store", call.item, call.name)
        raise unknown(call.item) from None
    if count > SMALL:
        return FileResponse(file, offset, count, status, headers)
    with file:
        return Response(status, headers, os.pread(file.fileno(), count, offset))


async def delete_blob(call: Call) -> Answer:
    """One that a manifest of the repository needs is not deleted: that would break the image."""
    registry = call.registry
    repository = registry.repositories.get(call.name)
    if repository is None or call.item not in repository.blobs:
        raise unknown(call.item)
    if users := repository.users_of(call.item):
        message = f"blob {call.item} is needed by manifest {users[0]}: delete that first"
        raise Fault("UNSUPPORTED", message, {"digest": call.item, "manifests": users})
    record = repository.blobs[call.item]
    await registry.repositories.change({}, [records.blob_key(call.name, call.item)])
    await asyncio.to_thread(registry.content.collect, [call.item])
    registry.notify(call, "delete", call.item, record)
    return Response(202)
