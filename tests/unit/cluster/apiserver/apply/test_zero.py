from corral.cluster.apiserver.apply import plan, zero
from corral.model.kubernetes.resources import GroupVersionKind
from corral.model.kubernetes.schema import builtin
from tests.unit.cluster.apiserver.apply.schemas import ROOT


def of(group, version, name):
    return zero.of_plan(plan.of_schema(builtin().schema(GroupVersionKind(group, version, name))))


def test_an_empty_deployment_has_its_structs_in_it():
    found = of("apps", "v1", "Deployment")
    assert found["metadata"] == found["spec"]["template"]["metadata"] == found["spec"]["strategy"] == {}
    assert found["spec"]["template"]["spec"] == {"containers": None}
    assert "replicas" not in found["spec"] and "rollingUpdate" not in found["spec"]["strategy"]


def test_what_is_optional_is_not_there():
    assert of("", "v1", "ConfigMap") == {"metadata": {}}
    assert of("", "v1", "Service")["spec"] == {}
    assert of("", "v1", "Service")["status"] == {"loadBalancer": {}}


def test_of_custom_kinds_nothing_is():
    assert zero.of_plan(plan.of_schema(ROOT)) == {}
