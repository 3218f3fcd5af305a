"""What z and Z of a mount mean where SELinux is on: the host that the decision is made for is an argument."""

from __future__ import annotations

import pytest

from corral.engine.mounts import plan_file_label
from corral.model.container import MountPoint, Security

SHARED = "system_u:object_r:container_file_t:s0"


def _label(
    mode: str, security: Security | None = None, *, type: str = "bind", id: str = "c1", selinux: bool = True
) -> str:
    return plan_file_label(MountPoint(type, "/srv/x", "/x", mode=mode), security or Security(), id, selinux=selinux)


@pytest.mark.parametrize("mode", ["z", "Z", "ro,Z", "z,rw"])
def test_without_selinux_they_are_taken_and_mean_nothing(mode: str) -> None:
    assert _label(mode, selinux=False) == ""


@pytest.mark.parametrize("type", ["bind", "volume"])
def test_with_selinux_the_files_are_all_containers_or_this_ones(type: str) -> None:
    assert _label("z", type=type) == _label("ro,z", type=type) == SHARED
    own, others = _label("Z", type=type), _label("Z", type=type, id="c2")
    assert own.startswith(f"{SHARED}:c") and others.startswith(f"{SHARED}:c") and own != others
    assert own == _label("Z", type=type), "the same at each of its starts"


@pytest.mark.parametrize("mode", ["", "ro", "rw"])
def test_who_did_not_ask_keeps_the_label(mode: str) -> None:
    assert _label(mode) == ""


@pytest.mark.parametrize("security", [Security(privileged=True), Security(labels=["disable"])])
def test_who_is_not_confined_keeps_it_too(security: Security) -> None:
    assert _label("Z", security) == ""


@pytest.mark.parametrize("type", ["tmpfs", "image"])
def test_what_is_no_file_of_the_hosts_has_no_label(type: str) -> None:
    assert _label("z", type=type) == ""
