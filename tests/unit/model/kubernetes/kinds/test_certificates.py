from __future__ import annotations

import base64

from corral.model.kubernetes.kinds import KINDS
from corral.model.kubernetes.kinds.certificates import check_approval
from tests.support.kinds import edited, judged, row

PEM = b"-----BEGIN CERTIFICATE REQUEST-----\nMAA=\n-----END CERTIFICATE REQUEST-----\n"
CSR = {
    "metadata": {"name": "me"},
    "spec": {
        "request": base64.b64encode(PEM).decode(),
        "signerName": "kubernetes.io/kube-apiserver-client",
        "usages": ["client auth"],
    },
}
GROUP, KIND = "certificates.k8s.io", "CertificateSigningRequest"


def test_rules() -> None:
    assert judged(GROUP, KIND, CSR) == []
    wrong = edited(CSR, spec__request="", spec__usages=["fly"], spec__signerName="me", spec__expirationSeconds=5)
    texts = judged(GROUP, KIND, wrong)
    assert texts[0] == 'spec.request: Invalid value: "": PEM block type must be CERTIFICATE REQUEST'
    assert texts[1].startswith('spec.usages[0]: Unsupported value: "fly": supported values: "any", "cert sign"')
    assert texts[2].startswith('spec.signerName: Invalid value: "me": must be a fully qualified domain and path')
    assert texts[3].endswith("5: may not specify a duration less than 600 seconds (10 minutes)")


def test_who_asks_is_not_for_the_client_to_say() -> None:
    found = edited(CSR, spec__username="root", spec__groups=["system:masters"])
    KINDS[GROUP, KIND].prepare_create(found)
    assert found == edited(CSR, status={})


def test_decisions() -> None:
    approved = {"type": "Approved", "status": "True"}
    new = edited(CSR, status={"conditions": [approved]})
    assert list(check_approval(new, CSR)) == []
    both = edited(new, status={"conditions": [approved, {"type": "Denied", "status": "True"}]})
    assert [one.detail for one in check_approval(both, new)] == [
        "Approved and Denied conditions are mutually exclusive"
    ]
    assert [str(one) for one in check_approval(CSR, new)] == [
        'status.conditions: Forbidden: updates may not remove a condition of type "Approved"'
    ]
    issued = edited(new, status__certificate="MQ==", status__conditions=[])
    KINDS[GROUP, KIND].prepare_status(issued, new)
    assert issued["status"] == {"conditions": [approved], "certificate": "MQ=="}
    assert row(GROUP, KIND, issued) == {
        "Age": "<unknown>",
        "SignerName": "kubernetes.io/kube-apiserver-client",
        "Requestor": "",
        "RequestedDuration": "<none>",
        "Condition": "Approved,Issued",
    }
