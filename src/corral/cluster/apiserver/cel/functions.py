"""Kubernetes' own functions of CEL. Follows k8s.io/apiserver/pkg/cel/library."""

from __future__ import annotations

import contextvars
import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Final

import re2  # type: ignore[import-untyped]
from cel_expr_python import cel

from corral.cluster.apiserver.cel import things
from corral.cluster.apiserver.cel.things import Thing
from corral.model.kubernetes import addresses, quantity
from corral.model.kubernetes.addresses import parse_cidr

Decide = Callable[[Thing, str], tuple[bool, str]]
# Who answers for the authorizer while an expression is run.
deciding: contextvars.ContextVar[Decide | None] = contextvars.ContextVar("deciding", default=None)

T = cel.Type
_THING: Final = T.Map(T.STRING, T.DYN)
_ANY_LIST: Final = T.List(T.DYN)
_SEMVER: Final = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-([0-9A-Za-z.-]+))?(?:\+([0-9A-Za-z.-]+))?")


def _is(make: Callable[[str], Any]) -> Callable[[str], bool]:
    def fits(text: str) -> bool:
        try:
            make(text)
        except ValueError:
            return False
        return True

    return fits


def _find(text: str, pattern: str) -> str:
    found = re2.search(pattern, text)
    return found[0] if found else ""


def _find_all(text: str, pattern: str, limit: int = -1) -> list[str]:
    found = [one[0] for one in re2.finditer(pattern, text)]
    return found if limit < 0 else found[:limit]


def _is_sorted(values: list[Any]) -> bool:
    return all(one <= other for one, other in pairwise(values))


def _least(values: list[Any]) -> Any:
    if not values:
        raise ValueError("min called on empty list")
    return min(values)


def _most(values: list[Any]) -> Any:
    if not values:
        raise ValueError("max called on empty list")
    return max(values)


def _compare(one: int, other: int) -> int:
    return (one > other) - (one < other)


def _canonical_ip(text: str) -> bool:
    return str(things.read_ip(things.to_ip(text))) == text


def _semver(text: str) -> Thing:
    found = _SEMVER.fullmatch(text)
    if found is None:
        raise ValueError(f"invalid semantic version: {text}")
    release = [int(one) for one in found.groups()[:3]]
    return {things.KIND: "semver", "release": release, "pre": found[4] or "", "build": found[5] or ""}


def _order(thing: Thing) -> tuple[Any, ...]:
    """As semantic versions are compared: a pre-release comes before its release."""
    things.need(thing, "semver")
    parts = [(0, int(one), "") if one.isdigit() else (1, 0, one) for one in str(thing["pre"]).split(".")]
    return (*thing["release"], (1,) if not thing["pre"] else (0, *parts))


def _check(thing: Thing, verb: str) -> Thing:
    decide = deciding.get()
    if decide is None:
        raise ValueError("there is no authorizer here")
    if thing.get(things.KIND) not in ("check", "path"):
        raise ValueError("no such overload")
    allowed, reason = decide(thing, verb)
    return {things.KIND: "decision", "allowed": allowed, "reason": reason}


