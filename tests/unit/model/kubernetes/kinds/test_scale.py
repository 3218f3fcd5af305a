from __future__ import annotations

from corral.model.kubernetes.kinds.scale import check_scale, scale_of, with_scale
from tests.unit.model.kubernetes.kinds.apps.test_deployment import DEPLOYMENT


def test_a_workload_and_its_scale() -> None:
    scale = scale_of({**DEPLOYMENT, "spec": {**DEPLOYMENT["spec"], "replicas": 2}, "status": {"replicas": 1}})
    assert scale == {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": DEPLOYMENT["metadata"],
        "spec": {"replicas": 2},
        "status": {"replicas": 1, "selector": "app=web"},
    }
    assert with_scale(DEPLOYMENT, scale)["spec"]["replicas"] == 2 and "replicas" not in DEPLOYMENT["spec"]
    assert with_scale(DEPLOYMENT, {"spec": {}})["spec"]["replicas"] == 0
    assert [str(one) for one in check_scale({"spec": {"replicas": -1}})] == [
        "spec.replicas: Invalid value: -1: must be greater than or equal to 0"
    ]


def test_the_selector_of_a_replication_controller_is_a_map() -> None:
    assert scale_of({"spec": {"selector": {"b": "2", "a": "1"}}})["status"]["selector"] == "a=1,b=2"
