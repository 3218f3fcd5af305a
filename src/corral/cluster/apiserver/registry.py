"""Which resources are served, and all that is known of each. Resources come and go while the server runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from corral.cluster.apiserver.apply.reset_fields import Filter, of_kind
from corral.cluster.apiserver.encoding.shapes import Plain
from corral.model.kubernetes.kind import Kind, Object
from corral.model.kubernetes.problems import Problem
from corral.model.kubernetes.resources import GroupVersionKind, Resource
from corral.model.kubernetes.schema import Schema
from corral.model.kubernetes.status import PageNotFound, StatusError, no_such_path, not_found

Convert = Callable[[Object], Object]
Described = Schema | None | Callable[[], Schema | None]
Warm = Callable[[Iterable[Object], str], Awaitable[None]]
Judge = Callable[[Object, Object | None], Awaitable[tuple[Sequence[Problem], Sequence[Problem]]]]


class Computed(Protocol):
    """A resource whose objects are made when somebody asks, and kept nowhere. `namespace` as in Lookup.list."""

    async def get(self, namespace: str, name: str) -> Object:
        """Raises StatusError 404."""
        ...

    async def list(self, namespace: str) -> Sequence[Object]: ...


KEYS: Final = ("apiVersion", "kind", "metadata")


@dataclass(frozen=True, slots=True)
class ScalePaths:
    """Where a kind keeps what a Scale shows: dotted paths. `selector` "" : it shows none."""

    replicas: str = "spec.replicas"
    status_replicas: str = "status.replicas"
    selector: str = "spec.selector"


@dataclass(slots=True, eq=False)
class Served:
    """One resource in one version.

    `stored` is what the store keeps: the group says where, too (events of both groups are one collection).
    `to_stored` and `from_stored` convert between versions that differ in more than their name; None: they do not.
    `described`: the schema, or what makes it when it is first asked for: a start needs few of all.
    `to_current` makes the version that is stored now of one that was stored before; None: only the name differs.
    `bare` makes of any version of a custom kind another, by its apiVersion, and fills in no defaults; None: likewise.
    `custom`: of a CustomResourceDefinition. `scale`: for its scale subresource.
    `warm`: prepares conversions to a version that would else make the server wait.
    `computed`: nothing of it is stored.
    `judge`: what is refused, and what tolerated, in a new stored object and the old one (None: it is new), by the rules
    of a custom kind's schema; of a built-in kind, what does not compile.
    """

    resource: Resource
    kind: Kind
    described: Described
    stored: GroupVersionKind
    to_stored: Convert | None = None
    from_stored: Convert | None = None
    to_current: Convert | None = None
    bare: Callable[[Object, str], Object] | None = None
    custom: bool = False
    scale: ScalePaths | None = None
    warm: Warm | None = None
    computed: Computed | None = None
    judge: Judge | None = None
    plain: Plain = field(init=False)

    def __post_init__(self) -> None:
        one = self.resource
        bare = not self.custom
        self.plain = Plain(one.api_version, one.kind, one.list_kind, self.from_stored, bare=bare)

    @property
    def schema(self) -> Schema | None:
        if callable(self.described):
            self.described = self.described()
        return self.described

    @property
    def group(self) -> str:
        """Of the collection in the store."""
        return self.stored.group

    @property
    def plural(self) -> str:
        return self.resource.plural

    def incoming(self, obj: Object) -> Object:
        """Pure: an object of this version as it is stored."""
        found = self.to_stored(obj) if self.to_stored else obj
        return {**found, "kind": self.stored.kind, "apiVersion": self.stored.api_version}

    def outgoing(self, obj: Object) -> Object:
        """Pure: a stored object in this version."""
        found = self.from_stored(obj) if self.from_stored else obj
        return {**found, "kind": self.resource.kind, "apiVersion": self.resource.api_version}

    def current(self, obj: Object) -> Object:
        """Pure: what the store has, as it would be stored now."""
        return self.to_current(obj) if self.to_current else obj

    def unowned(self, subresource: str) -> Filter:
        """Which fields a write of the resource, or of a subresource, cannot change, nor own."""
        one = self.resource
        return of_kind(one.group, one.kind, subresource, has_status=self.kind.has_status, custom=self.custom)

    def not_found(self, name: str) -> StatusError:
        return not_found(self.plural, name, self.resource.group)


class Registry:
    """By (group, version, plural). `generation` grows with every change, for those who keep documents about it;
    `listeners` are called then."""

    def __init__(self, served: Iterable[Served] = ()) -> None:
        self._served: dict[tuple[str, str, str], Served] = {}
        self.generation = 0
        self.listeners: list[Callable[[], None]] = []
        for one in served:
            self.add(one)

    def add(self, served: Served) -> None:
        """Serves it from now on, in the place of what had its name."""
        one = served.resource
        self._served[one.group, one.version, one.plural] = served
        self._note()

    def remove(self, group: str, version: str, plural: str) -> None:
        if self._served.pop((group, version, plural), None) is not None:
            self._note()

    def _note(self) -> None:
        self.generation += 1
        for told in self.listeners:
            told()

    def find(self, group: str, version: str, plural: str) -> Served | None:
        return self._served.get((group, version, plural))

    def need(self, group: str, version: str, plural: str) -> Served:
        """Raises the 404 of a path that leads nowhere: a Status where the group is built in, as upstream."""
        found = self.find(group, version, plural)
        if found is None:
            built_in = {known[:2] for known, served in self._served.items() if not served.custom}
            raise no_such_path() if (group, version) in built_in else PageNotFound
        return found

    def of_kind(self, gvk: GroupVersionKind) -> Served | None:
        return next((one for one in self._served.values() if one.resource.gvk == gvk), None)

    def equivalents(self, served: Served) -> list[Served]:
        """The same collection in other versions and groups."""
        same = served.group, served.plural
        return [one for one in self._served.values() if (one.group, one.plural) == same and one is not served]

    def all(self) -> list[Served]:
        return list(self._served.values())

    def resources(self) -> list[Resource]:
        return [one.resource for one in self._served.values()]


def kind_of(resource: Resource, kinds: Mapping[tuple[str, str], Kind], *, custom: bool = False) -> Kind:
    """Pure: what is special about a built-in kind. Of one that nobody has written down, it is told by its subresources
    whether it has a status; without one, it counts no generations either.

    >>> from corral.model.kubernetes.schema import builtin
    >>> config = next(one for one in builtin().resources if one.plural == "configmaps")
    >>> kind_of(config, {}).has_generation
    False
    """
    found = kinds.get((resource.group, resource.kind))
    has_status = resource.subresource("status") is not None
    if found is None:
        return Kind(has_status=has_status, has_generation=has_status)
    return found if found.has_status == has_status else replace(found, has_status=has_status)
