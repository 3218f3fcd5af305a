"""What a pod shares with its host: ports, users, its name. Pure."""

from __future__ import annotations

from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.kinds.checks import Problems, dns_subdomain, each
from corral.model.kubernetes.kinds.fields import flag, has, indexed, number, text
from corral.model.kubernetes.problems import forbidden, invalid, too_long

_ALONE = "when `hostUsers` is false"


def check_host_ports(spec: Object, path: str, is_pod: bool) -> Problems:
    """On the host's network, a port is the same inside and outside; a template may leave it open."""
    if not flag(spec, "hostNetwork"):
        return
    for at, container in indexed(spec, "containers", path):
        for port_at, port in indexed(container, "ports", f"{at}.ports"):
            host = number(port, "hostPort")
            if (is_pod or host) and host != number(port, "containerPort"):
                yield invalid(f"{port_at}.hostPort", host, "must match `containerPort` when `hostNetwork` is true")


def check_users(spec: Object, path: str) -> Problems:
    if spec.get("hostUsers") is not False:
        return
    for key, shown in (("hostNetwork", "hostNetwork"), ("hostPID", "HostPID"), ("hostIPC", "HostIPC")):
        if flag(spec, key):
            yield forbidden(f"{path}.{shown}", _ALONE)


def check_host(spec: Object, path: str) -> Problems:
    if not has(spec, "hostnameOverride"):
        return
    name, at = text(spec, "hostnameOverride"), f"{path}.hostnameOverride"
    if flag(spec, "setHostnameAsFQDN"):
        yield forbidden(at, "may not be specified when setHostnameAsFQDN is true")
    if flag(spec, "hostNetwork"):
        yield forbidden(at, "may not be specified when hostNetwork is true")
    if len(name) > 64:
        yield too_long(at, 64)
    yield from each(at, name, dns_subdomain(name))
