"""One object as it is kept in memory: the bytes it was stored in, cut so that answers are made by joining."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from corral.store.interface import Entry

Object = dict[str, Any]
PREFIX: Final = "/registry/"
_METADATA: Final = b'"metadata":{'


class _Meta(msgspec.Struct):
    """What selection looks at, without the rest of the object being built."""

    labels: dict[str, str] | None = None
    name: str = ""
    namespace: str = ""


class _Head(msgspec.Struct):
    metadata: _Meta


class _Raw(msgspec.Struct):
    metadata: msgspec.Raw


_HEAD: Final = msgspec.json.Decoder(_Head)
_RAW: Final = msgspec.json.Decoder(_Raw)
_OBJECT: Final = msgspec.json.Decoder(dict[str, Any])
_ENCODER: Final = msgspec.json.Encoder()


def encode(value: Any) -> bytes:
    """As all of this server's JSON is written."""
    return _ENCODER.encode(value)


def stored_bytes(obj: Object) -> bytes:
    """Pure: an object as the store keeps it: kind and metadata first, without the resourceVersion.

    >>> stored_bytes({"metadata": {"name": "a", "resourceVersion": "7"}, "kind": "Pod", "apiVersion": "v1"})
    b'{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a"}}'
    """
    metadata = {key: value for key, value in obj["metadata"].items() if key != "resourceVersion"}
    ordered = {"kind": obj["kind"], "apiVersion": obj["apiVersion"], "metadata": metadata}
    return encode(ordered | {key: value for key, value in obj.items() if key not in ordered})


def split_key(key: str) -> tuple[str, str, str, str]:
    """Pure: (group, plural, namespace, name) of an object's key.

    >>> split_key("/registry/core/pods/shop/web"), split_key("/registry/core/nodes//n1")
    (('', 'pods', 'shop', 'web'), ('', 'nodes', '', 'n1'))
    """
    group, plural, namespace, name = key.removeprefix(PREFIX).split("/", 3)
    return ("" if group == "core" else group), plural, namespace, name


def resource_prefix(group: str, plural: str) -> str:
    """
    >>> resource_prefix("", "pods")
    '/registry/core/pods/'
    """
    return f"{PREFIX}{group or 'core'}/{plural}/"


class Item:
    """An object at one revision. `body` is everything from `"metadata":` to the end, resourceVersion and all.

    Revision 0 is an object that was not stored (a dry run): it shows none.

    >>> item = Item("shop/web", 7, b'{"kind":"Pod","apiVersion":"v1","metadata":{"name":"web","labels":{"a":"b"}}}')
    >>> item.body
    b'"metadata":{"resourceVersion":"7","name":"web","labels":{"a":"b"}}}'
    >>> item.labels, item.object()["metadata"]["resourceVersion"]
    ({'a': 'b'}, '7')
    """

    __slots__ = ("_forms", "_head", "_view", "body", "key", "revision", "value")

    def __init__(self, key: str, revision: int, value: bytes) -> None:
        self.key, self.revision, self.value = key, revision, value
        at = value.index(_METADATA) + len(_METADATA)
        comma = b"" if value[at : at + 1] == b"}" else b","
        shown = b'"resourceVersion":"%d"%b' % (revision, comma) if revision else b""
        self.body = b'"metadata":{%b%b' % (shown, value[at:])
        self._head: _Meta | None = None
        self._view: Object | None = None
        self._forms: dict[str, bytes] | None = None

    @property
    def meta(self) -> _Meta:
        if self._head is None:
            self._head = _HEAD.decode(self.value).metadata
        return self._head

    @property
    def labels(self) -> dict[str, str]:
        return self.meta.labels or {}

    @property
    def namespace(self) -> str:
        return self.key.partition("/")[0]

    @property
    def name(self) -> str:
        return self.key.partition("/")[2]

    @property
    def raw_metadata(self) -> bytes:
        """The metadata's bytes alone, with braces."""
        return bytes(_RAW.decode(b"{" + self.body).metadata)

    def object(self) -> Object:
        """A fresh copy in the stored version, the caller's own."""
        found = _OBJECT.decode(self.value)
        if self.revision:
            found["metadata"]["resourceVersion"] = str(self.revision)
        return found

    def view(self) -> Object:
        """The same object for all who ask: nobody may change it."""
        if self._view is None:
            self._view = self.object()
        return self._view

    def at(self, revision: int) -> Item:
        """The same content with another revision: what a deletion shows."""
        return Item(self.key, revision, self.value)

    def form(self, name: str) -> bytes | None:
        """Bytes that somebody made of this object before (`keep`), under a name of theirs."""
        return self._forms.get(name) if self._forms else None

    def keep(self, name: str, data: bytes) -> bytes:
        if self._forms is None:
            self._forms = {}
        self._forms[name] = data
        return data


def item_of(entry: Entry, prefix: str) -> Item:
    return Item(entry.key[len(prefix) :], entry.modified, entry.value)
