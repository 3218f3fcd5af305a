from __future__ import annotations

import errno
import gc
import os

import pytest

from corral.linux.spawn import run
from corral.runtime.conmon import plan_arguments
from corral.runtime.cover import Cover
from corral.runtime.nothing import nothing_for
from corral.runtime.oci import OciRuntime


@pytest.mark.root
async def test_it_is_the_null_device_and_nobody_can_have_it() -> None:
    nothing = nothing_for("crun", "1.8.1")
    assert nothing is not None
    done = await run([*nothing.command(), "stat", "-L", "-c", "%F %t:%T", "/proc/self/fd/0"])
    assert done.out == b"character special file 1:3\n"
    fd = os.open(nothing.path, os.O_RDONLY)
    try:
        assert os.read(fd, 1) == b""
        with pytest.raises(OSError) as caught:
            os.fchown(fd, os.getuid(), os.getgid())
        assert caught.value.errno == errno.EROFS
    finally:
        os.close(fd)
    place = nothing.path
    del nothing
    gc.collect()
    assert not os.path.exists(place) or os.readlink(place) != "/null"


def test_who_is_fixed_needs_none() -> None:
    assert nothing_for("crun", "1.24.1") is None and nothing_for("runc", "1.1.5") is None


@pytest.mark.root
def test_it_is_for_those_without_stdin_and_comes_before_the_cover() -> None:
    nothing = nothing_for("crun", "1.8.1")
    assert nothing is not None
    runtime = OciRuntime("crun", "/c", "1.8.1", "/r", Cover("/t", "/nsenter"), nothing=nothing)
    wrapped = runtime.command("/b", own_null=True)
    assert wrapped == [*nothing.command(), *runtime.command("/b")] and runtime.command("/b")[0] == "/nsenter"

    def program(*, tty: bool = False, stdin: bool = False, foreign: bool = True) -> str:
        arguments = plan_arguments("i", runtime, "/b", "/e", tty, stdin, foreign=foreign)
        return arguments[arguments.index("--runtime") + 1]

    # Where a terminal is made, the monitor gives the runtime /dev/null as stdin and as stdout.
    assert {program(), program(tty=True), program(tty=True, stdin=True)} == {"/bin/sh"}
    assert '>"$0"' in nothing.command(output=True)[2]
    assert {program(stdin=True), program(foreign=False)} == {"/nsenter"}
