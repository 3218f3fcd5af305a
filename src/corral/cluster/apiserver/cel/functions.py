"""Kubernetes' own functions of CEL. Follows k8s.io/apiserver/pkg/cel/library."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Final

import re2  # type: ignore[import-untyped]
from cel_expr_python import cel

from corral.cluster.apiserver.cel import formats, images, things, versions
from corral.cluster.apiserver.cel.things import Decide, Thing
from corral.model.kubernetes import addresses, quantity
from corral.model.kubernetes.addresses import parse_cidr

# Who answers for the authorizer while an expression is run.
deciding: contextvars.ContextVar[Decide | None] = contextvars.ContextVar("deciding", default=None)

T = cel.Type
_THING: Final = T.Map(T.STRING, T.DYN)
_ANY_LIST: Final = T.List(T.DYN)
_ITEMS: Final = (
    *(T.INT, T.UINT, T.DOUBLE, T.STRING, T.BOOL, T.BYTES, T.DURATION, T.TIMESTAMP, T.NULL),
    *(_THING, _ANY_LIST),
)


def _is(make: Callable[..., Any]) -> Callable[..., bool]:
    def fits(*given: Any) -> bool:
        try:
            make(*given)
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


def _one(value: Any) -> list[Any]:
    """As `rewriting` takes it: a time, which the library does not take back, as its text."""
    if isinstance(value, timedelta):
        return [{"duration": f"{value // timedelta(microseconds=1)}us"}]
    if isinstance(value, datetime):
        return [{"timestamp": value.astimezone(UTC).isoformat().replace("+00:00", "Z")}]
    return [value]


def _sum(values: list[Any]) -> Any:
    """Raises ValueError."""
    kinds = {type(one) for one in values}
    if not kinds <= {int, float} and kinds != {timedelta}:
        raise ValueError("no such overload")
    return sum(values[1:], values[0]) if values else 0


def _same(one: Any, other: Any) -> bool:
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def _index(values: list[Any], wanted: Any) -> int:
    return next((index for index, one in enumerate(values) if _same(one, wanted)), -1)


def _last_index(values: list[Any], wanted: Any) -> int:
    return next((index for index in range(len(values) - 1, -1, -1) if _same(values[index], wanted)), -1)


def _place(text: str, part: str, at: int | None, *, last: bool) -> int:
    """Where a part of a text begins, from `at` on, or (`last`) at `at` at the latest; -1: nowhere."""
    if at is not None and not 0 <= at <= len(text):
        raise ValueError(f"index out of range: {at}")
    if last:
        return text.rfind(part, 0, len(text) if at is None else at + len(part))
    return text.find(part, at)


def _pairs(pairs: list[Any]) -> dict[Any, Any]:
    return {one[0]: one[1] for one in pairs}


def _entries(maps: list[dict[Any, Any]]) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for one in maps:
        for key, value in one.items():
            if key in found:
                raise ValueError(f"insert failed: key {key} already exists")
            found[key] = value
    return found


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
            return of_semver(versions.order(one), versions.order(other))
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
    _declare_lists(found)
    _declare_versions(found)
    _declare_images(found)
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
    found.add("format.named", T.DYN, (T.STRING,), formats.named, member=False)
    found.add("validate", T.DYN, (_THING, T.STRING), formats.validate, member=True)
    for name in formats.FORMATS:
        found.add(f"format.{name}", T.DYN, (), lambda name=name: formats.named(name)[0], member=False)


def _declare_lists(found: _Declared) -> None:
    found.add("isSorted", T.BOOL, (_ANY_LIST,), _is_sorted, member=True)
    for name, act in (("sum", _sum), ("min", _least), ("max", _most)):
        found.add(name, T.DYN, (_ANY_LIST,), act, member=True)  # what is wrong with its use is said of this one

        def fold(values: list[Any], act: Callable[[list[Any]], Any] = act) -> list[Any]:
            return _one(act(values))

        found.add(f"kubernetes{name.title()}", _ANY_LIST, (_ANY_LIST,), fold, member=True)
    # `rewriting` leads to those whose names the library has for itself.
    for name, of_list, of_text in (
        ("kubernetesIndexOf", _index, lambda text, part, at=0: _place(text, part, at, last=False)),
        ("kubernetesLastIndexOf", _last_index, lambda text, part, at=None: _place(text, part, at, last=True)),
    ):
        for item in _ITEMS:
            found.add(name, T.INT, (_ANY_LIST, item), of_list, member=True)
        found.add(name, T.INT, (T.STRING, T.STRING), of_text, member=True)
        found.add(name, T.INT, (T.STRING, T.STRING, T.INT), of_text, member=True)
    found.add("kubernetesPairs", T.DYN, (_ANY_LIST,), _pairs, member=True)
    found.add("kubernetesEntries", T.DYN, (_ANY_LIST,), _entries, member=True)
    for item in _ITEMS:
        found.add("kubernetesText", T.DYN, (item,), things.as_text, member=False)


def _declare_versions(found: _Declared) -> None:
    found.add("semver", T.DYN, (T.STRING,), versions.to_semver, member=False)
    found.add("semver", T.DYN, (T.STRING, T.BOOL), versions.to_semver, member=False)
    fits = _is(versions.to_semver)
    found.add("isSemver", T.BOOL, (T.STRING,), fits, member=False)
    found.add("isSemver", T.BOOL, (T.STRING, T.BOOL), fits, member=False)
    for index, name in enumerate(("major", "minor", "patch")):

        def part(thing: Thing, index: int = index) -> int:
            return int(things.need(thing, "semver")["release"][index])

        found.add(name, T.INT, (_THING,), part, member=True)


def _declare_images(found: _Declared) -> None:
    found.add("image", T.DYN, (T.STRING,), images.to_image, member=False)
    found.add("isImage", T.BOOL, (T.STRING,), _is(images.to_image), member=False)
    found.add("containsDigest", T.BOOL, (_THING,), lambda one: bool(things.need(one, "image")["digest"]), member=True)
    found.add("identifier", T.STRING, (_THING,), lambda one: images.identifier(things.need(one, "image")), member=True)
    for name in ("registry", "repository", "tag", "digest"):

        def part(thing: Thing, name: str = name) -> str:
            return str(things.need(thing, "image")[name])

        found.add(name, T.STRING, (_THING,), part, member=True)


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
