"""Where a Service leads."""

from __future__ import annotations

from typing import Any

import pytest

from corral.cluster.apiserver.webhooks.client import CallFailed
from corral.cluster.apiserver.webhooks.resolving import place_of, resolve

SERVICE = {"spec": {"clusterIP": "10.96.0.9", "selector": {"a": "b"}, "ports": [{"name": "https", "port": 443}]}}
SLICE = {"metadata": {"labels": {"kubernetes.io/service-name": "s"}}, "ports": [{"name": "https", "port": 8443}],
    "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": False}}, {"addresses": ["10.0.0.2"]}]}  # fmt: skip  # noqa: E501


class Known:
    def __init__(self, service: Any = None, *slices: Any) -> None:
        self._service, self._slices = service, slices

    def get(self, group: str, plural: str, namespace: str, name: str) -> Any:
        return self._service if (plural, namespace, name) == ("services", "n", "s") else None

    def list(self, group: str, plural: str, namespace: str = "") -> Any:
        return self._slices if plural == "endpointslices" else ()

    def subscribe(self, *_: Any) -> None:
        raise AssertionError("nobody is to wait")


def test_an_endpoint_that_is_ready() -> None:
    assert resolve(Known(SERVICE, SLICE), "n", "s", 443) == ("10.0.0.2", 8443)


def test_the_cluster_address_of_what_has_no_selector() -> None:
    service = {"spec": {**SERVICE["spec"], "selector": {}}}
    assert resolve(Known(service), "n", "s", 443) == ("10.96.0.9", 443)


@pytest.mark.parametrize(
    ("known", "port", "text"),
    [
        (Known(), 443, 'service "s" not found'),
        (Known(SERVICE), 444, 'no service port 444 found for service "s"'),
        (Known(SERVICE), 443, 'no endpoints available for service "s"'),
    ],
)
def test_nobody_there(known: Known, port: int, text: str) -> None:
    with pytest.raises(CallFailed, match=text):
        resolve(known, "n", "s", port)


def test_the_certificate_must_be_the_services() -> None:
    config = {"service": {"namespace": "n", "name": "s", "path": "/x"}}
    place, path = place_of(config, Known(SERVICE, SLICE))
    assert (place.connect, place.port, place.name, path) == ("10.0.0.2", 8443, "s.n.svc", "/x")
    with pytest.raises(CallFailed, match="root certificates"):
        place_of({**config, "caBundle": "é"}, Known(SERVICE, SLICE))
