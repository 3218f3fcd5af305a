from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest

from corral.linux.spawn import run
from corral.runtime.oci import OciRuntime
from corral.runtime.sealed import seal
from tests.support.tools import CI


def program(folder: Path, text: str = "#!/bin/sh\necho version 7 $*\n") -> str:
    path = folder / "tool"
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


async def test_a_copy_runs_and_cannot_be_changed(tmp_path: Path) -> None:
    path = program(tmp_path)
    sealed = await seal(path)
    if sealed is None:
        assert not CI, "this host executes nothing from memory"
        pytest.skip("this host executes nothing from memory")
    Path(path).write_text("#!/bin/sh\nexit 1\n")
    assert (await run([sealed.path, "--version"])).out == b"version 7 --version\n"
    with pytest.raises(OSError), open(sealed.path, "r+b", buffering=0) as file:
        file.write(b"x")
    runtime = OciRuntime("crun", path, "7", "/r", sealed=sealed)
    assert runtime.command("/b") == [sealed.path, "--root", "/r"]
    place = sealed.path
    del sealed, runtime
    gc.collect()
    assert not os.path.exists(place) or os.readlink(place) != "/memfd:tool (deleted)"


async def test_what_does_not_run_is_not_sealed(tmp_path: Path) -> None:
    assert await seal(str(tmp_path / "gone")) is None
    assert await seal(program(tmp_path, "#!/bin/sh\nexit 3\n")) is None
    assert OciRuntime("crun", "/usr/bin/crun", "1.8.1", "/r").program == "/usr/bin/crun"
