"""The rules of a service. Pure. Follows validateService of pkg/apis/core/validation."""

from __future__ import annotations

from corral.model.kubernetes import addresses, names
from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.kinds import checks
from corral.model.kubernetes.kinds.checks import PROTOCOLS, Problems, dns_label, dns_subdomain, each, one_of
from corral.model.kubernetes.kinds.core.service import traits
from corral.model.kubernetes.kinds.core.service.ip_fields import check_addresses
from corral.model.kubernetes.kinds.core.service.traits import EXTERNAL, LOAD_BALANCER, NODE_PORT, spec_of
from corral.model.kubernetes.kinds.fields import annotations_of, has, indexed, number, objects, part, text, texts
from corral.model.kubernetes.problems import duplicate, forbidden, invalid, not_supported, required

_RANGES = "service.beta.kubernetes.io/load-balancer-source-ranges"
_HINTS, _MODE = "service.kubernetes.io/topology-aware-hints", "service.kubernetes.io/topology-mode"
_ONLY_BALANCED = "may only be used when `type` is 'LoadBalancer'"
_POLICIES = ("Cluster", "Local")
_DISTRIBUTIONS = ("PreferClose", "PreferSameZone", "PreferSameNode")
LONGEST_AFFINITY = 86400


def check(service: Object) -> Problems:
    """A service with its defaults; addresses and ports that it has not been given yet are not missed."""
    spec, notes = spec_of(service), annotations_of(service)
    if _MODE in notes and _HINTS in notes and notes[_MODE] != notes[_HINTS]:
        detail = f"must match annotations[{_HINTS}] when both are specified"
        yield invalid(f"metadata.annotations[{_MODE}]", notes[_MODE], detail)
    if not objects(spec, "ports") and not traits.is_headless(spec) and text(spec, "type") != EXTERNAL:
        yield required("spec.ports")
    yield from _by_type(spec)
    yield from _ports(spec)
    yield from checks.labels(spec, "selector", "spec.selector")
    yield from _affinity(spec)
    yield from check_addresses(spec)
    for index, ip in enumerate(texts(spec, "externalIPs")):
        path = f"spec.externalIPs[{index}]"
        yield from list(checks.legacy_ip(ip, path)) or checks.endpoint_ip(ip, path)
    yield from one_of(spec, "type", "spec", traits.TYPES)
    yield from _unique_ports(spec)
    yield from _load_balancer(spec, notes)
    yield from _policies(spec)


def _by_type(spec: Object) -> Problems:
    kind = text(spec, "type")
    if kind in (LOAD_BALANCER, NODE_PORT) and traits.is_headless(spec):
        yield invalid("spec.clusterIPs[0]", "None", f"may not be set to 'None' for {kind} services")
    if kind != EXTERNAL:
        return
    for key in ("clusterIPs", "ipFamilies", "ipFamilyPolicy"):
        if spec.get(key):
            yield forbidden(f"spec.{key}", "may not be set for ExternalName services")
    if name := text(spec, "externalName").removesuffix("."):
        yield from each("spec.externalName", name, dns_subdomain(name))
    else:
        yield required("spec.externalName")


def _ports(spec: Object) -> Problems:
    """
    >>> ports = [{"port": 0, "protocol": "TCP", "targetPort": 80}]
    >>> [str(one) for one in _ports({"ports": ports})]
    ['spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive']
    """
    several, seen = len(objects(spec, "ports")) > 1, set[str]()
    for at, port in indexed(spec, "ports", "spec.ports"):
        name = text(port, "name")
        if name:
            yield from each(f"{at}.name", name, dns_label(name))
            if name in seen:
                yield duplicate(f"{at}.name", name)
            seen.add(name)
        elif several:
            yield required(f"{at}.name")
        yield from each(f"{at}.port", number(port, "port"), names.port_number(number(port, "port")))
        yield from one_of(port, "protocol", at, PROTOCOLS)
        yield from checks.port_number_or_name(port.get("targetPort"), f"{at}.targetPort")
        if has(port, "appProtocol"):
            yield from checks.label_name(text(port, "appProtocol"), f"{at}.appProtocol")


def _unique_ports(spec: Object) -> Problems:
    if text(spec, "type") == traits.CLUSTER_IP:
        for at, port in indexed(spec, "ports", "spec.ports"):
            if number(port, "nodePort"):
                yield forbidden(f"{at}.nodePort", "may not be used when `type` is 'ClusterIP'")
    taken: set[tuple[str, int]] = set()
    for at, port in indexed(spec, "ports", "spec.ports"):
        key = text(port, "protocol"), number(port, "nodePort")
        if key[1] and key in taken:
            yield duplicate(f"{at}.nodePort", key[1])
        taken.add(key)
    seen: set[tuple[str, int]] = set()
    for at, port in indexed(spec, "ports", "spec.ports"):
        protocol, value = text(port, "protocol"), number(port, "port")
        if (protocol, value) in seen:
            yield duplicate(at, {"protocol": protocol, "port": value, "targetPort": 0})
        seen.add((protocol, value))


