"""Builds on the wire: parameters, the classic stream, our own operation's body and lines."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator

import pytest

from corral.api.docker import build_own
from corral.api.docker.build import messages
from corral.api.docker.build_query import plan_build
from corral.api.docker.build_stream import Classic
from corral.build.ops import Span, Warning
from corral.build.request import (
    BuildEvent,
    BuildFailed,
    BuildRequest,
    Built,
    CacheStore,
    Entered,
    Finished,
    Moved,
    Printed,
    Started,
    Warned,
)
from corral.errors import CorralError, InvalidInput, Unsupported
from corral.http.message import Body, Request
from corral.http.parser import Head
from corral.model.container import Resources, Ulimit

ID = "sha256:" + "ab" * 32


def request(query: str, **headers: str) -> Request:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(Head("POST", f"/v1.51/build?{query}", "1.1", given, True, 0), Body(lambda: None, lambda: None))


def test_every_parameter() -> None:
    config = base64.urlsafe_b64encode(b'{"reg.example": {"username": "me", "password": "pw"}}').decode()
    query = (
        "dockerfile=x%2FD&t=a&t=b%3A1&extrahosts=h%3A1.2.3.4&nocache=1&cachefrom=%5B%22c%22%5D&pull=1&memory=8388608"
        "&memswap=-1&cpushares=2&cpusetcpus=0-1&cpusetmems=0&cpuperiod=3&cpuquota=4&buildargs=%7B%22A%22%3Anull%7D"
        "&shmsize=5&squash=1&labels=%7B%22l%22%3A%22m%22%7D&networkmode=none&platform=linux%2Famd64&target=s"
        "&ulimits=%5B%7B%22Name%22%3A%22nofile%22%2C%22Soft%22%3A1%2C%22Hard%22%3A2%7D%5D&buildid=7&version=1&rm=1"
    )
    asked = plan_build(request(query, x_registry_config=config))
    assert asked.credentials["reg.example"].username == "me"
    asked.credentials = {}
    assert [store.ref for store in asked.cache_from] == ["c"]
    asked.cache_from = []
    assert asked == BuildRequest(
        dockerfile="x/D",
        tags=["a", "b:1"],
        target="s",
        platform="linux/amd64",
        build_args={"A": None},
        labels={"l": "m"},
        no_cache=True,
        pull=True,
        network="none",
        extra_hosts=["h:1.2.3.4"],
        resources=Resources(
            memory=8 << 20, memory_swap=-1, cpu_shares=2, cpu_period=3, cpu_quota=4, cpuset_cpus="0-1", cpuset_mems="0"
        ),
        ulimits=[Ulimit("nofile", 1, 2)],
        shm_size=5,
        squash=True,
        id="7",
    )


def test_nothing_given() -> None:
    assert plan_build(request("")) == BuildRequest()


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("outputs=%5B%7B%7D%5D", Unsupported),
        ("session=x", Unsupported),
        ("version=9", InvalidInput),
        ("isolation=process", InvalidInput),
        ("buildargs=%5B%5D", InvalidInput),
        ("labels=x", InvalidInput),
        ("cachefrom=%7B%7D", InvalidInput),
        ("ulimits=%5B1%5D", InvalidInput),
        ("extrahosts=nocolon", InvalidInput),
        ("memory=1", InvalidInput),
        ("memswap=5", InvalidInput),
        ("shmsize=x", InvalidInput),
    ],
)
def test_refused(query: str, kind: type[CorralError]) -> None:
    with pytest.raises(kind):
        plan_build(request(query))


async def events(*some: BuildEvent | CorralError) -> AsyncIterator[BuildEvent]:
    for one in some:
        if isinstance(one, CorralError):
            raise one
        yield one


def said(*some: BuildEvent | CorralError, quiet: bool = False) -> list[dict[str, object]]:
    async def collect() -> bytes:
        return b"".join([piece async for piece in messages(events(*some), quiet=quiet)])  # type: ignore[arg-type]

    return [json.loads(line) for line in asyncio.run(collect()).splitlines()]


STEP = Started(2, "[1/1] RUN x", "Step 1/1 : RUN x")
FAILED = BuildFailed('process "/bin/sh -c echo \\"a\\"" did not complete successfully: exit code: 3', exit_code=3)


def test_a_whole_stream() -> None:
    lines = said(
        Started(1, "[internal] load"),
        Finished(1),
        Warned(Warning("", "", "", "[Warning] unasked", Span(0, 0))),
        STEP,
        Entered(2, "c" * 64),
        Printed(2, "é".encode()[:1]),
        Printed(2, "é".encode()[1:]),
        Printed(2, b"oh", 2),
        Finished(2, image=ID, container="c" * 64),
        Built(ID, ["docker.io/library/a:latest", "localhost:5000/b:1"]),
    )
    assert lines == [
        {"stream": "Step 1/1 : RUN x\n"},
        {"stream": " ---> Running in cccccccccccc\n"},
        {"stream": "é"},
        {"stream": "\033[91moh\033[0m"},
        {"stream": " ---> Removed intermediate container cccccccccccc\n"},
        {"stream": " ---> abababababab\n"},
        {"stream": "[Warning] unasked\n"},
        {"aux": {"ID": ID}},
        {"stream": "Successfully built abababababab\n"},
        {"stream": "Successfully tagged a:latest\n"},
        {"stream": "Successfully tagged localhost:5000/b:1\n"},
    ]


def test_a_failure_before_anything_was_said_is_raised() -> None:
    with pytest.raises(InvalidInput):
        said(Started(1, "[internal] load"), InvalidInput("dockerfile parse error"))


def test_a_stages_image_that_cannot_be_got_is_told_in_the_stream_as_dockerd_tells_it() -> None:
    failed = BuildFailed("failed to resolve", classic="pull access denied for x")
    for quiet in (False, True):
        lines = said(Started(1, "[internal] load metadata for x"), Finished(1, error="no"), failed, quiet=quiet)
        assert [line["error"] for line in lines] == ["pull access denied for x"]


def test_a_step_whose_image_cannot_be_got_stands_before_the_reason_as_in_dockerd() -> None:
    failed = BuildFailed("failed to resolve", classic="pull access denied for x")
    some = (
        Started(1, "[internal] load metadata for x"),
        Finished(1, error="no"),
        *(Started(2, "ARG A=x", "Step 1/3 : ARG A=x"), Finished(2)),
        *(Started(3, "FROM $A", "Step 2/3 : FROM $A"), Finished(3)),
        failed,
    )
    for quiet in (False, True):
        lines = [line.get("stream", line.get("error")) for line in said(*some, quiet=quiet)]
        assert lines == ["Step 1/3 : ARG A=x\n", "Step 2/3 : FROM $A\n", "pull access denied for x"]


def test_a_program_that_fails() -> None:
    lines = said(STEP, Printed(2, b"told"), Finished(2, error="x"), FAILED)
    words = "The command '/bin/sh -c echo \"a\"' returned a non-zero code: 3"
    assert lines[-1] == {"errorDetail": {"code": 3, "message": words}, "error": words}


def test_quiet() -> None:
    assert said(STEP, Finished(2, image=ID), Built(ID), quiet=True) == [{"stream": ID + "\n"}]
    lines = said(STEP, Printed(2, b"told"), FAILED, quiet=True)
    assert [line.get("stream") for line in lines[:2]] == ["Step 1/1 : RUN x\n", "told"]
    assert "error" in lines[-1]


def test_a_pull_is_shown_as_pulls_are() -> None:
    (piece,) = Classic().take(Moved(1, "abc", "Downloading", 5, 10))
    assert json.loads(piece)["progressDetail"] == {"current": 5, "total": 10}
    lines = said(Started(1, "[internal] load metadata for x"), Printed(1, b"Digest: y\nStatus: z\n"), Finished(1))
    assert lines == [{"status": "Digest: y"}, {"status": "Status: z"}]


def body(*parts: bytes, size: int = 3) -> AsyncIterator[bytes]:
    whole = b"".join(len(part).to_bytes(4, "big") + part + bytes(4) for part in parts)

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(whole), size):
            yield whole[at : at + size]

    return pieces()


def test_parts_of_a_body() -> None:
    async def read() -> tuple[BuildRequest, list[bytes]]:
        parts = build_own.Parts(body(b'{"request": {"target": "t"}, "local": ["", "more"]}', b"first", b"second"))
        asked = await build_own.read_asked(parts)
        return asked.request, [b"".join([piece async for piece in parts.next()]) for _ in asked.local]

    assert asyncio.run(read()) == (BuildRequest(target="t"), [b"first", b"second"])


@pytest.mark.parametrize("data", [b"", b"\0\0\0\x09abc", b"\0\0\0\x02{}\0\0\0\0", b"\0\0\0\x01x\0\0\0\0"])
def test_bodies_that_are_none(data: bytes) -> None:
    async def read() -> None:
        async def pieces() -> AsyncIterator[bytes]:
            if data:
                yield data

        await build_own.read_asked(build_own.Parts(pieces()))

    with pytest.raises(InvalidInput):
        asyncio.run(read())


def test_what_may_not_be_asked_for() -> None:
    near = [BuildRequest(contexts={"x": path}) for path in ("/etc", "etc", "../etc", "")]
    unsent = BuildRequest(cache_from=[CacheStore("local", "/etc")])
    tight = BuildRequest(resources=Resources(memory=1))
    for wanted in (BuildRequest(context="/etc"), *near, unsent, tight):
        with pytest.raises(InvalidInput):
            build_own.check_asked(build_own.Asked(wanted), True)
    with pytest.raises(InvalidInput):
        build_own.check_asked(build_own.Asked(BuildRequest(), [""], "https://example.com"), True)
    for path in ("https://a/b", "github.com/a/b", "git@host:a.git", "docker-image://busybox"):
        build_own.check_asked(build_own.Asked(BuildRequest(contexts={"x": path})), True)
    build_own.check_asked(build_own.Asked(unsent, caches=[0]), True)
    build_own.check_asked(build_own.Asked(BuildRequest(ssh={"default": "/tmp/a"})), True)


def test_lines_of_events_and_of_a_failure() -> None:
    async def collect() -> list[bytes]:
        failed = BuildFailed("no", excerpt="Dockerfile:1", exit_code=2)
        return [line async for line in build_own.lines(events(STEP, failed))]  # type: ignore[arg-type]

    first, last = map(json.loads, asyncio.run(collect()))
    assert first == {"type": "Started", "vertex": 2, "name": "[1/1] RUN x", "step": "Step 1/1 : RUN x"}
    assert last == {"type": "Failed", "message": "no", "excerpt": "Dockerfile:1", "exit_code": 2}
