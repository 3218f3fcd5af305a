"""Repository: the operations of the distribution-spec on one repository of one registry. Blocking.

Each raises `Refusal` for an answer that is an error, `WireError` for a connection that failed, `Ended` when cancelled,
and is tried again where a second try may help; what streams (`blob`, `append`) is not: its caller goes on.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from corral.errors import InvalidInput, RemoteFailed
from corral.images.references import check_digest, is_tag
from corral.images.remote.cancel import Cancel
from corral.images.remote.challenge import scope
from corral.images.remote.documents import ACCEPT, LARGEST, Blob
from corral.images.remote.refusal import Refusal
from corral.images.remote.session import Session, Waits
from corral.images.remote.wire import Body, Reply, pointed

_PAGES, _TAGS = 1000, 1_000_000
_LENGTH = re.compile(r"[0-9]{1,19}")
_CONTENT_RANGE = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(\d{1,19}|\*)")


class Found(NamedTuple):
    """A manifest as it came."""

    data: bytes
    content_type: str
    digest: str


class Put(NamedTuple):
    """A manifest that was pushed: its digest, and the subject that the registry lists it under, "" for none."""

    digest: str
    subject: str


class Part(NamedTuple):
    """A blob from `start` on; `total` is its whole size, -1 if it is not said."""

    reply: Reply
    start: int
    total: int


class Repository:
    """`path` is its name without the registry: "library/busybox"."""

    def __init__(self, session: Session, path: str, cancel: Cancel, *, push: bool = False) -> None:
        self.session, self.path, self._cancel, self._push = session, path, cancel, push
        prefix = session.endpoint.prefix
        self._path = f"{prefix}/{path}" if prefix else path
        self._scopes = [scope(self._path, "pull", "push") if push else scope(self._path, "pull")]

    def again(self, cancel: Cancel) -> Repository:
        """The same for another piece of work."""
        return Repository(self.session, self.path, cancel, push=self._push)

    def _url(self, rest: str) -> str:
        return f"{self.session.origin}/v2/{quote(self._path)}/{rest}"

    def _send(
        self, method: str, url: str, good: Iterable[int] = (200,), *, headers: Mapping[str, str] | None = None,
        body: Body = None, more: Iterable[str] = (),
    ) -> Reply:  # fmt: skip
        scopes = [*self._scopes, *more]
        return self.session.send(
            method, url, scopes=scopes, headers=headers, body=body, cancel=self._cancel, good=good
        )  # fmt: skip

    # Reading.

    def manifest(self, reference: str, waits: Waits = lambda seconds: None) -> Found:
        """By tag or digest. InvalidInput if it is too long, or not what its digest says."""

        def once() -> Found:
            with self._send("GET", self._url(f"manifests/{reference}"), headers={"Accept": ACCEPT}) as reply:
                data = reply.read(LARGEST)
                told = reference if ":" in reference else reply.header("Docker-Content-Digest")
                return Found(data, reply.header("Content-Type"), checked_digest(data, told))

        return self.session.persist(once, self._cancel, waits)

    def head_manifest(self, reference: str) -> str:
        """What a tag means now; "" if the registry does not say. Refusal if there is none."""

        def once() -> str:
            url = self._url(f"manifests/{reference}")
            with self._send("HEAD", url, headers={"Accept": ACCEPT}) as reply:
                return reply.header("Docker-Content-Digest")

        return self.session.persist(once, self._cancel)

    def blob_size(self, digest: str) -> int:
        """In bytes. Refusal if there is none; RemoteFailed if the registry does not say."""

        def once() -> int:
            with self._send("HEAD", self._url(f"blobs/{digest}")) as reply:
                told = reply.header("Content-Length")
            if not _LENGTH.fullmatch(told):
                raise RemoteFailed(f"the registry does not say how large the blob {digest} of {self.path} is")
            return int(told)

        return self.session.persist(once, self._cancel)

    def referrers(self, digest: str) -> bytes:
        """The index of the manifests that have `digest` as their subject, as it came: its first page."""

        def once() -> bytes:
            with self._send("GET", self._url(f"referrers/{digest}")) as reply:
                return reply.read(LARGEST)

        return self.session.persist(once, self._cancel)

    def has_blob(self, digest: str) -> bool:
        return self._exists(self._url(f"blobs/{digest}"), {})

    def _exists(self, url: str, headers: Mapping[str, str]) -> bool:
        def once() -> bool:
            with self._send("HEAD", url, (200, 404), headers=headers) as reply:
                return reply.status == 200

        return self.session.persist(once, self._cancel)

    def blob(self, digest: str, offset: int = 0) -> Part:
        """The bytes of a blob from `offset` on, or from earlier if the registry knows no ranges. One try."""
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        reply = self._send("GET", self._url(f"blobs/{digest}"), (200, 206), headers=headers)
        if reply.status == 200:
            return Part(reply, 0, reply.length)
        found = _CONTENT_RANGE.fullmatch(reply.header("Content-Range").strip())
        if found is None or int(found[1]) > offset:
            reply.close()
            raise RemoteFailed(f"the registry answers another range than asked for of the blob {digest}")
        return Part(reply, int(found[1]), -1 if found[3] == "*" else int(found[3]))

    def small_blob(self, blob: Blob, limit: int) -> bytes:
        """A configuration. InvalidInput if it is not what its descriptor says."""
        if blob.size > limit:
            raise InvalidInput(f"the blob {blob.digest} is {blob.size} bytes long: {limit} are allowed here")

        def once() -> bytes:
            with self.blob(blob.digest).reply as reply:
                return reply.read(max(blob.size, 1))

        data = self.session.persist(once, self._cancel)
        checked_digest(data, blob.digest)
        return data

    def tags(self) -> list[str]:
        """All of them, page by page; what can be no tag is left out, however long it is."""
        found: list[str] = []
        url: str = self._url("tags/list")
        seen = {url}
        while True:
            page, following = self._page(url)
            found += page
            if not following or following in seen:
                return found
            if len(seen) > _PAGES or len(found) > _TAGS:
                raise RemoteFailed(f"the registry's list of tags of {self.path} does not end")
            seen.add(following)
            url = following

    def _page(self, url: str) -> tuple[list[str], str]:
        def once() -> tuple[list[str], str]:
            with self._send("GET", url) as reply:
                data, link = reply.read(16 << 20), reply.header("Link")
            try:
                found: Any = json.loads(data).get("tags") or []
            except (ValueError, AttributeError, RecursionError) as error:
                raise RemoteFailed(f"the registry's list of tags of {self.path} cannot be read: {error}") from None
            if not isinstance(found, list):
                raise RemoteFailed(f"the registry's list of tags of {self.path} is none")
            return [tag for tag in found if isinstance(tag, str) and is_tag(tag)], next_page(link, url)

        return self.session.persist(once, self._cancel)

    # Writing.

    def start_upload(self, digest: str = "", source: str = "") -> str:
        """The address to upload to; "" if `digest` was mounted from the repository `source` instead."""
        query = urlencode({"mount": digest, "from": source}) if digest else ""
        more = [scope(source, "pull")] if source else []

        def once() -> str:
            url = self._url("blobs/uploads/") + (f"?{query}" if query else "")
            with self._send("POST", url, (201, 202), headers={"Content-Length": "0"}, more=more) as reply:
                return "" if reply.status == 201 else self._location(reply, url)

        return self.session.persist(once, self._cancel)

    def _location(self, reply: Reply, url: str) -> str:
        where = reply.header("Location")
        if not where:
            raise RemoteFailed(f"the registry does not say where to upload to: {url}")
        return pointed(url, where)

    def append(self, url: str, chunks: Callable[[], Iterable[bytes]], headers: Mapping[str, str]) -> str:
        """Sends a piece of a blob; the address for what follows. One try."""
        sent = {"Content-Type": "application/octet-stream", **headers}
        with self._send("PATCH", url, (201, 202, 204), headers=sent, body=chunks) as reply:
            return self._location(reply, url)

    def uploaded(self, url: str, waits: Waits = lambda seconds: None) -> tuple[int, str]:
        """How many bytes an upload has, and the address for what follows."""

        def once() -> tuple[int, str]:
            with self._send("GET", url, (202, 204)) as reply:
                return parse_upload_range(reply.header("Range")), self._location(reply, url)

        return self.session.persist(once, self._cancel, waits)

    def finish_upload(self, url: str, digest: str, data: bytes = b"") -> None:
        """The last piece, or all of a small blob; the registry compares the digest. One try with data."""
        target = f"{url}{'&' if '?' in url else '?'}{urlencode({'digest': digest})}"
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(len(data))}
        with self._send("PUT", target, (201, 204), headers=headers, body=data):
            pass

    def cancel_upload(self, url: str) -> None:
        with self._send("DELETE", url, (200, 202, 204, 404, 405)):
            pass

    def put_blob(self, digest: str, data: bytes) -> None:
        """A small blob in one piece."""
        self.session.persist(lambda: self.finish_upload(self.start_upload(), digest, data), self._cancel)

    def put_manifest(self, reference: str, media_type: str, data: bytes) -> Put:
        """By tag or digest. InvalidInput if the registry made another digest of it."""

        def once() -> tuple[str, str]:
            headers = {"Content-Type": media_type, "Content-Length": str(len(data))}
            url = self._url(f"manifests/{reference}")
            with self._send("PUT", url, (200, 201, 202), headers=headers, body=data) as reply:
                return reply.header("Docker-Content-Digest"), reply.header("OCI-Subject")

        told, subject = self.session.persist(once, self._cancel)
        return Put(checked_digest(data, told), subject)


def checked_digest(data: bytes, told: str) -> str:
    """The digest of some bytes, which must be the one we were told, if any. Pure. InvalidInput.

    >>> checked_digest(b"", "")[:14]
    'sha256:e3b0c44'
    """
    algorithm = check_digest(told).partition(":")[0] if told else "sha256"
    found = f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"
    if told and found != told:
        raise InvalidInput(f"content verification failed for digest {told}: the registry gave {found}")
    return found


def next_page(link: str, url: str) -> str:
    """Where a Link header says the next page is, "" if it says nothing. Pure; never at another server.

    >>> next_page('</v2/a/tags/list?last=x&n=2>; rel="next"', "https://r/v2/a/tags/list")
    'https://r/v2/a/tags/list?last=x&n=2'
    """
    found = re.match(r'\s*<([^>]{1,4000})>\s*;.*\brel="?next"?', link)
    if not found:
        return ""
    try:
        target = pointed(url, found[1])
    except InvalidInput:
        return ""
    return target if target.startswith(url.partition("/v2/")[0] + "/v2/") else ""


def parse_upload_range(text: str) -> int:
    """How many bytes a Range header of an upload speaks of.

    >>> parse_upload_range("0-99"), parse_upload_range("bytes=0-0"), parse_upload_range("")
    (100, 1, 0)
    """
    found = re.fullmatch(r"(?:bytes=)?0-(\d{1,19})", text.strip())
    return int(found[1]) + 1 if found and int(found[1]) else (1 if found and text.startswith("bytes") else 0)


__all__ = ["Found", "Part", "Refusal", "Repository", "checked_digest", "next_page", "parse_upload_range"]
