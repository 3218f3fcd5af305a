"""`corral cluster backup` and `restore` over the daemon's socket, in front of a store in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from corral.cli.main import main
from corral.daemon.cluster_copies import ClusterCopies
from corral.store.backup import read_backup
from corral.store.memory import MemoryStore
from tests.support.fake_server import FakeServer
from tests.support.stores import values


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FakeServer]:
    (tmp_path / "run").mkdir()
    with FakeServer(str(tmp_path / "run" / "docker.sock")) as made:
        yield made


async def _store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def store(server: FakeServer, tmp_path: Path) -> Iterator[MemoryStore]:
    made: MemoryStore = server.call(_store())
    server.api.copies = ClusterCopies(made, str(tmp_path))
    yield made
    server.loop.call_soon_threadsafe(made.close)


def _corral(tmp_path: Path, *words: str) -> int:
    return main(["--root", str(tmp_path), *words])


def test_a_cluster_is_saved_and_brought_back(
    server: FakeServer, store: MemoryStore, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    made = {f"/registry/core/pods/a/{n}": b"%d" % n * 100 for n in range(900)}
    server.call(store.commit(made))
    file = tmp_path / "file"
    assert _corral(tmp_path, "cluster", "backup", str(file)) == 0
    assert capfd.readouterr().out == f"{file}: 900 objects as of revision 1\n"
    assert file.stat().st_mode & 0o777 == 0o600
    assert read_backup(str(file)).values == made
    server.call(store.commit({"/registry/core/pods/a/1": b"changed", "other": b""}, ["/registry/core/pods/a/2"]))
    assert _corral(tmp_path, "cluster", "restore", str(file)) == 0
    assert capfd.readouterr().out == "revision 3: 2 objects put back, 1 deleted\n"
    assert _corral(tmp_path, "cluster", "restore", str(file)) == 0
    assert capfd.readouterr().out == "revision 3: 0 objects put back, 0 deleted\n"
    assert server.call(values(store)) == sorted(made.items())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "run"]


def test_what_is_no_backup_is_refused(
    server: FakeServer, store: MemoryStore, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    server.call(store.commit({"a": b"1"}))
    (tmp_path / "file").write_bytes(b"not a backup" * 1000)
    assert _corral(tmp_path, "cluster", "restore", str(tmp_path / "file")) == 1
    assert "daemon: what was sent is not a backup" in capfd.readouterr().err
    assert server.call(values(store)) == [("a", b"1")]
    assert _corral(tmp_path, "cluster", "backup", str(tmp_path / "nowhere" / "file")) == 1
    assert "no such file or directory" in capfd.readouterr().err


def test_a_daemon_without_a_cluster_says_so(
    server: FakeServer, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert _corral(tmp_path, "cluster", "backup", str(tmp_path / "file")) == 1
    assert "this daemon serves no cluster" in capfd.readouterr().err
    assert not (tmp_path / "file").exists()