def _either(of_quantity: Callable[[int, int], Any], of_semver: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def compare(one: Thing, other: Thing) -> Any:
        if one.get(things.KIND) == "semver":
            return of_semver(_order(one), _order(other))
        return of_quantity(things.read_quantity(one), things.read_quantity(other))

    return compare


def _account(thing: Thing, namespace: str, name: str) -> Thing:
    return {**things.need(thing, "authorizer"), "account": f"{namespace}:{name}"}


class _Declared:
    """Collects overloads by name: the library wants all of a function at once."""

    def __init__(self) -> None:
        self._found: dict[str, list[Any]] = {}

    def add(self, name: str, returns: Any, takes: Sequence[Any], act: Callable[..., Any], *, member: bool) -> None:
        overloads = self._found.setdefault(name, [])
        number = f"kubernetes_{name}_{len(overloads)}"
        overloads.append(cel.Overload(number, returns, list(takes), member, act))

    def all(self) -> list[Any]:
        return [cel.FunctionDecl(name, overloads) for name, overloads in self._found.items()]


def declarations() -> list[Any]:
    """All functions that are declared to the library."""
    found = _Declared()
    _declare_texts(found)
    _declare_quantities(found)
    _declare_networks(found)
    _declare_urls(found)
    _declare_authorizer(found)
    return found.all()


def _declare_texts(found: _Declared) -> None:
    found.add("find", T.STRING, (T.STRING, T.STRING), _find, member=True)
    found.add("findAll", T.List(T.STRING), (T.STRING, T.STRING), _find_all, member=True)
    found.add("findAll", T.List(T.STRING), (T.STRING, T.STRING, T.INT), _find_all, member=True)
    escape = lambda key: key.replace("~", "~0").replace("/", "~1")  # noqa: E731
    found.add("jsonpatch.escapeKey", T.STRING, (T.STRING,), escape, member=False)
    found.add("isSorted", T.BOOL, (_ANY_LIST,), _is_sorted, member=True)
    for name, act in (("sum", sum), ("min", _least), ("max", _most)):
        found.add(name, T.DYN, (_ANY_LIST,), act, member=True)
    found.add("semver", T.DYN, (T.STRING,), _semver, member=False)
    found.add("isSemver", T.BOOL, (T.STRING,), _is(_semver), member=False)
    for index, name in enumerate(("major", "minor", "patch")):

        def part(thing: Thing, index: int = index) -> int:
            return int(things.need(thing, "semver")["release"][index])

        found.add(name, T.INT, (_THING,), part, member=True)


def _declare_quantities(found: _Declared) -> None:
    q, nanos = things.to_quantity, things.read_quantity
    found.add("quantity", T.DYN, (T.STRING,), q, member=False)
    found.add("isQuantity", T.BOOL, (T.STRING,), quantity.is_quantity, member=False)
    found.add("isInteger", T.BOOL, (_THING,), lambda one: nanos(one) % 10**9 == 0, member=True)
    found.add("asInteger", T.INT, (_THING,), things.as_integer, member=True)
    found.add("asApproximateFloat", T.DOUBLE, (_THING,), lambda one: nanos(one) / 1e9, member=True)
    found.add("sign", T.INT, (_THING,), lambda one: _compare(nanos(one), 0), member=True)
    found.add("compareTo", T.INT, (_THING, _THING), _either(_compare, lambda a, b: (a > b) - (a < b)), member=True)
    less = _either(lambda a, b: a < b, lambda a, b: a < b)
    more = _either(lambda a, b: a > b, lambda a, b: a > b)
    found.add("isLessThan", T.BOOL, (_THING, _THING), less, member=True)
    found.add("isGreaterThan", T.BOOL, (_THING, _THING), more, member=True)
    make = things.from_nanos
    found.add("add", T.DYN, (_THING, _THING), lambda a, b: make(nanos(a) + nanos(b)), member=True)
    found.add("add", T.DYN, (_THING, T.INT), lambda a, b: make(nanos(a) + b * 10**9), member=True)
    found.add("sub", T.DYN, (_THING, _THING), lambda a, b: make(nanos(a) - nanos(b)), member=True)
    found.add("sub", T.DYN, (_THING, T.INT), lambda a, b: make(nanos(a) - b * 10**9), member=True)


def _declare_networks(found: _Declared) -> None:
    ip, cidr = things.read_ip, things.read_cidr
    found.add("ip", T.DYN, (T.STRING,), things.to_ip, member=False)
    found.add("ip", T.DYN, (_THING,), lambda one: things.to_ip(one["text"].partition("/")[0]), member=True)
    found.add("isIP", T.BOOL, (T.STRING,), _is(things.to_ip), member=False)
    found.add("ip.isCanonical", T.BOOL, (T.STRING,), _canonical_ip, member=False)
    found.add("family", T.INT, (_THING,), lambda one: ip(one).version, member=True)
    for name, fits in (
        ("isUnspecified", lambda one: ip(one).is_unspecified),
        ("isLoopback", lambda one: ip(one).is_loopback),
        ("isLinkLocalMulticast", lambda one: _is_local_multicast(ip(one))),
        ("isLinkLocalUnicast", lambda one: ip(one).is_link_local),
        ("isGlobalUnicast", lambda one: _is_global_unicast(ip(one))),
    ):
        found.add(name, T.BOOL, (_THING,), fits, member=True)
    found.add("cidr", T.DYN, (T.STRING,), things.to_cidr, member=False)
    found.add("isCIDR", T.BOOL, (T.STRING,), lambda text: parse_cidr(text) is not None, member=False)
    found.add("containsIP", T.BOOL, (_THING, T.STRING), lambda c, text: ip(things.to_ip(text)) in cidr(c), member=True)
    found.add("containsIP", T.BOOL, (_THING, _THING), lambda c, one: ip(one) in cidr(c), member=True)
    within = things.contains_cidr
    found.add("containsCIDR", T.BOOL, (_THING, T.STRING), lambda c, t: within(c, things.to_cidr(t)), member=True)
    found.add("containsCIDR", T.BOOL, (_THING, _THING), within, member=True)
    found.add("prefixLength", T.INT, (_THING,), lambda one: cidr(one).prefixlen, member=True)
    found.add("masked", T.DYN, (_THING,), lambda one: things.to_cidr(str(cidr(one))), member=True)


def _is_local_multicast(one: addresses.Address) -> bool:
    return str(one).startswith("224.0.0.") if one.version == 4 else str(one).startswith("ff02:")


def _is_global_unicast(one: addresses.Address) -> bool:
    ends = one.is_unspecified or one.is_loopback or one.is_multicast or one.is_link_local
    return not ends and str(one) != "255.255.255.255"


def _declare_urls(found: _Declared) -> None:
    found.add("url", T.DYN, (T.STRING,), things.to_url, member=False)
    found.add("isURL", T.BOOL, (T.STRING,), _is(things.to_url), member=False)
    for name, key in (
        ("getScheme", "scheme"),
        ("getHost", "host"),
        ("getHostname", "name"),
        ("getPort", "port"),
        ("getEscapedPath", "path"),
    ):

        def get(thing: Thing, key: str = key) -> str:
            return str(things.need(thing, "url")[key])

        found.add(name, T.STRING, (_THING,), get, member=True)
    found.add("getQuery", T.DYN, (_THING,), lambda one: things.need(one, "url")["query"], member=True)


def _declare_authorizer(found: _Declared) -> None:
    found.add("path", T.DYN, (_THING, T.STRING), things.check_path, member=True)
    found.add("group", T.DYN, (_THING, T.STRING), things.check_group, member=True)
    found.add("resource", T.DYN, (_THING, T.STRING), things.check_resource, member=True)
    found.add("serviceAccount", T.DYN, (_THING, T.STRING, T.STRING), _account, member=True)
    for name in ("subresource", "namespace", "name", "fieldSelector", "labelSelector"):
        found.add(name, T.DYN, (_THING, T.STRING), things.with_field(name), member=True)
    found.add("check", T.DYN, (_THING, T.STRING), _check, member=True)
    found.add("allowed", T.BOOL, (_THING,), lambda one: bool(things.need(one, "decision")["allowed"]), member=True)
    found.add("reason", T.STRING, (_THING,), lambda one: str(things.need(one, "decision")["reason"]), member=True)
    found.add("errored", T.BOOL, (_THING,), lambda one: False, member=True)
    found.add("error", T.STRING, (_THING,), lambda one: "", member=True)
