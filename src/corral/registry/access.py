"""Access: who asks, what they may do, and how they are told to log in.

A client shows a password (Basic) or a token (Bearer) that `/token` gave it for its password; either will do everywhere
but at `/token`, where a token for one repository would become one for all. Who asks for it there gets a refresh token
too, which docker keeps in the password's place; it ends with the user, or with the password.
"""

from __future__ import annotations

import base64
import os
import time
import uuid
from typing import Any
from urllib.parse import parse_qs

from corral.errors import from_oserror
from corral.http.message import Answer, Request
from corral.kit.clock import to_rfc3339
from corral.kit.durable import write_durably
from corral.registry.call import Call, Identity
from corral.registry.config import RegistryConfig
from corral.registry.faults import Fault, json_response
from corral.registry.passwords import Passwords
from corral.registry.rights import ACTIONS, plan_actions
from corral.registry.tokens import (
    LIFETIME,
    SERVICE,
    claims_of,
    parse_scopes,
    refresh_claims,
    refreshed,
    sign,
    verify,
)

FORM_LIMIT = 65536  # bytes


class Access:
    """Checks every request. `open` to everybody unless something about users is configured."""

    def __init__(self, config: RegistryConfig) -> None:
        self._config = config
        self.open = not (config.htpasswd or config.rights or config.anonymous_pull)
        self._passwords = Passwords(config.htpasswd) if config.htpasswd else None
        if self._passwords:
            self._passwords.users()  # a file that is wrong is told at once
        self._key = b"" if self.open else _read_key(f"{config.root}/token.key")

    # Who asks.

    async def identify(self, request: Request) -> Identity:
        """UNAUTHORIZED for a wrong password, or a token that does not hold."""
        kind, _, value = request.header("authorization").partition(" ")
        if self.open or not kind:
            return Identity()
        if kind.lower() == "basic":
            return Identity(await self._by_password(request, *_decode_basic(value)))
        claims = verify(value.strip(), self._key, time.time()) if kind.lower() == "bearer" else None
        if claims is None:
            raise self._challenge(request, "", error="invalid_token")
        granted = {one["name"]: frozenset(one["actions"]) for one in claims["access"] if one["type"] == "repository"}
        return Identity(claims["sub"], granted)

    async def _by_password(self, request: Request, user: str, password: str) -> str:
        if not user or self._passwords is None or not await self._passwords.check(user, password):
            headers = {"WWW-Authenticate": 'Basic realm="Corral registry"'}
            raise Fault("UNAUTHORIZED", "incorrect username or password", headers=headers)
        return user

    # What they may do.

    def rights(self, user: str, repository: str) -> frozenset[str]:
        """The actions that `user` may do there."""
        if self.open:
            return frozenset(ACTIONS)
        return plan_actions(self._config.rights, user, repository, anonymous_pull=self._config.anonymous_pull)

    def may(self, identity: Identity, action: str, repository: str) -> bool:
        """By right, and by the token if one was shown."""
        granted = identity.granted is None or action in identity.granted.get(repository, ())
        return granted and action in self.rights(identity.user, repository)

    @property
    def anybody(self) -> bool:
        """Whether there is something for those who are not logged in."""
        return (
            self.open or self._config.anonymous_pull or any(right.user == "anonymous" for right in self._config.rights)
        )

    def check(self, request: Request, identity: Identity, needs: str, repository: str) -> None:
        """UNAUTHORIZED for who should log in or get another token, DENIED for who has done that."""
        if self.open or not needs:
            return
        if needs == "login":
            if not identity.user and identity.granted is None:
                raise self._challenge(request, "")
        elif not self.may(identity, needs, repository):
            if identity.user and needs not in self.rights(identity.user, repository):
                detail = {"type": "repository", "name": repository, "action": needs}
                raise Fault("DENIED", f"{identity.user} may not {needs} {repository}", detail)
            actions = {"pull": "pull", "push": "pull,push", "delete": "delete"}[needs]
            error = "insufficient_scope" if identity.granted is not None else ""
            raise self._challenge(request, f"repository:{repository}:{actions}", error=error)

    def _challenge(self, request: Request, scope: str, error: str = "") -> Fault:
        words = [f'Bearer realm="{self.address(request)}/token"', f'service="{SERVICE}"']
        words += [f'scope="{scope}"'] if scope else []
        words += [f'error="{error}"'] if error else []
        return Fault("UNAUTHORIZED", headers={"WWW-Authenticate": ",".join(words)})

    def address(self, request: Request) -> str:
        """How this client reaches us: as configured, or as it says itself."""
        if self._config.public_url:
            return self._config.public_url
        scheme = request.header("x-forwarded-proto") or ("https" if self._config.tls else "http")
        host = "".join(c for c in request.header("host") if c not in '"\\, ')
        return f"{scheme if scheme in ('http', 'https') else 'http'}://{host}"

    # Giving out tokens.

    async def give_token(self, call: Call) -> Answer:
        """GET as Docker's token specification has it, POST as its OAuth 2 form."""
        request = call.request
        if request.method == "POST":
            form = parse_qs((await request.body(FORM_LIMIT)).decode(errors="replace"))
            return await self._give_by_form(request, {name: values[0] for name, values in form.items()})
        if call.identity.granted is not None:
            headers = {"WWW-Authenticate": 'Basic realm="Corral registry"'}
            raise Fault("UNAUTHORIZED", "a token is given for a password, not for another token", headers=headers)
        user, offline = call.identity.user, request.query.flag("offline_token")
        return self._given(user, request.query.all("scope"), self._refresh_token(user) if offline else "")

    async def _give_by_form(self, request: Request, form: dict[str, str]) -> Answer:
        scopes, offline = [form.get("scope", "")], form.get("access_type") == "offline"
        match form.get("grant_type"):
            case "password":
                user = await self._by_password(request, form.get("username", ""), form.get("password", ""))
                return self._given(user, scopes, self._refresh_token(user) if offline else "")
            case "refresh_token" if token := form.get("refresh_token", ""):
                users = self._passwords.users() if self._passwords else {}
                user = refreshed(token, users, self._key) if form.get("service", SERVICE) == SERVICE else ""
                if not user:
                    raise Fault("UNAUTHORIZED", "the login is no longer valid: log in again", "invalid refresh token")
                return self._given(user, scopes, token if offline else "")
            case "refresh_token":
                why = {"error": "invalid_request", "error_description": "missing refresh_token value"}
                return json_response(why, 400)
        return json_response({"error": "unsupported_grant_type"}, 400)

    def _refresh_token(self, user: str) -> str:
        """A new one; "" for who has no password."""
        secret = self._passwords.users().get(user) if self._passwords else None
        if secret is None:
            return ""
        return sign(refresh_claims(user, secret, self._key, time.time(), str(uuid.uuid4())), self._key)

    def _given(self, user: str, scopes: list[str], refresh: str) -> Answer:
        access = self._grant(user, scopes)
        now = time.time()
        token = sign(claims_of(user, access, now, str(uuid.uuid4())), self._key)
        said: dict[str, Any] = {"token": token, "access_token": token, "expires_in": LIFETIME}
        said["issued_at"] = to_rfc3339(int(now) * 1_000_000_000)
        said["scope"] = " ".join(f"{one['type']}:{one['name']}:{','.join(one['actions'])}" for one in access)
        said |= {"refresh_token": refresh} if refresh else {}
        return json_response(said, headers={"Cache-Control": "no-store"})

    def _grant(self, user: str, scopes: list[str]) -> list[dict[str, Any]]:
        """What is asked for, as far as there is a right to it."""
        granted = []
        for scope in parse_scopes(scopes):
            asked = set(ACTIONS) if "*" in scope.actions else set(scope.actions)
            actions = sorted(asked & self.rights(user, scope.name)) if scope.kind == "repository" else []
            if actions:
                granted.append({"type": scope.kind, "name": scope.name, "actions": actions})
        return granted


def _decode_basic(value: str) -> tuple[str, str]:
    try:
        user, _, password = base64.b64decode(value.strip(), validate=True).decode().partition(":")
    except ValueError:
        return "", ""
    return user, password


def _read_key(path: str) -> bytes:
    """The key of the tokens, made when it is not there yet: tokens outlive a restart. HostError."""
    try:
        try:
            with open(path, "rb") as file:
                found = file.read()
        except FileNotFoundError:
            found = b""
        if len(found) == 32:
            return found
        key = os.urandom(32)
        write_durably(path, key)
        return key
    except OSError as error:
        raise from_oserror(f"read {path}", error) from error
