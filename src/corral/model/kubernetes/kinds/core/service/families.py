"""Which families of addresses a service gets: IPv4, IPv6 or both. Follows initIPFamilyFields of upstream's storage."""

from __future__ import annotations

from collections.abc import Sequence

from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.kinds.checks import Problems
from corral.model.kubernetes.kinds.core.service.ip_fields import family_of
from corral.model.kubernetes.kinds.core.service.traits import NONE
from corral.model.kubernetes.kinds.fields import has, part, text, texts
from corral.model.kubernetes.problems import Problem, invalid

SINGLE, PREFER, REQUIRE = "SingleStack", "PreferDualStack", "RequireDualStack"
_POLICY = "spec.ipFamilyPolicy"


def fill_families(spec: Object, was: Object | None, configured: Sequence[str]) -> list[Problem]:
    """In place: sets policy and families; or says why it can't, in which case the spec is not to be used.

    `configured`: the families of the cluster's ranges, its default first.

    >>> spec = {"ipFamilyPolicy": "PreferDualStack"}; fill_families(spec, None, ["IPv4", "IPv6"]); spec["ipFamilies"]
    []
    ['IPv4', 'IPv6']
    """
    if was is not None and _is_settled(spec, was):
        return []
    headless = text(spec, "clusterIP") == NONE and not part(spec, "selector")
    if not has(spec, "ipFamilyPolicy"):
        before = (was or {}).get("ipFamilyPolicy")
        spec["ipFamilyPolicy"] = before or (REQUIRE if headless else SINGLE)
    if was is not None:
        _release(spec, was)
    problems = [*_fit(spec), *_from_addresses(spec, configured)]
    if problems:
        return problems
    if not headless and (problems := list(_possible(spec, configured))):
        return problems
    families = texts(spec, "ipFamilies") or [configured[0]]
    if spec["ipFamilyPolicy"] != SINGLE and len(families) == 1 and (headless or len(configured) == 2):
        families = [*families, "IPv6" if families[0] == "IPv4" else "IPv4"]
    spec["ipFamilies"] = families
    return []


def _is_settled(spec: Object, was: Object) -> bool:
    """A service that would rather have both families is not changed by the way when the cluster gets a second one."""
    if not spec.get("ipFamilyPolicy") == was.get("ipFamilyPolicy") == PREFER:
        return False
    return bool(texts(spec, "ipFamilies")) and all(
        spec.get(key) == was.get(key) for key in ("clusterIPs", "ipFamilies")
    )


def _release(spec: Object, was: Object) -> None:
    """The policy SingleStack alone is enough to give the second address back."""
    if spec["ipFamilyPolicy"] == SINGLE:
        for key in ("clusterIPs", "ipFamilies"):
            if texts(spec, key) == texts(was, key) and len(texts(spec, key)) > 1:
                spec[key] = texts(spec, key)[:1]


def _fit(spec: Object) -> Problems:
    if spec["ipFamilyPolicy"] != SINGLE:
        return
    for key, what in (("clusterIPs", "cluster IPs"), ("ipFamilies", "IP families")):
        if len(texts(spec, key)) == 2:
            detail = f"must be 'RequireDualStack' or 'PreferDualStack' when multiple {what} are specified"
            yield invalid(_POLICY, SINGLE, detail)


def _from_addresses(spec: Object, configured: Sequence[str]) -> Problems:
    """Addresses that the user asks for say which families are meant. In place."""
    families = texts(spec, "ipFamilies")[:]
    for index, ip in enumerate(texts(spec, "clusterIPs")):
        if ip in (NONE, "") or index < len(families):
            continue
        if family_of(ip) not in configured:
            detail = f"{family_of(ip)} is not configured on this cluster"
            yield invalid(f"spec.clusterIPs[{index}]", texts(spec, "clusterIPs"), detail)
        families.append(family_of(ip))
    if families:
        spec["ipFamilies"] = families


def _possible(spec: Object, configured: Sequence[str]) -> Problems:
    if spec["ipFamilyPolicy"] == REQUIRE and len(configured) < 2:
        yield invalid(_POLICY, REQUIRE, "this cluster is not configured for dual-stack services")
    for index, family in enumerate(texts(spec, "ipFamilies")):
        if family not in configured:
            yield invalid(f"spec.ipFamilies[{index}]", family, "not configured on this cluster")
