"""Who asks? All ways, through requests as the HTTP server makes them."""

from __future__ import annotations

import base64
import ssl
from pathlib import Path
from typing import Any

import pytest

from corral.cluster.apiserver.attributes import User
from corral.cluster.apiserver.authentication import reviews, token_file
from corral.cluster.apiserver.authentication.chain import NOBODY, Authenticator
from corral.cluster.apiserver.authentication.claims import Bound, claims_of
from corral.cluster.apiserver.authentication.problem import BadCredentials
from corral.cluster.apiserver.authentication.proxy import FrontProxy
from corral.cluster.apiserver.authentication.service_accounts import Issuer, ServiceAccounts
from corral.cluster.apiserver.certificates import pki
from corral.cluster.apiserver.certificates.issuing import new_key
from corral.cluster.certificates.x509 import from_pem, pem_to_der
from corral.http.body import Body
from corral.http.head import parse_head
from corral.http.message import Request
from corral.model.kubernetes.status import StatusError
from tests.support.lookup import MemoryLookup, named

NOW = 1_800_000_000


def request(*headers: str, certificate: bytes = b"", path: str = "/api") -> Request:
    lines = "".join(f"{line}\r\n" for line in headers)
    head = parse_head(f"GET {path} HTTP/1.1\r\nHost: x\r\n{lines}\r\n".encode())
    return Request(head, Body(None, lambda: None), peer_certificate=certificate)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> pki.Pki:
    return pki.ensure(tmp_path_factory.mktemp("pki") / "pki", pki.server_names("10.96.0.1"), NOW)


@pytest.fixture
def lookup() -> MemoryLookup:
    found = MemoryLookup()
    found.put("", "serviceaccounts", named("web", "d"))
    data = {
        "token-id": "abcdef",
        "token-secret": "0123456789abcdef",
        "usage-bootstrap-authentication": "true",
        "auth-extra-groups": "system:bootstrappers:kubeadm:default-node-token",
    }
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    secret = named("bootstrap-token-abcdef", "kube-system", type="bootstrap.kubernetes.io/token", data=encoded)
    found.put("", "secrets", secret)
    return found


@pytest.fixture
def issuer(made: pki.Pki) -> Issuer:
    return Issuer(made.service_account_key)


@pytest.fixture
def chain(made: pki.Pki, lookup: MemoryLookup, issuer: Issuer) -> Authenticator:
    return Authenticator(
        now=lambda: NOW,
        audiences=issuer.audiences,
        client_authority=from_pem(made.ca),
        front_proxy=FrontProxy(from_pem(made.front_proxy_ca)),
        service_accounts=ServiceAccounts(issuer, lookup),
        bootstrap=lookup,
        token_file=token_file.parse("filed,kim,7,dev"),
    )


def certificate(path: Path) -> bytes:
    return pem_to_der(path.read_text())


async def refused(chain: Authenticator, asked: Request) -> None:
    with pytest.raises(StatusError) as error:
        await chain.identify(asked)
    assert (error.value.code, error.value.reason, error.value.message) == (401, "Unauthorized", "Unauthorized")


async def test_a_client_certificate_is_name_and_groups(chain: Authenticator, made: pki.Pki) -> None:
    user = await chain.authenticate(request(certificate=certificate(made.admin)))
    assert user is not None
    assert (user.name, user.groups) == ("kubernetes-admin", ("system:masters", "system:authenticated"))
    assert user.extra["authentication.kubernetes.io/credential-id"][0].startswith("X509SHA256=")


async def test_a_certificate_that_has_expired_since_the_handshake_is_refused(
    made: pki.Pki, chain: Authenticator
) -> None:
    late = Authenticator(lambda: NOW + 10**9, chain.audiences, chain.client_authority)
    await refused(late, request(certificate=certificate(made.admin)))


async def test_who_an_authority_has_signed_for_that_has_expired_is_refused(made: pki.Pki, chain: Authenticator) -> None:
    """The handshake leaves all times to us."""
    ended = from_pem(made.ca)._replace(not_after=NOW - 1)
    late = Authenticator(chain.now, chain.audiences, ended)
    await refused(late, request(certificate=certificate(made.admin)))


async def test_the_front_proxy_speaks_for_others_and_is_nobody_itself(chain: Authenticator, made: pki.Pki) -> None:
    proxy = certificate(made.front_proxy_client)
    headers = ("X-Remote-User: jane", "X-Remote-Group: a, b", "X-Remote-Group: c", "X-Remote-Extra-Acme.io%2fScope: x")
    user = await chain.authenticate(request(*headers, certificate=proxy))
    assert user == User("jane", "", ("a, b", "c", "system:authenticated"), {"acme.io/scope": ("x",)})
    await refused(chain, request(certificate=proxy))


async def test_others_cannot_speak_for_anybody(chain: Authenticator, made: pki.Pki) -> None:
    user = await chain.authenticate(request("X-Remote-User: jane", certificate=certificate(made.admin)))
    assert user is not None and user.name == "kubernetes-admin"
    assert await chain.identify(request("X-Remote-User: jane")) == NOBODY
    narrow = Authenticator(lambda: NOW, (), front_proxy=FrontProxy(from_pem(made.front_proxy_ca), ("other",)))
    await refused(narrow, request("X-Remote-User: jane", certificate=certificate(made.front_proxy_client)))


