"""Filters of events, as dockerd applies them."""

from __future__ import annotations

import pytest

from corral.api.docker.event_filter import wants
from corral.api.docker.events import event_json
from corral.model.event import Event

DIED = Event("container", "die", "4f2a", {"image": "app:2", "name": "web", "tier": "front", "exitCode": "1"}, 1_500)
RAN = Event("container", "exec_start: sh -c x", "4f2a", {"image": "app:2", "name": "web"})
SICK = Event("container", "health_status: unhealthy", "4f2a", {"image": "app:2", "name": "web"})
TAGGED = Event("image", "tag", "sha256:77", {"name": "localhost:5000/team/app:3"})
MADE = Event("volume", "create", "data", {"driver": "local"})


@pytest.mark.parametrize(
    ("filters", "wanted"),
    [
        ({}, [DIED, RAN, SICK, TAGGED, MADE]),
        ({"type": ["container"]}, [DIED, RAN, SICK]),
        ({"type": ["volume", "image"]}, [TAGGED, MADE]),
        ({"event": ["die"]}, [DIED]),
        ({"event": ["di"]}, []),
        ({"event": ["exec_start"]}, [RAN]),
        ({"event": ["health_status", "die"]}, [DIED, SICK]),
        ({"event": ["health_status: unhealthy"]}, [SICK]),
        ({"container": ["web"]}, [DIED, RAN, SICK]),
        ({"container": ["4f"]}, [DIED, RAN, SICK]),
        ({"container": ["x", "w"]}, [DIED, RAN, SICK]),
        ({"container": ["b"]}, []),
        ({"image": ["app"]}, [DIED, RAN, SICK]),
        ({"image": ["app:2"]}, [DIED, RAN, SICK]),
        ({"image": ["localhost:5000/team/app"]}, [TAGGED]),
        ({"image": ["sha256:77"]}, [TAGGED]),
        ({"volume": ["data"]}, [MADE]),
        ({"label": ["tier"]}, [DIED]),
        ({"label": ["tier=back"]}, []),
        ({"scope": ["local"]}, [DIED, RAN, SICK, TAGGED, MADE]),
        ({"scope": ["swarm"]}, []),
        ({"daemon": ["x"]}, []),
        ({"event": ["die"], "type": ["image"]}, []),
        ({"event": []}, [DIED, RAN, SICK, TAGGED, MADE]),
    ],
)
def test_filters(filters: dict[str, list[str]], wanted: list[Event]) -> None:
    assert [event for event in (DIED, RAN, SICK, TAGGED, MADE) if wants(filters, event)] == wanted


def test_older_fields_only_where_they_were() -> None:
    assert list(event_json(MADE)) == ["Type", "Action", "Actor", "scope", "time", "timeNano"]
    assert event_json(TAGGED)["status"] == "tag" and "from" not in event_json(TAGGED)
    assert event_json(DIED)["from"] == "app:2" and event_json(DIED)["timeNano"] == 1_500
