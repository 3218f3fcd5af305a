"""The fields for a service's addresses: they must say the same. Pure."""

from __future__ import annotations

from corral.model.kubernetes import addresses
from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.kinds.checks import Problems, optional_of, unique
from corral.model.kubernetes.kinds.core.service.traits import EXTERNAL, NONE, is_headless
from corral.model.kubernetes.kinds.fields import text, texts
from corral.model.kubernetes.problems import invalid, not_supported, required

FAMILIES = ("IPv4", "IPv6")
POLICIES = ("PreferDualStack", "RequireDualStack", "SingleStack")


def family_of(ip: str) -> str:
    """
    >>> family_of("10.0.0.1"), family_of("fd00::1")
    ('IPv4', 'IPv6')
    """
    return "IPv6" if ":" in ip else "IPv4"


def check_addresses(spec: Object) -> Problems:
    if text(spec, "type") == EXTERNAL:
        return
    one, found, path = text(spec, "clusterIP"), texts(spec, "clusterIPs"), "spec.clusterIPs"
    if one and not found:
        yield required(path)
    elif one and found[0] != one:
        yield invalid(path, found, "first value must match `clusterIP`")
    elif found and not one:
        yield invalid(path, found, "must be empty when `clusterIP` is not specified")
    families = texts(spec, "ipFamilies")
    for index, family in enumerate(families):
        if family not in FAMILIES:
            yield not_supported(f"spec.ipFamilies[{index}]", family, FAMILIES)
    yield from unique((f"spec.ipFamilies[{index}]", family) for index, family in enumerate(families))
    yield from optional_of(spec, "ipFamilyPolicy", "spec", POLICIES)
    yield from _list(spec, found, path)


def _list(spec: Object, found: list[str], path: str) -> Problems:
    broken = False
    for index, ip in enumerate(found):
        if index == 0 and ip == NONE:
            if len(found) > 1:
                broken = True
                yield invalid(path, found, "'None' must be the first and only value")
            continue
        for detail in addresses.legacy_ip(ip):
            broken = True
            yield invalid(f"{path}[{index}]", ip, detail)
    if len(found) > 2:
        yield invalid(path, found, "may only hold up to 2 values")
    if broken:
        return
    if len(found) > 1 and len(set(map(family_of, found))) < 2:
        yield invalid(path, found, "may specify no more than one IP for each IP family")
    if not is_headless(spec):
        for index, (ip, family) in enumerate(zip(found, texts(spec, "ipFamilies"), strict=False)):
            if family in FAMILIES and family != family_of(ip):
                detail = f"expected an {family} value as indicated by `ipFamilies[{index}]`"
                yield invalid(f"{path}[{index}]", ip, detail)
