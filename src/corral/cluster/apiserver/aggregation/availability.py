"""Is an extension API server there, as far as the cluster's objects tell? Pure.

Follows k8s.io/kube-aggregator/pkg/controllers/status/remote: the reasons and texts are those of upstream's conditions.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from corral.model.kubernetes.kinds.fields import labels_of, number, objects, part, text
from corral.model.kubernetes.labels import SERVICE_NAME
from corral.model.kubernetes.resources import Resource

Object = dict[str, Any]


class Described(NamedTuple):
    """The OpenAPI of an extension server: its v2 document, and the URL of its v3 document; what it has not is empty."""

    v2: bytes
    v3: str


class Health(NamedTuple):
    """`resources`: the last that are known; `fresh`: they are of now."""

    available: bool
    reason: str
    message: str
    resources: tuple[Resource, ...] = ()
    described: Described | None = None
    fresh: bool = True


LOCAL: Final = Health(True, "Local", "Local APIServices are always available")
PASSED: Final = Health(True, "Passed", "all checks passed")


def failed(reason: str, message: str) -> Health:
    return Health(False, reason, message, fresh=False)


def service_of(api_service: Object) -> tuple[str, str] | None:
    """Pure: (namespace, name) of the Service of an APIService; None: it is served here.

    >>> service_of({"spec": {"service": {"namespace": "a", "name": "b"}}}), service_of({"spec": {}})
    (('a', 'b'), None)
    """
    found = part(api_service, "spec").get("service")
    return (text(found, "namespace"), text(found, "name")) if isinstance(found, dict) else None


def problem_of(api_service: Object, service: Object | None, slices: Iterable[Object]) -> Health | None:
    """Pure: why nobody can be asked; None: somebody can. `slices`: the EndpointSlices of the Service.

    >>> mine = {"spec": {"service": {"namespace": "a", "name": "b", "port": 443}}}
    >>> problem_of(mine, None, []).reason
    'ServiceNotFound'
    >>> service = {"spec": {"type": "ClusterIP", "ports": [{"port": 443, "name": "https"}]}}
    >>> problem_of(mine, service, []).reason, problem_of(mine, service, [{"ports": [], "endpoints": []}]).message
    ('EndpointsNotFound', 'endpointslices for service/b in "a" have no addresses with port name "https"')
    """
    namespace, name = service_of(api_service) or ("", "")
    port = number(part(api_service, "spec", "service"), "port") or 443
    if service is None:
        return failed("ServiceNotFound", f'service/{name} in "{namespace}" is not present')
    if (text(part(service, "spec"), "type") or "ClusterIP") != "ClusterIP":
        return None
    found = next((one for one in objects(part(service, "spec"), "ports") if number(one, "port") == port), None)
    if found is None:
        return failed("ServicePortError", f'service/{name} in "{namespace}" is not listening on port {port}')
    known = [one for one in slices if labels_of(one).get(SERVICE_NAME, name) == name]
    if not known:
        return failed("EndpointsNotFound", f'cannot find endpointslices for service/{name} in "{namespace}"')
    port_name = text(found, "name")
    if not any(_serves(one, port_name) for one in known):
        words = f'endpointslices for service/{name} in "{namespace}" have no addresses with port name "{port_name}"'
        return failed("MissingEndpoints", words)
    return None


def _serves(piece: Object, port_name: str) -> bool:
    ready = any(part(one, "conditions").get("ready") is not False for one in objects(piece, "endpoints"))
    return ready and any(text(one, "name") == port_name and number(one, "port") for one in objects(piece, "ports"))
