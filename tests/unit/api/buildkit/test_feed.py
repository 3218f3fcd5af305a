"""What a client that watches a build is told, also one that is slow."""

from __future__ import annotations

import pytest

from corral.api.buildkit.schema import message, parse
from corral.api.buildkit.solving import Feed
from corral.build.events import CLIPPED


async def test_output_that_is_not_taken_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pieces of work are not, and that something is missing is told."""
    monkeypatch.setattr("corral.api.buildkit.solving.WAITING", 1000)
    feed, said = Feed(), b""

    def log(text: bytes) -> None:
        feed.put(message("StatusResponse", logs=[{"vertex": "v", "msg": text, "stream": 1}]))

    for number in range(100):
        log(b"%d " % number * 20)
    for _ in range(100):
        feed.put(message("StatusResponse", vertexes=[{"digest": "v", "name": "work"}]))
    stream = aiter(feed)
    works = 0
    while works < 100:
        found = parse("StatusResponse", await anext(stream))
        works += len(found.vertexes)
        said += b"".join(one.msg for one in found.logs)
    assert said.startswith(b"0 0 ") and b"99 " not in said
    log(b"later")
    found = parse("StatusResponse", await anext(stream))
    assert [one.msg for one in found.logs] == [CLIPPED, b"later"]
    feed.end()
    assert await anext(stream, None) is None
