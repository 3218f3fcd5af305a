"""Paths that are no resources: discovery, OpenAPI, health, metrics, the version."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable
from typing import Any, Final

from corral.cluster.apiserver.authentication import discovery as token_discovery
from corral.cluster.apiserver.authentication.service_accounts import Issuer
from corral.cluster.apiserver.caching.caches import Caches
from corral.cluster.apiserver.caching.item import encode
from corral.cluster.apiserver.encoding.accept import JSON, Accepted
from corral.cluster.apiserver.encoding.answers import answer
from corral.cluster.apiserver.handlers.call import Call
from corral.cluster.apiserver.handlers.documents import Documents
from corral.cluster.apiserver.handlers.health import Health
from corral.cluster.apiserver.metrics import Metrics
from corral.http.message import Answer, Response
from corral.kit.exposition import CONTENT_TYPE
from corral.model.kubernetes.status import PageNotFound, not_allowed

VERSION: Final = "v1.37.1"
KEYS_PATH: Final = "/openid/v1/jwks"
CONFIGURATION_PATH: Final = "/.well-known/openid-configuration"


def version_info(release: str) -> dict[str, str]:
    """Pure but for the platform: what /version says; `release` as in v1.37.1."""
    major, minor = release.lstrip("v").split(".")[:2]
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return {
        "major": major,
        "minor": minor,
        "emulationMajor": major,
        "emulationMinor": minor,
        "minCompatibilityMajor": major,
        "minCompatibilityMinor": str(int(minor) - 1),
        "gitVersion": f"{release}+corral",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": f"python{platform.python_version()}",
        "compiler": sys.implementation.name,
        "platform": f"linux/{machine}",
    }


class Others:
    """`server_url`: where clients reach this server, for who checks its tokens elsewhere."""

    def __init__(
        self,
        documents: Documents,
        health: Health,
        metrics: Metrics,
        caches: Caches,
        issuer: Issuer,
        server_url: Callable[[], str],
    ) -> None:
        self._documents, self._health, self._metrics, self._caches = documents, health, metrics, caches
        self._issuer, self._server_url = issuer, server_url

    async def handle(self, call: Call) -> Answer:
        """Raises StatusError: 404, 405."""
        request = call.request
        if request.method not in ("GET", "HEAD"):
            raise not_allowed()
        if found := self._health.answer(request):
            return found
        path = request.path.rstrip("/") or "/"
        if path == "/metrics":
            return Response(200, {"Content-Type": CONTENT_TYPE}, self._metrics.render(self._caches))
        if path == "/version":
            return await self._json(call, version_info(VERSION))
        if path == KEYS_PATH:
            body = encode(token_discovery.key_set(self._issuer.public_keys))
            return Response(200, {"Content-Type": "application/jwk-set+json"}, body)
        if path == CONFIGURATION_PATH:
            keys_url = f"{self._server_url()}{KEYS_PATH}"
            found_keys = self._issuer.public_keys
            return await self._json(call, token_discovery.configuration(self._issuer.url, keys_url, found_keys))
        if path == "/":
            return await self._json(call, {"paths": self._documents.paths()})
        await self._caches.fresh()  # what was defined a moment ago is there
        document = await self._documents.answer(request, path)
        if document is None:
            raise PageNotFound
        return document

    @staticmethod
    async def _json(call: Call, value: dict[str, Any]) -> Answer:
        return await answer(call.request, encode(value), Accepted(JSON))
