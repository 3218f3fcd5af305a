"""Contexts that are sent, downloaded and cloned; ADD of URLs and repositories. All servers are on loopback."""

from __future__ import annotations

import asyncio
import bz2
import gzip
import hashlib
import http.server
import lzma
import os
import shutil
import stat
import subprocess
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from corral.build.context import LIMITS, bring, receive
from corral.build.copying import Fetched, Fetcher, Source, carry_out, digest
from corral.build.copying.giturl import GitRef
from corral.build.ops import CopyOp
from corral.errors import CorralError, InvalidInput, NotFound, RemoteFailed, Unsupported
from corral.linux.archive import Limits
from corral.linux.mounts import is_mount, mounts_under
from tests.support.tars import chunked, member, tar

pytestmark = pytest.mark.root
DATE = "Tue, 14 Nov 2023 22:13:20 GMT"  # 1_700_000_000


class Site:
    """A web server: `pages` are bodies by path; it remembers what it was asked."""

    def __init__(self) -> None:
        self.pages: dict[str, bytes] = {}
        self.asked: list[tuple[str, str]] = []  # path, If-None-Match
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self._thread.start()

    def answer(self, request: http.server.BaseHTTPRequestHandler) -> None:
        path = request.path.partition("?")[0]
        self.asked.append((path, request.headers.get("If-None-Match", "")))
        if path.startswith("/to/"):
            request.send_response(302)
            request.send_header("Location", path.removeprefix("/to"))
            request.send_header("Content-Length", "0")
        elif path == "/loop":
            request.send_response(302)
            request.send_header("Location", "/loop")
            request.send_header("Content-Length", "0")
        elif path not in self.pages:
            request.send_error(404)
            return
        else:
            body = self.pages[path]
            tag = f'"{hashlib.sha256(body).hexdigest()}"'
            request.send_response(304 if request.headers.get("If-None-Match") == tag else 200)
            request.send_header("ETag", tag)
            request.send_header("Last-Modified", DATE)
            if request.headers.get("If-None-Match") != tag:
                request.send_header("Content-Length", str(len(body)))
                request.end_headers()
                request.wfile.write(body)
                return
        request.end_headers()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    yield made
    made.close()


