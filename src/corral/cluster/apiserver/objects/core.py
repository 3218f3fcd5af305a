"""What every operation on objects works with, and the words it speaks in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from corral.cluster.apiserver.apply import managed
from corral.cluster.apiserver.attributes import Admission, User
from corral.cluster.apiserver.caching.cache import Cache
from corral.cluster.apiserver.caching.caches import Caches
from corral.cluster.apiserver.caching.item import Item, Object, item_made, resource_prefix, stored_bytes
from corral.cluster.apiserver.objects.metadata import random_suffix
from corral.cluster.apiserver.objects.subresources import show_scale, take_scale
from corral.cluster.apiserver.objects.times import utc_now
from corral.cluster.apiserver.options import DeleteOptions, WriteOptions
from corral.cluster.apiserver.registry import Judge, Registry, ScalePaths, Served
from corral.errors import CorralError
from corral.model.kubernetes.problems import BLOCKING, UNCHECKED, Problem
from corral.model.kubernetes.status import internal, invalid
from corral.store.interface import Store


class Plugin(Protocol):
    async def admit(self, admission: Admission) -> None: ...

    async def validate(self, admission: Admission) -> None: ...


@dataclass(slots=True)
class Claims:
    """What a commit does besides the object itself. `expect` as the store has it."""

    puts: dict[str, bytes] = field(default_factory=dict)
    deletes: list[str] = field(default_factory=list)
    expect: dict[str, int] = field(default_factory=dict)


class Companion(Protocol):
    """What objects of one kind claim for themselves, and nobody else may have: addresses, ports."""

    def prepare(self, new: Object, old: Object | None) -> None:
        """In place, on each try: gives the object what it lacks. StatusError."""
        ...

    def claims(self, new: Object | None, old: Object | None) -> Claims:
        """What must be written along with the change from `old` to `new` (None: is not there)."""
        ...


@dataclass(slots=True)
class Caller:
    """Who writes. `manager` stands in for a fieldManager that was not given; `warnings` are for the client.

    `check_create`: raises 403 when an update that makes a new object may not. `deadline`: when the client is told that
    it has waited in vain, by the event loop's time.
    """

    user: User
    manager: str = "unknown"
    warnings: list[str] = field(default_factory=list)
    annotations: dict[str, str] = field(default_factory=dict)
    check_create: Callable[[], None] | None = None
    deadline: float | None = None

    def warn(self, text: str) -> None:
        if text not in self.warnings:
            self.warnings.append(text)


@dataclass(frozen=True, slots=True)
class Target:
    """Where: a collection (`name` "") or one object, or a subresource of it."""

    served: Served
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def store_key(self) -> str:
        return resource_prefix(self.served.group, self.served.plural) + self.key

    @property
    def collection(self) -> tuple[str, str]:
        return self.served.group, self.served.plural


@dataclass(slots=True)
class Core:
    """The parts that operations share. `companions` by (group, plural); `suffix` ends generated names."""

    store: Store
    caches: Caches
    registry: Registry
    chain: Plugin
    companions: dict[tuple[str, str], Companion] = field(default_factory=dict)
    now: Callable[[], datetime] = utc_now
    suffix: Callable[[], str] = random_suffix

    def cache(self, served: Served) -> Cache:
        return self.caches.cache(served.group, served.plural)

    async def find(self, target: Target) -> Item | None:
        """The object as of now."""
        await self.caches.fresh()
        found = self.cache(target.served).items.get(target.key)
        if found is not None:
            await self.warm(target.served, [found.view()])
        return found

    async def warm(self, served: Served, objects: Iterable[Object], *, incoming: bool = False) -> None:
        """Before objects are converted: whoever has to be asked is asked now. StatusError."""
        if served.warm is not None:
            await served.warm(objects, served.stored.api_version if incoming else served.resource.api_version)

    async def need(self, target: Target) -> Item:
        """The same. Raises 404."""
        if target.served.computed is not None:
            return item_made(await target.served.computed.get(target.namespace, target.name))
        found = await self.find(target)
        if found is None:
            raise target.served.not_found(target.name)
        return found

    async def refuse(
        self, caller: Caller, target: Target, problems: Sequence[Problem], new: Object, old: Object | None
    ) -> None:
        """Raises 422 for these problems and for what the judge of the kind refuses, 500 when they cannot be asked.

        What they tolerate, because it is no other than before, the caller is warned of.
        Rules are written for objects of the right shape: where a problem stands against that, they are not asked.
        """
        served, found = target.served, list(problems)
        if served.judge is not None and (served.custom or not target.subresource):
            if served.custom and any(one.type in BLOCKING for one in found):
                found.append(UNCHECKED)
            else:
                refused, tolerated = await self._judged(served.judge, new, old)
                found += refused
                for one in tolerated:
                    caller.warn(str(one))
        if found:
            raise invalid(served.resource.kind, target.name, found, served.resource.group)

    @staticmethod
    async def _judged(judge: Judge, new: Object, old: Object | None) -> tuple[Sequence[Problem], Sequence[Problem]]:
        try:
            return await judge(new, old)
        except CorralError as error:
            raise internal(error.message) from None

    def prepare(self, target: Target, new: Object, old: Object | None) -> None:
        """In place: what the kind's companion, if it has one, has to give."""
        companion = self.companions.get(target.collection)
        if companion is not None:
            companion.prepare(new, old)

    async def save(self, target: Target, new: Object, old: Object | None, expect: int) -> Item:
        """Writes an object of the stored version over revision `expect` (0: a new one). Mismatch."""
        key, value = target.store_key, stored_bytes(new)
        claims = self._claims(target, new, old)
        expected = {key: expect, **claims.expect}
        revision = await self.store.commit({key: value, **claims.puts}, claims.deletes, expect=expected)
        return Item(target.key, revision, value)

    async def remove(self, target: Target, old: Object, expect: int) -> int:
        """Takes the object of revision `expect` away. Mismatch."""
        key, claims = target.store_key, self._claims(target, None, old)
        return await self.store.commit(claims.puts, [key, *claims.deletes], expect={key: expect, **claims.expect})

    def _claims(self, target: Target, new: Object | None, old: Object | None) -> Claims:
        companion = self.companions.get(target.collection)
        return companion.claims(new, old) if companion is not None else Claims()

    # Admission sees objects in the version of the request

    def admission(
        self,
        caller: Caller,
        target: Target,
        operation: str,
        new: Object | None,
        old: Object | None,
        options: WriteOptions | DeleteOptions,
        options_kind: str = "",
    ) -> Admission:
        served = target.served
        shown = options.shown(options_kind) if isinstance(options, WriteOptions) else options.shown()
        return Admission(
            caller.user,
            operation,
            served.resource,
            target.subresource,
            target.namespace,
            target.name,
            _shown(target, new) if new is not None else None,
            _shown(target, old) if old is not None else None,
            shown,
            options.dry_run,
            caller.warnings,
            caller.annotations,
            deadline=caller.deadline,
        )

    async def admit(self, admission: Admission, target: Target, stored: Object | None) -> Any:
        """Asks the plugins that may change: the object, in the stored version again."""
        served, shown = target.served, admission.object
        await self.chain.admit(admission)
        if admission.object is None or stored is None:
            return None
        if target.subresource == "scale":
            if admission.object == shown:
                return stored
            return served.incoming(take_scale(served.outgoing(stored), admission.object, served, target.name))
        owned, fault = managed.after_admission(shown, admission.object)
        if fault and fault not in admission.warnings:
            admission.warnings.append(fault)
        await self.warm(served, [owned], incoming=True)
        return served.incoming(owned)

    async def judge(self, admission: Admission, target: Target, obj: Object | None) -> None:
        """Asks the plugins that only judge, about what is to be written."""
        if obj is not None:
            await self.warm(target.served, [obj])
        admission.object = _shown(target, obj) if obj is not None else None
        await self.chain.validate(admission)

    async def admit_posted(self, caller: Caller, target: Target, obj: Object, options: WriteOptions) -> Object:
        """All of admission, about what is posted to be done and not kept: a binding, an eviction, a review."""
        shown = options.shown("CreateOptions")
        admission = Admission(
            caller.user,
            "CREATE",
            target.served.resource,
            target.subresource,
            target.namespace,
            target.name or str(obj["metadata"].get("name") or ""),
            obj,
            None,
            shown,
            options.dry_run,
            caller.warnings,
            caller.annotations,
            deadline=caller.deadline,
        )
        await self.chain.admit(admission)
        await self.chain.validate(admission)
        return admission.object or obj


def _shown(target: Target, obj: Object) -> Object:
    """Pure: a stored object as admission sees it: in the version of the request, of a scale subresource a Scale."""
    found = target.served.outgoing(obj)
    return show_scale(found, target.served.scale or ScalePaths()) if target.subresource == "scale" else found
