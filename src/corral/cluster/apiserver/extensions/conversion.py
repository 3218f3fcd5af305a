"""Conversion by webhook: one object in the versions of its definition that differ in more than their name.

Reads convert at many places that cannot wait, so what was converted is remembered, and whoever can wait does so before
(`warm`). What is not known then is asked for at once, by a thread of its own, while the server waits.
"""

from __future__ import annotations

import asyncio
import json
import threading
import uuid
from collections.abc import Callable, Iterable
from typing import Any, Final

from corral.cluster.apiserver.caching.item import encode
from corral.cluster.apiserver.lookup import Lookup
from corral.cluster.apiserver.webhooks.client import CallFailed, HttpsClient, Place
from corral.cluster.apiserver.webhooks.resolving import place_of, shown_url
from corral.model.kubernetes.kinds.fields import part, text, texts
from corral.model.kubernetes.status import StatusError, internal

Object = dict[str, Any]
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
        if reply.status != 200:
            raise CallFailed(f"the server responded with the status code {reply.status}")
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
        spec = part(definition, "spec")
        self._kind = f"{text(spec, 'group')}/{{}}, Kind={text(part(spec, 'names'), 'kind')}"
        self._lookup, self._caller = lookup, caller
        self._known: dict[tuple[str, bytes], Object] = {}

    def convert(self, obj: Object, wanted: str) -> Object:
        """The object in another version. StatusError 500."""
        if obj.get("apiVersion") == wanted:
            return obj
        found = self._known.get(_key(obj, wanted))
        if found is None:
            (found,) = self._asked([obj], wanted, self._caller.now)
        return _with_metadata(found, obj)

    async def warm(self, objects: Iterable[Object], wanted: str) -> None:
        """Converts what is not known yet. StatusError 500."""
        missing = [one for one in objects if one.get("apiVersion") != wanted and _key(one, wanted) not in self._known]
        if not missing:
            return
        place, path, body, uid = self._question(missing, wanted)
        try:
            answer = await self._caller.soon(place, path, body)
        except (CallFailed, TimeoutError) as error:
            raise self._failed(wanted, place, path, error) from None
        self._remember(missing, wanted, self._read(answer, uid, len(missing), wanted))

    def _asked(self, objects: list[Object], wanted: str, ask: Callable[[Place, str, bytes], bytes]) -> list[Object]:
        place, path, body, uid = self._question(objects, wanted)
        try:
            answer = ask(place, path, body)
        except (CallFailed, TimeoutError) as error:
            raise self._failed(wanted, place, path, error) from None
        found = self._read(answer, uid, len(objects), wanted)
        self._remember(objects, wanted, found)
        return found

    def _question(self, objects: list[Object], wanted: str) -> tuple[Place, str, bytes, str]:
        uid = str(uuid.uuid4())
        version = next(
            (one for one in texts(self._webhook, "conversionReviewVersions") if one in ("v1", "v1beta1")), "v1"
        )
        request = {"uid": uid, "desiredAPIVersion": wanted, "objects": objects}
        review = {"kind": "ConversionReview", "apiVersion": f"apiextensions.k8s.io/{version}", "request": request}
        try:
            place, path = place_of(part(self._webhook, "clientConfig"), self._lookup)
        except CallFailed as error:
            raise internal(f"conversion webhook for {self._shown(wanted)} failed: {error.message}") from None
        return place, f"{path}?timeout={SECONDS}s", encode(review), uid

    def _shown(self, wanted: str) -> str:
        return self._kind.format(wanted.rpartition("/")[2])

    def _failed(self, wanted: str, place: Place, path: str, error: Exception) -> StatusError:
        cause = error.message if isinstance(error, CallFailed) else "context deadline exceeded"
        url = shown_url(place, path.partition("?")[0], SECONDS)
        return internal(f'conversion webhook for {self._shown(wanted)} failed: Post "{url}": {cause}')

    def _read(self, answer: bytes, uid: str, count: int, wanted: str) -> list[Object]:
        """The objects of an answer. Raises StatusError."""
        try:
            response = part(json.loads(answer), "response")
        except (ValueError, AttributeError):
            raise internal(f"conversion webhook for {self._shown(wanted)} failed: invalid response") from None
        result = part(response, "result")
        if text(result, "status") != "Success":
            raise internal(f"conversion webhook for {self._shown(wanted)} failed: {text(result, 'message')}")
        found = response.get("convertedObjects")
        if response.get("uid") != uid or not isinstance(found, list) or len(found) != count:
            cause = f"expected {count} converted objects, got {len(found) if isinstance(found, list) else 0}"
            raise internal(f"conversion webhook for {self._shown(wanted)} failed: invalid response: {cause}")
        for one in found:
            if not isinstance(one, dict) or one.get("apiVersion") != wanted:
                raise internal(f"conversion webhook for {self._shown(wanted)} failed: invalid response: wrong version")
        return found

    def _remember(self, objects: list[Object], wanted: str, found: list[Object]) -> None:
        for before, after in zip(objects, found, strict=True):
            self._known[_key(before, wanted)] = after
        while len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]


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
