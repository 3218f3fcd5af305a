"""What goes in and comes out of a container: input, output, terminals, logs."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from corral.model.container import ContainerSpec
from tests.system.runtime.box import Box, read_all, read_until

pytestmark = pytest.mark.root


async def test_nothing_of_a_quick_program_is_lost(box: Box) -> None:
    id, _ = box.write("sh", "-c", "echo out; echo err >&2")
    started = await box.monitor.create(box.request(id))
    console = box.monitor.attach(box.bundle(id))
    await box.runtime.start(id, started.pid)
    assert await read_all(console) == {1: b"out\n", 2: b"err\n"}
    assert await box.end(id) == 0


async def test_input_and_its_end(box: Box) -> None:
    container, _ = await box.start("cat", stdin=True)
    console = box.monitor.attach(box.bundle(container.id))
    data = os.urandom(300_000).hex().encode()
    reading = asyncio.create_task(read_all(console))
    await console.write(data)
    console.close_stdin()
    assert (await reading)[1] == data
    assert await box.end(container.id) == 0


async def test_input_that_stays_open(box: Box) -> None:
    container, _ = await box.start("cat", stdin=True, leave_stdin_open=True)
    first = box.monitor.attach(box.bundle(container.id))
    await first.write(b"one\n")
    assert await read_until(first, b"one\n") == b"one\n"
    first.close()
    second = box.monitor.attach(box.bundle(container.id))
    await second.write(b"two\n")
    assert b"two\n" in await read_until(second, b"two\n")
    second.close()


async def test_a_terminal(box: Box) -> None:
    spec = ContainerSpec("i", tty=True, console_size=[20, 70])
    container, _ = await box.start("sh", spec=spec, tty=True, stdin=True)
    console = box.monitor.attach(box.bundle(container.id))
    await console.write(b"stty size\n")
    assert b"20 70" in await read_until(console, b"20 70")
    await box.monitor.resize(box.bundle(container.id), 33, 99)
    await console.write(b"while ! stty size | grep '33 9[9]'; do :; done; exit 5\n")
    assert b"33 99" in await read_until(console, b"33 99")
    console.close()
    assert await box.end(container.id) == 5


async def test_a_log_that_was_renamed(box: Box) -> None:
    container, _ = await box.start("cat", stdin=True, leave_stdin_open=True)
    bundle = box.bundle(container.id)
    console = box.monitor.attach(bundle)
    await console.write(b"before\n")
    await read_until(console, b"before\n")
    os.rename(f"{bundle}/log", f"{bundle}/log.1")
    await box.monitor.reopen_log(bundle)
    while not os.path.exists(f"{bundle}/log"):  # noqa: ASYNC110 - conmon tells nobody when it has done so
        await asyncio.sleep(0.005)
    await console.write(b"after\n")
    await read_until(console, b"after\n")
    assert box.log(container.id) == ["after"] and Path(f"{bundle}/log.1").read_text().endswith("before\n")
    console.close()
