from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from corral.cluster.apiserver.attributes import User
from corral.cluster.apiserver.certificates.issuing import new_authority
from corral.cluster.apiserver.certificates.signing import plan_signing, read_subject
from corral.cluster.client.builtin import NODES
from corral.cluster.client.protocol import Object
from corral.cluster.client.times import utc_now
from corral.cluster.controllers.certificates.controller import Approving, Cleaning, Signing
from corral.cluster.controllers.conditions import is_true
from corral.cluster.controllers.controller import Controller
from corral.cluster.controllers.resources import CSRS
from corral.cluster.joining.credentials import new_key
from corral.cluster.joining.credentials import request as joining_request
from corral.model.kubernetes.certificate_requests import CLIENT, KUBELET_CLIENT, KUBELET_SERVING, Subject
from tests.support.world import World, working


class Keys:
    """Signs with the test's authority; asks nobody about rights."""

    def __init__(self, allowed: set[str]) -> None:
        self.allowed = allowed
        self._authority = authority()

    def subject(self, request: str) -> Subject:
        return read_subject(request)

    def sign(self, found: Object, now: int) -> Object | None:
        return plan_signing(found, self._authority, now)

    async def may_create(self, found: Object, subresource: str) -> bool:
        return subresource in self.allowed


@cache
def authority() -> str:
    return new_authority("test", int(utc_now().timestamp()))


def request(name: str, *organizations: str) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, one) for one in organizations]
    subject = x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return base64.b64encode(made.public_bytes(serialization.Encoding.PEM)).decode()


def csr(name: str, signer: str, pem: str) -> Object:
    usages = ["digital signature", "client auth"]
    return {"metadata": {"name": name}, "spec": {"request": pem, "signerName": signer, "usages": usages}}


def approving(world: World) -> Controller:
    return Approving(world.shared, Keys({"nodeclient"}))


def signing(world: World) -> Controller:
    return Signing(world.shared, Keys(set()))


async def ask_to_serve(world: World, name: str, node: str, address: str) -> None:
    """What a kubelet asks for that serves, as its node."""
    pem = joining_request(node, new_key(), [node, address])
    spec = {
        "request": base64.b64encode(pem.encode()).decode(),
        "signerName": KUBELET_SERVING,
        "usages": ["digital signature", "server auth"],
    }
    user = User(f"system:node:{node}", groups=("system:nodes", "system:authenticated"))
    await world.api.client(user, "kubelet").create(CSRS, {"metadata": {"name": name}, "spec": spec})


async def add_node(world: World, name: str, address: str) -> None:
    made = await world.create(NODES, {"metadata": {"name": name}})
    await world.status(NODES, made, {"addresses": [{"type": "InternalIP", "address": address}]})


async def test_a_kubelet_gets_its_server_s_certificate_for_its_own_names_only() -> None:
    async with working(approving, signing) as world:
        await ask_to_serve(world, "early", "n1", "10.0.0.7")  # before its node is there
        await add_node(world, "n1", "10.0.0.7")
        await world.until_one(CSRS, "early", lambda one: one["status"].get("certificate"))
        await add_node(world, "n2", "10.0.0.8")
        await ask_to_serve(world, "greedy", "n2", "10.0.0.7")
        await ask_to_serve(world, "fair", "n2", "10.0.0.8")
        found = await world.until_one(CSRS, "fair", lambda one: one["status"].get("certificate"))
        assert not (await world.client.get(CSRS, "greedy")).get("status")
        made = x509.load_pem_x509_certificate(base64.b64decode(found["status"]["certificate"]))
        names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert names.get_values_for_type(x509.DNSName) == ["n2"]


async def test_a_node_gets_its_certificate_by_itself_and_a_person_after_a_word() -> None:
    async with working(approving, signing) as world:
        await world.create(CSRS, csr("node", KUBELET_CLIENT, request("system:node:n1", "system:nodes")))
        await world.create(CSRS, csr("jane", CLIENT, request("jane")))
        found = await world.until_one(CSRS, "node", lambda one: one["status"].get("certificate"))
        certificate = x509.load_pem_x509_certificate(base64.b64decode(found["status"]["certificate"]))
        assert [one.value for one in certificate.subject] == ["system:nodes", "system:node:n1"]
        jane = await world.client.get(CSRS, "jane")
        assert not (jane.get("status") or {}).get("conditions")
        condition = {"type": "Approved", "status": "True", "reason": "Because", "message": "I say so"}
        await world.client.update(CSRS, {**jane, "status": {"conditions": [condition]}}, subresource="approval")
        await world.until_one(CSRS, "jane", lambda one: one["status"].get("certificate"))


async def test_what_is_approved_but_cannot_be_signed_says_why() -> None:
    async with working(signing) as world:
        made = await world.create(CSRS, csr("node", KUBELET_CLIENT, request("jane", "system:nodes")))
        condition = {"type": "Approved", "status": "True", "reason": "Because", "message": "I say so"}
        await world.client.update(CSRS, {**made, "status": {"conditions": [condition]}}, subresource="approval")
        found = await world.until_one(CSRS, "node", lambda one: is_true(one["status"]["conditions"], "Failed"))
        assert "system:node:" in found["status"]["conditions"][-1]["message"]


async def test_old_requests_go() -> None:
    moment = [datetime.now(UTC)]

    def cleaning(world: World) -> Controller:
        world.shared.now = lambda: moment[0]
        return Cleaning(world.shared)

    async with working(cleaning) as world:
        await world.create(CSRS, csr("jane", CLIENT, request("jane")))
        await world.until_one(CSRS, "jane", lambda one: True)
        moment[0] += timedelta(hours=25)
        await world.client.patch(CSRS, "jane", patch={"metadata": {"labels": {"look": "again"}}})
        await world.until_gone(CSRS, "jane")
