"""Tokens of service accounts: what they are bound to, when they fall, what they say."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from corral.cluster.apiserver.authentication import discovery, jwt
from corral.cluster.apiserver.authentication.claims import Bound, claims_of
from corral.cluster.apiserver.authentication.keys import SigningKey, from_jwk, verify
from corral.cluster.apiserver.authentication.problem import BadCredentials
from corral.cluster.apiserver.authentication.service_accounts import Issuer, ServiceAccounts
from corral.cluster.apiserver.authentication.token_request import issue
from corral.cluster.apiserver.certificates.issuing import new_key
from corral.cluster.controllers.tokens import plan as tokens
from corral.model.kubernetes.status import StatusError
from tests.support.lookup import MemoryLookup, named

NOW = 1_800_000_000
KEY = new_key()
POD = named("p", "d", spec={"serviceAccountName": "web", "nodeName": "n"})


@pytest.fixture
def lookup() -> MemoryLookup:
    found = MemoryLookup()
    found.put("", "serviceaccounts", named("web", "d"))
    found.put("", "pods", POD)
    found.put("", "nodes", named("n"))
    found.put("", "secrets", named("s", "d"))
    return found


@pytest.fixture
def issuer() -> Issuer:
    return Issuer(KEY)


@pytest.fixture
def accounts(issuer: Issuer, lookup: MemoryLookup) -> ServiceAccounts:
    return ServiceAccounts(issuer, lookup)


def ask(lookup: MemoryLookup, issuer: Issuer, kind: str = "", name: str = "", **spec: Any) -> str:
    """A token by way of the API."""
    if kind:
        spec["boundObjectRef"] = {"apiVersion": "v1", "kind": kind, "name": name}
    return str(issue({"spec": spec}, "d", "web", lookup, issuer, NOW, "id-1").object["status"]["token"])


def test_the_claims_are_those_of_kubernetes(lookup: MemoryLookup, issuer: Issuer) -> None:
    token = jwt.parse(ask(lookup, issuer, "Pod", "p", expirationSeconds=900))
    assert token is not None
    assert token.claims == {
        "aud": ["https://kubernetes.default.svc.cluster.local"],
        "exp": NOW + 900,
        "iat": NOW,
        "iss": "https://kubernetes.default.svc.cluster.local",
        "jti": "id-1",
        "kubernetes.io": {
            "namespace": "d",
            "node": {"name": "n", "uid": "uid-of-n"},
            "pod": {"name": "p", "uid": "uid-of-p"},
            "serviceaccount": {"name": "web", "uid": "uid-of-web"},
        },
        "nbf": NOW,
        "sub": "system:serviceaccount:d:web",
    }


def test_the_user_knows_its_pod_and_node(lookup: MemoryLookup, issuer: Issuer, accounts: ServiceAccounts) -> None:
    proven = accounts.authenticate(ask(lookup, issuer, "Pod", "p"), NOW)
    assert proven is not None
    assert proven.user.extra == {
        "authentication.kubernetes.io/credential-id": ("JTI=id-1",),
        "authentication.kubernetes.io/node-name": ("n",),
        "authentication.kubernetes.io/node-uid": ("uid-of-n",),
        "authentication.kubernetes.io/pod-name": ("p",),
        "authentication.kubernetes.io/pod-uid": ("uid-of-p",),
    }


@pytest.mark.parametrize(
    ("kind", "name", "plural", "namespace"),
    [("Pod", "p", "pods", "d"), ("Secret", "s", "secrets", "d"), ("Node", "n", "nodes", "")],
)
def test_a_token_falls_with_what_it_is_bound_to(
    lookup: MemoryLookup, issuer: Issuer, accounts: ServiceAccounts, kind: str, name: str, plural: str, namespace: str
) -> None:
    token = ask(lookup, issuer, kind, name)
    assert accounts.authenticate(token, NOW)
    found = lookup.get("", plural, namespace, name)
    assert found is not None
    lookup.put("", plural, {**found, "metadata": {**found["metadata"], "uid": "another"}})
    with pytest.raises(BadCredentials, match="does not match"):
        accounts.authenticate(token, NOW)
    ending = {**found["metadata"], "deletionTimestamp": "2027-01-15T08:00:00Z"}  # NOW
    lookup.put("", plural, {**found, "metadata": ending})
    assert accounts.authenticate(token, NOW + 60)
    with pytest.raises(BadCredentials, match="has been invalidated"):
        accounts.authenticate(token, NOW + 61)
    lookup.take("", plural, namespace, name)
    with pytest.raises(BadCredentials, match="has been invalidated"):
        accounts.authenticate(token, NOW)


def test_a_token_falls_with_its_account(lookup: MemoryLookup, issuer: Issuer, accounts: ServiceAccounts) -> None:
    token = ask(lookup, issuer)
    lookup.put("", "serviceaccounts", named("web", "d", uid="another"))
    with pytest.raises(BadCredentials, match=r"service account UID \(another\) does not match claim \(uid-of-web\)"):
        accounts.authenticate(token, NOW)
    lookup.take("", "serviceaccounts", "d", "web")
    with pytest.raises(BadCredentials, match="not found"):
        accounts.authenticate(token, NOW)


def test_a_token_expires(lookup: MemoryLookup, issuer: Issuer, accounts: ServiceAccounts) -> None:
    token = ask(lookup, issuer, expirationSeconds=600)
    assert accounts.authenticate(token, NOW + 660)
    with pytest.raises(BadCredentials, match="service account token has expired"):
        accounts.authenticate(token, NOW + 661)
    with pytest.raises(BadCredentials, match="not valid yet"):
        accounts.authenticate(token, NOW - 61)


def test_others_tokens_are_not_ours(lookup: MemoryLookup, accounts: ServiceAccounts) -> None:
    other = Issuer(KEY, "https://other")
    assert accounts.authenticate(ask(lookup, other), NOW) is None
    forged = ask(lookup, Issuer(new_key()))
    with pytest.raises(BadCredentials, match="invalid signature"):
        accounts.authenticate(forged, NOW)


def test_no_algorithm_and_others_key_kinds_do_not_verify(lookup: MemoryLookup, accounts: ServiceAccounts) -> None:
    good = ask(lookup, Issuer(KEY))
    head, body, signature = good.split(".")
    for header in ({"alg": "none"}, {"alg": "HS256"}, {"alg": "RS256"}, {"alg": "ES384"}):
        bad = f"{jwt.encode(header, {}).split('.')[0]}.{body}.{signature}"
        with pytest.raises(BadCredentials, match="invalid signature"):
            accounts.authenticate(bad, NOW)
    with pytest.raises(BadCredentials, match="invalid signature"):
        accounts.authenticate(f"{head}.{body}.", NOW)


def test_a_retired_key_still_verifies(lookup: MemoryLookup) -> None:
    old = ask(lookup, Issuer(KEY))
    accounts = ServiceAccounts(Issuer(new_key(), retired=[KEY]), lookup)
    assert accounts.authenticate(old, NOW)


def test_a_token_in_a_secret_holds_while_the_secret_has_it(
    lookup: MemoryLookup, issuer: Issuer, accounts: ServiceAccounts
) -> None:
    account = lookup.get("", "serviceaccounts", "d", "web")
    secret = named("s", "d", type="kubernetes.io/service-account-token")
    assert account is not None
    token = issuer.sign(tokens.claims_of(account, secret))
    with pytest.raises(BadCredentials):
        accounts.authenticate(token, NOW)
    lookup.put("", "secrets", {**secret, "data": {"token": base64.b64encode(token.encode()).decode()}})
    proven = accounts.authenticate(token, NOW)
    assert proven is not None and proven.user.name == "system:serviceaccount:d:web"


def test_the_published_keys_verify(lookup: MemoryLookup, issuer: Issuer) -> None:
    listed = discovery.key_set(issuer.public_keys)["keys"]
    key, token = from_jwk(listed[0]), jwt.parse(ask(lookup, issuer))
    assert key is not None and token is not None
    assert token.key_id == key.id and verify(token, [key])
    assert listed[0]["alg"] == "ES256" and listed[0]["use"] == "sig"
    found = discovery.configuration(issuer.url, "https://10.0.0.1:6443/openid/v1/jwks", issuer.public_keys)
    assert found["id_token_signing_alg_values_supported"] == ["ES256"]


def test_a_request_is_filled_in(lookup: MemoryLookup, issuer: Issuer) -> None:
    made = issue({"spec": {"audiences": ["vault"]}}, "d", "web", lookup, issuer, NOW, "id-1").object
    assert made["metadata"]["name"] == "web" and made["metadata"]["namespace"] == "d"
    assert made["spec"]["expirationSeconds"] == 3600 and made["spec"]["audiences"] == ["vault"]
    assert made["status"]["expirationTimestamp"] == "2027-01-15T09:00:00Z"
    assert (made["apiVersion"], made["kind"]) == ("authentication.k8s.io/v1", "TokenRequest")


def test_a_long_life_is_shortened_with_a_warning(lookup: MemoryLookup) -> None:
    made = issue({"spec": {"expirationSeconds": 7200}}, "d", "web", lookup, Issuer(KEY, max_seconds=3600), NOW, "i")
    assert made.warnings == ("requested expiration of 7200 seconds shortened to 3600 seconds",)
    assert made.object["spec"]["expirationSeconds"] == 3600


def test_a_pods_token_is_extended_for_clients_that_do_not_reread(lookup: MemoryLookup, issuer: Issuer) -> None:
    token = jwt.parse(ask(lookup, issuer, "Pod", "p", expirationSeconds=3607))
    assert token is not None
    assert token.claims["exp"] == NOW + 365 * 86400
    assert token.claims["kubernetes.io"]["warnafter"] == NOW + 3607


@pytest.mark.parametrize(
    ("asked", "code", "text"),
    [
        ({"spec": {"expirationSeconds": 599}}, 422, "may not specify a duration less than 10 minutes"),
        ({"spec": {"expirationSeconds": 1 << 33}}, 422, "may not specify a duration larger than 2^32 seconds"),
        ({"spec": {"boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": "no"}}}, 404, 'pods "no" not found'),
        (
            {"spec": {"boundObjectRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "x"}}},
            400,
            "cannot bind token to object of type apps/v1, Kind=Deployment",
        ),
        (
            {"spec": {"boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "x"}}},
            409,
            "the UID in the bound object reference (x) does not match the UID in record.",
        ),
        ({"metadata": {"name": "other"}}, 422, "must match the service account name if specified"),
        ({"metadata": {"uid": "x"}}, 409, "does not match the UID of the service account"),
    ],
)
def test_what_cannot_be_is_refused(
    lookup: MemoryLookup, issuer: Issuer, asked: dict[str, Any], code: int, text: str
) -> None:
    with pytest.raises(StatusError) as refused:
        issue(asked, "d", "web", lookup, issuer, NOW, "i")
    assert refused.value.code == code and text in refused.value.message


def test_a_pod_of_another_account_cannot_be_bound_to(lookup: MemoryLookup, issuer: Issuer) -> None:
    lookup.put("", "serviceaccounts", named("other", "d"))
    reference = {"apiVersion": "v1", "kind": "Pod", "name": "p"}
    with pytest.raises(StatusError, match="pod running with different serviceaccount name"):
        issue({"spec": {"boundObjectRef": reference}}, "d", "other", lookup, issuer, NOW, "i")
    with pytest.raises(StatusError, match='serviceaccounts "nobody" not found'):
        issue({}, "d", "nobody", lookup, issuer, NOW, "i")


def test_claims_of_a_token_that_we_signed_for_something_else_are_checked(
    issuer: Issuer, accounts: ServiceAccounts
) -> None:
    for claims in ({}, {"kubernetes.io": 5}, {"kubernetes.io": {"namespace": 1, "serviceaccount": {"name": "web"}}},
                   {"kubernetes.io": {"namespace": "d", "serviceaccount": {"name": 3}}}, {"exp": "soon"}):  # fmt: skip
        with pytest.raises(BadCredentials):
            accounts.authenticate(issuer.sign(claims), NOW)


def test_signing_needs_a_key_on_a_curve() -> None:
    with pytest.raises(ValueError):
        SigningKey("nothing")
    assert claims_of(named("web", "d"), Bound(), [], 1, 0, "x")["sub"] == "system:serviceaccount:d:web"
