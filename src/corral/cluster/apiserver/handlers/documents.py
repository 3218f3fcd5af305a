"""Discovery and OpenAPI: documents about what is served, made when somebody asks and kept until that changes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from corral.cluster.apiserver.aggregation.local import ordered
from corral.cluster.apiserver.caching.item import encode
from corral.cluster.apiserver.encoding.accept import JSON, negotiate
from corral.cluster.apiserver.encoding.answers import GZIP_FROM, answer, gzip, takes_gzip
from corral.cluster.apiserver.handlers.health import PATHS
from corral.cluster.apiserver.registry import Registry
from corral.http.message import Request, Response
from corral.model.kubernetes import discovery
from corral.model.kubernetes.openapi import gnostic, v2, v3
from corral.model.kubernetes.openapi.converting import to_v3
from corral.model.kubernetes.openapi.definitions import undescribed
from corral.model.kubernetes.openapi.descriptions import installed
from corral.model.kubernetes.openapi.merging import merge
from corral.model.kubernetes.resources import GroupVersionKind, Resource
from corral.model.kubernetes.schema import Schema, builtin

Object = dict[str, Any]
_STATIC: Final = ("/metrics", "/version", "/openapi/v2", "/openapi/v3", "/openid/v1/jwks")


class Elsewhere(Protocol):
    """What extension servers have: resources, v2 documents with the prefixes of their paths, URLs of v3 documents.

    `stale`: (group, version) of those that cannot be asked, whose resources may be others by now.
    """

    def resources(self) -> list[Resource]: ...

    def stale(self) -> list[tuple[str, str]]: ...

    def documents(self) -> list[tuple[Object, str]]: ...

    def urls(self) -> dict[str, str]: ...


class Kept:
    """The bytes of one document, and what clients know it by."""

    __slots__ = ("body", "etag", "packed", "type")

    def __init__(self, body: bytes, content_type: str) -> None:
        self.body, self.type = body, content_type
        self.etag = discovery.etag(body)
        self.packed = gzip(body) if len(body) >= GZIP_FROM else b""


class Documents:
    """`address`: where clients reach the server, as host:port; `release`: the version that it says it has.

    `elsewhere`: what extension servers have, which is told of, too. `services`: the APIServices, whose priorities
    order what is listed.
    """

    def __init__(
        self,
        registry: Registry,
        address: Callable[[], str],
        release: str,
        elsewhere: Elsewhere | None = None,
        services: Callable[[], Sequence[Object]] = list,
    ) -> None:
        self._registry, self._address, self._release = registry, address, release
        self._elsewhere, self._services = elsewhere, services
        self._kept: dict[str, Kept] = {}
        self._generation = -1

    def _resources(self) -> list[Resource]:
        return self._registry.resources()

    def _all(self) -> list[Resource]:
        more = self._elsewhere.resources() if self._elsewhere is not None else []
        more += [discovery.nothing(*one) for one in self._stale()]
        return ordered([*self._registry.resources(), *more], self._services())

    def _stale(self) -> list[tuple[str, str]]:
        return self._elsewhere.stale() if self._elsewhere is not None else []

    def _current(self) -> dict[str, Kept]:
        if self._generation != self._registry.generation:
            self._kept, self._generation = {}, self._registry.generation
        return self._kept

    def paths(self) -> list[str]:
        """Pure: what is found at the root."""
        groups = sorted({(one.group, one.version) for one in self._all() if one.group})
        found = {"/api", "/api/v1", "/apis", *_STATIC, *(f"/{name}" for name in PATHS)}
        found |= {f"/apis/{group}" for group, _ in groups} | {f"/apis/{group}/{version}" for group, version in groups}
        return sorted(found)

    async def answer(self, request: Request, path: str) -> Response | None:
        """None when the path is no document's. 406."""
        if path.startswith("/openapi/"):
            return await self._openapi(request, path)
        if path in ("/api", "/apis"):
            version = discovery.plan_format(request.header("accept"))
            return await self._discovery(request, f"{path} {version}", lambda: self._root(path, version), version)
        found = self._plain(path)
        return await self._discovery(request, path, lambda: found) if found is not None else None

    def _root(self, path: str, version: str) -> dict[str, Any]:
        resources, core = self._all(), path == "/api"
        if version:
            return discovery.aggregated(resources, core=core, version=version, stale=self._stale())
        return discovery.api_versions(self._address()) if core else discovery.group_list(resources)

    def _plain(self, path: str) -> dict[str, Any] | None:
        parts = path.strip("/").split("/")
        if parts[0] == "api" and len(parts) == 2:
            return discovery.resource_list(self._all(), "", parts[1])
        if parts[0] == "apis" and len(parts) == 2:
            return discovery.group(self._all(), parts[1])
        if parts[0] == "apis" and len(parts) == 3:
            return discovery.resource_list(self._all(), parts[1], parts[2])
        return None

    async def _discovery(
        self, request: Request, name: str, make: Callable[[], dict[str, Any]], version: str = ""
    ) -> Response:
        kept = self._current().get(name)
        if kept is None:
            kept = self._kept[name] = Kept(encode(make()), discovery.content_type(version))
        if not version:
            return await answer(request, kept.body, negotiate(request.header("accept"), False))
        return send(request, kept)

    # OpenAPI

    def _schema(self, gvk: GroupVersionKind) -> Schema | None:
        served = self._registry.of_kind(gvk)
        return served.schema if served is not None else builtin().schema(gvk)

    async def _openapi(self, request: Request, path: str) -> Response | None:
        """None when there is no such document. Made in a thread: the whole of it takes a while."""
        packed = path == "/openapi/v2" and any(one in request.header("accept") for one in gnostic.ASKED)
        name = f"{path} in protobuf" if packed else path
        kept = self._current().get(name)
        if kept is None:
            of = self._registry.generation
            kept = await asyncio.to_thread(self._make, path, packed)
            if kept is None:
                return None
            if of == self._registry.generation:  # else true for who asked then, and for none after
                self._current()[name] = kept
        if path.startswith("/openapi/v3/") and "hash" in request.query:
            return send(request, kept, "public, immutable")
        return send(request, kept)

    def _make(self, path: str, packed: bool) -> Kept | None:
        # The texts are in memory while a document is made, and no longer.
        resources, schemas, describe = self._resources(), self._schema, installed()
        if path == "/openapi/v2":
            whole = v2.document(resources, schemas, self._release, describe)
            if self._elsewhere is not None:
                whole = merge(whole, self._elsewhere.documents())
            return Kept(gnostic.encode(whole), gnostic.CONTENT_TYPE) if packed else Kept(encode(whole), JSON)
        found: dict[str, Any] | None = None
        described = describe is not undescribed
        parts = path.removeprefix("/openapi/v3").strip("/").split("/")
        if parts == [""]:
            found = v3.index(resources, schemas, self._release, described=described)
            found["paths"] |= self._index_elsewhere()
        elif parts[0] == "api" and len(parts) == 2:
            found = v3.document(resources, "", parts[1], schemas, self._release, describe)
        elif parts[0] == "apis" and len(parts) == 3:
            found = self._converted("/".join(parts))
            found = found or v3.document(resources, parts[1], parts[2], schemas, self._release, describe)
        return Kept(encode(found), JSON) if found is not None else None

    def _index_elsewhere(self) -> dict[str, Any]:
        """Where the v3 documents of extension servers are; those that have a v2 document alone are converted here."""
        urls = dict(self._elsewhere.urls()) if self._elsewhere is not None else {}
        for document, prefix in self._elsewhere.documents() if self._elsewhere is not None else ():
            digest = discovery.etag(encode(document)).strip('"')
            urls.setdefault(prefix.strip("/"), f"/openapi/v3{prefix.rstrip('/')}?hash={digest}")
        return {name: {"serverRelativeURL": url} for name, url in urls.items()}

    def _converted(self, name: str) -> dict[str, Any] | None:
        found = dict((prefix.strip("/"), one) for one, prefix in self._elsewhere.documents()) if self._elsewhere else {}
        return to_v3(found[name], f"/{name}/") if name in found else None


def send(request: Request, kept: Kept, control: str = "no-cache, private") -> Response:
    """A kept document: 304 for who has it, compressed for who takes that."""
    headers = {"Content-Type": kept.type, "ETag": kept.etag, "Vary": "Accept", "Cache-Control": control}
    if kept.etag in request.header("if-none-match"):
        return Response(304, headers)
    if kept.packed and takes_gzip(request.header("accept-encoding")):
        return Response(200, {**headers, "Content-Encoding": "gzip"}, kept.packed)
    return Response(200, headers, kept.body)
