"""The registry: opens what belongs to it, and answers requests by the table of endpoints below."""

from __future__ import annotations

import logging
import os
import uuid
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from corral.errors import CorralError
from corral.http.message import Answer, Request, Response
from corral.images.content import Content
from corral.kit.clock import Clock, SystemClock
from corral.kit.tasks import Tasks
from corral.registry import blobs, lists, metrics, tagging, uploading, webhooks
from corral.registry.access import Access
from corral.registry.call import Call
from corral.registry.config import RegistryConfig
from corral.registry.faults import Fault, of_error
from corral.registry.records import Blob, Manifest
from corral.registry.repositories import Repositories
from corral.registry.routes import Route, find_route
from corral.registry.sweep import keep_sweeping
from corral.registry.uploads import Uploads
from corral.store.interface import Store
from corral.store.sqlite import open_sqlite

if TYPE_CHECKING:
    from corral.registry.proxy import Proxy

log = logging.getLogger("corral.registry")

VERSION: Final = {"Docker-Distribution-API-Version": "registry/2.0"}
DATABASE: Final = "registry.db"


class Endpoint(NamedTuple):
    """`needs` is the right it takes on the repository; "" none at all, "login" that somebody is logged in."""

    answer: Callable[[Call], Awaitable[Answer]]
    needs: str


async def base(call: Call) -> Answer:
    """end-1: this is a registry, and you may use it."""
    return Response(200, {"Content-Type": "application/json; charset=utf-8"}, b"{}")


async def token(call: Call) -> Answer:
    return await call.registry.access.give_token(call)


async def ping(call: Call) -> Answer:
    """What clients ask before they search."""
    headers = {"X-Docker-Registry-Standalone": "true", "X-Docker-Registry-Version": "corral"}
    return Response(200, {"Content-Type": "application/json", **headers}, b"true")


async def front(call: Call) -> Answer:
    return Response(200, {"Content-Type": "text/plain; charset=utf-8"}, b"Corral registry\n")


ENDPOINTS: Final = {
    ("base", "GET"): Endpoint(base, "login"),
    ("front", "GET"): Endpoint(front, ""),
    ("ping", "GET"): Endpoint(ping, ""),
    ("blob", "GET"): Endpoint(blobs.get_blob, "pull"),
    ("blob", "DELETE"): Endpoint(blobs.delete_blob, "delete"),
    ("uploads", "POST"): Endpoint(uploading.start_upload, "push"),
    ("upload", "GET"): Endpoint(uploading.status, "push"),
    ("upload", "PATCH"): Endpoint(uploading.append, "push"),
    ("upload", "PUT"): Endpoint(uploading.finish, "push"),
    ("upload", "DELETE"): Endpoint(uploading.cancel, "push"),
    ("manifest", "GET"): Endpoint(tagging.get_manifest, "pull"),
    ("manifest", "PUT"): Endpoint(tagging.put_manifest, "push"),
    ("manifest", "DELETE"): Endpoint(tagging.delete_manifest, "delete"),
    ("tags", "GET"): Endpoint(lists.list_tags, "pull"),
    ("referrers", "GET"): Endpoint(lists.list_referrers, "pull"),
    ("catalog", "GET"): Endpoint(lists.list_catalog, "login"),
    ("search", "GET"): Endpoint(lists.search, ""),
    ("metrics", "GET"): Endpoint(metrics.get_metrics, "login"),
    ("token", "GET"): Endpoint(token, ""),
    ("token", "POST"): Endpoint(token, ""),
}


class Registry:
    """Made with `open`. `handle` is what an `http.server.Server` asks."""

    def __init__(self, config: RegistryConfig, content: Content, store: Store, clock: Clock) -> None:
        self.config, self.content, self.clock = config, content, clock
        self._store = store
        self.repositories = Repositories(store)
        self.uploads = Uploads(content)
        self.metrics = metrics.Metrics()
        self.access = Access(config)
        self._tasks = Tasks()
        self._webhooks = webhooks.make_webhooks(config.webhooks, self.metrics)
        self._instance = str(uuid.uuid4())
        self.proxy = self._make_proxy()

    @classmethod
    async def open(cls, config: RegistryConfig, content: Content | None = None, clock: Clock | None = None) -> Registry:
        """That of `config.root`, on a content store of its own unless one is given. Unavailable if it is in use."""
        os.makedirs(config.root, mode=0o700, exist_ok=True)
        store = open_sqlite(f"{config.root}/{DATABASE}")
        try:
            made = cls(config, content or Content(f"{config.root}/content"), store, clock or SystemClock())
            made.repositories = await Repositories.load(store)
            made.content.holders.append(made.repositories.held)
        except BaseException:
            store.close()
            raise
        made._tasks.start("sweep", keep_sweeping(made))
        for hook in made._webhooks:
            made._tasks.start(f"webhook {hook.url}", hook.run())
        return made

    async def close(self) -> None:
        """What is under way is cut; nothing that was acknowledged is lost."""
        if self.proxy is not None:
            await self.proxy.close()
        await self._tasks.close()
        self.uploads.close()
        self._store.close()

    def _make_proxy(self) -> Proxy | None:
        """Who fetches from nowhere does without the client for other registries."""
        if not self.config.upstreams:
            return None
        from corral.registry.proxy import Proxy

        return Proxy(self)

    async def handle(self, request: Request) -> Answer:
        """Answers one request."""
        route = find_route(request.path)
        try:
            answer = await self._answer(request, route)
        except Fault as fault:
            answer = fault.response()
        except CorralError as error:
            log.error("%s %s: %s", request.method, request.raw_path, error.message)
            answer = of_error(error).response()
        answer.headers.update(VERSION)
        self.metrics.answered(route.endpoint if route else "", request.method, answer.status)
        return answer

    async def _answer(self, request: Request, route: Route | None) -> Answer:
        if route is None:
            raise Fault("UNSUPPORTED", f"there is nothing at {request.path}", status=404)
        endpoint = ENDPOINTS.get((route.endpoint, "GET" if request.method == "HEAD" else request.method))
        if endpoint is None:
            offered = ", ".join(method for name, method in ENDPOINTS if name == route.endpoint)
            message = f"{request.method} is not offered here; offered: {offered}"
            raise Fault("UNSUPPORTED", message, headers={"Allow": offered})
        identity = await self.access.identify(request)
        self.access.check(request, identity, endpoint.needs, route.name)
        if self.config.read_only and endpoint.needs in ("push", "delete"):
            raise Fault("UNSUPPORTED", "this registry is read-only")
        place = self.proxy.place(route.name) if self.proxy else None
        if place is not None and endpoint.needs == "push":
            raise Fault("UNSUPPORTED", f"{route.name} comes from {place.upstream.url}: push it there")
        return await endpoint.answer(Call(self, request, route.name, route.item, identity, place))

    def notify(
        self, call: Call, action: str, digest: str, record: Blob | Manifest, *, tag: str = "", source: str = ""
    ) -> None:
        """Tells who wants to know of a change."""
        media_type = record.media_type if isinstance(record, Manifest) else "application/octet-stream"
        for hook in self._webhooks:
            event = webhooks.make_event(
                call, action, digest, record.size, media_type, self.clock.now(), self._instance, tag=tag, source=source
            )
            hook.add(event)
