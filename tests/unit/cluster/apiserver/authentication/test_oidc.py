"""OpenID Connect: keys are fetched when needed and no more often; tokens say who, if they are for us."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from corral.cluster.apiserver.attributes import User
from corral.cluster.apiserver.authentication import jwt
from corral.cluster.apiserver.authentication.keys import SigningKey
from corral.cluster.apiserver.authentication.oidc import Oidc, Provider, fetcher, plan_user
from corral.cluster.apiserver.authentication.problem import BadCredentials
from corral.cluster.apiserver.certificates.issuing import new_key
from corral.errors import InvalidInput
from tests.support import certificates

NOW = 1_800_000_000
ISSUER = "https://id.example"
CLAIMS = {"iss": ISSUER, "aud": "corral", "exp": NOW + 60, "sub": "jane"}


class Elsewhere:
    """The identity provider, as `fetch` sees it."""

    def __init__(self) -> None:
        self.keys = [SigningKey(new_key())]
        self.asked: list[str] = []
        self.broken = False

    async def fetch(self, url: str) -> Mapping[str, Any]:
        self.asked.append(url)
        if self.broken:
            raise OSError("no route to host")
        if url.endswith("openid-configuration"):
            return {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/keys"}
        return {"keys": [key.public.jwk() for key in self.keys]}

    def token(self, **claims: Any) -> jwt.Token:
        found = jwt.parse(self.keys[-1].sign({**CLAIMS, **claims}))
        assert found is not None
        return found


class Hands:
    """A clock that the test turns."""

    at = 1000.0

    def __call__(self) -> float:
        return self.at


PROVIDER = Provider(ISSUER, "corral", algorithms=("ES256", "RS256"))


async def test_keys_are_fetched_once() -> None:
    there = Elsewhere()
    oidc = Oidc(PROVIDER, there.fetch, Hands())
    for _ in range(3):
        assert await oidc.authenticate(there.token(), NOW) == User(f"{ISSUER}#jane")
    assert len(there.asked) == 2


async def test_a_new_key_is_fetched_but_not_for_every_bad_token() -> None:
    there, hands = Elsewhere(), Hands()
    oidc = Oidc(PROVIDER, there.fetch, hands)
    assert await oidc.authenticate(there.token(), NOW)
    there.keys = [SigningKey(new_key())]
    for _ in range(5):
        with pytest.raises(BadCredentials, match="failed to verify signature"):
            await oidc.authenticate(there.token(), NOW)
    assert len(there.asked) == 2
    hands.at += 10
    assert await oidc.authenticate(there.token(), NOW)
    assert len(there.asked) == 4


async def test_a_provider_that_is_away_is_asked_again_later() -> None:
    there, hands = Elsewhere(), Hands()
    there.broken = True
    oidc = Oidc(PROVIDER, there.fetch, hands)
    with pytest.raises(BadCredentials, match="no route to host"):
        await oidc.authenticate(there.token(), NOW)
    there.broken = False
    hands.at += 10
    assert await oidc.authenticate(there.token(), NOW)


async def test_others_tokens_and_algorithms() -> None:
    there = Elsewhere()
    assert await Oidc(PROVIDER, there.fetch, Hands()).authenticate(there.token(iss="https://other"), NOW) is None
    with pytest.raises(BadCredentials):
        await Oidc(Provider(ISSUER, "corral"), there.fetch, Hands()).authenticate(there.token(), NOW)
    assert there.asked == []


@pytest.mark.parametrize(
    ("claims", "text"),
    [
        ({"aud": "other"}, "expected audience 'corral'"),
        ({"exp": NOW - 61}, "has expired"),
        ({"exp": None}, "never expires"),
        ({"sub": ""}, "claim not present"),
        ({"sub": 5}, "claim not present"),
        ({"groups": {"a": 1}}, "parse groups claim"),
        ({"hd": "other"}, "value does not match"),
        ({"hd": None}, "value does not match"),
        ({"_claim_names": {"groups": "src"}}, "not supported"),
    ],
)
def test_what_is_not_for_us_is_refused(claims: dict[str, Any], text: str) -> None:
    strict = Provider(ISSUER, "corral", groups_claim="groups", required_claims={"hd": "example"})
    with pytest.raises(BadCredentials, match=text):
        plan_user({**CLAIMS, "hd": "example", **claims}, strict, NOW)


def test_prefixes() -> None:
    mail = Provider(ISSUER, "corral", username_claim="email")
    assert plan_user({**CLAIMS, "email": "j@x"}, mail, NOW).name == "j@x"
    with pytest.raises(BadCredentials, match="email not verified"):
        plan_user({**CLAIMS, "email": "j@x", "email_verified": False}, mail, NOW)
    assert plan_user(CLAIMS, Provider(ISSUER, "corral", username_prefix="-"), NOW).name == "jane"
    assert plan_user(CLAIMS, Provider(ISSUER, "corral", username_prefix="id:"), NOW).name == "id:jane"
    one = Provider(ISSUER, "corral", groups_claim="team", groups_prefix="g:")
    assert plan_user({**CLAIMS, "team": "dev"}, one, NOW).groups == ("g:dev",)


@pytest.mark.parametrize(
    "provider", [Provider("http://id", "c"), Provider(ISSUER, ""), Provider(ISSUER, "c", algorithms=("HS256",))]
)
def test_settings_that_cannot_work(provider: Provider) -> None:
    with pytest.raises(InvalidInput):
        provider.check()


@pytest.fixture
def https(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """(URL, authority) of a server that answers with JSON, but for /odd."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/away":
                self.send_response(302)
                self.send_header("Location", "http://127.0.0.1/")
                return self.end_headers()
            body = b"[" if self.path == "/odd" else json.dumps({"path": self.path}).encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            del format, args

    made = certificates.make(tmp_path)
    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.socket = certificates.server(made).wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"https://127.0.0.1:{server.server_port}", made[0].read_text()
    server.shutdown()
    thread.join()
    server.server_close()


async def test_fetching_over_https(https: tuple[str, str]) -> None:
    url, authority = https
    assert await fetcher(authority)(f"{url}/a") == {"path": "/a"}
    with pytest.raises(ValueError):
        await fetcher(authority)(f"{url}/odd")
    with pytest.raises(OSError, match="not https"):
        await fetcher(authority)(f"{url}/away")
    with pytest.raises(OSError):
        await fetcher()(f"{url}/a")
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(OSError):
        await fetcher(authority, 0.05)(f"https://127.0.0.1:{silent.getsockname()[1]}/")
