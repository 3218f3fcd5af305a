from __future__ import annotations

import os
from pathlib import Path

import pytest

from corral.cluster.kubelet.errors import NotMounted
from corral.cluster.kubelet.volumes import nfs
from corral.cluster.kubelet.volumes.claims import source_of

SOURCE = {"server": "nas.example", "path": "/data"}


def _helper(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program = folder / nfs.HELPER
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


async def test_a_node_without_the_program_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(nfs, "PLACES", str(tmp_path))
    with pytest.raises(NotMounted, match=r"^volumes of kind nfs need mount.nfs on this node: install nfs-common"):
        await nfs.mount(SOURCE, str(tmp_path / "v"))
    assert not (tmp_path / "v").exists()


async def test_the_program_is_told_what_the_volume_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _helper(tmp_path, f'echo "$@" >{tmp_path}/told', monkeypatch)
    place = tmp_path / "pods" / "v"
    await nfs.mount({**SOURCE, "readOnly": True}, str(place), ("nfsvers=4.1", "hard"))
    assert (tmp_path / "told").read_text() == f"nas.example:/data {place} -o ro,nfsvers=4.1,hard\n"
    assert place.is_dir()
    nfs.unmount_all(str(place.parent))
    assert not place.parent.exists()
    nfs.unmount_all(str(place.parent))


async def test_its_failure_is_told_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _helper(tmp_path, "echo 'mount.nfs: Connection refused' >&2; exit 32", monkeypatch)
    place = tmp_path / "v"
    with pytest.raises(NotMounted) as failure:
        await nfs.mount(SOURCE, str(place))
    assert failure.value.message == (
        f"mount failed: exit status 32\nMounting command: {tmp_path}/mount.nfs\n"
        f"Mounting arguments: nas.example:/data {place}\nOutput: mount.nfs: Connection refused"
    )
    assert not place.exists()


def test_files_at_the_place_of_a_mount_are_never_removed(tmp_path: Path) -> None:
    """A mount that came late, or did not go: what is there is the server's."""
    (tmp_path / "nfs" / "v").mkdir(parents=True)
    (tmp_path / "nfs" / "v" / "precious").write_text("x")
    with pytest.raises(OSError, match="not empty"):
        nfs.unmount_all(str(tmp_path / "nfs"))
    assert (tmp_path / "nfs" / "v" / "precious").exists()


def test_a_persistent_volume_of_a_kind_that_is_not_offered() -> None:
    volume = {"metadata": {"name": "pv"}, "spec": {"capacity": {"storage": "1Gi"}, "iscsi": {"iqn": "x"}}}
    with pytest.raises(NotMounted, match=r'^PersistentVolume "pv": iscsi is not offered by this node$'):
        source_of(volume)
