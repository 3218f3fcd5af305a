"""CertificateSigningRequests: openssl asks, each signer takes what it should, openssl trusts the result."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path
from typing import Any

import pytest

from corral.cluster.apiserver.attributes import Attributes, User
from corral.cluster.apiserver.authorization import signers
from corral.cluster.apiserver.authorization.decision import Decision, Rules
from corral.cluster.apiserver.certificates import signing
from corral.cluster.apiserver.certificates.issuing import new_authority
from corral.cluster.certificates.x509 import from_pem
from corral.errors import InvalidInput
from corral.model.kubernetes import certificate_requests as csr
from corral.model.kubernetes.status import StatusError

NOW = 1_800_000_000
AUTHORITY = new_authority("kubernetes", NOW)
SERVING = ["digital signature", "key encipherment", "server auth"]


def ask(folder: Path, subject: str, *more: str, kind: str = "ec") -> str:
    """A request (base64 of PEM) that openssl has made."""
    keys = {"ec": ["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"], "rsa": ["rsa:2048"], "ed": ["ed25519"]}
    argv = ["openssl", "req", "-new", "-newkey", *keys[kind], "-nodes", "-subj", subject, *more]
    argv += ["-keyout", str(folder / "k.pem"), "-out", str(folder / "r.pem")]
    subprocess.run(argv, check=True, capture_output=True)
    return base64.b64encode((folder / "r.pem").read_bytes()).decode()


def request(body: str, signer: str, usages: list[str], **spec: Any) -> dict[str, Any]:
    approved = {"type": "Approved", "status": "True"}
    return {
        "metadata": {"name": "ask"},
        "spec": {"request": body, "signerName": signer, "usages": usages, **spec},
        "status": {"conditions": [approved]},
    }


def issued(found: dict[str, Any] | None) -> str:
    assert found is not None
    return base64.b64decode(found["status"]["certificate"]).decode()


@pytest.mark.parametrize("kind", ["ec", "rsa", "ed"])
def test_a_person_gets_a_client_certificate(tmp_path: Path, kind: str) -> None:
    body = ask(tmp_path, "/O=dev/CN=jane", kind=kind)
    pem = issued(signing.plan_signing(request(body, csr.CLIENT, ["client auth"]), AUTHORITY, NOW))
    found = from_pem(pem)
    assert (found.common_name, found.organizations) == ("jane", ("dev",))
    (tmp_path / "ca").write_text(AUTHORITY)
    (tmp_path / "made").write_text(pem)
    check = ["openssl", "verify", "-attime", str(NOW), "-purpose", "sslclient", "-CAfile", tmp_path / "ca"]
    subprocess.run([*check, tmp_path / "made"], check=True, capture_output=True)


def test_the_time_that_was_asked_for_is_kept(tmp_path: Path) -> None:
    body = ask(tmp_path, "/CN=jane")
    asked = request(body, csr.CLIENT, ["client auth"], expirationSeconds=3600)
    found = from_pem(issued(signing.plan_signing(asked, AUTHORITY, NOW)))
    assert (found.not_before, found.not_after) == (NOW - 300, NOW + 3600)


def test_a_node_gets_a_serving_certificate_with_its_names(tmp_path: Path) -> None:
    body = ask(tmp_path, "/O=system:nodes/CN=system:node:a", "-addext", "subjectAltName=DNS:a,IP:10.0.0.1")
    found = from_pem(issued(signing.plan_signing(request(body, csr.KUBELET_SERVING, SERVING), AUTHORITY, NOW)))
    assert found.names == ("10.0.0.1", "a")


def test_what_a_signer_does_not_take_fails_with_its_reason(tmp_path: Path) -> None:
    body = ask(tmp_path, "/O=dev/CN=jane")
    failed = signing.plan_signing(request(body, csr.KUBELET_SERVING, SERVING), AUTHORITY, NOW)
    assert failed is not None
    condition = failed["status"]["conditions"][-1]
    assert (condition["type"], condition["reason"]) == ("Failed", "SignerValidationFailure")
    assert condition["message"] == "subject organization is not system:nodes"
    assert signing.plan_signing(failed, AUTHORITY, NOW) is None


def test_only_what_is_approved_is_signed_and_only_once(tmp_path: Path) -> None:
    asked = request(ask(tmp_path, "/CN=jane"), csr.CLIENT, ["client auth"])
    for conditions in ([], [{"type": "Denied"}], [{"type": "Approved"}, {"type": "Denied"}]):
        assert signing.plan_signing({**asked, "status": {"conditions": conditions}}, AUTHORITY, NOW) is None
    assert signing.plan_signing(request("", "example.com/other", []), AUTHORITY, NOW) is None
    done = signing.plan_signing(asked, AUTHORITY, NOW)
    assert done is not None and signing.plan_signing(done, AUTHORITY, NOW) is None


@pytest.mark.parametrize("body", ["", "!", "YQ==", base64.b64encode(AUTHORITY.encode()).decode()])
def test_what_is_no_request_is_refused(body: str) -> None:
    with pytest.raises(InvalidInput, match="unable to parse csr"):
        signing.read_subject(body)


def test_a_request_that_somebody_changed_is_refused(tmp_path: Path) -> None:
    lines = base64.b64decode(ask(tmp_path, "/CN=jane")).decode().splitlines()
    der = bytearray(base64.b64decode("".join(lines[1:-1])))
    der[der.index(b"jane")] = ord("J")
    pem = "\n".join([lines[0], base64.b64encode(der).decode(), lines[-1]])
    with pytest.raises(InvalidInput, match="signature"):
        signing.read_subject(base64.b64encode(pem.encode()).decode())


class Allowing:
    """Allows what is listed: (user, verb, resource/subresource, name)."""

    def __init__(self, *allowed: tuple[str, str, str, str]) -> None:
        self._allowed = allowed

    def authorize(self, asked: Attributes) -> Decision:
        resource = "/".join(part for part in (asked.resource, asked.subresource) if part)
        return Decision((asked.user.name, asked.verb, resource, asked.name) in self._allowed)

    def rules_for(self, user: User, namespace: str) -> Rules:
        return Rules(())


def test_kubelets_may_be_approved_by_themselves(tmp_path: Path) -> None:
    body = ask(tmp_path, "/O=system:nodes/CN=system:node:a")
    usages = ["digital signature", "client auth"]
    asked = {**request(body, csr.KUBELET_CLIENT, usages, username="joiner"), "status": {}}
    subject = signing.read_subject(body)
    (way,) = csr.plan_approval(asked, subject)
    assert way.message == "Auto approving kubelet client certificate after SubjectAccessReview."
    approved = csr.approved(asked, way.message, NOW)
    assert approved["status"]["conditions"][0]["lastUpdateTime"] == "2027-01-15T08:00:00Z"
    assert csr.plan_approval(approved, subject) == () and csr.is_due(approved)
    own = {**asked, "spec": {**asked["spec"], "username": "system:node:a"}}
    assert [way.subresource for way in csr.plan_approval(own, subject)] == ["selfnodeclient", "nodeclient"]
    assert csr.plan_approval({**asked, "spec": {**asked["spec"], "usages": SERVING}}, subject) == ()


def test_an_approver_needs_the_right_for_the_signer() -> None:
    asked = request("", csr.CLIENT, [])
    with pytest.raises(StatusError) as refused:
        signers.check_approver(User("jane"), asked, "approve", Allowing())
    text = 'user not permitted to approve requests with signerName "kubernetes.io/kube-apiserver-client"'
    assert refused.value.message == f'certificatesigningrequests.certificates.k8s.io "ask" is forbidden: {text}'
    for name in (csr.CLIENT, "kubernetes.io/*"):
        signers.check_approver(User("jane"), asked, "approve", Allowing(("jane", "approve", "signers", name)))


def test_nobody_becomes_a_master_by_request() -> None:
    with pytest.raises(StatusError, match="system:masters group is not allowed"):
        signers.check_subject(request("", csr.CLIENT, []), csr.Subject("jane", ("system:masters",)))
    signers.check_subject(request("", csr.LEGACY, []), csr.Subject("jane", ("system:masters",)))
