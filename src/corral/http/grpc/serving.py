"""Serving: the other side calls our methods, by their paths."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping

from corral.http.grpc import status
from corral.http.grpc.flow import Flow
from corral.http.grpc.link import Link
from corral.http.grpc.status import GrpcError
from corral.http.message import ClientGone
from corral.http.stream import Duplex

log = logging.getLogger("corral.http")
Method = Callable[[Flow], Awaitable[None]]


async def serve(wire: Duplex, methods: Mapping[str, Method]) -> None:
    """Until the other side leaves; then no call of it runs any more."""

    async def answer(flow: Flow) -> None:
        try:
            await _method(methods, flow)(flow)
        except GrpcError as error:
            await flow.finish(error.code, error.message, error.details)
        except (ClientGone, ConnectionError):
            raise
        except Exception as error:
            log.exception("gRPC %s failed", flow.path)
            await flow.finish(status.INTERNAL, f"internal error: {type(error).__name__}: {error}")
        else:
            await flow.finish()

    await Link(wire, answer).run()


def _method(methods: Mapping[str, Method], flow: Flow) -> Method:
    """GrpcError, in the words of gRPC's own servers."""
    found = methods.get(flow.path)
    if found is not None:
        return found
    service, _, name = flow.path.removeprefix("/").rpartition("/")
    if any(path.startswith(f"/{service}/") for path in methods):
        raise GrpcError(status.UNIMPLEMENTED, f"unknown method {name} for service {service}")
    raise GrpcError(status.UNIMPLEMENTED, f"unknown service {service}")
