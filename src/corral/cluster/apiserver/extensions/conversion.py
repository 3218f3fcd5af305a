"""Conversion by webhook: one object in the versions of its definition that differ in more than their name.

Reads convert at many places that cannot wait, so what was converted is remembered, and whoever can wait does so before
(`warm`). What is not known then is asked for at once, by a thread of its own, while the server waits.
"""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Callable, Iterable
from typing import Any, Final

from corral.cluster.apiserver.caching.item import encode
from corral.cluster.apiserver.extensions.converted import converted, failed
from corral.cluster.apiserver.extensions.versions import Versions
from corral.cluster.apiserver.lookup import Lookup
from corral.cluster.apiserver.webhooks.client import CallFailed, HttpsClient, Place
from corral.cluster.apiserver.webhooks.refusals import Refused, check
from corral.cluster.apiserver.webhooks.resolving import place_of, shown_url
from corral.model.kubernetes.kinds.fields import part, texts
from corral.model.kubernetes.status import StatusError

Object = dict[str, Any]
GROUP: Final = "apiextensions.k8s.io"
SECONDS: Final = 30
HURRY: Final = 5.0  # seconds that the whole server waits for one answer
REMEMBERED: Final = 20_000
HEADERS: Final = {"Content-Type": "application/json", "User-Agent": "kube-apiserver-conversion"}
_OWN: Final = ("labels", "annotations")  # all that a webhook may change of the metadata


class Caller:
    """A thread with an event loop that asks webhooks, also for those that cannot wait."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client = HttpsClient()

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            threading.Thread(target=self._loop.run_forever, name="conversion-webhooks", daemon=True).start()
        return self._loop

    async def _ask(self, place: Place, path: str, body: bytes) -> bytes:
        async with asyncio.timeout(SECONDS):
            reply = await self._client.ask(place, "POST", path, body, HEADERS)
        check(reply)
        return reply.body

    def now(self, place: Place, path: str, body: bytes) -> bytes:
        """Waits for the answer. CallFailed, TimeoutError."""
        asked = asyncio.run_coroutine_threadsafe(self._ask(place, path, body), self._running())
        try:
            return asked.result(HURRY)
        finally:
            asked.cancel()

    async def soon(self, place: Place, path: str, body: bytes) -> bytes:
        """The same, for who can wait."""
        return await asyncio.wrap_future(
            asyncio.run_coroutine_threadsafe(self._ask(place, path, body), self._running())
        )

    def close(self) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._client.close)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._loop = None


class Conversion:
    """Of one definition, as it is now."""

    def __init__(self, definition: Object, lookup: Lookup, caller: Caller) -> None:
        self._webhook = part(definition, "spec", "conversion", "webhook")
        versions = texts(self._webhook, "conversionReviewVersions")
        self._version = next((one for one in versions if one in ("v1", "v1beta1")), "v1")
        self._lookup, self._caller, self._versions = lookup, caller, Versions(definition)
        self._known: dict[tuple[str, bytes], Object] = {}

    def convert(self, obj: Object, wanted: str) -> Object:
        """The object, with its defaults, in another version. StatusError 500."""
        return self.bare(self._versions.filled(obj), wanted)

    def bare(self, obj: Object, wanted: str) -> Object:
        """The same without defaults."""
        if obj.get("apiVersion") == wanted:
            return obj
        found = self._known.get(_key(obj, wanted))
        if found is None:
            (found,) = self._asked([obj], wanted, self._caller.now)
        return _with_metadata(found, obj)

    async def warm(self, objects: Iterable[Object], wanted: str) -> None:
        """Converts what is not known yet. StatusError 500."""
        others = [self._versions.filled(one) for one in objects if one.get("apiVersion") != wanted]
        missing = [one for one in others if _key(one, wanted) not in self._known]
        if not missing:
            return
        place, path, body, uid = self._question(missing, wanted)
        try:
            answer = await self._caller.soon(place, path, body)
        except (CallFailed, TimeoutError) as error:
            raise _unanswered(missing[0], place, path, error) from None
        self._read(answer, uid, missing, wanted)

    def _asked(self, objects: list[Object], wanted: str, ask: Callable[[Place, str, bytes], bytes]) -> list[Object]:
        place, path, body, uid = self._question(objects, wanted)
        try:
            answer = ask(place, path, body)
        except (CallFailed, TimeoutError) as error:
            raise _unanswered(objects[0], place, path, error) from None
        return self._read(answer, uid, objects, wanted)

    def _question(self, objects: list[Object], wanted: str) -> tuple[Place, str, bytes, str]:
        uid = str(uuid.uuid4())
        request = {"uid": uid, "desiredAPIVersion": wanted, "objects": objects}
        review = {"kind": "ConversionReview", "apiVersion": f"{GROUP}/{self._version}", "request": request}
        try:
            place, path = place_of(part(self._webhook, "clientConfig"), self._lookup)
        except CallFailed as error:
            raise failed(objects[0], f"failed: {error.message}") from None
        return place, f"{path}?timeout={SECONDS}s", encode(review), uid

    def _read(self, answer: bytes, uid: str, objects: list[Object], wanted: str) -> list[Object]:
        """What was answered, which is remembered."""
        found = [self._versions.pruned(one) for one in converted(answer, uid, objects, wanted, self._version)]
        for before, after in zip(objects, found, strict=True):
            self._known[_key(before, wanted)] = after
        while len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]
        return found


def _unanswered(obj: Object, place: Place, path: str, error: Exception) -> StatusError:
    if isinstance(error, Refused):
        return failed(obj, f"failed: {error.message}")
    cause = error.message if isinstance(error, CallFailed) else "context deadline exceeded"
    url = shown_url(place, path.partition("?")[0], SECONDS)
    return failed(obj, f'failed: Post "{url}": {cause}')


def _key(obj: Object, wanted: str) -> tuple[str, bytes]:
    """What the answer depends on: all but the metadata that a webhook may not change."""
    metadata = part(obj, "metadata")
    own = {key: metadata.get(key) for key in _OWN}
    return wanted, encode([own, {key: value for key, value in obj.items() if key != "metadata"}])


def _with_metadata(converted: Object, obj: Object) -> Object:
    """
    >>> _with_metadata({"metadata": {"name": "x", "labels": {"a": "b"}}, "spec": 2}, {"metadata": {"name": "y"}})
    {'metadata': {'name': 'y', 'labels': {'a': 'b'}}, 'spec': 2}
    """
    theirs = part(converted, "metadata")
    metadata = {key: value for key, value in obj["metadata"].items() if key not in _OWN}
    return {**converted, "metadata": metadata | {key: theirs[key] for key in _OWN if theirs.get(key)}}
