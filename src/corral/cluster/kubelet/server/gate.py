"""Who asks the kubelet, and may they? The API server decides both; its answers are remembered for a while.

Follows upstream's webhooks (authentication and authorization by delegation) and their default times.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, Generic, TypeVar

from corral.cluster.certificates import x509
from corral.cluster.client.protocol import Client, Collection
from corral.cluster.kubelet.server.asked import (
    Asked,
    Asker,
    access_review,
    authenticated,
    is_neighbourly,
    plan_asked,
    read_user,
    refusal,
    token_review,
)
from corral.http.message import Request
from corral.model.kubernetes.status import StatusError

Object = dict[str, Any]
Value = TypeVar("Value")
Review = Callable[[Object], Awaitable[Object]]

TOKEN_SECONDS: Final = 120.0
ALLOWED_SECONDS: Final = 300.0
REFUSED_SECONDS: Final = 30.0
MOST_KEPT: Final = 1000
_REVIEWS: Final = {
    "TokenReview": Collection("authentication.k8s.io", "v1", "tokenreviews"),
    "SubjectAccessReview": Collection("authorization.k8s.io", "v1", "subjectaccessreviews"),
}


def review_with(client: Client) -> Review:
    """Posts reviews to an API server that is elsewhere. StatusError, OSError."""

    async def review(asked: Object) -> Object:
        return await client.create(_REVIEWS[asked["kind"]], asked)

    return review


class Refused(Exception):
    """The status and the text of an answer."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status, self.text = status, text


class Gate:
    """`review` has the API server answer a TokenReview or a SubjectAccessReview: StatusError, OSError.

    The client's certificate was verified in the handshake, against the cluster's `authority` alone, but for the times.
    """

    def __init__(
        self, node: str, review: Review, authority: x509.Certificate, now: Callable[[], float] = time.time
    ) -> None:
        self._node, self._review, self._authority, self._now = node, review, authority, now
        self._tokens: Kept[Asker] = Kept(now)
        self._allowed: Kept[bool] = Kept(now)

    async def check(self, request: Request) -> None:
        """Raises Refused: 401, 403, and 500 when the API server cannot be asked."""
        try:
            who = await self._identify(request)
            if who is None:
                raise Refused(401, "Unauthorized")
            if is_neighbourly(who, request.method, request.path):
                return
            asked = plan_asked(request.method, request.path)
            if not await self._may(who, asked):
                raise Refused(403, refusal(who, asked))
        except (StatusError, OSError) as error:
            raise Refused(500, f"Authorization error (the API server was asked): {error}") from None

    async def _identify(self, request: Request) -> Asker | None:
        found = self._by_certificate(request)
        if found is not None:
            return found
        kind, _, token = request.header("authorization").strip().partition(" ")
        token = token.strip()
        if kind.lower() != "bearer" or not token:
            return None
        key = hashlib.sha256(token.encode()).hexdigest()
        known = self._tokens.get(key)
        if known is None:
            known = read_user(await self._review(token_review(token)))
            if known is not None:
                self._tokens.put(key, known, TOKEN_SECONDS)
        return known

    def _by_certificate(self, request: Request) -> Asker | None:
        shown = request.peer_certificate
        return user_of(shown, self._authority, int(self._now())) if shown else None

    def node_of(self, request: Request) -> str:
        """The node that asks, by its certificate; "" if it is none."""
        who = self._by_certificate(request)
        prefix = "system:node:"
        return who.name.removeprefix(prefix) if who is not None and who.name.startswith(prefix) else ""

    async def _may(self, who: Asker, asked: Asked) -> bool:
        for subresource in asked.subresources:
            key = (who, asked.verb, subresource)
            allowed = self._allowed.get(key)
            if allowed is None:
                answer = await self._review(access_review(who, asked.verb, subresource, self._node))
                allowed = bool((answer.get("status") or {}).get("allowed"))
                self._allowed.put(key, allowed, ALLOWED_SECONDS if allowed else REFUSED_SECONDS)
            if allowed:
                return True
        return False


def user_of(certificate: bytes, authority: x509.Certificate, now: int) -> Asker | None:
    """Pure: the user of a certificate (DER) that holds still, as does the `authority` that signed it; None for one
    without a name."""
    try:
        found = x509.parse(certificate)
    except ValueError:
        return None
    if not found.common_name or not x509.hold((found, authority), now):
        return None
    return Asker(found.common_name, groups=authenticated(found.organizations))


class Kept(Generic[Value]):
    """Answers that are good for some time; of too many the oldest goes."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._kept: dict[object, tuple[float, Value]] = {}

    def get(self, key: object) -> Value | None:
        found = self._kept.get(key)
        return found[1] if found is not None and self._now() < found[0] else None

    def put(self, key: object, value: Value, seconds: float) -> None:
        self._kept.pop(key, None)
        self._kept[key] = self._now() + seconds, value
        if len(self._kept) > MOST_KEPT:
            del self._kept[next(iter(self._kept))]
