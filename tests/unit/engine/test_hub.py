"""The hub between a console and its clients."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from corral.engine.hub import Hub
from corral.engine.spill import SpillQueue
from corral.errors import HostError


class FakeConsole:
    def __init__(self) -> None:
        self.output: asyncio.Queue[tuple[int, bytes] | None] = asyncio.Queue()
        self.written: list[bytes] = []
        self.stdin_closed = False
        self.closed = False

    async def read(self) -> tuple[int, bytes] | None:
        return await self.output.get()

    async def write(self, data: bytes) -> None:
        self.written.append(data)

    def close_stdin(self) -> None:
        self.stdin_closed = True

    def close(self) -> None:
        self.closed = True


def make_hub(*, once: bool = True, keep: bool = False) -> tuple[Hub, list[FakeConsole]]:
    consoles: list[FakeConsole] = []

    def connect() -> FakeConsole:
        consoles.append(FakeConsole())
        return consoles[-1]

    return Hub(connect, tty=False, stdin_once=once, keep=keep), consoles


BOTH = frozenset({1, 2})


async def test_each_client_gets_its_streams() -> None:
    hub, consoles = make_hub()
    both = hub.join(stdin=False, streams=BOTH, running=True)
    errors = hub.join(stdin=False, streams=frozenset({2}), running=True)
    assert len(consoles) == 1
    consoles[0].output.put_nowait((1, b"out"))
    consoles[0].output.put_nowait((2, b"err"))
    assert await both.read() == (1, b"out")
    assert await both.read() == (2, b"err")
    assert await errors.read() == (2, b"err")


async def test_input_before_the_start_is_kept_and_its_end_too() -> None:
    hub, consoles = make_hub()
    client = hub.join(stdin=True, streams=BOTH, running=False)
    await client.write(b"one")
    await client.write(b"two")
    await client.close_stdin()
    assert consoles == []
    hub.connect()
    consoles[0].output.put_nowait((1, b"x"))
    await client.read()
    assert consoles[0].written == [b"one", b"two"]
    assert consoles[0].stdin_closed


async def test_input_stays_open_for_the_next_client() -> None:
    hub, consoles = make_hub(once=False)
    client = hub.join(stdin=True, streams=BOTH, running=True)
    await client.close_stdin()
    assert not consoles[0].stdin_closed


async def test_the_last_client_closes_the_console_unless_that_would_end_the_input() -> None:
    for keep in (False, True):
        hub, consoles = make_hub(keep=keep)
        client = hub.join(stdin=True, streams=BOTH, running=True)
        await client.close()
        assert consoles[0].closed is not keep
        await hub.ended() if not keep else None


async def test_output_is_drained_before_the_end_is_told() -> None:
    hub, consoles = make_hub()
    client = hub.join(stdin=False, streams=BOTH, running=True)
    for n in range(100):
        consoles[0].output.put_nowait((1, b"%d" % n))
    consoles[0].output.put_nowait(None)
    await hub.ended()
    got = [frame async for frame in client]
    assert len(got) == 100


async def test_clients_are_those_of_one_process_and_not_of_the_next() -> None:
    hub, consoles = make_hub()
    client = hub.join(stdin=False, streams=BOTH, running=True)
    consoles[0].output.put_nowait((1, b"once"))
    consoles[0].output.put_nowait(None)
    await hub.ended()
    hub.connect()
    consoles[1].output.put_nowait((1, b"again"))
    assert [frame async for frame in client] == [(1, b"once")]


async def test_a_slow_client_spills_to_disk_in_order() -> None:
    queue = SpillQueue(in_memory=10)
    for n in range(50):
        queue.put(1 + n % 2, b"%05d" % n)
    first = [await queue.get() for _ in range(20)]
    queue.put(1, b"late")
    queue.end()
    rest = []
    while (frame := await queue.get()) is not None:
        rest.append(frame)
    frames = [frame for frame in [*first, *rest] if frame]
    assert [data for _, data in frames] == [b"%05d" % n for n in range(50)] + [b"late"]
    assert frames[1][0] == 2


async def test_a_client_past_every_limit_is_told() -> None:
    queue = SpillQueue(in_memory=1, on_disk=10)
    for _ in range(10):
        queue.put(1, b"12345678")
    with pytest.raises(HostError, match="too slowly"):
        while True:
            await queue.get()


async def test_who_writes_too_much_before_the_start_waits_too_and_order_stays() -> None:
    hub, consoles = make_hub()
    client = hub.join(stdin=True, streams=BOTH, running=False)
    written = [bytes([65 + n]) * 300_000 for n in range(8)]

    async def write() -> None:
        for data in written:
            await client.write(data)
        await client.close_stdin()

    writing = asyncio.create_task(write())
    done, _ = await asyncio.wait((writing,), timeout=0.05)
    assert not done
    hub.connect()
    await asyncio.wait_for(writing, 60)
    consoles[0].output.put_nowait((1, b"x"))
    await client.read()
    assert b"".join(consoles[0].written) == b"".join(written)
    assert consoles[0].stdin_closed


class Logged:
    """What a log has, and since when it was asked for."""

    def __init__(self, *frames: tuple[int, bytes]) -> None:
        self.frames, self.asked = frames, list[int]()

    async def __call__(self, since: int) -> AsyncIterator[tuple[int, bytes]]:
        self.asked.append(since)
        for frame in self.frames:
            yield frame


async def _life(logged: Logged, *said: tuple[int, bytes], starting_at: int) -> list[tuple[int, bytes]]:
    """What a client that attached before the start gets of a process that says this on the console."""
    console = FakeConsole()
    for frame in (*said, None):
        console.output.put_nowait(frame)
    hub = Hub(lambda: console, tty=False, stdin_once=True, keep=False, logged=logged)
    client = hub.join(stdin=False, streams=BOTH, running=False)
    hub.connect(starting_at=starting_at)
    await hub.ended()
    return [frame async for frame in client]


async def test_what_the_monitor_had_no_time_to_say_is_in_the_log() -> None:
    logged = Logged((1, b"out"), (2, b"err"))
    assert await _life(logged, starting_at=7) == [(1, b"out"), (2, b"err")]
    assert logged.asked == [7]


async def test_what_was_said_is_not_said_twice() -> None:
    logged = Logged((1, b"out"))
    assert await _life(logged, (1, b"out"), starting_at=7) == [(1, b"out")]
    assert await _life(logged, starting_at=0) == []  # it attached later: what was before is not its own
    assert logged.asked == []
