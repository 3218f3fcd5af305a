from __future__ import annotations

from tests.support.kinds import judged, row


def test_bindings_and_components() -> None:
    assert judged("", "Binding", {"target": {"kind": "Node", "name": "n"}}) == []
    assert judged("", "Binding", {"target": {"kind": "Pod"}}) == [
        'target.kind: Unsupported value: "Pod": supported values: "Node", "<empty>"',
        "target.name: Required value",
    ]
    broken = {"conditions": [{"type": "Healthy", "status": "False", "message": "m", "error": "e"}]}
    assert row("", "ComponentStatus", broken) == {"Status": "Unhealthy", "Message": "m", "Error": "e"}