async def test_tokens_of_all_kinds(chain: Authenticator, lookup: MemoryLookup, issuer: Issuer) -> None:
    account = lookup.get("", "serviceaccounts", "d", "web")
    assert account is not None
    token = issuer.sign(claims_of(account, Bound(), issuer.audiences, 600, NOW, "id-1"))
    expected = {
        token: ("system:serviceaccount:d:web", ("system:serviceaccounts", "system:serviceaccounts:d")),
        "filed": ("kim", ("dev",)),
        "abcdef.0123456789abcdef": (
            "system:bootstrap:abcdef",
            ("system:bootstrappers", "system:bootstrappers:kubeadm:default-node-token"),
        ),
    }
    for text, (name, groups) in expected.items():
        user = await chain.authenticate(request(f"Authorization: Bearer {text}"))
        assert user is not None
        assert (user.name, user.groups) == (name, (*groups, "system:authenticated"))


async def test_a_browser_sends_its_token_as_a_protocol(chain: Authenticator) -> None:
    text = base64.urlsafe_b64encode(b"filed").decode().rstrip("=")
    protocols = f"Sec-WebSocket-Protocol: base64url.bearer.authorization.k8s.io.{text}, v5.channel.k8s.io"
    user = await chain.authenticate(request("Upgrade: websocket", "Connection: Upgrade", protocols))
    assert user is not None and user.name == "kim"


@pytest.mark.parametrize(
    "token", ["x", "a.b.c", "abcdef.0123456789abcdee", "zzzzzz.0123456789abcdef", "e30.e30.", "\u00e9", "." * 50]
)
async def test_a_bad_token_is_refused_even_with_a_good_path(chain: Authenticator, token: str) -> None:
    await refused(chain, request(f"Authorization: Bearer {token}", path="/healthz"))


async def test_a_good_certificate_outweighs_a_bad_token(chain: Authenticator, made: pki.Pki) -> None:
    user = await chain.authenticate(request("Authorization: Bearer x", certificate=certificate(made.admin)))
    assert user is not None and user.name == "kubernetes-admin"


async def test_those_without_credentials_are_anonymous_where_they_may(chain: Authenticator) -> None:
    assert await chain.authenticate(request()) is None
    assert await chain.authenticate(request("Authorization: Basic abc")) is None
    assert await chain.identify(request()) == NOBODY
    health = Authenticator(lambda: NOW, (), anonymous_paths=frozenset(("/livez",)))
    assert await health.identify(request(path="/livez")) == NOBODY
    await refused(health, request(path="/api"))
    await refused(Authenticator(lambda: NOW, (), anonymous=False), request())


async def test_a_token_review_tells_who_and_for_whom(
    chain: Authenticator, lookup: MemoryLookup, issuer: Issuer
) -> None:
    account = lookup.get("", "serviceaccounts", "d", "web")
    assert account is not None
    token = issuer.sign(claims_of(account, Bound(), ["vault", "other"], 600, NOW, "id-1"))
    asked: dict[str, Any] = {"spec": {"token": token, "audiences": ["vault"]}}
    status = (await reviews.review_token(asked, chain))["status"]
    assert (status["authenticated"], status["audiences"]) == (True, ["vault"])
    assert status["user"]["username"] == "system:serviceaccount:d:web"
    assert status["user"]["uid"] == "uid-of-web" and "system:authenticated" in status["user"]["groups"]
    asked["spec"]["audiences"] = ["nobody"]
    status = (await reviews.review_token(asked, chain))["status"]
    text = 'token audiences ["vault" "other"] is invalid for the target audiences ["nobody"]'
    assert status == {"user": {}, "error": f"[invalid bearer token, {text}]"}
    status = (await reviews.review_token({"spec": {"token": "bad"}}, chain))["status"]
    assert status == {"user": {}, "error": "invalid bearer token"}
    with pytest.raises(StatusError, match="token is required"):
        await reviews.review_token({"spec": {}}, chain)


async def test_a_token_without_audiences_is_for_this_server_only(chain: Authenticator) -> None:
    assert (await chain.by_token("filed")).user.name == "kim"
    with pytest.raises(BadCredentials):
        await chain.by_token("filed", ("vault",))


def test_who_am_i() -> None:
    found = reviews.review_self({"kind": "SelfSubjectReview"}, User("jane", "1", ("dev",), {"a": ("b",)}))
    expected = {"username": "jane", "uid": "1", "groups": ["dev"], "extra": {"a": ["b"]}}
    assert found["status"]["userInfo"] == expected
    assert reviews.read_user_info(expected) == User("jane", "1", ("dev",), {"a": ("b",)})


def test_another_clusters_certificate_has_another_authority(tmp_path: Path, chain: Authenticator) -> None:
    """Same names, other keys: what tells authorities apart is not what they call themselves."""
    other = pki.ensure(tmp_path / "other", pki.server_names("10.96.0.1"), NOW)
    from corral.cluster.apiserver.authentication.certificate import user_of

    assert chain.client_authority is not None
    with pytest.raises(BadCredentials, match="unknown authority"):
        user_of(certificate(other.admin), chain.client_authority, NOW)


def test_keys_are_those_that_tls_takes(made: pki.Pki) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.server)
    with pytest.raises(ValueError):
        Issuer("no key").sign({})
    assert new_key() != new_key()
