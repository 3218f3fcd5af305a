"""What may change in a service that is there. Pure. Follows ValidateServiceUpdate."""

from __future__ import annotations

from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.kinds.checks import Problems
from corral.model.kubernetes.kinds.core.service import traits
from corral.model.kubernetes.kinds.core.service.traits import EXTERNAL, LOAD_BALANCER, spec_of
from corral.model.kubernetes.kinds.fields import number, text, texts
from corral.model.kubernetes.problems import forbidden, invalid

_FIXED = "may not change once set"


def check_update(new: Object, old: Object) -> Problems:
    spec, was = spec_of(new), spec_of(old)
    if EXTERNAL not in (text(spec, "type"), text(was, "type")):
        yield from _addresses(spec, was)
        yield from _families(spec, was)
    balanced, name = text(spec, "type") == text(was, "type") == LOAD_BALANCER, spec.get("loadBalancerClass")
    if balanced and name != was.get("loadBalancerClass"):
        yield invalid("spec.loadBalancerClass", name, _FIXED)
    if traits.needs_health_check(was) and traits.needs_health_check(spec):
        after, before = number(spec, "healthCheckNodePort"), number(was, "healthCheckNodePort")
        if after and before and after != before:
            yield forbidden("spec.healthCheckNodePort", "field is immutable")


def _addresses(spec: Object, was: Object) -> Problems:
    """The first address stays; a second one may come, or go with the policy SingleStack."""
    if traits.is_headless(spec) and traits.is_headless(was):
        return
    after, before, path = texts(spec, "clusterIPs"), texts(was, "clusterIPs"), "spec.clusterIPs"
    if len(after) == len(before):
        for index, (ip, old) in enumerate(zip(after, before, strict=True)):
            if ip != old:
                yield invalid(f"{path}[{index}]", after, _FIXED)
        return
    if not after:
        yield invalid(f"{path}[0]", after, "primary clusterIP can not be unset")
    elif before and after[0] != before[0]:
        yield invalid(f"{path}[0]", after, _FIXED)
    if len(before) > len(after) == 1:
        yield from _single(spec, "must be set to 'SingleStack' when releasing the secondary clusterIP")


def _single(spec: Object, detail: str) -> Problems:
    if spec.get("ipFamilyPolicy") != "SingleStack":
        yield invalid("spec.ipFamilyPolicy", spec.get("ipFamilyPolicy"), detail)


def _families(spec: Object, was: Object) -> Problems:
    if traits.is_headless(spec) != traits.is_headless(was) or traits.is_headless(spec):
        return
    after, before, path = texts(spec, "ipFamilies"), texts(was, "ipFamilies"), "spec.ipFamilies[0]"
    if len(after) == len(before):
        for family, old in zip(after, before, strict=True):
            if family != old:
                yield invalid(path, after, _FIXED)
        return
    if len(before) > len(after) and not texts(spec, "clusterIPs"):
        yield invalid(path, after, "primary ipFamily can not be unset")
    if after and before and after[0] != before[0]:
        yield invalid(path, texts(spec, "clusterIPs"), _FIXED)
    if len(before) > len(after) == 1:
        yield from _single(spec, "must be set to 'SingleStack' when releasing the secondary ipFamily")
