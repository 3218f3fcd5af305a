"""The operations that speak to registries: pull, push, login, search, and what a registry has of an image."""

from __future__ import annotations

import base64
import binascii
import json
from typing import TYPE_CHECKING, Any

from corral.api.docker.answers import JSON, first, reply, while_there
from corral.api.docker.at import json_body, name_of, number, platform_of, version_of
from corral.api.docker.filters import parse_filters
from corral.api.docker.jsontext import parse as parse_json
from corral.api.docker.progress import messages
from corral.engine.filters import Filters, flag, refuse_unknown
from corral.errors import InvalidInput
from corral.http.message import Answer, Request, Response, StreamResponse
from corral.model.transfer import ANYBODY, Credentials, Hit

if TYPE_CHECKING:
    from corral.api.docker.app import DockerApi

AUTH = "x-registry-auth"


def decode_auth(header: str) -> Credentials:
    """The X-Registry-Auth header: base64 for URLs, or the plain one, of JSON. What cannot be read says nothing, as with
    Docker: libraries send any word where nobody has logged in.

    >>> decode_auth(base64.urlsafe_b64encode(b'{"username":"me","password":"pw"}').decode()).username
    'me'
    >>> decode_auth("") == ANYBODY
    True
    """
    if not header:
        return ANYBODY
    try:
        return credentials_of(decode_json_header(header, "X-Registry-Auth"))
    except InvalidInput:
        return ANYBODY


def decode_json_header(header: str, name: str) -> Any:
    """Pure: a header that is JSON in base64, for URLs or the plain one. InvalidInput.

    >>> decode_json_header("eyJhIjogMX0", "X-Registry-Config")
    {'a': 1}
    """
    try:
        data = base64.b64decode(header.strip() + "==", altchars=b"-_" if "-" in header or "_" in header else None)
    except (binascii.Error, ValueError) as error:
        raise InvalidInput(f"invalid {name} header: {error}") from None
    try:
        return json.loads(data) if data.strip() else {}
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"invalid {name} header: {error}") from None


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


async def pull(api: DockerApi, request: Request) -> Answer:
    """`POST /images/create?fromImage=…`."""
    query = request.query
    notes = api.engine.transfers.pull(
        query.get("fromImage"),
        query.get("tag"),
        platform=query.get("platform") if version_of(request) >= (1, 32) else "",
        credentials=decode_auth(request.header(AUTH)),
    )
    return StreamResponse(await first(request, messages(notes)), 200, JSON)


async def image_push(api: DockerApi, request: Request) -> Answer:
    """`POST /images/NAME/push`. Very old clients send the credentials as the body."""
    header = request.header(AUTH)
    body = b"" if header else await request.body()
    credentials = credentials_of(parse_json(body) or {}) if body.strip() else decode_auth(header)
    platform = platform_of(request) if version_of(request) >= (1, 46) else ""
    notes = api.engine.transfers.push(
        name_of(request), request.query.get("tag"), platform=platform, credentials=credentials
    )
    return StreamResponse(await first(request, messages(notes)), 200, JSON)


async def auth(api: DockerApi, request: Request) -> Response:
    """`docker login`: are the credentials good?"""
    credentials = credentials_of(parse_json(await json_body(request)) or {})
    token = await while_there(request, api.engine.transfers.login(credentials))
    return reply({"IdentityToken": token, "Status": "Login Succeeded"})


async def distribution_inspect(api: DockerApi, request: Request) -> Response:
    """What a registry has under a name."""
    asked = api.engine.transfers.describe(name_of(request), decode_auth(request.header(AUTH)))
    found = await while_there(request, asked)
    platforms = [
        {"architecture": architecture, "os": system, **({"variant": variant} if variant else {})}
        for system, architecture, variant in found.platforms
    ]
    descriptor = {"mediaType": found.media_type, "digest": found.digest, "size": found.size}
    return reply({"Descriptor": descriptor, "Platforms": platforms})


async def image_search(api: DockerApi, request: Request) -> Response:
    """Repositories by a part of their names."""
    query = request.query
    term, limit = query.get("term"), number(request, "limit") or 25
    filters = parse_filters(query.get("filters"))
    refuse_unknown(filters, ("is-automated", "is-official", "stars"))
    if not term:
        raise InvalidInput("search term is not specified")
    if not 1 <= limit <= 100:
        raise InvalidInput(f"limit {limit} is outside the range of [1, 100]")
    asked = api.engine.transfers.search(term, limit, decode_auth(request.header(AUTH)))
    hits = await while_there(request, asked)
    return reply([_hit(hit) for hit in hits if _wanted(hit, filters)])


def _wanted(hit: Hit, filters: Filters) -> bool:
    stars = max((_stars(text) for text in filters.get("stars", ())), default=0)
    if "is-official" in filters and hit.official != flag(filters, "is-official", True):
        return False
    if "is-automated" in filters and hit.automated != flag(filters, "is-automated", True):
        return False
    return hit.stars >= stars


def _stars(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise InvalidInput(f"invalid filter 'stars={text}'")
    return int(text)


def _hit(hit: Hit) -> dict[str, object]:
    return {
        "star_count": hit.stars,
        "is_official": hit.official,
        "name": hit.name,
        "is_automated": hit.automated,
        "description": hit.description,
    }