def _affinity(spec: Object) -> Problems:
    yield from one_of(spec, "sessionAffinity", "spec", ("ClientIP", "None"))
    if text(spec, "sessionAffinity") == "ClientIP":
        seconds = number(part(spec, "sessionAffinityConfig", "clientIP"), "timeoutSeconds")
        if not 0 < seconds <= LONGEST_AFFINITY:
            path = "spec.sessionAffinityConfig.clientIP.timeoutSeconds"
            yield invalid(path, seconds, f"must be greater than 0 and less than {LONGEST_AFFINITY}")


def _load_balancer(spec: Object, notes: Object) -> Problems:
    balanced, ranges = text(spec, "type") == LOAD_BALANCER, texts(spec, "loadBalancerSourceRanges")
    if ranges:
        if not balanced:
            yield forbidden("spec.LoadBalancerSourceRanges", _ONLY_BALANCED)
        for index, value in enumerate(ranges):
            yield from checks.legacy_cidr(value.strip(), f"spec.LoadBalancerSourceRanges[{index}]")
    elif _RANGES in notes:
        path = f"metadata.annotations[{_RANGES}]"
        if not balanced:
            yield forbidden(path, _ONLY_BALANCED)
        for value in filter(None, map(str.strip, text(notes, _RANGES).split(","))):
            yield from checks.legacy_cidr(value, path)
    for key in ("allocateLoadBalancerNodePorts", "loadBalancerClass"):
        if has(spec, key) and not balanced:
            yield forbidden(f"spec.{key}", _ONLY_BALANCED)
    if balanced and has(spec, "loadBalancerClass"):
        yield from checks.label_name(text(spec, "loadBalancerClass"), "spec.loadBalancerClass")


def _policies(spec: Object) -> Problems:
    policy, path = text(spec, "externalTrafficPolicy"), "spec.externalTrafficPolicy"
    if traits.is_external(spec):
        yield from one_of(spec, "externalTrafficPolicy", "spec", _POLICIES)
    elif policy:
        yield invalid(path, policy, "may only be set for externally-accessible services")
    if port := number(spec, "healthCheckNodePort"):
        if traits.needs_health_check(spec):
            yield from each("spec.healthCheckNodePort", port, names.port_number(port))
        else:
            detail = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
            yield invalid("spec.healthCheckNodePort", port, detail)
    if traits.needs_cluster_ip(spec) and not has(spec, "internalTrafficPolicy"):
        yield required("spec.internalTrafficPolicy")
    yield from checks.optional_of(spec, "internalTrafficPolicy", "spec", _POLICIES)
    yield from checks.optional_of(spec, "trafficDistribution", "spec", _DISTRIBUTIONS)


def check_status(new: Object, old: Object) -> Problems:
    balancer = part(new, "status", "loadBalancer")
    known = [text(one, "ip") for one in objects(part(old, "status", "loadBalancer"), "ingress")]
    if text(spec_of(new), "type") != LOAD_BALANCER and objects(balancer, "ingress"):
        yield forbidden("status.loadBalancer.ingress", "may only be used when `spec.type` is 'LoadBalancer'")
        return
    for at, ingress in indexed(balancer, "ingress", "status.loadBalancer.ingress"):
        yield from check_ingress(ingress, at, known)
        mode, ip = ingress.get("ipMode"), text(ingress, "ip")
        if mode is not None and not ip:
            yield forbidden(f"{at}.ipMode", "may not be specified when `ip` is not set")
        elif mode is not None and mode not in ("Proxy", "VIP"):
            yield not_supported(f"{at}.ipMode", mode, ("Proxy", "VIP"))
        elif mode is None and ip:
            yield required(f"{at}.ipMode", "must be specified when `ip` is set")


def check_ingress(ingress: Object, path: str, known: list[str]) -> Problems:
    """One address of a load balancer, of a service or an Ingress."""
    if ip := text(ingress, "ip"):
        yield from checks.legacy_ip(ip, f"{path}.ip", known)
    if host := text(ingress, "hostname"):
        yield from each(f"{path}.hostname", host, dns_subdomain(host))
        if addresses.parse_ip(host) is not None:
            yield invalid(f"{path}.hostname", host, "must be a DNS name, not an IP address")
