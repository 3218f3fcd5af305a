"""What Docker's API streams, as bytes: logs, ends, events, stats; and top."""

from __future__ import annotations

import asyncio
import json
import re

from corral.model.container import LogSpec
from tests.contract.docker.wire import Api, frames, now_text, unchunk, until


async def test_logs(api: Api) -> None:
    id = await api.container("both", labels={"a": "1", "b": "2"}, log=LogSpec("", {"labels": "a,b"}))
    await api.engine.containers.waiter(id)
    answer = await api.ask("GET", f"/containers/{id}/logs?stdout=1&stderr=1")
    assert frames(answer.body) == [(1, b"out\n"), (2, b"err\n")]
    assert answer.headers["content-type"] == "application/vnd.docker.multiplexed-stream"
    old = await api.ask("GET", f"/v1.41/containers/{id}/logs?stderr=1&timestamps=1&details=1")
    assert old.headers["content-type"] == "application/vnd.docker.raw-stream"
    ((stream, line),) = frames(old.body)
    assert stream == 2 and re.fullmatch(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z a=1,b=2 err\n", line)
    assert frames((await api.ask("GET", f"/containers/{id}/logs?stdout=1&stderr=1&tail=1")).body) == [(2, b"err\n")]


async def test_logs_follow_until_the_end(api: Api) -> None:
    id = await api.container("cat", stdin_open=True, tty=True)
    reading = asyncio.create_task(api.ask("GET", f"/containers/{id}/logs?stdout=1&follow=1"))
    process = api.engine.containers.live(id).process
    for data in (b"one\n", b"two\n", b""):
        process.typed.put_nowait(data)
        await asyncio.sleep(0.02)
    answer = await asyncio.wait_for(reading, 60)
    assert answer.body == b"one\ntwo\n"


async def test_questions_about_logs_that_make_no_sense(api: Api) -> None:
    id = await api.container("echo", log=LogSpec("none"))
    for query, status, message in (
        ("", 400, "Bad parameters: you must choose at least one stream"),
        ("stdout=1&since=x", 400, 'invalid value for "since": failed to parse value as time or duration: "x"'),
        ("stdout=1", 501, "configured logging driver does not support reading"),
    ):
        answer = await api.ask("GET", f"/containers/{id}/logs?{query}")
        assert (answer.status, answer.message) == (status, message)
    assert (await api.ask("GET", "/containers/nope/logs?stdout=1")).message == "No such container: nope"


async def test_wait_sends_its_head_at_once_and_its_body_later(api: Api) -> None:
    id = await api.container("false", "7", start=False)
    reader, writer = await api.connect()
    writer.write(f"POST /containers/{id}/wait?condition=next-exit HTTP/1.1\r\nHost: d\r\n\r\n".encode())
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)
    assert head.startswith(b"HTTP/1.1 200 OK") and b"application/json" in head
    await api.engine.containers.start(id)
    writer.write_eof()
    assert json.loads(unchunk(await asyncio.wait_for(reader.read(), 60))) == {"StatusCode": 7}
    writer.close()


async def test_wait_for_the_removal(api: Api) -> None:
    id = await api.container("false", "3", start=False, auto_remove=True)
    reading = asyncio.create_task(api.ask("POST", f"/containers/{id}/wait?condition=removed"))
    await until(lambda: api.engine.containers.live(id).waiters)
    await api.engine.containers.start(id)
    assert (await asyncio.wait_for(reading, 60)).json == {"StatusCode": 3}


async def test_wait_of_old_and_of_wrong_clients(api: Api) -> None:
    id = await api.container("false", "2")
    old = await api.ask("POST", f"/v1.29/containers/{id}/wait?condition=nonsense")
    assert old.json == {"StatusCode": 2} and "transfer-encoding" not in old.headers
    answer = await api.ask("POST", f"/containers/{id}/wait?condition=nonsense")
    assert (answer.status, answer.message) == (400, 'invalid condition: "nonsense"')
    assert (await api.ask("POST", "/containers/nope/wait")).status == 404


