"""Tokens of service accounts for pods: asked for once, and anew when four fifths of their time are over."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple

from corral.cluster.client.protocol import Client, Collection
from corral.cluster.kubelet.times import SECOND, parse

Object = dict[str, Any]

ACCOUNTS: Final = Collection("", "v1", "serviceaccounts")
DAY: Final = 86400.0

Issue = Callable[[str, str, Object], Awaitable[Object]]


def issue_with(client: Client) -> Issue:
    """Asks the API server: (namespace, account, TokenRequest) -> the TokenRequest with its status."""

    async def ask(namespace: str, account: str, request: Object) -> Object:
        return await client.create(ACCOUNTS, request, namespace, subresource="token")

    return ask


class Token(NamedTuple):
    """Times in seconds."""

    text: str
    made: float
    ends: float

    def due(self) -> float:
        """When another one is to be asked for.

        >>> Token("t", 0, 3600).due(), Token("t", 0, 10 * DAY).due()
        (2880.0, 86400.0)
        """
        return self.made + min(0.8 * (self.ends - self.made), DAY)


def plan_request(pod: Object, source: Object) -> Object:
    """Pure: the TokenRequest for one projected token, bound to the pod."""
    meta = pod["metadata"]
    account = pod["spec"].get("serviceAccountName") or "default"
    audience = source.get("audience")
    return {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "metadata": {"name": account, "namespace": meta["namespace"]},
        "spec": {
            "audiences": [audience] if audience else [],
            "expirationSeconds": int(source.get("expirationSeconds") or 3600),
            "boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": meta["name"], "uid": meta["uid"]},
        },
    }


class Tokens:
    """Those of one pod, by the path they have in their volume."""

    def __init__(self, issue: Issue, now: Callable[[], float] = time.time) -> None:
        self._issue, self._now = issue, now
        self._known: dict[tuple[str, str], Token] = {}

    async def get(self, pod: Object, volume: str, source: Object) -> str:
        """StatusError."""
        key = (volume, str(source["path"]))
        known = self._known.get(key)
        if known is None or known.due() <= self._now():
            request = plan_request(pod, source)
            made = await self._issue(pod["metadata"]["namespace"], request["metadata"]["name"], request)
            status = made["status"]
            known = Token(status["token"], self._now(), parse(status["expirationTimestamp"]) / SECOND)
            self._known[key] = known
        return known.text

    def due(self) -> float | None:
        """When the first of them is to be asked for anew, in seconds; None where there is none."""
        return min((token.due() for token in self._known.values()), default=None)
