"""The engine's system tests, run again inside the host that most users have: systemd and pure cgroup v2.

The machine is switched on twice. The first time it runs the system tests, then the tests of Corral as a service, and
leaves containers behind; the second time it looks what became of them. Where other tests are chosen, too, all of that
goes on beside them (see tests/support/ahead.py), and the test at the end shows what was said.
"""

from __future__ import annotations

import re
import shutil

import pytest

from tests.guest.run import Run, asked_for

TOOLS = ("mmdebstrap", "mkfs.ext4", "qemu-system-x86_64")
# An emulated processor is ten times slower than the real one, and all of this has to pass in minutes. So in there run
# the tests whose outcome depends on cgroups, systemd, the runtime or the kernel. What depends on none of these
# (images, archives, the command line, the wire) and what takes many tries (kills) runs on the real one only.
FIRST_BOOT = (
    *("tests/system/runtime", "tests/system/linux", "tests/system/volumes"),
    *("tests/system/networks/test_bridge.py", "tests/system/networks/test_user_networks.py::test_ipv6"),
    "tests/system/networks/test_user_parents.py::test_a_parent_on_a_line_of_two_addresses",
    *("tests/system/logs", *(f"tests/system/test_engine_{name}.py" for name in ("lifecycle", "streams", "limits"))),
    *(
        f"tests/system/test_engine_{name}.py"
        for name in ("security", "network", "health", "adoption", "options", "userns")
    ),
    *("tests/system/kubelet/test_running.py", "tests/system/proxy/test_instance.py"),
    *("tests/guest/inside/test_runtimes.py", "tests/guest/inside/test_cgroup_v2.py"),
    *("tests/guest/inside/test_nfs.py", "tests/guest/inside/test_resolved.py"),
    *("tests/compat/fleets/test_rollout.py", "tests/guest/inside/test_demo.py"),
    "tests/guest/inside/test_systemd.py",
    "tests/guest/inside/test_switched_off.py",
)
SECOND_BOOT = ("tests/guest/inside/test_switched_on.py",)
LAST = 60  # lines of the console, where nothing better is known
SILENCE = 900  # seconds; each test has a line of its own, and a limit below this (LONGEST in conftest.py)


# What skips where the machine is not its own must have run in here.
ONLY_HERE = tuple(
    f"tests/system/networks/{name}.py::test_ipv6 PASSED" for name in ("test_bridge", "test_user_networks")
)
ASKED = asked_for()
RUN = Run(
    [ASKED] if ASKED else [[*FIRST_BOOT, "-v", "--maxfail=25", "--durations=12"], [*SECOND_BOOT, "-v"]], silence=SILENCE
)


def told(lines: list[str]) -> list[str]:
    """What the guest's pytest said of failures, or its last words. Pure: of a log the end may be all that is kept.

    >>> told(["a.py::t PASSED", "== FAILURES ==", "E  assert 1 == 2", "== 1 failed in 2.00s ==", "GUEST: exit 1"])
    ['== FAILURES ==', 'E  assert 1 == 2', '== 1 failed in 2.00s ==']
    """
    start = next((number for number, line in enumerate(lines) if re.fullmatch(r"=+ (ERRORS|FAILURES) =+", line)), None)
    if start is None:
        return lines[-LAST:]
    found = lines[start:]
    end = next((number for number, line in enumerate(found) if re.fullmatch(r"=+ .* in [\d.]+s.*", line)), len(found))
    return found[: end + 1]


@pytest.mark.guest
@pytest.mark.root
@pytest.mark.slow
@pytest.mark.timeout(5400)
@pytest.mark.ahead.with_args(RUN)
def test_the_engine_on_systemd_and_cgroup_v2(capfd: pytest.CaptureFixture[str]) -> None:
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    assert not missing, f"the guest needs {', '.join(missing)}: install them, or deselect with -m 'not guest'"
    lines: list[str] = []
    with capfd.disabled():  # the guest's own words belong on the screen, while it works if it still does
        for line in RUN.follow():
            lines.append(line)
            print(f"guest| {line}", flush=True)
    closing = [line for line in lines if re.fullmatch(r"(=+ )?\d+ passed.* in [\d.]+s.*", line)]
    if len(closing) != len(RUN.boots):
        pytest.fail("\n".join(["in the guest not all passed, or its pytest did not end:", *told(lines)]), pytrace=False)
    assert [line for line in lines if line.endswith("exit 0")] == [
        f"GUEST: boot {boot}, exit 0" for boot in range(1, len(RUN.boots) + 1)
    ]
    if not ASKED:
        assert not [name for name in ONLY_HERE if not any(line.startswith(name) for line in lines)]
