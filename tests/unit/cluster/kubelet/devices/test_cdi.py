"""Descriptions of devices in folders."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from corral.cluster.kubelet.devices.cdi import UnknownDevice, plan_edits, read_descriptions, with_edits
from corral.model.container import ContainerSpec, Hook


def write(place: Path, env: str, name: str = "x") -> None:
    place.parent.mkdir(exist_ok=True)
    devices = [{"name": name, "containerEdits": {"env": [env]}}]
    place.write_text(json.dumps({"cdiVersion": "0.6.0", "kind": "v.org/gpu", "devices": devices}))


def test_the_later_folder_counts_more(tmp_path: Path) -> None:
    etc, run = tmp_path / "etc", tmp_path / "run"
    write(etc / "a.json", "A=etc")
    write(etc / "b.yaml", "A=other", "y")
    write(run / "a.json", "A=run")
    (etc / "broken.json").write_text("{")
    (etc / "odd.json").write_text("[1]")
    (etc / "README").write_text("no description")
    found = read_descriptions((str(etc), str(run), str(tmp_path / "missing")))
    assert {name: one["own"]["env"] for name, one in found.items()} == {
        "v.org/gpu=x": ["A=run"],
        "v.org/gpu=y": ["A=other"],
    }


def test_a_name_that_two_files_have_describes_nothing(tmp_path: Path) -> None:
    write(tmp_path / "a.json", "A=1")
    write(tmp_path / "b.json", "A=2")
    with pytest.raises(UnknownDevice, match=r"unresolvable CDI devices v\.org/gpu=x"):
        plan_edits(["v.org/gpu=x"], read_descriptions((str(tmp_path),)))


def test_all_that_a_device_may_change() -> None:
    hook = {"hookName": "createContainer", "path": "/bin/x", "args": ["x"], "timeout": 2}
    edits = [
        {"deviceNodes": [{"path": "/dev/a"}], "hooks": [hook], "additionalGids": [44, 0, 44]},
        {"mounts": [{"hostPath": "/a", "containerPath": "/b", "options": ["ro", "rslave"]}]},
    ]
    before = ContainerSpec(image="x")
    made = with_edits(before, edits)
    assert made.hooks == [Hook("createContainer", "/bin/x", ["x"], [], 2)] and made.groups == ["44"]
    assert (made.mounts[0].source, made.mounts[0].read_only, made.mounts[0].propagation) == ("/a", True, "rslave")
    assert (made.devices[0].host_path, made.devices[0].permissions) == ("/dev/a", "rwm")
    assert before == ContainerSpec(image="x")
    with pytest.raises(UnknownDevice, match="invalid hook name"):
        with_edits(before, [{"hooks": [{**hook, "hookName": "later"}]}])
    with pytest.raises(UnknownDevice, match="intelRdt"):
        with_edits(before, [{"intelRdt": {"closID": "a"}}])
