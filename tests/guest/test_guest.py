"""The engine's system tests, run again inside the host that most users have: systemd and pure cgroup v2.

The machine is switched on twice. The first time it runs the system tests, then the tests of Corral as a service, and
leaves containers behind; the second time it looks what became of them.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.guest import image, machine, payload

CHECKOUT = Path(__file__).resolve().parents[2]
TOOLS = ("mmdebstrap", "mkfs.ext4", "qemu-system-x86_64")
# An emulated processor is ten times slower than the real one, and all of this has to pass in minutes. So in there run
# the tests whose outcome depends on cgroups, systemd, the runtime or the kernel. What depends on none of these
# (images, archives, the command line, the wire) and what takes many tries (kills) runs on the real one only.
FIRST_BOOT = (
    *("tests/system/test_runtime.py", "tests/system/linux", "tests/system/volumes"),
    *("tests/system/networks/test_bridge.py", "tests/system/networks/test_user_networks.py::test_ipv6"),
    *("tests/system/logs", *(f"tests/system/test_engine_{name}.py" for name in ("lifecycle", "streams", "limits"))),
    *(
        f"tests/system/test_engine_{name}.py"
        for name in ("security", "network", "health", "adoption", "options", "userns")
    ),
    *("tests/guest/inside/test_runtimes.py", "tests/guest/inside/test_cgroup_v2.py"),
    "tests/guest/inside/test_systemd.py",
    "tests/guest/inside/test_switched_off.py",
)
SECOND_BOOT = ("tests/guest/inside/test_switched_on.py",)
SILENCE = 900  # seconds; each test has a line of its own, and a limit below this


def _without_colours(line: str) -> str:
    return re.sub(r"\x1b(\[[0-9;?]*[A-Za-z]|c)", "", line)


@pytest.mark.guest
@pytest.mark.root
@pytest.mark.slow
@pytest.mark.timeout(5400)
def test_the_engine_on_systemd_and_cgroup_v2(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    assert not missing, f"the guest needs {', '.join(missing)}: install them, or deselect with -m 'not guest'"
    cache, disk, second = CHECKOUT / ".cache", tmp_path / "disk.img", tmp_path / "payload.img"
    asked = os.environ.get("CORRAL_GUEST_ARGS", "").split()  # other tests, to work on the guest itself
    boots = [asked] if asked else [[*FIRST_BOOT, "-v", "--maxfail=25", "--durations=12"], [*SECOND_BOOT, "-v"]]
    payload.make_payload(CHECKOUT, cache, second, payload.script(boots, {"CI": "true"}))
    kernel = image.guest_image(cache)
    subprocess.run(["cp", "--sparse=always", str(kernel / "disk.img"), str(disk)], check=True)
    lines: list[str] = []
    with capfd.disabled():  # the guest's own words belong on the screen while it works: it takes minutes
        for boot in range(1, len(boots) + 1):
            for line in machine.run(kernel, disk, second, boot=boot, silence=SILENCE):
                lines.append(_without_colours(line))
                print(f"guest| {lines[-1]}", flush=True)
    closing = [line for line in lines if re.fullmatch(r"(=+ )?\d+ passed.* in [\d.]+s.*", line)]
    assert len(closing) == len(boots), "the guest's pytest did not come to its closing line, or not all passed"
    assert [line for line in lines if line.endswith("exit 0")] == [
        f"GUEST: boot {boot}, exit 0" for boot in range(1, len(boots) + 1)
    ]
