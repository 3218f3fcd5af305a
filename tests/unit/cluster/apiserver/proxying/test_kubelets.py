"""Where a node's kubelet is, and what clients are told of its failures."""

from __future__ import annotations

from typing import Any

import pytest

from corral.cluster.apiserver.proxying.kubelets import kubelet_place, to_error
from corral.cluster.apiserver.proxying.target import Place
from corral.model.kubernetes.status import StatusError


def node(*addresses: tuple[str, str], port: int = 10250) -> Any:
    status = {"addresses": [{"type": kind, "address": text} for kind, text in addresses]}
    return {"metadata": {"name": "a"}, "status": {**status, "daemonEndpoints": {"kubeletEndpoint": {"Port": port}}}}


def test_the_first_address_of_the_kind_that_is_preferred() -> None:
    found = node(("Hostname", "a"), ("InternalIP", "10.0.0.7"), ("InternalIP", "fd00::7"), ("ExternalIP", "192.0.2.7"))
    assert kubelet_place(found) == Place(True, "10.0.0.7", 10250)
    assert kubelet_place(node(("Hostname", "a"))) == Place(True, "a", 10250)


@pytest.mark.parametrize("found", [node(), node(("InternalIP", "10.0.0.7"), port=0), {"metadata": {"name": "a"}}])
def test_a_kubelet_that_listens_nowhere(found: Any) -> None:
    with pytest.raises(StatusError) as error:
        kubelet_place(found)
    assert error.value.code == 503


@pytest.mark.parametrize(
    ("status", "text", "code", "reason"),
    [
        (400, "you must", 400, "BadRequest"),
        (404, 'pods "web" not found', 404, "NotFound"),
        (500, "boom", 500, "InternalError"),
        (401, "Unauthorized", 500, "InternalError"),
        (403, "Forbidden (user=x, verb=create, resource=nodes, subresource(s)=[proxy])", 500, "InternalError"),
        (403, "requested protocol(s) are not supported", 403, "Forbidden"),
        (418, "tea", 418, ""),
    ],
)
def test_failures_of_a_kubelet(status: int, text: str, code: int, reason: str) -> None:
    found = to_error(status, text)
    assert (found.code, found.reason) == (code, reason) and text in found.message
