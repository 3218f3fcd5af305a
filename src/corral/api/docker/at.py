"""What a request's path says besides the operation: the version of the API, and the object it is about."""

from __future__ import annotations

import re

from corral.errors import InvalidInput
from corral.http.message import Request

Version = tuple[int, int]

NEWEST: Version = (1, 51)
_PATH = re.compile(r"(?:/v(\d+)\.(\d+))?/[^/]+/?(.*)", re.DOTALL)
# Reading and deleting these takes no verb behind the name.
_WITHOUT_VERB = {("GET", "networks"), ("GET", "volumes")}


def version_of(request: Request) -> Version:
    """The version in the path; without one, the newest."""
    found = _PATH.fullmatch(request.path)
    return (int(found[1]), int(found[2])) if found and found[1] else NEWEST


def name_of(request: Request) -> str:
    """The name or id in the path. An image's may have slashes: the verb is what is behind the last."""
    path = re.sub(r"^/v\d+\.\d+/", "/", request.path)
    kind, _, rest = path[1:].partition("/")
    if request.method == "DELETE" or (request.method, kind) in _WITHOUT_VERB:
        return rest
    return rest.rpartition("/")[0]


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