@pytest.fixture
def fetcher(tmp_path: Path) -> Iterator[Fetcher]:
    made = Fetcher(str(tmp_path / "kept"), limit=1 << 20)
    yield made
    made.close()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Two commits, a tag on the first, a branch called `side`."""
    place = tmp_path / "repository"
    (place / "sub").mkdir(parents=True)
    (place / "Dockerfile").write_text("FROM scratch\n")
    (place / "sub/run.sh").write_text("1")
    (place / "sub/run.sh").chmod(0o755)
    (place / "evil").symlink_to("/etc")
    git(place, "init", "-q", "-b", "main")
    commit(place)
    git(place, "tag", "-a", "v1", "-m", "v1")
    git(place, "branch", "side")
    (place / "sub/run.sh").write_text("2")
    commit(place)
    return place


def git(place: Path, *words: str) -> str:
    who = ["-c", "user.name=t", "-c", "user.email=t@localhost"]
    return subprocess.run(["git", *who, *words], cwd=place, check=True, capture_output=True, text=True).stdout.strip()


def commit(place: Path) -> None:
    git(place, "add", "-A")
    git(place, "commit", "-q", "-m", "c")


async def sent(data: bytes, size: int = 4096) -> AsyncIterator[bytes]:
    for chunk in chunked(data, size):
        yield chunk


# Tars.


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
async def test_a_tar_that_is_sent(tmp_path: Path, fetcher: Fetcher, pack: object) -> None:
    data = tar(member("Dockerfile", data=b"FROM x"), member("d/f", data=b"1", uid=1000, gid=1000, mode=0o4750))
    async with receive(str(tmp_path / "c"), sent(pack(data)), fetcher=fetcher) as context:  # type: ignore[operator]
        there = os.stat(f"{context.path}/d/f")
        assert (there.st_uid, there.st_gid, stat.S_IMODE(there.st_mode)) == (0, 0, 0o4750)
        assert stat.S_IMODE(os.stat(f"{tmp_path}/c").st_mode) == 0o700  # nobody else gets at set-uid files
        assert context.dockerfile_text is None
    assert os.listdir(tmp_path / "c") == []


async def test_nothing_stays_after_a_bad_archive(tmp_path: Path, fetcher: Fetcher) -> None:
    bomb = tar(member("zeros", data=bytes(3 << 20)))
    for data, limits in (
        (tar(member("../x", data=b"1")), LIMITS),
        (tar(member("l", "symlink", linkname="/etc"), member("l/passwd", data=b"1")), LIMITS),
        (gzip.compress(tar(member("x", data=b"1")))[:60], LIMITS),
        (b"FROM scratch\n" * 100, LIMITS),
        (gzip.compress(bomb), Limits(total=1 << 20)),
        (tar(*(member(f"f{n}") for n in range(30))), Limits(entries=20)),
    ):
        with pytest.raises(InvalidInput):
            async with receive(str(tmp_path / "c"), sent(data), fetcher=fetcher, limits=limits):
                pass
        assert os.listdir(tmp_path / "c") == []
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("turns", range(6))
async def test_one_that_is_cancelled_at_any_moment_leaves_nothing(tmp_path: Path, fetcher: Fetcher, turns: int) -> None:
    async def stalled() -> AsyncIterator[bytes]:
        await asyncio.Event().wait()
        yield b""

    async def build() -> None:
        async with receive(str(tmp_path / "c"), stalled(), fetcher=fetcher):
            pass

    task = asyncio.ensure_future(build())
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.get_running_loop().shutdown_default_executor()  # what a thread was told to make is made by now
    assert not (tmp_path / "c").exists() or os.listdir(tmp_path / "c") == []


async def test_a_client_that_goes_away_leaves_nothing(tmp_path: Path, fetcher: Fetcher) -> None:
    waiting = asyncio.Event()

    async def stalled() -> AsyncIterator[bytes]:
        yield tar(member("f", data=b"1"))[:700]
        waiting.set()
        await asyncio.Event().wait()

    async def build() -> None:
        async with receive(str(tmp_path / "c"), stalled(), fetcher=fetcher):
            pass

    task = asyncio.ensure_future(build())
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert os.listdir(tmp_path / "c") == []


@pytest.mark.parametrize("scheme", ["http", "git"])
async def test_a_server_that_never_answers_is_left(tmp_path: Path, fetcher: Fetcher, scheme: str) -> None:
    asked, place = asyncio.Event(), str(tmp_path / "c")

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        asked.set()
        await reader.read()
        writer.close()

    async def build(url: str) -> None:
        async with receive(place, remote=url, fetcher=fetcher):
            pass

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        task = asyncio.ensure_future(build(f"{scheme}://127.0.0.1:{port}/r{'.git' if scheme == 'git' else ''}"))
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert os.listdir(place) == []


async def test_what_is_small_is_in_memory_and_what_does_not_fit_there_is_not(
    tmp_path: Path, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("corral.build.context.free_memory", lambda: 32 << 20)  # so 1 MB of archive, 4 MB of files
    place = str(tmp_path / "c")
    for members, memory, expected in (
        ([member("f", data=b"1")], True, True),
        ([member("f", data=b"1")], False, False),
        ([member("f", data=os.urandom(2 << 20))], True, False),  # too many bytes of an archive
        ([member("f", data=b"1" * (5 << 20))], True, False),  # too many bytes once they are unpacked
        ([member("f", data=b"1" * (5 << 20)), member("g", data=os.urandom(900 << 10))], True, False),  # before its end
        ([member(f"d/{n}") for n in range(1500)], True, False),  # too many files
    ):
        data = gzip.compress(tar(*members), 1)
        async with receive(place, sent(data, 1 << 16), fetcher=fetcher, memory=memory) as context:
            assert is_mount(context.path) == expected
            assert sum(len(files) for _, _, files in os.walk(context.path)) == len(members)
            assert stat.S_IMODE(os.stat(context.path).st_mode) == 0o755
        assert os.listdir(place) == [] and not mounts_under(place)


async def test_what_did_not_fit_in_memory_and_then_breaks_off_is_an_error(
    tmp_path: Path, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("corral.build.context.free_memory", lambda: 32 << 20)
    place = str(tmp_path / "c")
    data = gzip.compress(tar(member("f", data=b"1" * (5 << 20)), member("g", data=os.urandom(900 << 10))), 1)

    async def broken() -> AsyncIterator[bytes]:
        async for chunk in sent(data[: 800 << 10], 1 << 16):
            yield chunk
        raise ConnectionResetError("gone")

    with pytest.raises(ConnectionResetError):
        async with receive(place, broken(), fetcher=fetcher):
            pass
    assert os.listdir(place) == [] and not mounts_under(place)


# .dockerignore


async def test_what_is_ignored_is_not_there_but_the_dockerfile_counts(tmp_path: Path, fetcher: Fetcher) -> None:
    data = tar(
        member("Dockerfile", data=b"FROM x"), member(".dockerignore", data=b"*\n!src\nsrc/*.o\n!src/keep.o\n"),
        member("secret", data=b"1"), member("src/a.c"), member("src/b.o"), member("src/keep.o"), member("big/deep/f"),
    )  # fmt: skip
    async with receive(str(tmp_path / "c"), sent(data), fetcher=fetcher) as context:
        root = Path(context.path)
        found = sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())
        assert found == ["src/a.c", "src/keep.o"]
        assert not os.path.exists(f"{context.path}/big")
        assert context.dockerfile_text == "FROM x"
    async with receive(str(tmp_path / "c"), sent(data), fetcher=fetcher, filtered=True) as context:
        assert os.path.exists(f"{context.path}/secret")


async def test_a_dockerfiles_own_ignore_file_comes_first(tmp_path: Path, fetcher: Fetcher) -> None:
    data = tar(
        member("d/App"), member("d/App.dockerignore", data=b"x"), member(".dockerignore", data=b"y"),
        member("x"), member("y"),
    )  # fmt: skip
    async with receive(str(tmp_path / "c"), sent(data), dockerfile="d/App", fetcher=fetcher) as context:
        assert sorted(os.listdir(context.path)) == [".dockerignore", "d", "y"]


async def test_an_ignore_file_that_is_a_link_reads_nothing_of_the_host(tmp_path: Path, fetcher: Fetcher) -> None:
    (tmp_path / "outside").write_text("f\n")
    data = tar(member("Dockerfile"), member("f"), member(".dockerignore", "symlink", linkname=f"{tmp_path}/outside"))
    async with receive(str(tmp_path / "c"), sent(data), fetcher=fetcher) as context:
        assert os.path.exists(f"{context.path}/f")


# Remote contexts.


async def test_a_url_of_a_tar_or_of_a_dockerfile(tmp_path: Path, fetcher: Fetcher, site: Site) -> None:
    site.pages = {
        "/c.tgz": gzip.compress(tar(member("f", data=b"1"))), "/Dockerfile": b"FROM scratch\n", "/bin": b"\0\1\2",
    }  # fmt: skip
    place = str(tmp_path / "c")
    async with receive(place, remote=f"{site.url}/to/c.tgz", fetcher=fetcher) as context:
        assert Path(context.path, "f").read_text() == "1"
    async with receive(place, remote=f"{site.url}/Dockerfile", fetcher=fetcher) as context:
        assert context.dockerfile_text == "FROM scratch\n"
        assert os.listdir(context.path) == []
    for path, words in (("/bin", "neither an archive nor a Dockerfile"), ("/none", "invalid response status 404"),
                        ("/loop", "stopped after 10 redirects")):  # fmt: skip
        with pytest.raises(CorralError, match=words):
            async with receive(place, remote=site.url + path, fetcher=fetcher):
                pass
    with pytest.raises(RemoteFailed, match="connection refused"):
        async with receive(place, remote="http://127.0.0.1:1/x", fetcher=fetcher):
            pass
    with pytest.raises(InvalidInput, match="no http"):
        async with receive(place, remote="/etc", fetcher=fetcher):
            pass
    assert os.listdir(place) == []


async def test_a_repository_as_context(tmp_path: Path, fetcher: Fetcher, repository: Path) -> None:
    place, url = str(tmp_path / "c"), f"file://{repository}"
    async with receive(place, remote=url, fetcher=fetcher) as context:
        assert Path(context.path, "sub/run.sh").read_text() == "2"
        assert not os.path.exists(f"{context.path}/.git")
    first = git(repository, "rev-parse", "v1^{commit}")
    for ref in ("v1", "side", first, "refs/tags/v1"):
        async with receive(place, remote=f"{url}#{ref}:sub", fetcher=fetcher) as context:
            assert os.listdir(context.path) == ["run.sh"]
            assert Path(context.path, "run.sh").read_text() == "1"
    for ref, kind in (("none", NotFound), (":none", NotFound), (":evil", InvalidInput), (":sub/run.sh", InvalidInput)):
        with pytest.raises(kind):
            async with receive(place, remote=f"{url}#{ref}", fetcher=fetcher):
                pass
    with pytest.raises(RemoteFailed, match="git stderr"):
        async with receive(place, remote=f"file://{tmp_path}/none", fetcher=fetcher):
            pass
    assert os.listdir(place) == []


async def test_a_repository_on_a_server_of_mere_files(
    tmp_path: Path, fetcher: Fetcher, repository: Path, site: Site
) -> None:
    """What git calls a dumb server: it has no way to leave the history out."""
    bare = tmp_path / "bare.git"
    git(tmp_path, "clone", "-q", "--bare", str(repository), str(bare))
    git(bare, "update-server-info")
    site.pages = {f"/r.git/{one.relative_to(bare)}": one.read_bytes() for one in bare.rglob("*") if one.is_file()}
    first = git(repository, "rev-parse", "v1^{commit}")
    for ref, expected in (("", "2"), ("#v1", "1"), ("#side", "1"), (f"#{first}", "1")):
        async with receive(str(tmp_path / "c"), remote=f"{site.url}/r.git{ref}", fetcher=fetcher) as context:
            assert Path(context.path, "sub/run.sh").read_text() == expected
    with pytest.raises(NotFound, match="does not contain ref none"):
        async with receive(str(tmp_path / "c"), remote=f"{site.url}/r.git#none", fetcher=fetcher):
            pass


async def test_without_git(tmp_path: Path, fetcher: Fetcher, repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda program: None)
    with pytest.raises(Unsupported, match="install git"):
        async with receive(str(tmp_path / "c"), remote=f"file://{repository}", fetcher=fetcher):
            pass


async def test_named_contexts(tmp_path: Path, fetcher: Fetcher, site: Site, repository: Path) -> None:
    site.pages = {"/c.tar": tar(member("f", data=b"1")), "/text": b"FROM x"}
    assert os.listdir(await bring(f"{site.url}/c.tar", str(tmp_path), fetcher)) == ["f"]
    assert "sub" in os.listdir(await bring(f"file://{repository}", str(tmp_path / "repository"), fetcher))
    with pytest.raises(InvalidInput, match="no archive"):
        await bring(f"{site.url}/text", str(tmp_path / "kept"), fetcher)


# ADD.


def add(op: CopyOp, fetched: dict[str, Fetched], target: Path) -> str:
    target.mkdir(exist_ok=True)
    source = Source(str(target), (0, 0))
    carry_out(op, source, str(target), fetched)
    return digest(op, source, None, fetched)


async def test_add_of_a_url(tmp_path: Path, fetcher: Fetcher, site: Site) -> None:
    site.pages = {"/d/a%20b.txt": b"one", "/x.tgz": gzip.compress(tar(member("in", data=b"1")))}
    url, target, moved = f"{site.url}/d/a%20b.txt?q", tmp_path / "target", []
    op = CopyOp([url], "/got/", add=True)
    fetched = await fetcher.fetch(op, str(tmp_path), lambda *told: moved.append(told))
    first = add(op, fetched, target)
    there = (target / "got/a b.txt").stat()
    assert (stat.S_IMODE(there.st_mode), there.st_uid, there.st_mtime) == (0o600, 0, 1_700_000_000)
    assert moved[-1] == (url, 3, 3)
    again = await fetcher.fetch(op, str(tmp_path))
    assert site.asked[-1][1]  # it asked whether it is still the same, and that was all
    assert add(op, again, target) == first
    site.pages["/d/a%20b.txt"] = b"two"
    assert add(op, await fetcher.fetch(op, str(tmp_path)), target) != first
    assert (target / "got/a b.txt").read_bytes() == b"two"
    whole = CopyOp([f"{site.url}/x.tgz"], "/w/", add=True)
    opened = CopyOp([f"{site.url}/x.tgz"], "/o", add=True, unpack=True)
    for one in (whole, opened):
        add(one, await fetcher.fetch(one, str(tmp_path)), target)
    assert (target / "w/x.tgz").exists()
    assert (target / "o/in").read_bytes() == b"1"


async def test_add_checks_what_it_got(tmp_path: Path, fetcher: Fetcher, site: Site) -> None:
    site.pages = {"/f": b"one", "/large": bytes(2 << 20)}
    good = f"sha256:{hashlib.sha256(b'one').hexdigest()}"
    op = CopyOp([f"{site.url}/f"], "/", add=True, checksum=good)
    assert (await fetcher.fetch(op, str(tmp_path)))[op.sources[0]].digest.startswith(good)
    bad = CopyOp([f"{site.url}/f"], "/", add=True, checksum=f"sha256:{'0' * 64}")
    with pytest.raises(InvalidInput, match=f"digest mismatch for {site.url}/f: {good}"):
        await fetcher.fetch(bad, str(tmp_path))
    with pytest.raises(InvalidInput, match="larger than 1048576 bytes"):
        await fetcher.fetch(CopyOp([f"{site.url}/large"], "/", add=True), str(tmp_path))
    assert not [name for _, _, files in os.walk(tmp_path / "kept") for name in files if "partial" in name]


async def test_the_repository_that_add_takes(tmp_path: Path, fetcher: Fetcher, repository: Path) -> None:
    head = git(repository, "rev-parse", "HEAD")
    remote = f"file://{repository}"
    plain = await fetcher.repository(GitRef(remote, checksum=head[:12]), str(tmp_path))
    kept = await fetcher.repository(GitRef(remote), str(tmp_path), keep_git_dir=True)
    assert plain.digest.startswith(head)
    assert os.path.isdir(f"{kept.root}/.git")
    assert plain.digest != kept.digest
    with pytest.raises(InvalidInput, match=f"expected checksum to match {'0' * 40}, got {head}"):
        await fetcher.repository(GitRef(remote, checksum="0" * 40), str(tmp_path))
    op = CopyOp(["https://localhost/r.git"], "/src/app", add=True, chown="7:8")
    target = tmp_path / "target"
    add(op, {op.sources[0]: plain}, target)
    assert sorted(os.listdir(target / "src/app")) == ["Dockerfile", "evil", "sub"]
    assert (target / "src/app/sub/run.sh").stat().st_uid == 7
    assert os.readlink(target / "src/app/evil") == "/etc"


async def test_a_repository_that_is_known_is_not_cloned(
    tmp_path: Path, fetcher: Fetcher, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("corral.build.copying.plan.parse_git_ref", lambda _: GitRef(f"file://{repository}", "main"))
    op = CopyOp(["https://localhost/r.git#main"], "/", add=True)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    first = (await fetcher.fetch(op, str(scratch)))[op.sources[0]]
    assert first.digest.startswith(git(repository, "rev-parse", "main")) and os.listdir(scratch) == []
    (repository / "more").write_text("1")
    commit(repository)
    with pytest.raises(RemoteFailed, match="refs/heads/main was changed while it was fetched"):
        await first.here()
    now = await (await fetcher.fetch(op, str(scratch)))[op.sources[0]].here()
    assert os.path.exists(f"{now.root}/more") and now.digest.startswith(git(repository, "rev-parse", "main"))


async def test_a_repository_cannot_take_the_hosts_files(tmp_path: Path, fetcher: Fetcher, repository: Path) -> None:
    """A submodule on this host's disk, hooks and configuration of the host: none of it counts."""
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "f").write_text("1")
    git(secret, "init", "-q")
    commit(secret)
    git(repository, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(secret), "mod")
    commit(repository)
    with pytest.raises(RemoteFailed, match="transport 'file' not allowed"):
        await fetcher.repository(GitRef(f"file://{repository}"), str(tmp_path))
    without = await fetcher.repository(GitRef(f"file://{repository}", submodules=False), str(tmp_path))
    assert os.listdir(f"{without.root}/mod") == []
