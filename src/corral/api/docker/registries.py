"""The operations that speak to registries: pull, push, login, search, and what a registry has of an image."""

from __future__ import annotations

import base64
import binascii
import json
from typing import TYPE_CHECKING, Any

from corral.api.docker.answers import JSON, primed
from corral.api.docker.at import name_of, platform_of, version_of
from corral.api.docker.jsontext import parse as parse_json
from corral.api.docker.progress import messages
from corral.errors import InvalidInput
from corral.http.message import Answer, Request
from corral.model.transfer import ANYBODY, Credentials

if TYPE_CHECKING:
    from corral.api.docker.app import DockerApi

AUTH = "x-registry-auth"


def decode_auth(header: str) -> Credentials:
    """The X-Registry-Auth header: base64 for URLs, or the plain one, of JSON. InvalidInput.

    >>> decode_auth(base64.urlsafe_b64encode(b'{"username":"me","password":"pw"}').decode()).username
    'me'
    >>> decode_auth("") == ANYBODY
    True
    """
    if not header:
        return ANYBODY
    try:
        data = base64.b64decode(header.strip() + "==", altchars=b"-_" if "-" in header or "_" in header else None)
    except (binascii.Error, ValueError) as error:
        raise InvalidInput(f"invalid X-Registry-Auth header: {error}") from None
    try:
        found = json.loads(data) if data.strip() else {}
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"invalid X-Registry-Auth header: {error}") from None
    return credentials_of(found)


def credentials_of(found: Any) -> Credentials:
    """An AuthConfig of Docker's. The field `auth` is "user:password" in base64."""
    if not isinstance(found, dict):
        raise InvalidInput("invalid X-Registry-Auth header: it is not an object")
    lower = {str(key).lower(): value for key, value in found.items() if isinstance(value, str)}
    username, password = lower.get("username", ""), lower.get("password", "")
    if not username and lower.get("auth"):
        try:
            pair = base64.b64decode(lower["auth"]).decode()
        except (binascii.Error, ValueError):
            raise InvalidInput("invalid X-Registry-Auth header: auth is not base64") from None
        username, _, password = pair.partition(":")
    return Credentials(
        username,
        password,
        lower.get("identitytoken", ""),
        lower.get("registrytoken", ""),
        lower.get("serveraddress", ""),
    )


def lenient_auth(header: str) -> Credentials:
    """For pulls, which work without: what cannot be read says nothing."""
    try:
        return decode_auth(header)
    except InvalidInput:
        return ANYBODY


async def pull(api: DockerApi, request: Request) -> Answer:
    """`POST /images/create?fromImage=…`."""
    query = request.query
    notes = api.engine.transfers.pull(
        query.get("fromImage"),
        query.get("tag"),
        platform=query.get("platform") if version_of(request) >= (1, 32) else "",
        credentials=lenient_auth(request.header(AUTH)),
    )
    return await primed(messages(notes), JSON)


async def image_push(api: DockerApi, request: Request) -> Answer:
    """`POST /images/NAME/push`. Very old clients send the credentials as the body."""
    header = request.header(AUTH)
    body = b"" if header else await request.body()
    credentials = credentials_of(parse_json(body) or {}) if body.strip() else decode_auth(header)
    platform = platform_of(request) if version_of(request) >= (1, 46) else ""
    notes = api.engine.transfers.push(
        name_of(request), request.query.get("tag"), platform=platform, credentials=credentials
    )
    return await primed(messages(notes), JSON)
