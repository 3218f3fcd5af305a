"""All ways of proving who one is, asked in turn: front proxy, client certificate, bearer token; then nobody."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from corral.cluster.apiserver.attributes import ANONYMOUS, AUTHENTICATED_GROUP, UNAUTHENTICATED_GROUP, User
from corral.cluster.apiserver.authentication import bearer, bootstrap, certificate, jwt, proxy
from corral.cluster.apiserver.authentication.oidc import Oidc
from corral.cluster.apiserver.authentication.problem import BadCredentials
from corral.cluster.apiserver.authentication.proxy import FrontProxy
from corral.cluster.apiserver.authentication.service_accounts import Proven, ServiceAccounts
from corral.cluster.apiserver.authentication.token_file import TokenFile
from corral.cluster.apiserver.gotexts import joined
from corral.cluster.apiserver.lookup import Lookup
from corral.cluster.certificates.x509 import Certificate
from corral.model.kubernetes.status import unauthorized

if TYPE_CHECKING:
    from corral.http.message import Request

log = logging.getLogger("corral.cluster")

NOBODY: Final = User(ANONYMOUS, groups=(UNAUTHENTICATED_GROUP,))


@dataclass(frozen=True, slots=True)
class Authenticator:
    """Who asks? `now`: seconds since the epoch. What is None is not offered.

    `anonymous`: whether those without credentials are system:anonymous, whose rights authorization decides; with
    `anonymous_paths` only for these paths.
    """

    now: Callable[[], float]
    audiences: tuple[str, ...]
    client_authority: Certificate | None = None
    front_proxy: FrontProxy | None = None
    service_accounts: ServiceAccounts | None = None
    bootstrap: Lookup | None = None
    token_file: TokenFile | None = None
    oidc: tuple[Oidc, ...] = ()
    anonymous: bool = True
    anonymous_paths: frozenset[str] = frozenset()

    async def authenticate(self, request: Request) -> User | None:
        """The user; None when the request carries no credentials. StatusError 401: it does, and they are bad."""
        problems: list[str] = []
        for way in (self._by_proxy, self._by_certificate):
            try:
                user = way(request)
            except BadCredentials as problem:
                problems.append(str(problem))
                continue
            if user is not None:
                return with_groups(user)
        try:
            token = bearer.token_of(request)
            if token:
                return (await self.by_token(token)).user
        except BadCredentials as problem:
            problems.append(str(problem))
        if problems:
            log.info("%s %s: unable to authenticate the request: %s", request.method, request.path, joined(problems))
            raise unauthorized()
        return None

    async def identify(self, request: Request) -> User:
        """As `authenticate`, and system:anonymous for those without credentials. StatusError 401."""
        user = await self.authenticate(request)
        if user is not None:
            return user
        if not self.anonymous or (self.anonymous_paths and request.path not in self.anonymous_paths):
            raise unauthorized()
        return NOBODY

    async def by_token(self, token: str, audiences: tuple[str, ...] = ()) -> Proven:
        """The user of a bearer token, and for whom of `audiences` (empty: this server) it is. BadCredentials."""
        problems: list[str] = []
        asked = audiences or self.audiences
        for way in (self._by_file, self._by_service_account, self._by_bootstrap, self._by_oidc):
            try:
                proven = await way(token, asked)
            except BadCredentials as problem:
                problems.append(str(problem))
                continue
            if proven is not None:
                return Proven(with_groups(proven.user), proven.audiences)
        raise BadCredentials(joined(["invalid bearer token", *problems]))

    def _by_proxy(self, request: Request) -> User | None:
        return proxy.user_of(request, self.front_proxy, int(self.now())) if self.front_proxy else None

    def _by_certificate(self, request: Request) -> User | None:
        if self.client_authority is None or not request.peer_certificate:
            return None
        return certificate.user_of(request.peer_certificate, self.client_authority, int(self.now()))

    async def _by_file(self, token: str, asked: tuple[str, ...]) -> Proven | None:
        return self._for_us(self.token_file.authenticate(token), asked) if self.token_file else None

    async def _by_service_account(self, token: str, asked: tuple[str, ...]) -> Proven | None:
        if self.service_accounts is None:
            return None
        return self.service_accounts.authenticate(token, int(self.now()), asked)

    async def _by_bootstrap(self, token: str, asked: tuple[str, ...]) -> Proven | None:
        if self.bootstrap is None:
            return None
        return self._for_us(bootstrap.authenticate(token, self.bootstrap, int(self.now())), asked)

    async def _by_oidc(self, token: str, asked: tuple[str, ...]) -> Proven | None:
        parsed = jwt.parse(token) if self.oidc else None
        if parsed is None:
            return None
        for provider in self.oidc:
            proven = self._for_us(await provider.authenticate(parsed, self.now()), asked)
            if proven is not None:
                return proven
        return None

    def _for_us(self, user: User | None, asked: tuple[str, ...]) -> Proven | None:
        """A token that names no audience of ours is for this server, and nobody else."""
        matched = tuple(one for one in self.audiences if one in asked)
        return Proven(user, matched) if user is not None and matched else None


def with_groups(user: User) -> User:
    """Pure: everybody who has proved who they are is in system:authenticated.

    >>> with_groups(User("jane")).groups, with_groups(NOBODY).groups
    (('system:authenticated',), ('system:unauthenticated',))
    """
    if AUTHENTICATED_GROUP in user.groups or UNAUTHENTICATED_GROUP in user.groups:
        return user
    return replace(user, groups=(*user.groups, AUTHENTICATED_GROUP))
