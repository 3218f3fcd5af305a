"""Tokens of service accounts: this server signs them, and knows its own again."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from corral.cluster.apiserver.attributes import User
from corral.cluster.apiserver.authentication import jwt
from corral.cluster.apiserver.authentication.claims import LEGACY_ISSUER, check_claims, check_legacy
from corral.cluster.apiserver.authentication.keys import PublicKey, SigningKey, verify
from corral.cluster.apiserver.authentication.problem import BadCredentials
from corral.cluster.apiserver.gotexts import quoted
from corral.cluster.apiserver.lookup import Lookup

DEFAULT_ISSUER: Final = "https://kubernetes.default.svc.cluster.local"
_REMEMBERED: Final = 4096


class Proven(NamedTuple):
    """Who it is, and which of the audiences that were asked about the token is for."""

    user: User
    audiences: tuple[str, ...]


class Issuer:
    """The server's own key and name. `key` is PEM; it is loaded with the first token.

    `audiences`: whom tokens are for that name nobody else: this server. `max_seconds`: the longest life; 0: no limit.
    `retired`: keys (PEM) that sign no more, whose tokens still hold.
    """

    def __init__(
        self,
        key: str,
        url: str = DEFAULT_ISSUER,
        audiences: tuple[str, ...] = (),
        max_seconds: int = 0,
        retired: Sequence[str] = (),
    ) -> None:
        self.url = url
        self.audiences = audiences or (url,)
        self.max_seconds = max_seconds
        self._pem, self._retired = key, tuple(retired)
        self._key: SigningKey | None = None
        self._public: tuple[PublicKey, ...] = ()

    def sign(self, claims: Mapping[str, Any]) -> str:
        """The token with these claims and this issuer's name (unless they have one)."""
        return self._load().sign({"iss": self.url, **claims})

    @property
    def public_keys(self) -> tuple[PublicKey, ...]:
        self._load()
        return self._public

    def _load(self) -> SigningKey:
        if self._key is None:
            self._key = SigningKey(self._pem)
            self._public = (self._key.public, *(SigningKey(pem).public for pem in self._retired))
        return self._key


class ServiceAccounts:
    """Recognises tokens. A signature is checked once; whether the token still holds, with each use."""

    def __init__(self, issuer: Issuer, lookup: Lookup) -> None:
        self._issuer, self._lookup = issuer, lookup
        self._verified: OrderedDict[bytes, dict[str, Any]] = OrderedDict()

    def authenticate(self, text: str, now: int, audiences: tuple[str, ...] = ()) -> Proven | None:
        """None when it is no token of this issuer. `audiences`: for whom it must be; empty: this server.

        BadCredentials.
        """
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
        claims = self._verified.get(digest)
        if claims is None:
            token = jwt.parse(text)
            if token is None or token.claims.get("iss") not in (self._issuer.url, LEGACY_ISSUER):
                return None
            if not verify(token, self._issuer.public_keys):
                raise BadCredentials("invalid signature")
            claims = token.claims
            self._remember(digest, claims)
        matched = self._match(jwt.audiences_of(claims), audiences or self._issuer.audiences)
        if claims["iss"] == LEGACY_ISSUER:
            return Proven(check_legacy(claims, text, self._lookup, now), matched)
        return Proven(check_claims(claims, self._lookup, now), matched)

    def _remember(self, digest: bytes, claims: dict[str, Any]) -> None:
        self._verified[digest] = claims
        if len(self._verified) > _REMEMBERED:
            self._verified.popitem(last=False)

    def _match(self, meant: tuple[str, ...], asked: tuple[str, ...]) -> tuple[str, ...]:
        meant = meant or self._issuer.audiences
        matched = tuple(one for one in meant if one in asked)
        if not matched:
            raise BadCredentials(f"token audiences {quoted(meant)} is invalid for the target audiences {quoted(asked)}")
        return matched
