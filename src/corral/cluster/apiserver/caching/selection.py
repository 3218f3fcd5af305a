"""Which objects of a resource a list or watch is about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from corral.cluster.apiserver.caching.item import Item, Object

Labels = Callable[[dict[str, str]], bool]
Fields = Callable[[Object], str]


class FieldTerm(NamedTuple):
    """`get` gives the field's value; None: it is one of the key's (`path`: metadata.name, metadata.namespace)."""

    path: str
    value: str
    equal: bool
    get: Fields | None


class Selection:
    """`namespace` "" is all; `name` "" is any. `key` tells equal selections: their bytes can be shared."""

    __slots__ = ("fields", "key", "labels", "name", "namespace")

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
        return item.name if term.path == "metadata.name" else item.namespace