async def test_a_waiter_that_leaves_is_forgotten(api: Api) -> None:
    id = await api.container("sleep")
    for version in ("v1.51", "v1.24"):
        _, writer = await api.connect()
        writer.write(f"POST /{version}/containers/{id}/wait HTTP/1.1\r\nHost: d\r\n\r\n".encode())
        waiters = api.engine.containers.live(id).waiters
        await until(lambda: waiters)  # noqa: B023
        writer.transport.abort()
        await asyncio.wait_for(until(lambda: not waiters), 60)  # noqa: B023


async def test_events_in_both_forms(api: Api) -> None:
    id = await api.container("true", labels={"a": "b"})
    await api.engine.containers.waiter(id)
    answer = await api.ask("GET", f"/events?since=1&until={now_text()}")
    events = [json.loads(line) for line in answer.body.splitlines()]
    assert [event["Action"] for event in events] == ["create", "start", "die"]
    last = events[-1]
    assert last["status"] == "die" and last["id"] == id == last["Actor"]["ID"] and last["from"] == "busybox"
    assert last["Type"] == "container" and last["scope"] == "local" and last["time"] == last["timeNano"] // 10**9
    assert last["Actor"]["Attributes"]["exitCode"] == "0" and last["Actor"]["Attributes"]["a"] == "b"
    only = await api.ask("GET", f'/events?since=1&until={now_text()}&filters={{"event":["die"],"label":["a=b"]}}')
    assert len(only.body.splitlines()) == 1


async def test_live_events_begin_with_the_head(api: Api) -> None:
    reader, writer = await api.connect()
    writer.write(b"GET /events HTTP/1.1\r\nHost: d\r\n\r\n")
    await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)
    await api.container("true")
    assert b'"create"' in await asyncio.wait_for(reader.readuntil(b"}\n\r\n"), 60)
    writer.transport.abort()
    await asyncio.wait_for(until(lambda: not api.engine.events._listeners), 60)


async def test_bounds_of_events(api: Api) -> None:
    answer = await api.ask("GET", "/events?since=5&until=4")
    assert (answer.status, answer.message) == (400, "`since` time (5) cannot be after `until` time (4)")
    assert (await api.ask("GET", "/events?since=x")).message.startswith("invalid value for 'since'")
    assert (await api.ask("GET", "/events?filters=x")).status == 400


async def test_stats(api: Api) -> None:
    id = await api.container("sleep")
    one = (await api.ask("GET", f"/containers/{id}/stats?stream=0&one-shot=1")).json
    assert one["preread"].startswith("0001-") and one["precpu_stats"]["cpu_usage"]["total_usage"] == 0
    assert one["memory_stats"] == {"usage": 5 << 20, "stats": {"file": 1}, "limit": 8 << 30}
    assert one["networks"]["eth0"]["rx_bytes"] == 1 and one["cpu_stats"]["online_cpus"] == 2
    two = (await api.ask("GET", f"/containers/{id}/stats?stream=0")).json
    assert two["preread"] < two["read"] and two["precpu_stats"]["cpu_usage"]["total_usage"] > 0


async def test_stats_of_what_does_not_run(api: Api) -> None:
    id = await api.container("sleep", start=False)
    empty = (await api.ask("GET", f"/containers/{id}/stats?stream=0")).json
    assert empty["id"] == id and empty["read"] == "0001-01-01T00:00:00Z" and empty["memory_stats"] == {}
    assert (await api.ask("GET", "/containers/nope/stats")).status == 404


async def test_the_stream_of_stats(api: Api) -> None:
    id = await api.container("sleep")
    reader, writer = await api.connect()
    writer.write(f"GET /containers/{id}/stats HTTP/1.1\r\nHost: d\r\n\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")
    lines = [json.loads((await asyncio.wait_for(reader.readuntil(b"}\n\r\n"), 60)).partition(b"\r\n")[2]) for _ in "12"]
    assert lines[0]["preread"].startswith("0001-") and lines[1]["preread"] == lines[0]["read"]
    writer.close()


async def test_top(api: Api) -> None:
    id = await api.container("sleep", "9")
    shown = (await api.ask("GET", f"/containers/{id}/top?ps_args=aux")).json
    assert shown == {"Processes": [["4711", "sleep 9"]], "Titles": ["PID", "CMD"]}
    assert (await api.ask("GET", f"/containers/{id}/top?ps_args=-o%20x=PID")).status == 400
