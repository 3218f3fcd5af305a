from __future__ import annotations

from tests.support.kinds import added, judged, row


def test_endpoints() -> None:
    found = {"subsets": [{"addresses": [{"ip": "10.0.0.1"}], "ports": [{"port": 80}]}]}
    assert added("", "Endpoints", found) == {"subsets": {0: {"ports": {0: {"protocol": "TCP"}}}}}
    assert judged("", "Endpoints", found) == []
    assert judged("", "Endpoints", {"subsets": [{}]}) == [
        "subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`"
    ]
    assert judged("", "Endpoints", {"subsets": [{"addresses": [{"ip": "169.254.1.1"}]}]}) == [
        'subsets[0].addresses[0].ip: Invalid value: "169.254.1.1": may not be in the link-local range '
        "(169.254.0.0/16, fe80::/10)"
    ]
    assert row("", "Endpoints", {"subsets": [{"addresses": [{"ip": "fd00::1"}], "ports": [{"port": 80}]}]}) == {
        "Endpoints": "[fd00::1]:80",
        "Age": "<unknown>",
    }
    assert row("", "Endpoints", {})["Endpoints"] == "<none>"
    many = {"subsets": [{"addresses": [{"ip": f"10.0.0.{number}"} for number in range(1, 6)]}]}
    assert row("", "Endpoints", many)["Endpoints"] == "10.0.0.1,10.0.0.2,10.0.0.3 + 2 more..."
