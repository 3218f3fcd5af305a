"""Which events a listener wants. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from corral.api.docker.references import familiar
from corral.engine.filters import Filters, has_labels
from corral.model.event import Event

# Filters that bear the name of a kind of object and hold names, ids or the start of either.
KINDS: Final = ("daemon", "container", "plugin", "volume", "network", "service", "node", "secret", "config")
# Actions that have details behind them ("exec_start: sh"), so that the start of the text is enough.
PREFIXED: Final = ("health_status", "exec_create", "exec_start")


def wants(filters: Filters, event: Event) -> bool:
    """All filters must fit; of the values of one filter, any.

    >>> died = Event("container", "die", "4f2a", {"image": "docker.io/library/app:2", "name": "web", "tier": "front"})
    >>> wants({"event": ["die"], "container": ["we"]}, died), wants({"type": ["image"]}, died)
    (True, False)
    >>> wants({"image": ["app"]}, died), wants({"label": ["tier=front"]}, died), wants({"volume": ["web"]}, died)
    (True, True, True)
    """
    return (
        _action(filters.get("event"), event.action)
        and ("type" not in filters or event.type in filters["type"])
        and ("scope" not in filters or event.scope in filters["scope"])
        and all(_named(filters[kind], event) for kind in KINDS if kind in filters)
        and ("image" not in filters or _image(filters["image"], event))
        and has_labels(filters.get("label", ()), event.attributes)
    )


def _action(wanted: Sequence[str] | None, action: str) -> bool:
    if not wanted:
        return True
    if any(word in PREFIXED for word in wanted):
        return action.startswith(tuple(wanted))
    return action in wanted


def _named(wanted: Sequence[str], event: Event) -> bool:
    """By id or name, or the start of one. As in dockerd, whatever the event's own kind."""
    prefixes = tuple(wanted)
    return not prefixes or event.id.startswith(prefixes) or event.attributes.get("name", "").startswith(prefixes)


def _image(wanted: Sequence[str], event: Event) -> bool:
    """An image's events, and those of containers made from it; a name without its tag means any tag."""
    name = event.attributes.get("name" if event.type == "image" else "image", "")
    return any(text in wanted for text in (event.id, name, _bare(event.id), _bare(name)))


def _bare(name: str) -> str:
    """
    >>> _bare("docker.io/library/app:2"), _bare("localhost:5000/a@sha256:00")
    ('app', 'localhost:5000/a')
    """
    short = familiar(name.partition("@")[0])
    head, slash, last = short.rpartition("/")
    return head + slash + last.partition(":")[0]
