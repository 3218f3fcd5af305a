"""OpenID Connect: users of an identity provider elsewhere, by their ID tokens.

The provider's keys are fetched when they are first needed, kept, and fetched again for a key that is not known; at
most once in ten seconds, so nobody can make us ask without end.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from corral.cluster.apiserver.attributes import User
from corral.cluster.apiserver.authentication import jwt
from corral.cluster.apiserver.authentication.keys import ALGORITHMS, PublicKey, from_jwk, verify
from corral.cluster.apiserver.authentication.problem import BadCredentials
from corral.errors import InvalidInput

log = logging.getLogger("corral.cluster")

PATIENCE: Final = 10  # seconds between two fetches
Fetch = Callable[[str], Awaitable[Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class Provider:
    """The settings, as kube-apiserver's --oidc-… flags. `client_id`: for whom tokens must be.

    `username_prefix`: None is the default (`issuer#`, nothing for `email`), "-" is none.
    """

    issuer: str
    client_id: str
    username_claim: str = "sub"
    username_prefix: str | None = None
    groups_claim: str = ""
    groups_prefix: str = ""
    required_claims: Mapping[str, str] = field(default_factory=dict)
    algorithms: tuple[str, ...] = ("RS256",)

    def check(self) -> None:
        """InvalidInput for settings that cannot work."""
        if not self.issuer.startswith("https://"):
            raise InvalidInput(f"oidc issuer {self.issuer!r}: must be a https:// URL")
        if not self.client_id:
            raise InvalidInput("oidc: a client id is needed: tokens for others must not work here")
        unknown = [one for one in self.algorithms if one not in ALGORITHMS]
        if unknown:
            raise InvalidInput(f"oidc: unsupported signing alg: {unknown[0]}; known are {', '.join(ALGORITHMS)}")


class Oidc:
    """`fetch` gets the JSON document at a URL; `clock` is seconds that only grow."""

    def __init__(self, provider: Provider, fetch: Fetch, clock: Callable[[], float]) -> None:
        provider.check()
        self._provider, self._fetch, self._clock = provider, fetch, clock
        self._keys: tuple[PublicKey, ...] = ()
        self._fetched: float | None = None
        self._lock = asyncio.Lock()

    async def authenticate(self, token: jwt.Token, now: float) -> User | None:
        """The user of an ID token; None when another has issued it. BadCredentials."""
        if token.claims.get("iss") != self._provider.issuer:
            return None
        if not await self._is_signed(token):
            raise BadCredentials("oidc: verify token: failed to verify signature")
        return plan_user(token.claims, self._provider, now)

    async def _is_signed(self, token: jwt.Token) -> bool:
        if verify(token, self._keys, self._provider.algorithms):
            return True
        if token.algorithm not in self._provider.algorithms:
            return False
        await self._refresh()
        return verify(token, self._keys, self._provider.algorithms)

    async def _refresh(self) -> None:
        async with self._lock:
            if self._fetched is not None and self._clock() - self._fetched < PATIENCE:
                return
            self._fetched = self._clock()
            try:
                self._keys = await self._fetch_keys()
            except (OSError, ValueError, TimeoutError) as error:
                log.warning("oidc: keys of %s: %s", self._provider.issuer, error)
                raise BadCredentials(f"oidc: the keys of {self._provider.issuer} cannot be fetched: {error}") from None

    async def _fetch_keys(self) -> tuple[PublicKey, ...]:
        """OSError, ValueError."""
        issuer = self._provider.issuer
        found = await self._fetch(issuer.rstrip("/") + "/.well-known/openid-configuration")
        if found.get("issuer") != issuer:
            raise ValueError(f"the issuer calls itself {found.get('issuer')!r}")
        url = found.get("jwks_uri")
        if not isinstance(url, str) or not url.startswith("https://"):
            raise ValueError("provider did not return JWKS URL")
        listed = (await self._fetch(url)).get("keys")
        keys = [from_jwk(one) for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
        return tuple(key for key in keys if key is not None)


def plan_user(claims: Mapping[str, Any], provider: Provider, now: float) -> User:
    """Pure: whom an ID token, whose signature holds, stands for. BadCredentials.

    >>> who = Provider("https://id.example", "corral", groups_claim="teams", groups_prefix="id:")
    >>> plan_user({"aud": "corral", "exp": 10, "sub": "jane", "teams": ["dev"]}, who, 5)
    User(name='https://id.example#jane', uid='', groups=('id:dev',), extra={})
    """
    if not isinstance(claims.get("exp"), int | float):
        raise BadCredentials("oidc: verify token: the token never expires")
    jwt.check_times(claims, now, what="oidc: token")
    if provider.client_id not in (meant := jwt.audiences_of(claims)):
        raise BadCredentials(f"oidc: expected audience {provider.client_id!r} got {list(meant)}")
    for name, wanted in provider.required_claims.items():
        if name not in claims:
            raise BadCredentials(f"oidc: required claim {name} not present in ID token")
        if claims[name] != wanted:
            raise BadCredentials(
                f"oidc: required claim {name} value does not match. Got = {claims[name]}, want = {wanted}"
            )
    name = _username(claims, provider)
    groups = tuple(provider.groups_prefix + group for group in _groups(claims, provider.groups_claim))
    token_id = claims.get("jti")
    extra = {"authentication.kubernetes.io/credential-id": (f"JTI={token_id}",)} if isinstance(token_id, str) else {}
    return User(name, groups=groups, extra=extra)


def _username(claims: Mapping[str, Any], provider: Provider) -> str:
    claim = provider.username_claim
    if claim in (claims.get("_claim_names") or {}):
        raise BadCredentials(f"oidc: claim {claim} is distributed, which is not supported")
    name = claims.get(claim)
    if not isinstance(name, str) or not name:
        raise BadCredentials(f'oidc: parse username claims "{claim}": claim not present')
    if claim == "email" and claims.get("email_verified", True) is not True:
        raise BadCredentials("oidc: email not verified")
    prefix = provider.username_prefix
    if prefix is None:
        prefix = "" if claim == "email" else f"{provider.issuer}#"
    return ("" if prefix == "-" else prefix) + name


def _groups(claims: Mapping[str, Any], claim: str) -> list[str]:
    if claim and claim in (claims.get("_claim_names") or {}):
        raise BadCredentials(f"oidc: claim {claim} is distributed, which is not supported")
    found = claims.get(claim) if claim else None
    listed = [found] if isinstance(found, str) else [] if found is None else found
    if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
        raise BadCredentials(f'oidc: parse groups claim "{claim}": not a text or a list of texts')
    return listed


def fetcher(authorities: str = "", seconds: float = 10.0) -> Fetch:
    """Fetches over HTTPS. `authorities` (PEM): who must have signed the provider's certificate; "": the system's."""

    async def fetch(url: str) -> Mapping[str, Any]:
        return await asyncio.to_thread(_get, url, authorities, seconds)

    return fetch


def _get(url: str, authorities: str, seconds: float) -> Mapping[str, Any]:
    """Blocking. OSError, ValueError."""
    import ssl
    from urllib.error import URLError
    from urllib.request import HTTPRedirectHandler, HTTPSHandler, Request, build_opener

    class SafeRedirects(HTTPRedirectHandler):
        def redirect_request(
            self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
        ) -> Request | None:
            if not newurl.startswith("https://"):
                raise URLError(f"redirected to {newurl}, which is not https")
            return super().redirect_request(req, fp, code, msg, headers, newurl)

    context = ssl.create_default_context(cadata=authorities or None)
    with build_opener(HTTPSHandler(context=context), SafeRedirects).open(url, timeout=seconds) as answer:
        data = answer.read(1 << 20)
    try:
        found = msgspec.json.decode(data)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(f"{url}: {error}") from None
    if not isinstance(found, dict):
        raise ValueError(f"{url}: not an object")
    return found
