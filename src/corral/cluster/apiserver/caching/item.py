"""One object as it is kept in memory: the bytes it was stored in, cut so that answers are made by joining."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from corral.model.kubernetes.schema.zeros import bare, written
from corral.store.interface import Entry

Object = dict[str, Any]
PREFIX: Final = "/registry/"
_METADATA: Final = b'"metadata":{'
_NULL: Final = b":null"


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
_STARTS: Final[dict[bytes, bytes]] = {}  # what comes before the metadata: the same for all objects of a kind
_ENCODER: Final = msgspec.json.Encoder()


def encode(value: Any) -> bytes:
    """As all of this server's JSON is written."""
    return _ENCODER.encode(value)


def stored_bytes(obj: Object) -> bytes:
    """Pure: an object as the store keeps it, and as Go writes it: kind and metadata first, without the resourceVersion.

    >>> role = {"kind": "Role", "apiVersion": "rbac.authorization.k8s.io/v1"}
    >>> stored_bytes({"metadata": {"name": "a", "resourceVersion": "7"}, **role})
    b'{"kind":"Role","apiVersion":"rbac.authorization.k8s.io/v1","metadata":{"name":"a"},"rules":null}'
    """
    metadata = {key: value for key, value in obj["metadata"].items() if key != "resourceVersion"}
    ordered = {"kind": obj["kind"], "apiVersion": obj["apiVersion"], "metadata": metadata}
    return encode(written(ordered | {key: value for key, value in obj.items() if key not in ordered}))


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

    __slots__ = ("_fields", "_forms", "_meta", "_start", "_view", "body", "key", "revision")

    def __init__(self, key: str, revision: int, value: bytes) -> None:
        """`value` as `stored_bytes` makes it; ValueError if it is something else."""
        self.key, self.revision = key, revision
        at = value.index(_METADATA)
        start = value[:at]
        self._start = _STARTS.setdefault(start, start)
        self.body = _spliced(revision, value[at + len(_METADATA) :])
        self._meta: _Meta | None = None
        self._view: Object | None = None
        self._forms: dict[str, bytes] | None = None
        self._fields: dict[str, str] | None = None

    @property
    def meta(self) -> _Meta:
        if self._meta is None:
            self._meta = _HEAD.decode(b"{" + self.body).metadata
        return self._meta

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
        found = _OBJECT.decode(self._start + self.body)
        return bare(found) if _NULL in self.body else found

    def view(self) -> Object:
        """The same object for all who ask: nobody may change it. Who owns which field, half of a pod, is left out."""
        if self._view is None:
            self._view = self.object()
            self._view["metadata"].pop("managedFields", None)
        return self._view

    def forget_view(self) -> None:
        """It was replaced: the few who still ask have it decoded again, and the window of changes holds bytes alone."""
        self._view = None

    def field(self, path: str, get: Callable[[Object], str]) -> str:
        """A field's value, as selectors compare it; remembered, without the object being so."""
        if self._fields is None:
            self._fields = {}
        found = self._fields.get(path)
        if found is None:
            found = self._fields[path] = get(self._view or self.object())
        return found

    def at(self, revision: int) -> Item:
        """The same content with another revision: what a deletion shows."""
        bare = self.body[len(_spliced(self.revision, b"}")) - 1 :].removeprefix(b",")
        return Item(self.key, revision, self._start + _METADATA + bare)

    def form(self, name: str) -> bytes | None:
        """Bytes that somebody made of this object before (`keep`), under a name of theirs."""
        return self._forms.get(name) if self._forms else None

    def keep(self, name: str, data: bytes) -> bytes:
        if self._forms is None:
            self._forms = {}
        self._forms[name] = data
        return data


def _spliced(revision: int, rest: bytes) -> bytes:
    """Pure: the body, from what follows after the first brace of the metadata.

    >>> _spliced(7, b'"name":"a"}}'), _spliced(7, b"}}"), _spliced(0, b'"name":"a"}}')
    (b'"metadata":{"resourceVersion":"7","name":"a"}}', b'"metadata":{"resourceVersion":"7"}}', b'"metadata":{"name":"a"}}')
    """  # noqa: E501
    if not revision:
        return _METADATA + rest
    comma = b"" if rest[:1] == b"}" else b","
    return b'%b"resourceVersion":"%d"%b%b' % (_METADATA, revision, comma, rest)


def item_of(entry: Entry, prefix: str) -> Item:
    return Item(entry.key[len(prefix) :], entry.modified, entry.value)


def item_made(obj: Object) -> Item:
    """An object that was made just now, and is stored nowhere.

    >>> item_made({"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "web", "namespace": "shop"}}).key
    'shop/web'
    """
    metadata = obj["metadata"]
    return Item(f"{metadata.get('namespace', '')}/{metadata['name']}", 0, stored_bytes(obj))
