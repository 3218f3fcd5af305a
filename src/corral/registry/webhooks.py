"""Webhooks: telling other programs of pushes and deletions, in the envelope that Docker's registry made common.

::

    POST URL    Content-Type: application/vnd.docker.distribution.events.v1+json
    {"events": [{"id": "…", "timestamp": "…", "action": "push",
                 "target": {"repository": "team/app", "tag": "v1", "digest": "sha256:…", …}, …}]}

Each address has a queue of its own, in order. One that does not answer is tried again, later and later; when too much
waits for it, the oldest is dropped. What waits when the registry ends is lost, as with Docker's.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import uuid
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from corral.kit.clock import to_rfc3339
from corral.registry.metrics import Metrics

if TYPE_CHECKING:
    from corral.registry.call import Call

log = logging.getLogger("corral.registry")

MEDIA_TYPE: Final = "application/vnd.docker.distribution.events.v1+json"
LONGEST: Final = 1000  # events that wait for one address
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0  # seconds
PATIENCE: Final = 10.0  # seconds that an answer may take


def make_event(
    call: Call, action: str, digest: str, size: int, media_type: str, now: int, instance: str, *, tag: str, source: str
) -> dict[str, Any]:
    """What happened, as an event of the envelope. `now` in nanoseconds."""
    kind = "blobs" if media_type == "application/octet-stream" else "manifests"
    url = f"{call.registry.access.address(call.request)}/v2/{call.name}/{kind}/{digest}"
    target = {"mediaType": media_type, "digest": digest, "size": size, "length": size, "repository": call.name}
    if action != "delete":
        target["url"] = url
    if tag:
        target["tag"] = tag
    if source:
        target["fromRepository"] = source
    request = call.request
    return {
        "id": str(uuid.uuid4()),
        "timestamp": to_rfc3339(now),
        "action": action,
        "target": target,
        "request": {
            "id": str(uuid.uuid4()),
            "host": request.header("host"),
            "method": request.method,
            "useragent": request.header("user-agent"),
        },
        "actor": {"name": call.identity.user} if call.identity.user else {},
        "source": {"addr": socket.gethostname(), "instanceID": instance},
    }


def plan_again(status: int) -> bool:
    """Pure: whether an answer of this status (0: none came) is worth another attempt.

    >>> [plan_again(status) for status in (200, 204, 404, 429, 500, 0)]
    [False, False, False, True, True, True]
    """
    return status == 0 or status >= 500 or status in (408, 425, 429)


class Webhook:
    """One address."""

    def __init__(self, url: str, metrics: Metrics) -> None:
        self.url, self._metrics = url, metrics
        self._waiting: deque[dict[str, Any]] = deque()
        self._some = asyncio.Event()

    def add(self, event: dict[str, Any]) -> None:
        if len(self._waiting) >= LONGEST:
            self._waiting.popleft()
            self._count("dropped")
        self._waiting.append(event)
        self._some.set()

    async def run(self) -> None:
        """Delivers for ever."""
        while True:
            await self._some.wait()
            await self._deliver(self._waiting.popleft())
            if not self._waiting:
                self._some.clear()

    async def _deliver(self, event: dict[str, Any]) -> None:
        body = json.dumps({"events": [event]}).encode()
        pause = FIRST_PAUSE
        while True:
            status = await asyncio.to_thread(post, self.url, body)
            if not plan_again(status):
                break
            self._count("retried")
            log.warning("webhook %s: %s; again in %g s", self.url, status or "no answer", pause)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
        if status < 400:
            self._count("delivered")
        else:
            self._count("dropped")
            log.error("webhook %s: refused with status %d; the event %s is dropped", self.url, status, event["id"])

    def _count(self, result: str) -> None:
        self._metrics.add("webhooks_total", f'{{result="{result}"}}')


def post(url: str, body: bytes) -> int:
    """Blocking: the status of the answer, 0 if there was none."""
    import http.client

    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=PATIENCE)
    try:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", path, body, {"Content-Type": MEDIA_TYPE, "User-Agent": "corral"})
        return connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        log.debug("webhook %s: %s", url, error)
        return 0
    finally:
        connection.close()


def make_webhooks(urls: Sequence[str], metrics: Metrics) -> list[Webhook]:
    return [Webhook(url, metrics) for url in urls]
