"""Failure: an error of ours as gRPC's status, with the details that BuildKit's clients print. Pure."""

from __future__ import annotations

import json
from typing import Any, Final

from corral.api.buildkit.progress import source_detail
from corral.api.buildkit.schema import message
from corral.build.frontend import Source
from corral.build.request import BuildFailed
from corral.errors import CorralError
from corral.http.grpc import status
from corral.http.grpc.status import GrpcError

TYPES: Final = "github.com/moby/buildkit/"  # what the details' types are called by


def grpc_error(error: CorralError, source: Source | None = None) -> GrpcError:
    """With the lines of `source` that it is about. The code says nothing: clients put other codes' names before the
    text.

    >>> grpc_error(BuildFailed("no")).code
    2
    """
    details: list[dict[str, Any]] = []
    if isinstance(error, BuildFailed) and error.span is not None and source is not None and source.text:
        found = source_detail(source.name, source.text.encode(errors="replace"), error.span)
        details.append(detail("errdefs.Source+json", found))
    return plain(status.UNKNOWN, error.message, details)


def detail(kind: str, value: Any) -> dict[str, Any]:
    """One detail of a status."""
    return {"type_url": f"{TYPES}{kind}", "value": json.dumps(value).encode()}


def plain(code: int, text: str, details: list[dict[str, Any]] | None = None) -> GrpcError:
    """A status with these details.

    >>> plain(2, "no").details
    b''
    """
    if not details:
        return GrpcError(code, text)
    return GrpcError(code, text, message("Status", code=code, message=text, details=details).SerializeToString())


def unsupported_question(name: str) -> GrpcError:
    """That a frontend does not answer such questions, so that the client may look for another."""
    return plain(status.UNKNOWN, f"unsupported request {name}", [detail("errdefs.Subrequest+json", {"name": name})])
