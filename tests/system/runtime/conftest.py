"""Each runtime that is installed, with what it needs to make containers."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from corral.linux.cgroups import detect
from corral.linux.proc import children, cmdline
from corral.runtime.choose import choose_here, find_runtimes
from corral.runtime.conmon import leftovers
from corral.runtime.exits import Exits
from corral.runtime.oci import OciRuntime
from tests.system.runtime.box import PROVEN, Box


@pytest.fixture(params=PROVEN)
async def box(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Box]:
    busybox = shutil.which("busybox")
    assert busybox, "install busybox-static"
    for folder in ("bin", "etc", "proc", "sys", "dev", "tmp"):
        (tmp_path / "rootfs" / folder).mkdir(parents=True)
    shutil.copy(busybox, tmp_path / "rootfs/bin/busybox")
    for name in (
        "sh",
        "true",
        "cat",
        "sleep",
        "id",
        "echo",
        "mkdir",
        "mount",
        "stty",
        "grep",
        "kill",
        "dd",
        "ls",
        "test",
    ):
        (tmp_path / "rootfs/bin" / name).symlink_to("busybox")
    (tmp_path / "rootfs/etc/passwd").write_text("root:x:0:0::/root:/bin/sh\nann:x:1000:100::/home:/bin/sh\n")
    (tmp_path / "rootfs/etc/group").write_text("users:x:100:\nwheel:x:10:ann\n")
    (tmp_path / "exits").mkdir()
    found = await find_runtimes({})
    layout = detect()
    choice = await choose_here(request.param, found, layout)
    (one,) = [runtime for runtime in found if runtime.name == choice.name]
    cover = choice.cover if one.name == "crun" else None
    exits = Exits(str(tmp_path / "exits"))
    made = Box(tmp_path, OciRuntime(one.name, one.path, one.version, str(tmp_path / "state"), cover), exits)
    await exits.start(made.told)
    try:
        yield made
        await made.clean()
        assert not made.runtime.known() and not leftovers(str(tmp_path))
    finally:
        await made.clean()
        await exits.close()


@pytest.fixture(scope="package", autouse=True)
def no_child_is_left() -> Iterator[None]:
    """The tests of this folder wait for all that they start."""
    yield
    mine = {pid: cmdline(pid) for pid in children(os.getpid())}
    assert not [argv for argv in mine.values() if "conmon" in " ".join(argv)]
