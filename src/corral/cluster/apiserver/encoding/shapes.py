"""How objects look on the wire: as they are, their metadata alone, or rows of a table; alone, in lists, in watches.

All of it is joined from bytes that the caches keep; only tables, and versions that need a conversion, are computed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import count
from typing import Any, Final, NamedTuple, Protocol

from corral.cluster.apiserver.caching.item import Item, Object, encode
from corral.cluster.apiserver.caching.watching import Happened
from corral.model.kubernetes.kind import Column
from corral.model.kubernetes.kinds.ages import since
from corral.model.kubernetes.schema.zeros import written

Convert = Callable[[Object], Object]
INITIAL_END: Final = b',"annotations":{"k8s.io/initial-events-end":"true"}'
_numbers = count()


class ListMeta(NamedTuple):
    """Of a list: the revision it is of (0: of none), and how to go on. `remaining` None: not known."""

    revision: int
    token: str = ""
    remaining: int | None = None

    def encoded(self) -> bytes:
        found: dict[str, Any] = {"resourceVersion": str(self.revision)} if self.revision else {}
        if self.token:
            found["continue"] = self.token
        if self.remaining is not None:
            found["remainingItemCount"] = self.remaining
        return encode(found)


class Shape(Protocol):
    """`key` names the form: equal keys give equal bytes. `shared`: bytes may be used again for other clients."""

    key: str
    shared: bool

    def one(self, item: Item) -> bytes: ...

    def many(self, items: Sequence[Item], meta: ListMeta) -> bytes: ...

    def embedded(self, item: Item) -> bytes:
        """As the object of a watch's event."""
        ...

    def bookmark(self, revision: int, initial_end: bool) -> bytes: ...


def _bookmark(head: bytes, revision: int, initial_end: bool, rest: bytes = b"}") -> bytes:
    """`rest`: what else an object without anything in it has, to its end."""
    shown = INITIAL_END if initial_end else b""
    return b'%b"metadata":{"resourceVersion":"%d"%b}%b' % (head, revision, shown, rest)


class Plain:
    """The object itself. `convert` makes the version that is served of the stored one; None: only the name differs.

    `bare`: items of a list go without kind and apiVersion, as those of built-in kinds do.
    """

    shared = True

    def __init__(self, api_version: str, kind: str, list_kind: str, convert: Convert | None, *, bare: bool) -> None:
        # Another conversion of the same version makes other bytes, which items and events must not take for these.
        self.key = api_version if convert is None else f"{api_version} {next(_numbers)}"
        self._convert = convert
        self._named = {"kind": kind, "apiVersion": api_version}
        self._head = encode(self._named)[:-1] + b","
        rest = {key: value for key, value in written(self._named).items() if key not in (*self._named, "metadata")}
        self._rest = b"," + encode(rest)[1:] if rest else b"}"
        self._list = encode({"kind": list_kind, "apiVersion": api_version})[:-1] + b',"metadata":'
        self._item_head = b"{" if bare else self._head

    def _body(self, item: Item) -> bytes:
        if self._convert is None:
            return item.body
        return item.form(self.key) or item.keep(self.key, self._converted(item, self._convert))

    def _converted(self, item: Item, convert: Convert) -> bytes:
        found = written({**convert(item.object()), **self._named})
        rest = {key: value for key, value in found.items() if key not in ("kind", "apiVersion", "metadata")}
        return encode({"metadata": found["metadata"], **rest})[1:]

    def one(self, item: Item) -> bytes:
        return self._head + self._body(item)

    def many(self, items: Sequence[Item], meta: ListMeta) -> bytes:
        head = self._item_head
        bodies = [item.body for item in items] if self._convert is None else [self._body(item) for item in items]
        inner = head + (b"," + head).join(bodies) if bodies else b""
        return b"".join((self._list, meta.encoded(), b',"items":[', inner, b"]}"))

    def embedded(self, item: Item) -> bytes:
        return self._head + self._body(item)

    def bookmark(self, revision: int, initial_end: bool) -> bytes:
        return _bookmark(self._head, revision, initial_end, self._rest)


class Partial:
    """Metadata alone: PartialObjectMetadata in `version` (v1 or v1beta1). `convert`: of what may have other labels and
    annotations in the version that is served; None: it has the stored ones."""

    shared = True

    def __init__(self, version: str, convert: Convert | None = None) -> None:
        api_version = f"meta.k8s.io/{version}"
        self.key = api_version if convert is None else f"{api_version} {next(_numbers)}"
        self._convert = convert
        self._head = encode({"kind": "PartialObjectMetadata", "apiVersion": api_version})[:-1] + b","
        listed = {"kind": "PartialObjectMetadataList", "apiVersion": api_version}
        self._list = encode(listed)[:-1] + b',"metadata":'

    def one(self, item: Item) -> bytes:
        shown = item.raw_metadata if self._convert is None else encode(self._convert(item.object())["metadata"])
        return b'%b"metadata":%b}' % (self._head, shown)

    def many(self, items: Sequence[Item], meta: ListMeta) -> bytes:
        inner = b",".join([self.one(item) for item in items])
        return b"".join((self._list, meta.encoded(), b',"items":[', inner, b"]}"))

    embedded = one

    def bookmark(self, revision: int, initial_end: bool) -> bytes:
        return _bookmark(self._head, revision, initial_end)


