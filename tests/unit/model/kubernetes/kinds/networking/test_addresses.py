from __future__ import annotations

from corral.model.kubernetes.kinds import KINDS
from tests.support.kinds import changed, judged, row

GROUP = "networking.k8s.io"
PARENT = {"spec": {"parentRef": {"resource": "services", "namespace": "default", "name": "web"}}}


def test_ip_addresses() -> None:
    assert judged(GROUP, "IPAddress", PARENT) == []
    assert judged(GROUP, "IPAddress", {}) == ["spec.parentRef: Required value"]
    assert row(GROUP, "IPAddress", PARENT)["ParentRef"] == "services/default/web"
    check = KINDS[GROUP, "IPAddress"].validate_name
    assert check is not None and check("10.0.0.1") == [] and check("fd00::0001") != []


def test_service_cidrs() -> None:
    assert judged(GROUP, "ServiceCIDR", {"spec": {"cidrs": ["10.0.0.0/16", "fd00::/112"]}}) == []
    assert judged(GROUP, "ServiceCIDR", {"spec": {}}) == ["spec.cidrs: Required value: at least one CIDR required"]
    old = {"spec": {"cidrs": ["10.0.0.0/16"]}}
    assert changed(GROUP, "ServiceCIDR", old, spec={"cidrs": ["10.0.0.0/16", "fd00::/112"]}) == []
    assert changed(GROUP, "ServiceCIDR", old, spec={"cidrs": ["10.1.0.0/16"]}) == [
        'spec.cidrs[0]: Invalid value: "10.1.0.0/16": field is immutable'
    ]
    assert row(GROUP, "ServiceCIDR", old)["CIDRs"] == "10.0.0.0/16"
