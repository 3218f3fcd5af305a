"""Local caches of `corral build`: what is sent of a directory, and what is written into one, whatever the tar says."""

from __future__ import annotations

import base64
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from corral.cli.build_cache import TAG, CacheSink, files_of, packed, split
from corral.cli.fail import Failure

A, B, C = (letter * 64 for letter in "abc")


def lay(folder: Path, files: dict[str, Any]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))


def index(digest: str, tag: str = "latest") -> dict[str, Any]:
    return {"manifests": [{"digest": f"sha256:{digest}", "annotations": {TAG: tag}}]}


def sent(folder: Path) -> set[str]:
    data = b"".join(packed(str(folder), files_of(str(folder))))
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {entry.name for entry in tar if entry.isfile()}


def test_only_what_the_manifest_needs_is_sent(tmp_path: Path) -> None:
    manifest = {"config": {"digest": f"sha256:{B}"}, "layers": []}
    lay(tmp_path, {"index.json": index(A), f"blobs/sha256/{A}": manifest, f"blobs/sha256/{B}": "{}"})
    lay(tmp_path, {f"blobs/sha256/{C}": "old", "oci-layout": "{}", "other/huge": "x"})
    assert sent(tmp_path) == {"index.json", f"blobs/sha256/{A}", f"blobs/sha256/{B}"}


@pytest.mark.parametrize(
    "bad", ["no JSON", "[]", {"manifests": [{"digest": "../../x", "annotations": {TAG: "latest"}}]}]
)
def test_one_that_cannot_be_read_is_told_and_left_out(tmp_path: Path, bad: Any) -> None:
    lay(tmp_path, {"index.json": bad})
    told: list[str] = []
    other = {"kind": "registry", "ref": "r", "options": {}}
    found = split([{"kind": "local", "ref": str(tmp_path), "options": {}}, other], told.append)
    assert found == ([other], {}) and told[0].startswith(f"WARNING: local cache import at {tmp_path} not found due to")


def give(sink: CacheSink, files: dict[str, str]) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content.encode()))
    sink.take(base64.b64encode(buffer.getvalue()).decode())
    sink.close()


def test_other_tags_stay_and_blobs_that_are_there_are_not_written_again(tmp_path: Path) -> None:
    lay(tmp_path, {"index.json": index(A, "old"), f"blobs/sha256/{A}": "aa"})
    give(
        CacheSink({"ref": str(tmp_path), "options": {}}),
        {f"blobs/sha256/{A}": "zz", f"blobs/sha256/{B}": "bb", "index.json": json.dumps(index(B))},
    )
    tags = [entry["annotations"][TAG] for entry in json.loads((tmp_path / "index.json").read_text())["manifests"]]
    assert tags == ["old", "latest"]
    assert (tmp_path / f"blobs/sha256/{A}").read_text() == "aa"
    assert (tmp_path / f"blobs/sha256/{B}").read_text() == "bb"
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize("name", ["../outside", "/etc/x", "blobs/sha256/../../x", "blobs/sha256/short"])
def test_nothing_else_is_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(Failure, match="is no file of a cache"):
        give(CacheSink({"ref": str(tmp_path / "cache"), "options": {}}), {name: "x"})
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_cache_that_never_came_makes_no_directory(tmp_path: Path) -> None:
    CacheSink({"ref": str(tmp_path / "cache"), "options": {}}).close()
    assert not (tmp_path / "cache").exists()


def test_a_place_that_cannot_be_written_may_be_ignored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = {"oci-layout": "{}", "index.json": json.dumps(index(B))}
    (tmp_path / "cache/index.json/in-the-way").mkdir(parents=True)
    with pytest.raises(Failure, match="write"):
        give(CacheSink({"ref": str(tmp_path / "cache"), "options": {}}), files)
    give(CacheSink({"ref": str(tmp_path / "cache"), "options": {"ignore-error": "true"}}), files)
    assert capsys.readouterr().err.startswith(f"WARNING: local cache export to {tmp_path}/cache failed: ")
