"""Which objects of a resource a list or watch is about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from corral.cluster.apiserver.caching.item import Item, Object

Labels = Callable[[dict[str, str]], bool]
Fields = Callable[[Object], str]


NAME: Final = "metadata.name"


class FieldTerm(NamedTuple):
    """`get` gives the field's value; None: it is one of the key's (`path`: metadata.name, metadata.namespace)."""

    path: str
    value: str
    equal: bool
    get: Fields | None


class Aspect(NamedTuple):
    """What an object is looked at for: its key (`path` ""), its name, or a field that `get` gives."""

    path: str
    get: Fields | None = None

    def of(self, item: Item) -> str:
        if self.get is not None:
            return item.field(self.path, self.get)
        return item.name if self.path == NAME else item.key


class Topic(NamedTuple):
    """All that is selected has this value in this aspect."""

    aspect: Aspect
    value: str


class Selection:
    """`namespace` "" is all; `name` "" is any. `key` tells equal selections: their bytes can be shared.

    `topic`: what all selected objects have in common, None where nothing is known that is few objects'.

    >>> Selection("shop", "web").topic
    Topic(aspect=Aspect(path='', get=None), value='shop/web')
    >>> bound = FieldTerm("spec.nodeName", "n1", True, lambda pod: pod["spec"].get("nodeName", ""))
    >>> Selection("shop", fields=[bound]).topic.value, Selection("shop").topic
    ('n1', None)
    """

    __slots__ = ("fields", "key", "labels", "name", "namespace", "topic")

    def __init__(
        self,
        namespace: str = "",
        name: str = "",
        labels: Labels | None = None,
        fields: Sequence[FieldTerm] = (),
        key: str = "",
    ) -> None:
        self.namespace, self.name, self.labels = namespace, name, labels
        self.fields = tuple(fields)
        self.key = f"{namespace}\0{name}\0{key}"
        self.topic = _topic(namespace, name, self.fields)

    @property
    def everything(self) -> bool:
        """Nothing is chosen by content: only by namespace, if at all."""
        return not self.name and self.labels is None and not self.fields

    def has(self, item: Item) -> bool:
        if self.namespace and item.namespace != self.namespace:
            return False
        if self.name and item.name != self.name:
            return False
        if self.labels is not None and not self.labels(item.labels):
            return False
        return all((self._value(item, term) == term.value) == term.equal for term in self.fields)

    @staticmethod
    def _value(item: Item, term: FieldTerm) -> str:
        if term.get is not None:
            return item.field(term.path, term.get)
        return item.name if term.path == NAME else item.namespace


def _topic(namespace: str, name: str, fields: Sequence[FieldTerm]) -> Topic | None:
    """Pure."""
    if name:
        return Topic(Aspect(""), f"{namespace}/{name}") if namespace else Topic(Aspect(NAME), name)
    term = next((term for term in fields if term.equal and term.get is not None), None)
    return Topic(Aspect(term.path, term.get), term.value) if term is not None else None
