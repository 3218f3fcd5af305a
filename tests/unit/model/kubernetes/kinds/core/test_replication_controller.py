from __future__ import annotations

from tests.support.kinds import added, edited, judged, row
from tests.unit.model.kubernetes.kinds.apps.test_deployment import POD_DEFAULTS, TEMPLATE

RC = {"metadata": {"name": "web"}, "spec": {"template": TEMPLATE}}


def test_controllers() -> None:
    assert added("", "ReplicationController", RC) == {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"replicas": 1, "selector": {"app": "web"}, "template": {"spec": POD_DEFAULTS}},
        "status": {"replicas": 0},
    }
    assert judged("", "ReplicationController", RC) == []
    assert judged("", "ReplicationController", edited(RC, spec__selector={"app": "x"})) == [
        'spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`'
    ]
    assert judged("", "ReplicationController", {"spec": {}}) == [
        "spec.selector: Required value",
        "spec.template: Required value",
    ]
    found = edited(RC, spec__replicas=2, spec__selector={"app": "web"}, status={"replicas": 1})
    assert row("", "ReplicationController", found, wide=True) == {
        "Desired": 2,
        "Current": 1,
        "Ready": 0,
        "Age": "<unknown>",
        "Containers": "a",
        "Images": "nginx:1",
        "Selector": "app=web",
    }


def test_pod_templates() -> None:
    assert judged("", "PodTemplate", {"template": TEMPLATE}) == []
    assert row("", "PodTemplate", {"template": TEMPLATE}) == {
        "Containers": "a",
        "Images": "nginx:1",
        "Pod Labels": "app=web",
    }
