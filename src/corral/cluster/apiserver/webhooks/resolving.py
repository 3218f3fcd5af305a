"""Where a clientConfig leads: a URL, or a Service of the cluster. Pure, but for what Lookup reads."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import urlsplit

from corral.cluster.apiserver.lookup import Lookup
from corral.cluster.apiserver.webhooks.client import CallFailed, Place
from corral.model.kubernetes.kinds.fields import labels_of, number, objects, part, text, texts
from corral.model.kubernetes.labels import SERVICE_NAME

Object = dict[str, Any]


def authorities_of(bundle: Any) -> str:
    """Pure: a caBundle as PEM; "" if there is none. Raises CallFailed.

    >>> authorities_of("")
    ''
    """
    if not bundle:
        return ""
    try:
        return base64.b64decode(bundle).decode("ascii")
    except ValueError:
        raise CallFailed("unable to load root certificates: unable to parse bytes as PEM block") from None


def place_of(config: Object, lookup: Lookup, identity: str = "") -> tuple[Place, str]:
    """(where, path). Raises CallFailed when the Service is not there, or nobody is behind it."""
    authorities = authorities_of(config.get("caBundle"))
    insecure = config.get("insecureSkipTLSVerify") is True
    url = config.get("url")
    if isinstance(url, str):
        found = urlsplit(url)
        host = found.hostname or ""
        return Place(host, found.port or 443, host, authorities, insecure, identity), found.path or "/"
    service = part(config, "service")
    namespace, name, port = text(service, "namespace"), text(service, "name"), number(service, "port") or 443
    host, at = resolve(lookup, namespace, name, port)
    path = text(service, "path") or "/"
    return Place(host, at, f"{name}.{namespace}.svc", authorities, insecure, identity), path


def resolve(lookup: Lookup, namespace: str, name: str, port: int) -> tuple[str, int]:
    """(host, port) behind a port of a Service: one that is ready, else the cluster's address. Raises CallFailed."""
    service = lookup.get("", "services", namespace, name)
    if service is None:
        raise CallFailed(f'service "{name}" not found')
    spec = part(service, "spec")
    if text(spec, "type") == "ExternalName":
        return text(spec, "externalName"), port
    found = next((one for one in objects(spec, "ports") if number(one, "port") == port), None)
    if found is None:
        raise CallFailed(f'no service port {port} found for service "{name}"')
    slices = [
        one
        for one in lookup.list("discovery.k8s.io", "endpointslices", namespace)
        if labels_of(one).get(SERVICE_NAME) == name
    ]
    for one in slices:
        for address in _ready(one):
            for each in objects(one, "ports"):
                if text(each, "name") == text(found, "name") and number(each, "port"):
                    return address, number(each, "port")
    address = text(spec, "clusterIP")
    if (spec.get("selector") and not slices) or address in ("", "None"):
        raise CallFailed(f'no endpoints available for service "{name}"')
    return address, port


def _ready(endpoints: Object) -> list[str]:
    """
    >>> points = [{"addresses": ["10.0.0.1"]}, {"addresses": ["10.0.0.2"], "conditions": {"ready": False}}]
    >>> _ready({"endpoints": points})
    ['10.0.0.1']
    """
    good = [one for one in objects(endpoints, "endpoints") if part(one, "conditions").get("ready") is not False]
    return [address for one in good for address in texts(one, "addresses")]


def shown_url(place: Place, path: str, seconds: int) -> str:
    """Pure: as messages show it."""
    port = f":{place.port}" if place.port != 443 or place.name.endswith(".svc") else ""
    return f"https://{place.name}{port}{path}?timeout={seconds}s"