def _name(obj: Object, now: datetime) -> str:
    return str(obj["metadata"].get("name", ""))


def _age(obj: Object, now: datetime) -> str:
    return since(obj["metadata"].get("creationTimestamp"), now)


NAME: Final = Column("Name", _name, "string", "name", "What the object is called in its namespace.")
AGE: Final = Column("Age", _age, "string", "", "How long the object has been there.")


def columns_of(kind: Sequence[Column], custom: bool = False) -> tuple[Column, ...]:
    """Pure: all columns: the name comes first, unless a built-in kind has a place, or words, of its own for it.

    >>> [column.name for column in columns_of([])]
    ['Name', 'Age']
    """
    if not custom and any(column.format == "name" for column in kind):
        return tuple(kind)
    return (NAME, *(kind or (AGE,)))


class Table:
    """Rows for `kubectl get`. `include`: what goes with each row, Metadata, None or Object.

    The definitions of the columns come once in a watch, so each watch has a Table of its own. `convert`: columns are
    of the version that is served; None: they are of the stored one. `partial`: how metadata goes with a row.
    """

    shared = False

    def __init__(
        self, columns: Sequence[Column], include: str, version: str, plain: Plain, clock: Callable[[], datetime],
        convert: Convert | None = None, partial: Partial | None = None,
    ) -> None:  # fmt: skip
        self.key = f"Table {version} {include}"
        self._columns, self._convert = tuple(columns), convert
        self._include, self._plain, self._clock = include, plain, clock
        self._partial = partial or Partial(version)
        self._head = encode({"kind": "Table", "apiVersion": f"meta.k8s.io/{version}"})[:-1]
        self._defined = False

    def _definitions(self) -> bytes:
        shown = [
            {"name": c.name, "type": c.type, "format": c.format, "description": c.description, "priority": c.priority}
            for c in self._columns
        ]
        return encode(shown)

    def _row(self, item: Item, now: datetime) -> bytes:
        obj = self._convert(item.object()) if self._convert is not None else item.object()
        cells = encode([column.cell(obj, now) for column in self._columns])
        if self._include == "None":
            return b'{"cells":%b,"object":null}' % cells
        shown = self._plain.one(item) if self._include == "Object" else self._partial.one(item)
        return b'{"cells":%b,"object":%b}' % (cells, shown)

    def many(self, items: Sequence[Item], meta: ListMeta) -> bytes:
        now = self._clock()
        rows = b",".join([self._row(item, now) for item in items])
        definitions = self._definitions()
        return b'%b,"metadata":%b,"columnDefinitions":%b,"rows":[%b]}' % (self._head, meta.encoded(), definitions, rows)

    def one(self, item: Item) -> bytes:
        return self.many([item], ListMeta(item.revision))

    def embedded(self, item: Item) -> bytes:
        row = self._row(item, self._clock())
        return self._watched(item.revision, row)

    def _watched(self, revision: int, row: bytes) -> bytes:
        definitions = b"null" if self._defined else self._definitions()
        self._defined = True
        meta = ListMeta(revision).encoded()
        return b'%b,"metadata":%b,"columnDefinitions":%b,"rows":[%b]}' % (self._head, meta, definitions, row)

    def bookmark(self, revision: int, initial_end: bool) -> bytes:
        cells = encode(["" for _ in self._columns])
        shown = self._partial.bookmark(revision, initial_end)
        return self._watched(revision, b'{"cells":%b,"object":%b}' % (cells, shown))


def utc_now() -> datetime:
    return datetime.now(UTC)


def line(shape: Shape, happened: Happened) -> bytes:
    """One event of a watch. What equal watches would compute again is kept with the event."""
    if happened.item is None:
        shown = shape.bookmark(happened.revision, happened.initial_end)
        return b'{"type":"BOOKMARK","object":%b}\n' % shown
    event = happened.event if shape.shared else None
    name = f"{shape.key}\0{happened.type}"
    if event is not None and (found := event.forms.get(name)):
        return found
    made = b'{"type":"%b","object":%b}\n' % (happened.type.encode(), shape.embedded(happened.item))
    if event is not None:
        event.forms[name] = made
    return made
