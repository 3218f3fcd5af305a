"""Overlays and namespaces on the real kernel."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from corral.errors import HostError
from corral.linux import mounts, namespaces
from corral.linux.limits import probe
from tests.support.leaks import descriptors

pytestmark = pytest.mark.root


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    mounts.mount("tmpfs", str(tmp_path), "tmpfs")
    yield tmp_path
    mounts.unmount_under(str(tmp_path))
    assert mounts.mounts_under(str(tmp_path)) == []


@pytest.mark.parametrize("count", [1, 3, 120, 190])
@pytest.mark.parametrize("prefix", ["l", "a,b:c\\d", "x" * 120])
def test_overlay(place: Path, count: int, prefix: str) -> None:
    lowers = []
    for n in range(count):
        lower = place / f"{prefix}{n}"
        lower.mkdir()
        (lower / f"f{n}").touch()
        (lower / "which").write_text(str(n))
        lowers.append(str(lower))
    for name in ("up", "work", "target"):
        (place / name).mkdir()
    target = place / "target"
    before = descriptors()
    mounts.mount_overlay(str(target), lowers, str(place / "up"), str(place / "work"))
    assert not descriptors() - before
    assert mounts.is_mount(str(target))
    assert len(os.listdir(target)) == count + 1
    assert (target / "which").read_text() == "0"
    (target / "new").touch()
    assert (place / "up" / "new").exists()
    mounts.unmount(str(target))
    mounts.unmount(str(target))
    mounts.unmount(str(target / "nothing"))


def test_layers_beyond_one_page_of_options(place: Path) -> None:
    lowers = [str(place / f"{n}") for n in range(400)]
    for lower in lowers:
        os.mkdir(lower)
    (place / "target").mkdir()
    if probe().kernel < (6, 8):
        with pytest.raises(HostError, match="takes about 190 layers"):
            mounts.mount_overlay(str(place / "target"), lowers)
        return
    mounts.mount_overlay(str(place / "target"), lowers)
    with pytest.raises(OSError):
        (place / "target" / "x").touch()


def test_errors_name_both_ends(place: Path) -> None:
    with pytest.raises(HostError, match=r"mount /nowhere on .*target: no such file or directory"):
        mounts.bind("/nowhere", str(place / "target"))
    with pytest.raises(HostError, match=r"mount overlay on /t: /no,where"):
        mounts.mount_overlay("/t", ["/no,where"])


def test_read_only_bind(place: Path) -> None:
    (place / "a").mkdir()
    (place / "b").mkdir()
    mounts.bind(str(place / "a"), str(place / "b"), read_only=True)
    with pytest.raises(OSError):
        (place / "b" / "x").touch()


def test_a_new_network_namespace_has_its_loopback_up() -> None:
    fd = namespaces.new_netns()
    try:
        here = os.readlink("/proc/thread-self/ns/net")

        def inside() -> str:
            with socket.create_server(("127.0.0.1", 0)) as server:
                socket.create_connection(server.getsockname()).close()
            return os.readlink("/proc/thread-self/ns/net")

        assert namespaces.in_netns(fd, inside) != here
        assert os.readlink("/proc/thread-self/ns/net") == here
        with pytest.raises(ZeroDivisionError):
            namespaces.in_netns(fd, lambda: 1 // 0)
    finally:
        os.close(fd)
