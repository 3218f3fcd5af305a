from __future__ import annotations

from pathlib import Path

import pytest

from corral.cluster.kubelet.errors import NotMounted
from corral.cluster.kubelet.volumes.hostpath import prepare


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("file", "Directory", "hostPath type check failed: {}/file is not a directory"),
        ("file", "DirectoryOrCreate", "hostPath type check failed: {}/file is not a directory"),
        ("folder", "FileOrCreate", "hostPath type check failed: {}/folder is not a file"),
        ("file", "Socket", "hostPath type check failed: {}/file is not a socket"),
        ("none", "File", "hostPath type check failed: {}/none is not a file"),
        ("none/file", "FileOrCreate", "open {}/none/file: no such file or directory"),
        ("file/folder", "DirectoryOrCreate", "mkdir {}/file/folder: not a directory"),
        ("file/folder", "", "mkdir {}/file/folder: not a directory"),
    ],
)
def test_what_is_not_as_asked_for_is_told_in_upstreams_words(tmp_path: Path, name: str, kind: str, said: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(NotMounted) as caught:
        prepare({"path": str(tmp_path / name), "type": kind})
    assert str(caught.value) == said.format(tmp_path)


def test_what_may_be_made_is(tmp_path: Path) -> None:
    for name, kind in (("a/b", "DirectoryOrCreate"), ("c", "FileOrCreate"), ("d/e", "")):
        assert prepare({"path": str(tmp_path / name), "type": kind}) == str(tmp_path / name)
    assert (tmp_path / "a/b").is_dir() and (tmp_path / "c").is_file() and (tmp_path / "d/e").is_dir()
