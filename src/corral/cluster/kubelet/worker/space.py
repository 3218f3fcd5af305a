"""The space of a pod, and the files that all its containers are shown."""

from __future__ import annotations

import os
from typing import Any, Final, Literal

from corral.cluster.kubelet.containers.limits import plan_group, plan_pod_limits
from corral.cluster.kubelet.containers.resolving import plan_hosts, plan_resolv_conf
from corral.cluster.kubelet.containers.security import plan_sysctls
from corral.cluster.kubelet.naming import pod_labels
from corral.cluster.kubelet.pods import full_name, host_network, hostname, own_users, subdomain
from corral.cluster.kubelet.shared import Shared
from corral.model.container import NetworkSpec, PortBinding
from corral.model.space import Space, SpaceSpec

Object = dict[str, Any]

PROTOCOLS: Final[dict[str, Literal["tcp", "udp", "sctp"]]] = {"TCP": "tcp", "UDP": "udp", "SCTP": "sctp"}


def plan_ports(pod: Object) -> list[PortBinding]:
    """Pure: the ports of the node that lead to the pod.

    >>> plan_ports({"spec": {"containers": [{"ports": [{"containerPort": 80, "hostPort": 8080}]}]}})[0].host_port
    8080
    """
    spec, found = pod["spec"], []
    if spec.get("hostNetwork"):
        return []
    for one in (*(spec.get("initContainers") or ()), *spec["containers"]):
        for port in one.get("ports") or ():
            if port.get("hostPort"):
                protocol = PROTOCOLS[port.get("protocol") or "TCP"]
                number = int(port["hostPort"])
                found.append(PortBinding(port["containerPort"], protocol, port.get("hostIP") or "", number, number))
    return found


def plan_space(pod: Object, shared: Shared) -> SpaceSpec:
    """Pure: what the pod's space is to be. NotAdmitted for kernel parameters that nobody has allowed."""
    spec = pod["spec"]
    network = NetworkSpec("host") if host_network(pod) else NetworkSpec(shared.network, ports=plan_ports(pod))
    name = hostname(pod, shared.node)
    full = subdomain(pod, shared.settings.cluster_domain)
    return SpaceSpec(
        name=f"k8s_POD_{full_name(pod).replace('(', '_').rstrip(')')}",
        hostname=f"{name}.{full}"[:64] if spec.get("setHostnameAsFQDN") and full else name,
        network=network,
        ipc="host" if spec.get("hostIPC") else "",
        users="own" if own_users(pod) else "",
        sysctls=plan_sysctls(pod, shared.settings.sysctls),
        group=plan_group(pod),
        resources=plan_pod_limits(pod),
        labels=pod_labels(pod),
    )


def addresses(space: Space, shared: Shared) -> tuple[str, ...]:
    """Pure: the pod's addresses, the default family's first: the node's where it has the node's network."""
    if not space.own_network:
        return shared.addresses
    first = shared.settings.families[0]
    found = [ip for end in space.endpoints.values() for ip in (end.ipv4, end.ipv6) if ip]
    return tuple(sorted(found, key=lambda ip: (6 if ":" in ip else 4) != first))


def write_files(pod: Object, ips: tuple[str, ...], place: str, shared: Shared) -> dict[str, str]:
    """Writes the pod's own /etc/hosts, /etc/hostname and /etc/resolv.conf: target -> path. OSError."""
    name, settings = hostname(pod, shared.node), shared.settings
    own = subdomain(pod, settings.cluster_domain)
    texts = {
        "hosts": plan_hosts(pod, ips, name, own, _read("/etc/hosts")),
        "hostname": f"{name}\n",
        "resolv.conf": plan_resolv_conf(pod, _read_resolv_conf(), settings.cluster_dns, settings.cluster_domain),
    }
    os.makedirs(place, mode=0o755, exist_ok=True)
    for file, text in texts.items():
        with open(f"{place}/{file}", "w") as opened:  # in place: containers have it mounted
            opened.write(text)
        os.chmod(f"{place}/{file}", 0o644)
    return {f"/etc/{file}": f"{place}/{file}" for file in texts}


def _read_resolv_conf() -> str:
    """The node's; the file of the real servers where a stub of systemd's stands before them."""
    text = _read("/etc/resolv.conf")
    return (_read("/run/systemd/resolve/resolv.conf") or text) if "127.0.0.53" in text else text


def _read(path: str) -> str:
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""
