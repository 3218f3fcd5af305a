"""The Docker Engine API: finds the operation that a request asks for, and turns errors into answers."""

from __future__ import annotations

import logging
import posixpath
from typing import TYPE_CHECKING
from urllib.parse import quote

from corral.api.docker.errors import error_response, plain_error, status_of
from corral.api.docker.routes import ROUTES
from corral.api.docker.routing import Router
from corral.api.docker.system import HEADERS
from corral.api.docker.versions import OLDEST, check_version, parse_version, split_version
from corral.errors import CorralError, Unsupported, put_in_words
from corral.http.message import Answer, BodyTooLarge, ClientGone, Hijack, Request, Response
from corral.http.parser import BadRequest

if TYPE_CHECKING:
    from corral.api.buildkit.serving import BuildKit
    from corral.api.docker.cluster_copies import Copies
    from corral.api.docker.local_nodes import Keeper
    from corral.build.builder import Builder
    from corral.engine.engine import Engine

log = logging.getLogger("corral.api.docker")
OWN = "/corral/"  # operations that are no other's: names in these are judged by who has them


def clean_path(path: str) -> str:
    """Pure: a path without "//", "/./" and "/../"; a client is sent there.

    >>> clean_path("//v1.41/../info/"), clean_path("/../.."), clean_path("/.x")
    ('/info/', '/', '/.x')
    """
    clean = "/" + posixpath.normpath(f"/{path}").strip("/")
    return clean + "/" if path.endswith("/") and clean != "/" else clean


def plan_location(path: str, query: str) -> str:
    """Pure.

    >>> plan_location("/v1.41/images/a b:c/json", "x=%20")
    '/v1.41/images/a%20b:c/json?x=%20'
    """
    return quote(path, safe="/:@&=+$,;~") + (f"?{query}" if query else "")


class DockerApi:
    """A handler for `http.Server`. It keeps no state: everything is the engine's, the builder's and the cluster's. (The
    sessions of BuildKit's clients are no more than their connections.)"""

    def __init__(self, engine: Engine, builder: Builder, copies: Copies | None = None) -> None:
        self.engine, self.builder, self.copies = engine, builder, copies
        self.nodes: Keeper | None = None
        self.buildkit: BuildKit | None = None  # made by the first client that needs it
        self._router = Router(ROUTES)

    async def __call__(self, request: Request) -> Answer:
        version, path = split_version(request.path)
        if (clean := clean_path(request.path)) != request.path and not path.startswith(OWN):
            return Response(301, {"Location": plan_location(clean, request.raw_query)})
        handler = self._router.find(request.method, path)
        if handler is None:
            return error_response(404, "page not found")
        try:
            if version:
                check_version(version)
            answer = await handler(self, request)
        except ClientGone:
            raise
        except Exception as error:
            answer = _failed(error, request, version)
        if not isinstance(answer, Hijack):
            answer.headers = HEADERS | answer.headers
        return answer


def _failed(error: Exception, request: Request, version: str) -> Response:
    if isinstance(error, OSError):  # a disk that is full, or has gone, says so wherever it is met
        error = put_in_words(f"{request.method} {request.path}", error)
    if isinstance(error, CorralError):
        status, message = status_of(error), error.message
    elif isinstance(error, BadRequest | BodyTooLarge):
        status, message = (413 if isinstance(error, BodyTooLarge) else error.status), str(error)
    else:
        log.exception("%s %s failed", request.method, request.raw_path)
        return error_response(500, f"internal error: {type(error).__name__}: {error}")
    if status >= 500 and not isinstance(error, Unsupported):
        log.error("%s %s: %s", request.method, request.raw_path, message)
    if version and parse_version(version) < OLDEST:
        return plain_error(status, message)
    return error_response(status, message)
