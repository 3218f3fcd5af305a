"""The stream of events."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from corral.api.docker.answers import JSON, reply
from corral.api.docker.event_filter import wants
from corral.api.docker.filters import parse_filters
from corral.api.docker.moments import parse_moment
from corral.engine.filters import Filters
from corral.errors import InvalidInput
from corral.http.message import Request, StreamResponse
from corral.kit.clock import SECOND
from corral.model.event import Event

if TYPE_CHECKING:
    from corral.api.docker.app import DockerApi
    from corral.engine.engine import Engine


async def events(api: DockerApi, request: Request) -> StreamResponse:
    """Without `until` it never ends; with one in the past only what is remembered is told."""
    query, engine = request.query, api.engine
    now = engine.parts.clock.now()
    since, until = (bound(name, query.get(name), now) for name in ("since", "until"))
    if since is not None and until is not None and until < since:
        raise InvalidInput(f"`since` time ({query.get('since')}) cannot be after `until` time ({query.get('until')})")
    filters = parse_filters(query.get("filters"))
    return StreamResponse(_stream(engine, since, until, filters), 200, JSON)


def bound(name: str, text: str, now: int) -> int | None:
    """Pure: nanoseconds since the epoch, None for no bound. InvalidInput.

    >>> bound("since", "0", 10**18), bound("since", "", 10**18)
    (0, None)
    """
    try:
        return parse_moment(text, now) if text else None
    except InvalidInput as error:
        raise InvalidInput(f"invalid value for '{name}': {error.message}") from None


async def _stream(engine: Engine, since: int | None, until: int | None, filters: Filters) -> AsyncIterator[bytes]:
    subscription = engine.events.subscribe(since, until, lambda event: not event.unlisted and wants(filters, event))
    try:
        async for event in subscription:
            yield reply(event_json(event)).body
    finally:
        if hasattr(subscription, "aclose"):
            await subscription.aclose()


def event_json(event: Event) -> dict[str, Any]:
    """Pure: an event. `status`, `id` and `from` are its older form, which older clients still need."""
    shown: dict[str, Any] = {}
    if event.type in ("container", "image"):
        shown = {"status": event.action, "id": event.id}
    if event.type == "container":
        shown["from"] = event.attributes.get("image", "")
    return shown | {
        "Type": event.type,
        "Action": event.action,
        "Actor": {"ID": event.id, "Attributes": event.attributes},
        "scope": event.scope,
        "time": event.time // SECOND,
        "timeNano": event.time,
    }
