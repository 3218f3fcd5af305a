"""APIServices: which groups are served elsewhere, and whether whoever serves them can be reached.

Follows kube-aggregator's availability controller.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from corral.cluster.apiserver.aggregation.availability import (
    LOCAL,
    PASSED,
    Described,
    Health,
    failed,
    problem_of,
    service_of,
)
from corral.cluster.apiserver.attributes import MASTERS_GROUP, User
from corral.cluster.apiserver.extensions.naming import condition, set_condition
from corral.cluster.apiserver.objects.core import Caller, Core, Target
from corral.cluster.apiserver.objects.times import to_text
from corral.cluster.apiserver.objects.updating import Update, update
from corral.cluster.apiserver.options import WriteOptions
from corral.cluster.apiserver.webhooks.client import CallFailed, HttpsClient, Place
from corral.cluster.apiserver.webhooks.resolving import place_of
from corral.kit.tasks import Tasks
from corral.model.kubernetes.kinds.fields import labels_of, objects, part, text
from corral.model.kubernetes.labels import SERVICE_NAME
from corral.model.kubernetes.resources import GroupVersionKind, Resource, Subresource
from corral.model.kubernetes.status import StatusError

Object = dict[str, Any]
GROUP: Final = "apiregistration.k8s.io"
PLURAL: Final = "apiservices"
ME: Final = User("system:apiserver", groups=(MASTERS_GROUP,))
CHECKER: Final = User("system:kube-aggregator", groups=(MASTERS_GROUP,))
CHECK_SECONDS: Final = 30.0
RETRY_SECONDS: Final = 2.0
SLICES: Final = ("discovery.k8s.io", "endpointslices")
PATIENCE: Final = 5.0  # seconds that an answer is waited for


class ApiServices:
    """`identity`: path of the certificate with which extension servers know this one."""

    def __init__(self, core: Core, client: HttpsClient, identity: str) -> None:
        self._core, self._client, self._identity, self._renewals = core, client, identity, 0
        self._remote: dict[tuple[str, str], Object] = {}
        self._health: dict[str, Health] = {}
        self._tasks = Tasks()
        self._watching: dict[str, asyncio.Task[Any]] = {}
        self._wakes: dict[str, asyncio.Event] = {}

    def start(self) -> None:
        self._core.caches.subscribe(GROUP, PLURAL, self._changed)
        self._core.caches.subscribe("", "services", lambda old, new: self._wake(new or old or {}, ""))
        self._core.caches.subscribe(*SLICES, lambda old, new: self._wake(new or old or {}, SERVICE_NAME))

    def _wake(self, changed: Object, label: str) -> None:
        """Who is behind this Service, or these endpoints, is looked at again at once."""
        name = labels_of(changed).get(label, "") if label else str(changed["metadata"]["name"])
        where = str(changed["metadata"].get("namespace", "")), name
        for service in self._remote.values():
            if service_of(service) == where:
                self._wakes.setdefault(service["metadata"]["name"], asyncio.Event()).set()

    async def close(self) -> None:
        await self._tasks.close()

    def remote(self, group: str, version: str) -> Object | None:
        """The APIService of a group and version that another server answers for."""
        return self._remote.get((group, version))

    def available(self, service: Object) -> bool:
        """Before it has been looked at, it is as its status says."""
        found = self._health.get(service["metadata"]["name"])
        if found is not None:
            return found.available
        conditions = objects(part(service, "status"), "conditions")
        return any(one.get("type") == "Available" and one.get("status") == "True" for one in conditions)

    def resources(self) -> list[Resource]:
        """What extension servers say that they have, or said when they could last be asked."""
        return [one for found in self._health.values() for one in found.resources]

    def stale(self) -> list[tuple[str, str]]:
        """(group, version) of those that cannot say now what they have."""
        return [key for key, service in self._remote.items() if not self._fresh(service)]

    def _fresh(self, service: Object) -> bool:
        found = self._health.get(service["metadata"]["name"])
        return found is not None and found.fresh

    def _described(self) -> list[tuple[str, str, Described]]:
        """(group, version, OpenAPI) of those that can be reached."""
        found = []
        for (group, version), service in self._remote.items():
            health = self._health.get(service["metadata"]["name"])
            if health is not None and health.available and health.described is not None:
                found.append((group, version, health.described))
        return found

    def documents(self) -> list[tuple[Object, str]]:
        """The v2 documents of extension servers, each with the prefix of its paths."""
        return [
            (json.loads(one.v2), f"/apis/{group}/{version}/") for group, version, one in self._described() if one.v2
        ]

    def urls(self) -> dict[str, str]:
        """Where the v3 document of a group's version is, by its path in the index."""
        return {f"apis/{group}/{version}": one.v3 for group, version, one in self._described() if one.v3}

    def place(self, service: Object) -> Place:
        """Raises CallFailed."""
        spec = part(service, "spec")
        config = {**spec, "service": {**part(spec, "service"), "path": ""}}
        return replace(place_of(config, self._core.caches, self._identity)[0], renewals=self._renewals)

    def renewed(self) -> None:
        """There is another certificate in the file: from now on it is shown."""
        self._renewals += 1
        self._client.close()

    # Following

    def _changed(self, old: Object | None, new: Object | None) -> None:
        if old is not None:
            self._remote.pop(_key(old), None)
        name = str((new or old or {})["metadata"]["name"])
        if old is None or new is None or part(old, "spec") != part(new, "spec"):
            self._core.registry.generation += 1  # its priorities order what discovery lists
        if new is None or (old is not None and part(old, "spec") != part(new, "spec")):
            self._forget(name)
        if new is None:
            return
        if isinstance(part(new, "spec").get("service"), dict):
            self._remote[_key(new)] = new
        if name not in self._watching:
            self._watching[name] = self._tasks.start(f"apiservice-{name}", self._follow(name))

    def _forget(self, name: str) -> None:
        if self._health.pop(name, None) is not None:
            self._core.registry.generation += 1
        self._wakes.pop(name, None)
        if task := self._watching.pop(name, None):
            task.cancel()

    async def _follow(self, name: str) -> None:
        """Looks after one service for as long as it is there."""
        wake = self._wakes.setdefault(name, asyncio.Event())
        while True:
            wake.clear()
            await self._core.caches.fresh()
            service = self._core.caches.get(GROUP, PLURAL, "", name)
            if service is None:
                return
            health = await self._check(service)
            if health != self._health.get(name):
                self._health[name] = health
                self._core.registry.generation += 1
            await self._write(name, health)
            if health is LOCAL:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(CHECK_SECONDS if health.available and health.fresh else RETRY_SECONDS):
                    await wake.wait()

    async def _check(self, service: Object) -> Health:
        where = service_of(service)
        if where is None:
            return LOCAL
        found = self._core.caches.get("", "services", *where)
        slices = [
            one for one in self._core.caches.list(*SLICES, where[0]) if labels_of(one).get(SERVICE_NAME) == where[1]
        ]
        last = self._health.get(service["metadata"]["name"])
        health = problem_of(service, found, slices) or await self._try(service)
        if not health.fresh and last is not None:
            return health._replace(resources=last.resources, described=last.described)
        return health

    async def _try(self, service: Object) -> Health:
        """Asks what there is. Whether its certificate is good decides nothing here, as upstream, but in its use."""
        group, version = _key(service)
        path = f"/apis/{group}/{version}"
        try:
            place = self.place(service)
        except CallFailed as error:
            return failed("FailedDiscoveryCheck", error.message)
        body, problem = await self._discover(place, path)
        if not problem:
            described = await self._describe(place, group, version)
            return PASSED._replace(resources=resources_of(body, group, version), described=described)
        if place.insecure or (await self._discover(replace(place, insecure=True, authorities=""), path))[1]:
            return failed("FailedDiscoveryCheck", problem)
        return PASSED._replace(fresh=False)

    async def _discover(self, place: Place, path: str) -> tuple[bytes, str]:
        """(the document, why there is none)."""
        url = f"https://{place.connect}:{place.port}{path}"
        said = f"failing or missing response from {url}: "
        try:
            async with asyncio.timeout(PATIENCE):
                reply = await self._client.ask(place, "GET", path, headers=dict(identity_headers(CHECKER)))
        except (CallFailed, TimeoutError) as error:
            cause = error.message if isinstance(error, CallFailed) else "context deadline exceeded"
            return b"", f'{said}Get "{url}": {cause}'
        if not 200 <= reply.status < 300:
            return b"", f"{said}bad status from {url}: {reply.status}"
        return reply.body, ""

    async def _describe(self, place: Place, group: str, version: str) -> Described:
        index = _object(await self._fetch(place, "/openapi/v3"))
        known = part(index, "paths", f"apis/{group}/{version}")
        v2 = await self._fetch(place, "/openapi/v2")
        return Described(v2 if _object(v2) else b"", text(known, "serverRelativeURL"))

    async def _fetch(self, place: Place, path: str) -> bytes:
        """A document; empty where there is none: a server without one is as good as before."""
        try:
            async with asyncio.timeout(PATIENCE):
                reply = await self._client.ask(place, "GET", path, headers=dict(identity_headers(CHECKER)))
        except (CallFailed, TimeoutError):
            return b""
        return reply.body if reply.status == 200 else b""

    async def _write(self, name: str, health: Health) -> None:
        served = self._core.registry.of_kind(GroupVersionKind(GROUP, "v1", "APIService"))
        if served is None:
            return
        now = to_text(self._core.now())
        wanted = condition("Available", health.available, health.reason, health.message, now)

        def change(live: Object | None) -> Object:
            found = live or {}
            status = part(found, "status")
            return {**found, "status": {**status, "conditions": set_condition(objects(status, "conditions"), wanted)}}

        target = Target(served, "", name, "status")
        try:
            await update(self._core, Caller(ME, "kube-apiserver"), target, Update(change, WriteOptions()))
        except StatusError as error:
            if error.code != 404:
                raise


