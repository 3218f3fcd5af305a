"""Credentials under fire: whatever comes is a user, or a refusal; never a failure of ours."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corral.cluster.apiserver.authentication import jwt, token_file
from corral.cluster.apiserver.authentication.chain import Authenticator
from corral.cluster.apiserver.authentication.claims import Bound, claims_of
from corral.cluster.apiserver.authentication.keys import from_jwk, verify
from corral.cluster.apiserver.authentication.oidc import Oidc, Provider, plan_user
from corral.cluster.apiserver.authentication.problem import BadCredentials
from corral.cluster.apiserver.authentication.proxy import FrontProxy
from corral.cluster.apiserver.authentication.service_accounts import Issuer, ServiceAccounts
from corral.cluster.apiserver.certificates.issuing import new_authority, new_key, new_leaf
from corral.cluster.apiserver.certificates.pki import ADMIN, certificate_of
from corral.cluster.certificates import x509
from corral.http.body import Body
from corral.http.head import BadRequest, parse_head
from corral.http.message import Request
from corral.model.kubernetes.status import StatusError
from tests.support.lookup import MemoryLookup, named

NOW = 1_800_000_000
ISSUER = Issuer(new_key())
LOOKUP = MemoryLookup()
LOOKUP.put("", "serviceaccounts", named("web", "d"))
AUTHORITY = new_authority("kubernetes", NOW)
CA = x509.from_pem(certificate_of(AUTHORITY))
LEAF = x509.pem_to_der(new_leaf(ADMIN, AUTHORITY, NOW))
GOOD = ISSUER.sign(claims_of(named("web", "d"), Bound(), ISSUER.audiences, 600, NOW, "id"))

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
names = ("iss", "aud", "exp", "nbf", "iat", "sub", "jti", "kubernetes.io", "kubernetes.io/serviceaccount/namespace")
claims = st.dictionaries(st.sampled_from(names) | st.text(max_size=5), plain, max_size=6)
private = st.fixed_dictionaries(
    {},
    optional={
        "namespace": st.just("d") | plain,
        "serviceaccount": st.just({"name": "web", "uid": "uid-of-web"}) | plain,
        "pod": st.just({"name": "p"}) | plain,
        "secret": plain,
        "node": plain,
    },
)


async def _no_fetch(url: str) -> dict[str, Any]:
    raise OSError(url)


def chain() -> Authenticator:
    return Authenticator(
        now=lambda: NOW,
        audiences=ISSUER.audiences,
        client_authority=CA,
        front_proxy=FrontProxy(CA),
        service_accounts=ServiceAccounts(ISSUER, LOOKUP),
        bootstrap=LOOKUP,
        token_file=token_file.parse("t,kim,1"),
        oidc=(Oidc(Provider("https://id", "corral"), _no_fetch, lambda: 0.0),),
    )


async def outcome(request: Request) -> None:
    try:
        await chain().identify(request)
    except StatusError as error:
        assert error.code == 401


def encoded(found: Any) -> str:
    return jwt.to_base64(json.dumps(found).encode())


@given(
    st.one_of(
        st.binary(max_size=80).map(lambda data: data.replace(b"\r", b"").replace(b"\n", b"").replace(b"\0", b"")),
        st.lists(plain.map(encoded), min_size=1, max_size=4).map(lambda parts: ".".join(parts).encode()),
        st.tuples(st.integers(0, len(GOOD) - 1), st.sampled_from("A.-=é ")).map(
            lambda at: (GOOD[: at[0]] + at[1] + GOOD[at[0] + 1 :]).encode("latin-1")
        ),
    ),
    st.binary(max_size=30),
    st.sampled_from((b"Bearer ", b"bearer ", b"Basic ", b"")),
)
@settings(max_examples=400, deadline=None)
async def test_any_header_is_a_user_or_a_401(token: bytes, certificate: bytes, scheme: bytes) -> None:
    try:
        head = parse_head(b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: " + scheme + token + b"\r\n\r\n")
    except BadRequest:
        return
    await outcome(Request(head, Body(None, lambda: None), peer_certificate=certificate))


@given(claims, st.none() | private)
@settings(max_examples=300, deadline=None)
def test_any_claims_that_we_signed_are_a_user_or_a_refusal(found: dict[str, Any], inner: Any) -> None:
    found = {**found, "aud": list(ISSUER.audiences)}
    if inner is not None:
        found["kubernetes.io"] = inner
    for issuer in (ISSUER.url, "kubernetes/serviceaccount"):
        try:
            ServiceAccounts(ISSUER, LOOKUP).authenticate(ISSUER.sign({**found, "iss": issuer}), NOW)
        except BadCredentials:
            continue


@given(claims)
@settings(max_examples=300, deadline=None)
def test_any_id_token_is_a_user_or_a_refusal(found: dict[str, Any]) -> None:
    strict = Provider("https://id", "corral", groups_claim="groups", required_claims={"sub": "x"})
    for provider in (strict, Provider("https://id", "corral")):
        try:
            plan_user({"aud": "corral", "exp": NOW, **found}, provider, NOW)
        except BadCredentials:
            continue


@given(st.integers(0, len(GOOD) - 1), st.characters(codec="ascii"))
@settings(max_examples=300, deadline=None)
def test_a_token_with_one_changed_character_never_verifies(at: int, other: str) -> None:
    changed = GOOD[:at] + other + GOOD[at + 1 :]
    token, good = jwt.parse(changed), jwt.parse(GOOD)
    if token is None or good is None:
        return
    same = (token.signed, token.signature) == (good.signed, good.signature)  # the last character has spare bits
    assert verify(token, ISSUER.public_keys) is same


@given(st.dictionaries(st.sampled_from(("kty", "crv", "x", "y", "n", "e", "kid", "use", "alg")), plain, max_size=9))
@settings(max_examples=300, deadline=None)
def test_any_jwk_is_a_key_or_none(found: dict[str, Any]) -> None:
    for kind in ({}, {"kty": "EC", "crv": "P-256"}, {"kty": "RSA"}):
        from_jwk({**found, **kind})


@given(st.data())
@settings(max_examples=400, deadline=None)
def test_any_certificate_is_read_or_refused(data: st.DataObject) -> None:
    broken = bytearray(LEAF)
    for _ in range(data.draw(st.integers(1, 4))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    for found in (bytes(broken), bytes(broken)[: data.draw(st.integers(0, len(broken)))]):
        try:
            x509.parse(found)
        except ValueError:
            continue


def test_our_reading_is_cryptographys() -> None:
    library = pytest.importorskip("cryptography.x509").load_der_x509_certificate(LEAF)
    found = x509.parse(LEAF)
    assert found.not_after == int(library.not_valid_after_utc.timestamp())
    assert found.subject_name == library.subject.public_bytes() and found.issuer == library.issuer.public_bytes()
    assert found.common_name == "kubernetes-admin" and found.organizations == ("system:masters",)
