"""A folder of manifests."""

from __future__ import annotations

import json
from pathlib import Path

from corral.cluster.kubelet.static.folder import read_folder


def write(folder: Path, file: str, name: str, image: str = "x") -> None:
    spec = {"containers": [{"name": "a", "image": image}]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
    (folder / file).write_text(json.dumps(pod))


def test_what_lies_in_it(tmp_path: Path) -> None:
    folder = tmp_path / "manifests"
    assert read_folder(str(folder), "n1", "t", {}) == {}
    write(folder, "a.yaml", "a")
    write(folder, ".b.yaml", "b")
    (folder / "c").mkdir()
    write(folder, "d.yaml", "a")  # the same pod again
    found = read_folder(str(folder), "n1", "t0", {})
    assert list(found) == ["a.yaml"]
    again = read_folder(str(folder), "n1", "t1", found)
    assert again["a.yaml"] is found["a.yaml"]


def test_a_file_that_has_become_nonsense_leaves_its_pod_alone(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml", "a")
    before = read_folder(str(tmp_path), "n1", "t", {})
    (tmp_path / "a.yaml").write_text("kind: Pod")
    assert read_folder(str(tmp_path), "n1", "t", before) == before
    (tmp_path / "a.yaml").unlink()
    assert read_folder(str(tmp_path), "n1", "t", before) == {}
