"""RemoteClient: the Client of components outside the server's process.

    client = RemoteClient("https://10.0.0.1:6443", make_context(authority, identity), "kubelet")
    pods = await client.list(PODS, "default")
    client.close()

What the server answers in error is raised as StatusError, as in-process; a server that is not reached is an OSError.
A server that asks for patience (429 with Retry-After) gets it, as from client-go.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import msgspec

from corral import __version__
from corral.cluster.client.https.paths import plan_path, plan_target
from corral.cluster.client.https.wire import Answer, Wire, parse_url
from corral.cluster.client.protocol import APPLY_PATCH, MERGE_PATCH, Collection, Event, Listing, Object
from corral.errors import HostError
from corral.model.kubernetes.schema.zeros import bare
from corral.model.kubernetes.status import PageNotFound, StatusError, no_such_path

JSON: Final = "application/json"
MOST_TRIES: Final = 10  # of a request that is put off
LONGEST_WAIT: Final = 30.0  # seconds


def make_context(authority: str, identity: str = "") -> ssl.SSLContext:
    """Trusts the PEM `authority` alone, and shows the certificate in the file `identity` (with its key). HostError."""
    try:
        context = ssl.create_default_context(cadata=authority)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if identity:
            context.load_cert_chain(identity)
    except (OSError, ValueError) as error:  # SSLError is an OSError
        raise HostError(f"cannot use the certificates {identity or 'of the server'}: {error}") from error
    return context


def to_error(answer: Answer) -> StatusError:
    """Pure: the Status of an answer; what is none (a proxy's page) becomes one.

    >>> to_error(Answer(404, {}, b'{"reason":"NotFound","message":"gone","code":404}')).reason
    'NotFound'
    >>> to_error(Answer(502, {}, b"<html>")).message
    'the server answered 502: <html>'
    >>> to_error(Answer(404, {}, b"404 page not found\\n")).reason
    'NotFound'
    """
    if answer.status == 404 and answer.body == PageNotFound.TEXT.encode():
        return PageNotFound()
    try:
        found = msgspec.json.decode(answer.body)
        return to_status_error(found, answer.status)
    except (msgspec.DecodeError, AttributeError, TypeError):
        text = answer.body[:200].decode(errors="replace").strip()
        return StatusError(answer.status, "", f"the server answered {answer.status}: {text}")


def to_status_error(status: Object, code: int) -> StatusError:
    """Pure: of a Status object."""
    return StatusError(
        int(status.get("code") or code), status.get("reason", ""), status.get("message", ""), status.get("details")
    )


def parse_object(data: bytes) -> Object:
    """Pure. ConnectionError for what is no JSON object: then that is no API server, or it was cut off.

    >>> parse_object(b'{"kind":"Pod"}')
    {'kind': 'Pod'}
    """
    try:
        return msgspec.json.decode(data, type=dict[str, Any])
    except msgspec.DecodeError:
        raise ConnectionError(f"not a JSON object: {data[:80]!r}") from None


def patience(answer: Answer) -> float | None:
    """Pure: seconds after which the server wants to be asked again, None when it does not say.

    >>> patience(Answer(429, {"retry-after": "1"}, b"")), patience(Answer(429, {}, b""))
    (1.0, None)
    """
    text = answer.headers.get("retry-after", "")
    return min(float(text), LONGEST_WAIT) if answer.status in (429, 503) and text.isdigit() else None


def plan_items(listing: Object) -> list[Object]:
    """Pure: the objects of a list, which in there do not say what they are.

    >>> plan_items({"kind": "PodList", "apiVersion": "v1", "items": [{"metadata": {}}]})
    [{'kind': 'Pod', 'apiVersion': 'v1', 'metadata': {}}]
    """
    said = {"kind": listing["kind"].removesuffix("List"), "apiVersion": listing["apiVersion"]}
    return [{**said, **one} for one in listing.get("items") or ()]


def plan_kinds(resources: Object, api_version: str) -> dict[str, tuple[str, str]]:
    """Pure: (apiVersion, kind) of what each path takes, by an APIResourceList.

    >>> plan_kinds({"resources": [{"name": "pods", "kind": "Pod"}]}, "v1")
    {'pods': ('v1', 'Pod')}
    """
    found = {}
    for one in resources.get("resources") or ():
        version = "/".join(part for part in (one.get("group"), one.get("version")) if part)
        found[one["name"]] = (version or api_version, one["kind"])
    return found


class RemoteClient:
    """`manager` is noted as the manager of the fields it writes; `token` or the context's certificate says who it is.

    `server_name`: what the server's certificate must bear, where that is not the host of the URL. `headers`: go with
    every request, besides its own.
    """

    def __init__(
        self,
        url: str,
        context: ssl.SSLContext,
        manager: str,
        *,
        token: str = "",
        server_name: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._wire = Wire(parse_url(url, server_name), context)
        self._manager = manager
        self._headers = {"Accept": JSON, "User-Agent": f"{manager}/{__version__}", **(headers or {})}
        self._served: dict[str, dict[str, tuple[str, str]]] = {}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"

    def close(self) -> None:
        """No connection waits any more; what is under way goes on to its end."""
        self._wire.close()

    def renew(self) -> None:
        """The context has another certificate: later requests show that one. A watch goes on to its end."""
        self._wire.renew()

    async def _ask(self, method: str, target: str, body: Any = None, media: str = JSON) -> Object:
        data = None if body is None else msgspec.json.encode(body)
        headers = {**self._headers, "Content-Type": media} if data is not None else self._headers
        for left in reversed(range(MOST_TRIES)):
            answer = await self._wire.ask(method, target, headers, data)
            wait = patience(answer)
            if wait is None or not left:
                break
            await asyncio.sleep(wait)
        if answer.status >= 300:
            raise to_error(answer)
        return bare(parse_object(answer.body))

    def _write(self, path: str, manager: str = "", **query: str) -> str:
        return plan_target(path, fieldManager=manager or self._manager, fieldValidation="Strict", **query)

    async def get(self, of: Collection, name: str, namespace: str = "") -> Object:
        return await self._ask("GET", plan_path(of, namespace, name))

    async def list(
        self, of: Collection, namespace: str = "", *, label_selector: str = "", field_selector: str = ""
    ) -> Listing:
        path = plan_path(of, namespace)
        found = await self._ask("GET", plan_target(path, labelSelector=label_selector, fieldSelector=field_selector))
        return Listing(plan_items(found), found["metadata"]["resourceVersion"])

    async def watch(
        self,
        of: Collection,
        namespace: str = "",
        *,
        resource_version: str,
        label_selector: str = "",
        field_selector: str = "",
    ) -> AsyncIterator[Event]:
        target = plan_target(
            plan_path(of, namespace),
            watch="true",
            allowWatchBookmarks="true",
            resourceVersion=resource_version,
            labelSelector=label_selector,
            fieldSelector=field_selector,
        )
        async with self._wire.stream(target, self._headers) as (head, body, lines):
            if head.status >= 300:
                raise to_error(Answer(head.status, head.headers, body))
            async for line in lines:
                event = parse_object(line)
                if event["type"] == "ERROR":
                    raise to_status_error(event["object"], 500)
                yield Event(event["type"], bare(event["object"]))

    async def create(self, of: Collection, obj: Object, namespace: str = "", *, subresource: str = "") -> Object:
        metadata = obj.get("metadata") or {}
        name = metadata.get("name", "") if subresource else ""
        path = plan_path(of, namespace or metadata.get("namespace", ""), name, subresource)
        return await self._ask("POST", self._write(path), await self._named(of, obj, subresource))

    async def update(self, of: Collection, obj: Object, *, subresource: str = "") -> Object:
        metadata = obj["metadata"]
        path = plan_path(of, metadata.get("namespace", ""), metadata["name"], subresource)
        return await self._ask("PUT", self._write(path), await self._named(of, obj, subresource))

    async def _named(self, of: Collection, obj: Object, subresource: str) -> Object:
        """The object as it says what it is: over HTTP it must. What it is by its path, discovery tells once."""
        if "kind" in obj and "apiVersion" in obj:
            return obj
        path = plan_path(Collection(of.group, of.version, ""))
        if path not in self._served:
            self._served[path] = plan_kinds(await self._ask("GET", path), of.api_version)
        known = self._served[path].get(f"{of.plural}/{subresource}" if subresource else of.plural)
        if known is None:
            raise no_such_path()
        return {**obj, "apiVersion": known[0], "kind": known[1]}

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
        path = plan_path(of, namespace, name, subresource)
        target = self._write(path, field_manager, force="true" if force and type == APPLY_PATCH else "")
        return await self._ask("PATCH", target, patch, type)

    async def delete(
        self, of: Collection, name: str, namespace: str = "", *, options: Mapping[str, Any] | None = None
    ) -> Object:
        return await self._ask("DELETE", plan_path(of, namespace, name), dict(options) if options else None)
