"""This machine's other users: what containers are told, keep and bring along is not for them, nor theirs to run."""

from __future__ import annotations

import stat
import subprocess
from pathlib import Path

import pytest

from tests.support.instance import Instance, instance
from tests.support.wait import eventually

pytestmark = [pytest.mark.root, pytest.mark.timeout(180)]
NOBODY = 65534
WORD = "open-sesame-7421"


def _as(user: int, *command: str) -> str:
    """What a command prints; that it is refused much is expected."""
    return subprocess.run(command, capture_output=True, text=True, user=user, group=user, extra_groups=[]).stdout


def _mounted(places: list[str]) -> list[str]:
    """Every path below these that /proc/self/mounts tells all users of: mount points, and the layers of overlays."""
    text = Path("/proc/self/mounts").read_text()
    words = text.replace("lowerdir=", "\n").replace("upperdir=", "\n").replace(",", "\n").replace(":", "\n").split()
    return sorted({word for word in words if any(word.startswith(f"{place}/") for place in places)})


@pytest.mark.parametrize("flags", [(), ("--userns-remap=default",)], ids=["plain", "remapped"])
def test_nothing_of_a_container_is_theirs(flags: tuple[str, ...]) -> None:
    with instance(*flags) as engine:
        script = f"echo {WORD} | tee /kept /data/kept >/dev/shm/kept; cp /bin/busybox /su; chmod 4755 /su; sleep 1000"
        made = {"Env": [f"WORD={WORD}"], "HostConfig": {"Binds": ["herd:/data"], "IpcMode": "shareable"}}
        identity = engine.run("sh", "-c", script, **made)
        _is_closed(engine, identity)
        engine.post(f"/containers/{identity}/stop", query={"t": 0})
        _is_closed(engine, identity)  # what it has written is there until it is removed
        engine.remove_everything()


def _is_closed(engine: Instance, identity: str) -> None:
    places = [str(engine.root), str(engine.volatile)]
    upper = engine.inspect(identity)["GraphDriver"]["Data"]["UpperDir"]
    made = Path(upper, "su")
    eventually(lambda: made.exists() and made.stat().st_mode & stat.S_ISUID, f"it has made {made}")
    known = [*places, *_mounted(places), upper, f"{engine.volatile}/c/{identity}"]
    assert _as(0, "grep", "-rls", WORD, *known)
    mode = engine.root.stat().st_mode
    engine.root.chmod(0o711)  # as that of an instance is; a test's is closed as a whole
    try:
        assert _as(NOBODY, "grep", "-rls", WORD, *known) == ""
        assert _as(NOBODY, "find", *known, "-type", "f", "-perm", "-4000") == ""
        assert _as(NOBODY, "ls", "-d", f"{upper}/su", f"{engine.volatile}/c/{identity}/config.json") == ""
    finally:
        engine.root.chmod(mode)