def _object(body: bytes) -> Object:
    try:
        found = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _key(service: Object) -> tuple[str, str]:
    spec = part(service, "spec")
    return text(spec, "group"), text(spec, "version")


def identity_headers(user: User) -> list[tuple[str, str]]:
    """Pure: who asks, as an extension server learns it.

    >>> identity_headers(User("jane", groups=("a", "b")))
    [('X-Remote-User', 'jane'), ('X-Remote-Group', 'a'), ('X-Remote-Group', 'b')]
    """
    found = [("X-Remote-User", user.name)]
    if user.uid:
        found.append(("X-Remote-Uid", user.uid))
    found += [("X-Remote-Group", one) for one in user.groups]
    found += [(f"X-Remote-Extra-{_escaped(key)}", one) for key, values in user.extra.items() for one in values]
    return found


def _escaped(key: str) -> str:
    """As a header's name can carry it."""
    good = "!#$&'*+-.^_`|~"
    return "".join(c if c.isascii() and (c.isalnum() or c in good) else f"%{ord(c):02X}" for c in key)


def resources_of(body: bytes, group: str, version: str) -> tuple[Resource, ...]:
    """Pure: the resources of an APIResourceList; nothing of what is none.

    >>> resources_of(b'{"resources": [{"name": "cows", "kind": "Cow", "namespaced": true, "verbs": ["get"]}]}', "g", "v1")[0].plural
    'cows'
    """  # noqa: E501
    try:
        found = json.loads(body)
    except ValueError:
        return ()
    listed = objects(found, "resources") if isinstance(found, dict) else []
    subs: dict[str, list[Subresource]] = {}
    for one in listed:
        name, slash, sub = text(one, "name").partition("/")
        if slash:
            gvk = GroupVersionKind(text(one, "group") or group, text(one, "version") or version, text(one, "kind"))
            subs.setdefault(name, []).append(Subresource(sub, gvk, tuple(sorted(map(str, one.get("verbs") or ())))))
    return tuple(
        Resource(
            group,
            version,
            text(one, "name"),
            text(one, "singularName"),
            text(one, "kind"),
            f"{text(one, 'kind')}List",
            one.get("namespaced") is True,
            tuple(sorted(map(str, one.get("verbs") or ()))),
            tuple(map(str, one.get("shortNames") or ())),
            tuple(map(str, one.get("categories") or ())),
            tuple(subs.get(text(one, "name"), ())),
        )
        for one in listed
        if text(one, "name") and "/" not in text(one, "name")
    )
