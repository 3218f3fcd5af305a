"""Bootstrap tokens: the Secret must vouch for each part."""

from __future__ import annotations

import base64

import pytest

from corral.cluster.apiserver.authentication import bootstrap, token_file
from corral.errors import InvalidInput
from tests.support.lookup import MemoryLookup, named

NOW = 1_800_000_000
TOKEN = "abcdef.0123456789abcdef"
DATA = {"token-id": "abcdef", "token-secret": "0123456789abcdef", "usage-bootstrap-authentication": "true"}


def lookup(kind: str = bootstrap.SECRET_TYPE, **data: str) -> MemoryLookup:
    found = MemoryLookup()
    merged = {**DATA, **{key.replace("_", "-"): value for key, value in data.items()}}
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in merged.items()}
    found.put("", "secrets", named("bootstrap-token-abcdef", "kube-system", type=kind, data=encoded))
    return found


def test_a_token_that_its_secret_vouches_for() -> None:
    user = bootstrap.authenticate(TOKEN, lookup(expiration="2027-01-15T08:00:00Z"), NOW)
    assert user is not None and (user.name, user.groups) == ("system:bootstrap:abcdef", ("system:bootstrappers",))


@pytest.mark.parametrize(
    "data",
    [
        {"token_secret": "0123456789abcdee"},
        {"token_id": "abcdeg"},
        {"usage_bootstrap_authentication": "false"},
        {"expiration": "2027-01-15T07:59:59Z"},
        {"expiration": "soon"},
        {"auth_extra_groups": "system:masters"},
        {"auth_extra_groups": "system:bootstrappers:a,system:bootstrappers:B"},
        {"kind": "Opaque"},
    ],
)
def test_a_secret_that_does_not(data: dict[str, str]) -> None:
    assert bootstrap.authenticate(TOKEN, lookup(**data), NOW) is None


def test_what_is_no_bootstrap_token() -> None:
    for token in ("", "abcdef", "ABCDEF.0123456789abcdef", TOKEN + "\n", "zzzzzz.0123456789abcdef"):
        assert bootstrap.authenticate(token, lookup(), NOW) is None


def test_a_token_file_needs_three_columns() -> None:
    with pytest.raises(InvalidInput, match="at least 3 columns"):
        token_file.parse("token,user")
    found = token_file.parse('a,jane,1\n\n,nobody,2\nb,kim,3,"x,y"\n')
    assert found.authenticate("") is None
    kim = found.authenticate("b")
    assert kim is not None and kim.groups == ("x", "y")
