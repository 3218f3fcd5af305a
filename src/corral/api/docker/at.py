"""What a request's path says besides the operation: the version of the API, and the object it is about."""

from __future__ import annotations

import json
import re

from corral.api.docker.versions import NEWEST, parse_version, split_version
from corral.errors import InvalidInput
from corral.http.message import Request

Version = tuple[int, int]

# Reading and deleting these takes no verb behind the name.
_WITHOUT_VERB = {("GET", "networks"), ("GET", "volumes")}


def version_of(request: Request) -> Version:
    """The version in the path; without one, the newest."""
    text, _ = split_version(request.path)
    if not text:
        return NEWEST
    major, minor = (*parse_version(text), 0)[:2]
    return major, minor


def name_of(request: Request) -> str:
    """The name or id in the path. An image's may have slashes: the verb is what is behind the last."""
    _, path = split_version(request.path)
    kind, _, rest = path[1:].partition("/")
    if request.method == "DELETE" or (request.method, kind) in _WITHOUT_VERB:
        return rest
    return rest.rpartition("/")[0]


def platform_of(request: Request, parameter: str = "platform") -> str:
    """The parameter that newer operations take as JSON, as "os/architecture[/variant]"; "" for none."""
    values = request.query.all(parameter)
    if len(values) > 1:
        raise InvalidInput("multiple platform parameters not supported")
    if not values or not values[0]:
        return ""
    try:
        given = json.loads(values[0])
        words = [given.get("os", ""), given.get("architecture", ""), given.get("variant", "")]
    except (ValueError, AttributeError) as error:
        raise InvalidInput(f"failed to parse platform: {error}") from None
    if not words[0] or not words[1]:
        raise InvalidInput("both OS and Architecture must be provided")
    return "/".join(word for word in words if word)


def number(request: Request, name: str) -> int | None:
    """A whole number among the parameters, None where it is not given. InvalidInput as Go words it."""
    text = request.query.get(name)
    if not text:
        return None
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        raise InvalidInput(f'strconv.Atoi: parsing "{text}": invalid syntax')
    return int(text)


async def json_body(request: Request) -> bytes:
    """The body of a request that must be JSON. InvalidInput for another content type."""
    kind = request.header("content-type")
    body = await request.body()
    if not kind and not body:
        return b""
    if kind.partition(";")[0].strip().lower() != "application/json":
        if not kind:
            raise InvalidInput("malformed Content-Type header (): mime: no media type")
        raise InvalidInput(f"unsupported Content-Type header ({kind}): must be 'application/json'")
    return body
