"""What a proxy path means: `[scheme:]name[:port]`, and where that leads. Pure.

Follows k8s.io/apimachinery/pkg/util/net (SplitSchemeNamePort) and the registries of pods and services.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import NamedTuple

from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.status import StatusError, bad_request, unavailable


class Named(NamedTuple):
    scheme: str
    name: str
    port: str


class Place(NamedTuple):
    """Where to connect to."""

    tls: bool
    address: str
    port: int

    @property
    def host(self) -> str:
        """
        >>> Place(False, "10.1.0.5", 80).host, Place(False, "fd00::1", 80).host
        ('10.1.0.5:80', '[fd00::1]:80')
        """
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


def split_name(text: str, what: str) -> Named:
    """Pure. 400.

    >>> split_name("web", "pod"), split_name("https:web:8443", "pod"), split_name("web:http", "service")
    (Named(scheme='', name='web', port=''), Named(scheme='https', name='web', port='8443'), \
Named(scheme='', name='web', port='http'))
    """
    parts = text.split(":")
    scheme, name, port = ("", *parts, "")[:3] if len(parts) < 3 else parts[:3]
    if len(parts) > 3 or not name or scheme not in ("", "http", "https"):
        raise bad_request(f'invalid {what} request "{text}"')
    return Named(scheme, name, port)


def check_address(address: str) -> None:
    """Raises 400 for what is not a place of the cluster: the server's own loopback, the link, many at once."""
    found = ipaddress.ip_address(address) if address else None
    if found is None or found.is_loopback or found.is_link_local or found.is_unspecified or found.is_multicast:
        raise bad_request("address not allowed")


def pod_place(pod: Object, named: Named) -> Place:
    """Pure: the port that was asked for, or else the first that a container declares. 400.

    >>> web = {"metadata": {"name": "web"}, "spec": {"containers": [{"ports": [{"containerPort": 8080}]}]},
    ...        "status": {"podIP": "10.1.0.5"}}
    >>> pod_place(web, Named("", "web", ""))
    Place(tls=False, address='10.1.0.5', port=8080)
    """
    address = (pod.get("status") or {}).get("podIP", "")
    check_address(address)
    declared = [port for one in pod["spec"].get("containers") or () for port in one.get("ports") or ()]
    tls = named.scheme == "https"
    if not named.port:
        return Place(tls, address, declared[0]["containerPort"] if declared else 443 if tls else 80)
    return Place(tls, address, number(named))


def number(named: Named) -> int:
    """Pure: a port that is given as a number. 400."""
    if not (named.port.isascii() and named.port.isdigit()) or not 0 < int(named.port) < 65536:
        raise bad_request(f'invalid port "{named.port}" of {named.name}')
    return int(named.port)


def service_port(service: Object, named: Named) -> str:
    """Pure: the name of the port that is meant, "" for one without. 503 for one that the service does not have.

    >>> web = {"spec": {"ports": [{"name": "http", "port": 80}]}}
    >>> service_port(web, Named("", "web", "80")), service_port(web, Named("", "web", "http"))
    ('http', 'http')
    """
    ports: list[Object] = service["spec"].get("ports") or []
    if not named.port and len(ports) == 1:
        return str(ports[0].get("name", ""))
    if not (named.port.isascii() and named.port.isdigit()):
        return named.port
    for one in ports:
        if one["port"] == int(named.port):
            return str(one.get("name", ""))
    raise unavailable(f'no service port {int(named.port)} found for service "{named.name}"')


def service_places(slices: Sequence[Object], port_name: str, *, tls: bool) -> list[Place]:
    """Pure: every ready endpoint of a service's port.

    >>> part = {"ports": [{"name": "http", "port": 8080}],
    ...         "endpoints": [{"addresses": ["10.1.0.5"], "conditions": {"ready": True}}]}
    >>> service_places([part], "http", tls=False)
    [Place(tls=False, address='10.1.0.5', port=8080)]
    """
    found = []
    for one in slices:
        for port in one.get("ports") or ():
            if (port.get("name") or "") == port_name and port.get("port"):
                ready = (each for each in one.get("endpoints") or () if _is_ready(each))
                found += [Place(tls, each["addresses"][0], port["port"]) for each in ready]
    return found


def _is_ready(endpoint: Object) -> bool:
    ready = (endpoint.get("conditions") or {}).get("ready")
    return bool(endpoint.get("addresses")) and ready is not False


def no_endpoints(name: str) -> StatusError:
    return unavailable(f'no endpoints available for service "{name}"')
