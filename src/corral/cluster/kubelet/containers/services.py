"""The variables that tell containers of services, as Docker's links once did. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

Object = dict[str, Any]

MASTER: Final = ("default", "kubernetes")


def plan_service_env(services: Iterable[Object], namespace: str, *, links: bool) -> dict[str, str]:
    """The variables of the namespace's services that have an address, and in any case those of the API server.

    >>> port = {"port": 80, "protocol": "TCP", "name": "http"}
    >>> web = {"metadata": {"name": "my-web", "namespace": "d"}, "spec": {"clusterIP": "10.0.0.9", "ports": [port]}}
    >>> for name, value in plan_service_env([web], "d", links=True).items():
    ...     print(f"{name}={value}")
    MY_WEB_SERVICE_HOST=10.0.0.9
    MY_WEB_SERVICE_PORT=80
    MY_WEB_SERVICE_PORT_HTTP=80
    MY_WEB_PORT=tcp://10.0.0.9:80
    MY_WEB_PORT_80_TCP=tcp://10.0.0.9:80
    MY_WEB_PORT_80_TCP_PROTO=tcp
    MY_WEB_PORT_80_TCP_PORT=80
    MY_WEB_PORT_80_TCP_ADDR=10.0.0.9
    """
    chosen: dict[str, Object] = {}
    for service in sorted(services, key=lambda one: str(one["metadata"]["name"])):
        name, place = service["metadata"]["name"], service["metadata"].get("namespace", "")
        if (service["spec"].get("clusterIP") or "None") == "None":
            continue
        if (links and place == namespace) or ((place, name) == MASTER and name not in chosen):
            chosen[name] = service
    found: dict[str, str] = {}
    for name, service in chosen.items():
        found |= _variables(name.upper().replace("-", "_"), service["spec"])
    return found


def _variables(prefix: str, spec: Object) -> dict[str, str]:
    address, ports = spec["clusterIP"], spec.get("ports") or []
    if not ports:
        return {}
    host = f"[{address}]" if ":" in address else address
    found = {f"{prefix}_SERVICE_HOST": address, f"{prefix}_SERVICE_PORT": str(ports[0]["port"])}
    for port in ports:
        if port.get("name"):
            found[f"{prefix}_SERVICE_PORT_{port['name'].upper().replace('-', '_')}"] = str(port["port"])
    for n, port in enumerate(ports):
        protocol, number = str(port.get("protocol") or "TCP"), port["port"]
        url, key = f"{protocol.lower()}://{host}:{number}", f"{prefix}_PORT_{number}_{protocol.upper()}"
        found |= {f"{prefix}_PORT": url} if n == 0 else {}
        found |= {key: url, f"{key}_PROTO": protocol.lower(), f"{key}_PORT": str(number), f"{key}_ADDR": address}
    return found
