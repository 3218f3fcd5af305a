import pytest

from corral.cluster.apiserver.apply import reset_fields
from corral.cluster.apiserver.apply.fieldset import of_paths

ALL = of_paths(
    ("metadata", "labels", "a"),
    ("metadata", "ownerReferences"),
    ("spec", "replicas"),
    ("spec", "containers", 'k:{"name":"a"}', "resources", "limits"),
    ("spec", "containers", 'k:{"name":"a"}', "image"),
    ("spec", "ephemeralContainers", 'k:{"name":"e"}'),
    ("status", "phase"),
    ("status", "conditions"),
)


@pytest.mark.parametrize(
    ("who", "options", "top"),
    [
        (("", "Pod", ""), {"has_status": True}, {"f:metadata", "f:spec"}),
        (("", "ConfigMap", ""), {"has_status": False}, {"f:metadata", "f:spec", "f:status"}),
        (("apps", "ReplicaSet", "status"), {"has_status": True}, {"f:metadata", "f:status"}),
        (("x.io", "Web", "status"), {"has_status": True, "custom": True}, {"f:status"}),
        (("x.io", "Web", ""), {"has_status": True, "custom": True}, {"f:metadata", "f:spec"}),
        (("apps", "Deployment", "scale"), {"has_status": True}, {"f:metadata", "f:spec", "f:status"}),
        (("certificates.k8s.io", "CertificateSigningRequest", ""), {"has_status": True}, {"f:metadata"}),
        (("storage.k8s.io", "VolumeAttachment", "status"), {"has_status": True}, {"f:status"}),
    ],
)
def test_what_a_request_can_own(who, options, top):
    assert set(reset_fields.of_kind(*who, **options).of(ALL)) == top


def test_the_status_of_a_pod_keeps_its_labels_but_not_its_owners():
    found = reset_fields.of_kind("", "Pod", "status", has_status=True).of(ALL)
    assert found["f:metadata"] == of_paths(("labels", "a"))


def test_of_a_deployment_labels_do_not_belong_to_status():
    found = reset_fields.of_kind("apps", "Deployment", "status", has_status=True).of(ALL)
    assert found["f:metadata"] == of_paths(("ownerReferences",))


def test_some_subresources_change_one_thing_only():
    found = reset_fields.of_kind("", "Pod", "resize", has_status=True).of(ALL)
    assert found == of_paths(("spec", "containers", 'k:{"name":"a"}', "resources", "limits"))
    found = reset_fields.of_kind("", "Pod", "ephemeralcontainers", has_status=True).of(ALL)
    assert found == of_paths(("spec", "ephemeralContainers", 'k:{"name":"e"}'))
