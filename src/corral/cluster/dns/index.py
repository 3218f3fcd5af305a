"""Index: all names of a cluster, and what a question is answered with."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from corral.cluster.dns.records import CNAME, NS, SOA, SRV, TXT, Entry, Names, address_entry, undashed
from corral.networks.dns.wire import AAAA, ANY, NOERROR, NXDOMAIN, PTR, A, encode_name, pointer_address

TTL = 5  # seconds: pods come and go
VERSION = "1.1.0"  # of the specification that is followed
_NOTHING = Names({}, {})


class Found(NamedTuple):
    """An answer in the making; names are whole. `elsewhere`: a name of others that is to be asked for, too."""

    code: int
    answers: list[tuple[str, Entry]]
    additional: list[tuple[str, Entry]]
    elsewhere: str = ""

    @property
    def is_empty(self) -> bool:
        return not self.answers


class Index:
    """`version` is another after each change.

    >>> from corral.cluster.dns.records import plan_names
    >>> index = Index("cluster.local")
    >>> meta = {"name": "web", "namespace": "default"}
    >>> web = {"metadata": meta, "spec": {"clusterIP": "10.96.0.7"}}
    >>> index.put("default/web", plan_names(web, [], "cluster.local"))
    >>> [entry.data[-1] for _, entry in resolve(index, "web.default.svc.cluster.local", A).answers]
    [7]
    >>> resolve(index, "web.default.svc.cluster.local", AAAA)
    Found(code=0, answers=[], additional=[], elsewhere='')
    >>> resolve(index, "example.org.default.svc.cluster.local", A).code, resolve(index, "example.org", A)
    (3, None)
    """

    def __init__(self, domain: str) -> None:
        self.domain = domain
        self.version = 0
        self.namespaces: set[str] = set()
        self._owned: dict[str, Names] = {}
        self._forward: dict[str, list[Entry]] = {}
        self._reverse: dict[str, dict[str, str]] = {}  # address -> owner -> name
        self._above: Counter[str] = Counter(["", "svc", "pod"])  # names that have names below them

    def put(self, owner: str, names: Names | None) -> None:
        """From now on these are all the names of a service; None: it is gone."""
        self.version += 1
        old, new = self._owned.pop(owner, _NOTHING), names or _NOTHING
        for name in old.forward:
            del self._forward[name]
            self._above.subtract(_parents(name))
        for address in old.reverse:
            owners = self._reverse[address]
            del owners[owner]
            if not owners:
                del self._reverse[address]
        for name, entries in new.forward.items():
            self._forward[name] = entries
            self._above.update(_parents(name))
        for address, name in new.reverse.items():
            self._reverse.setdefault(address, {})[owner] = name
        if names is not None:
            self._owned[owner] = names
        for name in {parent for one in old.forward for parent in _parents(one)}:
            if self._above[name] <= 0:
                del self._above[name]

    def entries(self, name: str) -> list[Entry] | None:
        """Of a name below the domain; None where there is no such name."""
        found = self._forward.get(name)
        if found is not None:
            return found
        if name == "":
            return [Entry(SOA, self.authority), Entry(NS, encode_name(f"ns.dns.{self.domain}"))]
        if name == "dns-version":
            return [Entry(TXT, bytes([len(VERSION)]) + VERSION.encode())]
        if name.endswith(".pod"):
            return self._pod(name.removesuffix(".pod"))
        return [] if name in self._above else None

    def _pod(self, name: str) -> list[Entry] | None:
        label, _, namespace = name.rpartition(".")
        if namespace not in self.namespaces:
            return None
        address = undashed(label)
        if not label:
            return []
        return [address_entry(address)] if address else None

    def name_of(self, address: str) -> str:
        return next(iter(self._reverse.get(address, {}).values()), "")

    @property
    def authority(self) -> bytes:
        """The start of authority: who asks in vain may remember so for as long as a record is good for."""
        names = encode_name(f"ns.dns.{self.domain}") + encode_name(f"hostmaster.{self.domain}")
        return names + struct.pack(">5I", self.version & 0xFFFFFFFF, 7200, 1800, 86400, TTL)


def _parents(name: str) -> Iterator[str]:
    while name:
        _, _, name = name.partition(".")
        yield name


def resolve(index: Index, name: str, kind: int, turn: int = 0) -> Found | None:
    """What a question is answered with; None for a name that is not the cluster's. `turn` rotates several records."""
    address = pointer_address(name)
    if address:
        return _pointer(index, name, address, kind)
    if name != index.domain and not name.endswith(f".{index.domain}"):
        return None
    short = name.removesuffix(index.domain).removesuffix(".")
    entries = index.entries(short)
    if entries is None:
        return Found(NXDOMAIN, [], [])
    alias = next((entry for entry in entries if entry.type == CNAME), None)
    if alias is not None and kind != CNAME:
        return _alias(index, name, alias, kind, turn)
    wanted = [entry for entry in entries if kind in (entry.type, ANY)]
    start = turn % len(wanted) if wanted else 0
    wanted = wanted[start:] + wanted[:start]
    return Found(NOERROR, [(name, entry) for entry in wanted], list(_additional(index, wanted)))


def _pointer(index: Index, name: str, address: str, kind: int) -> Found | None:
    found = index.name_of(address)
    if not found:
        return None
    entry = Entry(PTR, encode_name(f"{found}.{index.domain}"))
    return Found(NOERROR, [(name, entry)] if kind in (PTR, ANY) else [], [])


def _alias(index: Index, name: str, alias: Entry, kind: int, turn: int) -> Found:
    """The alias, and what is known of the name that it stands for."""
    meant = _read_name(alias.data)
    first = [(name, alias)]
    inside = meant == index.domain or meant.endswith(f".{index.domain}")
    entries = (index.entries(meant.removesuffix(index.domain).removesuffix(".")) or []) if inside else []
    if any(entry.type == CNAME for entry in entries):  # one step is enough: more may be a circle
        return Found(NOERROR, first, [])
    if inside:
        found = resolve(index, meant, kind, turn)
        return Found(NOERROR, first + (found.answers if found else []), found.additional if found else [])
    return Found(NOERROR, first, [], meant if kind in (A, AAAA) else "")


def _additional(index: Index, entries: list[Entry]) -> Iterator[tuple[str, Entry]]:
    """The addresses of what SRV records lead to."""
    for target in dict.fromkeys(entry.target for entry in entries if entry.type == SRV):
        for entry in index.entries(target) or ():
            if entry.type in (A, AAAA):
                yield f"{target}.{index.domain}", entry


def _read_name(data: bytes) -> str:
    labels, at = [], 0
    while data[at]:
        labels.append(data[at + 1 : at + 1 + data[at]].decode("latin-1"))
        at += 1 + data[at]
    return ".".join(labels).lower()
