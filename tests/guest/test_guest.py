"""The engine's system tests, run again inside the host that most users have: systemd and pure cgroup v2."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from tests.guest import image, machine, payload

CHECKOUT = Path(__file__).resolve().parents[2]
TOOLS = ("mmdebstrap", "mkfs.ext4", "qemu-system-x86_64")
INSIDE = [
    "tests/guest/inside",
    "tests/system",
    "--guest-subset",
    "-q",
    "-x" if os.environ.get("CORRAL_GUEST_FAIL_FAST") else "--maxfail=25",
]


@pytest.mark.guest
@pytest.mark.root
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_engine_on_systemd_and_cgroup_v2(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    assert not missing, f"the guest needs {', '.join(missing)}: install them, or deselect with -m 'not guest'"
    cache = CHECKOUT / ".cache"
    arguments = os.environ.get("CORRAL_GUEST_ARGS", "").split() or INSIDE
    disk = tmp_path / "payload.img"
    payload.make_payload(CHECKOUT, cache, disk, payload.script(arguments, {"CI": "true"}))
    lines: list[str] = []
    with capfd.disabled():  # the guest's own words belong on the screen while it works: it takes minutes
        for line in machine.run(image.guest_image(cache), disk, seconds=780):
            lines.append(re.sub(r"\x1b(\[[0-9;?]*[A-Za-z]|c)", "", line))
            print(f"guest| {lines[-1]}", flush=True)
    closing = [line for line in lines if re.fullmatch(r"(=+ )?\d+ passed.* in [\d.]+s.*", line)]
    assert closing, "the guest's pytest did not come to its closing line, or not all passed"
    assert "GUEST: exit 0" in lines
