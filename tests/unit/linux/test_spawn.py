from __future__ import annotations

import asyncio
import os
import signal

import pytest

from corral.errors import HostError
from corral.linux.spawn import clashes, run, spawn


async def test_run_returns_code_and_output() -> None:
    done = await run(["sh", "-c", "cat; echo oops >&2; exit 3"], input=b"hello")
    assert (done.code, done.out, done.err) == (3, b"hello", b"oops\n")


async def test_large_input_and_output() -> None:
    data = os.urandom(3_000_000)
    assert (await run(["cat"], input=data)).out == data


async def test_input_that_nobody_reads() -> None:
    assert (await run(["true"], input=b"x" * 1_000_000)).code == 0


async def test_environment_and_directory() -> None:
    assert (await run(["/bin/sh", "-c", "echo $A; pwd"], env={"A": "b"}, cwd="/usr")).out == b"b\n/usr\n"


async def test_a_missing_program_is_named() -> None:
    with pytest.raises(HostError, match="start /nope/x: no such file or directory") as caught:
        spawn(["/nope/x"])
    assert caught.value.errno == 2


async def test_a_signal_is_negative() -> None:
    child = spawn(["sleep", "60"])
    child.kill(signal.SIGTERM)
    assert await child.wait() == -15
    child.kill()  # too late, and harmless
    assert child.code == -15
    assert child.pidfd == -1


async def test_timeout_kills() -> None:
    with pytest.raises(HostError, match="killed"):
        await run(["sleep", "60"], timeout=0.05)


async def test_one_that_has_ended_is_not_out_of_time() -> None:
    """The loop was held up, and comes to hear of both at once: the end and the time that is over."""
    begun, held = asyncio.Event(), os.pipe()

    def more() -> float:
        raise AssertionError("it has ended")

    async def hold_up() -> None:
        await begun.wait()
        os.read(held[0], 1)  # the program's end closes the pipe
        asyncio.get_running_loop().call_soon(os.close, held[0])
        late = asyncio.get_running_loop().time() + 0.1
        while asyncio.get_running_loop().time() < late:
            pass

    task = asyncio.create_task(hold_up())
    running = asyncio.create_task(run(["sh", "-c", "exit 3"], timeout=0.05, more=more, pass_fds=(held[1],)))
    await asyncio.sleep(0)
    os.close(held[1])
    begun.set()
    assert (await running).code == 3
    await task


async def test_cancelled_run_kills(tmp_path: object) -> None:
    task = asyncio.create_task(run(["sleep", "61"]))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_grandchild_that_keeps_the_pipes_is_not_waited_for() -> None:
    done = await asyncio.wait_for(run(["sh", "-c", "sleep 600 & echo $!"]), 60)
    os.kill(int(done.out), signal.SIGKILL)


async def test_descriptors_trade_places() -> None:
    pairs = [os.pipe() for _ in range(2)]
    (r1, w1), (r2, w2) = pairs
    script = f"echo one >/proc/self/fd/{w1}; echo two >/proc/self/fd/{w2}"
    child = spawn(["sh", "-c", script], pass_fds={w1: w2, w2: w1})
    assert await child.wait() == 0
    assert (os.read(r1, 10), os.read(r2, 10)) == (b"two\n", b"one\n")
    for fd in (r1, w1, r2, w2):
        os.close(fd)


async def test_other_descriptors_are_not_inherited() -> None:
    leak = os.open("/dev/null", os.O_RDONLY)
    try:
        done = await run(["ls", "/proc/self/fd"])
        assert str(leak) not in done.out.decode().split()[3:]
        kept = await run(["readlink", f"/proc/self/fd/{leak}"], pass_fds=[leak])
        assert kept.out == b"/dev/null\n"
    finally:
        os.close(leak)


async def test_sigpipe_is_the_default_in_children() -> None:
    done = await run(["grep", "SigIgn", "/proc/self/status"])
    ignored = int(done.out.split()[1], 16)
    assert not ignored & (1 << (signal.SIGPIPE - 1))


async def test_setsid() -> None:
    done = await run(["sh", "-c", "ps -o sid= -p $$"])
    child = spawn(["sleep", "60"], setsid=True)
    assert os.getsid(child.pid) == child.pid != int(done.out)
    child.kill()
    await child.wait()


def test_clashes() -> None:
    assert clashes({0: 1, 1: 0}) == {0, 1}
    assert clashes({0: 3, 3: 3}) == {3}
