"""Checks that many kinds share: each yields the problems of one value, at the path given, in upstream's words.

Follows k8s.io/apimachinery/pkg/apis/meta/v1/validation and pkg/api/validation, and pkg/apis/core/validation.
"""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from corral.model.kubernetes import addresses
from corral.model.kubernetes import names as words
from corral.model.kubernetes.kinds.fields import pairs, same, text
from corral.model.kubernetes.problems import Problem, duplicate, invalid, not_supported, required
from corral.model.kubernetes.selectors import BadSelector, Selector, of_object, problems_of_object

Problems = Iterator[Problem]

NEGATIVE = "must be greater than or equal to 0"
NOT_POSITIVE = "must be greater than 0"
IMMUTABLE = "field is immutable"
PROTOCOLS = ("SCTP", "TCP", "UDP")
_MULTICAST_4 = ipaddress.ip_network("224.0.0.0/24")
_MULTICAST_6 = ipaddress.ip_network("ff02::/16")

# Names recur (labels, containers, ports): each is looked at once.
_cached = functools.lru_cache(maxsize=4096)
qualified_name: Callable[[str], Sequence[str]] = _cached(words.qualified_name)
label_value: Callable[[str], Sequence[str]] = _cached(words.label_value)
dns_label: Callable[[str], Sequence[str]] = _cached(words.dns_label)
dns_subdomain: Callable[[str], Sequence[str]] = _cached(words.dns_subdomain)


def listed(check: Callable[..., Iterable[Problem]]) -> Callable[..., list[Problem]]:
    """Pure: a check that yields, as one that returns a list."""

    @functools.wraps(check)
    def checked(*objects: Any) -> list[Problem]:
        return list(check(*objects))

    return checked


def each(path: str, value: Any, details: Iterable[str]) -> Problems:
    """One problem for each text."""
    for detail in details:
        yield invalid(path, value, detail)


def nonnegative(obj: Mapping[str, Any], path: str, *keys: str) -> Problems:
    """
    >>> [str(one) for one in nonnegative({"replicas": -1}, "spec", "replicas", "minReadySeconds")]
    ['spec.replicas: Invalid value: -1: must be greater than or equal to 0']
    """
    for key in keys:
        value = obj.get(key)
        if isinstance(value, int | float) and value < 0:
            yield invalid(f"{path}.{key}" if path else key, value, NEGATIVE)


def positive(obj: Mapping[str, Any], path: str, *keys: str) -> Problems:
    """Missing is 0, which is not positive."""
    for key in keys:
        value = obj.get(key) or 0
        if value <= 0:
            yield invalid(f"{path}.{key}", value, NOT_POSITIVE)


def one_of(obj: Mapping[str, Any], key: str, path: str, allowed: Sequence[str]) -> Problems:
    """A field that must be set, to one of the allowed values."""
    value = text(obj, key)
    if not value:
        yield required(f"{path}.{key}" if path else key)
    elif value not in allowed:
        yield not_supported(f"{path}.{key}" if path else key, value, allowed)


def optional_of(obj: Mapping[str, Any], key: str, path: str, allowed: Sequence[str]) -> Problems:
    """A field that may be missing."""
    value = obj.get(key)
    if value is not None and value not in allowed:
        yield not_supported(f"{path}.{key}" if path else key, value, allowed)


def immutable(new: Mapping[str, Any], old: Mapping[str, Any], path: str, *keys: str) -> Problems:
    for key in keys:
        if not same(new.get(key), old.get(key), key):
            yield invalid(f"{path}.{key}" if path else key, new.get(key), IMMUTABLE)


def need(obj: Mapping[str, Any], path: str, *keys: str) -> Problems:
    for key in keys:
        if not obj.get(key):
            yield required(f"{path}.{key}" if path else key)


def label_name(value: str, path: str) -> Problems:
    return each(path, value, qualified_name(value))


def labels(found: Mapping[str, Any], key: str, path: str) -> Problems:
    """The labels below the key; `path` leads to them."""
    for name, value in pairs(found, key):
        if wrong := qualified_name(name):
            yield from each(path, name, wrong)
        if wrong := label_value(value if isinstance(value, str) else ""):
            yield from each(path, value, wrong)


def label_selector(holder: Mapping[str, Any], key: str, path: str) -> Problems:
    """A metav1.LabelSelector; `path` leads to it."""
    selector = holder.get(key)
    if isinstance(selector, dict):
        yield from problems_of_object(selector, path)


def read_selector(selector: Any) -> Selector | None:
    """The selector that an object stands for; None of one that is invalid."""
    try:
        return of_object(selector if isinstance(selector, dict) else None)
    except BadSelector:
        return None


def port_number_or_name(value: Any, path: str) -> Problems:
    """
    >>> [str(one) for one in port_number_or_name(70000, "spec.ports[0].targetPort")]
    ['spec.ports[0].targetPort: Invalid value: 70000: must be between 1 and 65535, inclusive']
    """
    if isinstance(value, str):
        yield from each(path, value, words.port_name(value))
    else:
        number = value if isinstance(value, int) else 0
        yield from each(path, number, words.port_number(number))


def legacy_ip(value: str, path: str, old: Collection[str] = ()) -> Problems:
    return each(path, value, addresses.legacy_ip(value, old))


def legacy_cidr(value: str, path: str, old: Collection[str] = ()) -> Problems:
    return each(path, value, addresses.legacy_cidr(value, old))


def endpoint_ip(value: str, path: str) -> Problems:
    """An address that traffic may be sent to.

    >>> [one.detail for one in endpoint_ip("127.0.0.1", "ip")]
    ['may not be in the loopback range (127.0.0.0/8, ::1/128)']
    """
    address = addresses.parse_ip(value)
    if address is None:
        yield invalid(path, value, "must be a valid IP address")
        return
    if address.is_unspecified:
        yield invalid(path, value, f"may not be unspecified ({value})")
    if address.is_loopback:
        yield invalid(path, value, "may not be in the loopback range (127.0.0.0/8, ::1/128)")
    if address.is_link_local:
        yield invalid(path, value, "may not be in the link-local range (169.254.0.0/16, fe80::/10)")
    if _is_link_local_multicast(address):
        yield invalid(path, value, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)")


def _is_link_local_multicast(address: addresses.Address) -> bool:
    return address in _MULTICAST_4 if address.version == 4 else address in _MULTICAST_6


def unique(found: Iterable[tuple[str, Any]]) -> Problems:
    """A problem for each value that was there before; values come with their paths."""
    seen: set[Any] = set()
    for path, value in found:
        if value in seen:
            yield duplicate(path, value)
        seen.add(value)


def without_steps_up(value: str, path: str) -> Problems:
    if ".." in value.split("/"):
        yield invalid(path, value, "must not contain '..'")


def local_path(value: str, path: str) -> Problems:
    """A path below some folder."""
    if value.startswith("/"):
        yield invalid(path, value, "must be a relative path")
    yield from without_steps_up(value, path)


def local_free_path(value: str, path: str) -> Problems:
    yield from local_path(value, path)
    if value.startswith("..") and not value.startswith("../"):
        yield invalid(path, value, "must not start with '..'")
