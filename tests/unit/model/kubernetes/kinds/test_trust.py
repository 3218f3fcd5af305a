from __future__ import annotations

from tests.support.kinds import added, changed, edited, judged, row

GROUP = "certificates.k8s.io"
ANCHOR = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"
BUNDLE = {"metadata": {"name": "example.com:ca:1"}, "spec": {"signerName": "example.com/ca", "trustBundle": ANCHOR}}
REQUEST = {
    "spec": {
        "signerName": "example.com/ca",
        "podName": "web",
        "podUID": "1",
        "serviceAccountName": "default",
        "serviceAccountUID": "2",
        "nodeName": "n",
        "nodeUID": "3",
    }
}


def test_bundles() -> None:
    assert judged(GROUP, "ClusterTrustBundle", BUNDLE) == []
    assert judged(GROUP, "ClusterTrustBundle", edited(BUNDLE, metadata__name="a", spec__trustBundle="")) == [
        'metadata.name: Invalid value: "a": ClusterTrustBundle for signerName example.com/ca must be named with prefix '
        "example.com:ca:",
        'spec.trustBundle: Invalid value: "<value omitted>": at least one trust anchor must be provided',
    ]
    assert changed(GROUP, "ClusterTrustBundle", BUNDLE, spec__signerName="example.com/b") == [
        'spec.signerName: Invalid value: "example.com/b": field is immutable'
    ]


def test_requests_of_pods() -> None:
    assert added(GROUP, "PodCertificateRequest", REQUEST) == {"spec": {"maxExpirationSeconds": 86400}, "status": {}}
    assert judged(GROUP, "PodCertificateRequest", REQUEST) == []
    issued = edited(REQUEST, status={"conditions": [{"type": "Issued", "status": "True"}]})
    assert row(GROUP, "PodCertificateRequest", issued)["State"] == "Issued"


def test_migrations_and_taints() -> None:
    migration = {"spec": {"resource": {"group": "apps", "resource": "deployments"}}}
    assert judged("storagemigration.k8s.io", "StorageVersionMigration", migration) == []
    assert row("storagemigration.k8s.io", "StorageVersionMigration", migration) == {"Resource": "deployments.apps"}
    rule = {"spec": {"taint": {"key": "example.com/broken", "effect": "NoSchedule"}}}
    assert judged("resource.k8s.io", "DeviceTaintRule", rule) == []
    assert judged("resource.k8s.io", "DeviceTaintRule", edited(rule, spec__taint__effect="Never")) == [
        'spec.taint.effect: Unsupported value: "Never": supported values: "NoExecute", "NoSchedule", "None"'
    ]
    assert row("resource.k8s.io", "DeviceTaintRule", rule)["TimeAdded"] == ""
