"""The Client of components in the server's process where groups are served elsewhere, too: those go over HTTPS."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Mapping
from typing import Any, Final, TypeVar

from corral.cluster.apiserver.aggregation.services import ApiServices, identity_headers
from corral.cluster.apiserver.attributes import User
from corral.cluster.apiserver.proxying.heads import unused
from corral.cluster.apiserver.webhooks.client import CallFailed, Place, context_of
from corral.cluster.client.https.remote import RemoteClient
from corral.cluster.client.protocol import MERGE_PATCH, Client, Collection, Event, Listing, Object
from corral.model.kubernetes.status import unavailable

T = TypeVar("T")
MOST_KEPT: Final = 16  # clients of extension servers


class RoutedClient:
    """`inner` for what is served here. An extension server that is not reached is a StatusError 503, as over HTTP."""

    def __init__(self, inner: Client, services: ApiServices, user: User, manager: str) -> None:
        self._inner, self._services, self._user, self._manager = inner, services, user, manager
        self._clients: dict[Place, RemoteClient] = {}

    def _of(self, of: Collection) -> Client:
        service = self._services.remote(of.group, of.version)
        if service is None:
            return self._inner
        if not self._services.available(service):
            raise unavailable("service unavailable")
        try:
            place = self._services.place(service)
        except CallFailed as error:
            raise unavailable(f"error trying to reach service: {error.message}") from None
        found = self._clients.get(place)
        if found is None:
            while len(self._clients) >= MOST_KEPT:
                self._clients.pop(next(iter(self._clients))).close()
            found = self._clients[place] = self._client(place)
        return found

    def _client(self, place: Place) -> RemoteClient:
        url = (
            f"https://[{place.connect}]:{place.port}"
            if ":" in place.connect
            else f"https://{place.connect}:{place.port}"
        )
        headers: dict[str, str] = {}
        for name, value in identity_headers(self._user):
            headers[unused(headers, name)] = value
        return RemoteClient(url, context_of(place), self._manager, server_name=place.name, headers=headers)

    async def _told(self, work: Awaitable[T]) -> T:
        try:
            return await work
        except OSError as error:
            raise unavailable(f"error trying to reach service: {error}") from None

    async def get(self, of: Collection, name: str, namespace: str = "") -> Object:
        return await self._told(self._of(of).get(of, name, namespace))

    async def list(
        self, of: Collection, namespace: str = "", *, label_selector: str = "", field_selector: str = ""
    ) -> Listing:
        return await self._told(
            self._of(of).list(of, namespace, label_selector=label_selector, field_selector=field_selector)
        )

    async def watch(
        self,
        of: Collection,
        namespace: str = "",
        *,
        resource_version: str,
        label_selector: str = "",
        field_selector: str = "",
    ) -> AsyncIterator[Event]:
        found = self._of(of).watch(
            of,
            namespace,
            resource_version=resource_version,
            label_selector=label_selector,
            field_selector=field_selector,
        )
        try:
            async for event in found:
                yield event
        except OSError as error:
            raise unavailable(f"error trying to reach service: {error}") from None

    async def create(self, of: Collection, obj: Object, namespace: str = "", *, subresource: str = "") -> Object:
        return await self._told(self._of(of).create(of, obj, namespace, subresource=subresource))

    async def update(self, of: Collection, obj: Object, *, subresource: str = "") -> Object:
        return await self._told(self._of(of).update(of, obj, subresource=subresource))

    async def patch(
        self,
        of: Collection,
        name: str,
        namespace: str = "",
        *,
        patch: Any,
        type: str = MERGE_PATCH,
        subresource: str = "",
        field_manager: str = "",
        force: bool = False,
    ) -> Object:
        return await self._told(
            self._of(of).patch(
                of,
                name,
                namespace,
                patch=patch,
                type=type,
                subresource=subresource,
                field_manager=field_manager,
                force=force,
            )
        )

    async def delete(
        self, of: Collection, name: str, namespace: str = "", *, options: Mapping[str, Any] | None = None
    ) -> Object:
        return await self._told(self._of(of).delete(of, name, namespace, options=options))
