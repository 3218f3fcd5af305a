"""Copying in and out of a root file system with mounts over it, stopped and running, friendly and hostile."""

from __future__ import annotations

import asyncio
import gzip
import io
import os
import signal
import stat as modes
import subprocess
import sys
import tarfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from corral.engine import archive
from corral.engine.archive import PathStat
from corral.engine.inside import Inside
from corral.errors import CorralError, InvalidInput, NoSpace, NotFound
from corral.linux import mounts
from corral.linux.mounts import mount_points
from corral.model.container import Mount, MountPoint

pytestmark = pytest.mark.root


@pytest.fixture
def rootfs(tmp_path: Path) -> Path:
    root = tmp_path / "rootfs"
    for name in ("etc", "var/data", "run", "proc", "dev", "sys", "tmp"):
        (root / name).mkdir(parents=True)
    (root / "etc" / "passwd").write_text("root:x:0:0::/root:/bin/sh\n")
    os.symlink("/run", root / "var" / "run")
    os.symlink("/etc", root / "link")
    os.symlink("../../../../../../../../etc", root / "tmp" / "escape")
    os.symlink("missing/file", root / "tmp" / "broken")
    return root


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    place = tmp_path / "volume"
    place.mkdir()
    (place / "inside").write_text("volume")
    return place


@pytest.fixture
def inside(rootfs: Path, volume: Path, tmp_path: Path) -> Inside:
    """Three mounts: a volume reached through a link, a read-only one, and a single file; a container never run."""
    (tmp_path / "hosts").write_text("127.0.0.1 me\n")
    points = [
        MountPoint("volume", str(volume), "/var/run/vol"),
        MountPoint("bind", str(volume), "/ro", read_write=False),
        MountPoint("bind", str(tmp_path / "hosts"), "/etc/hosts"),
        MountPoint("tmpfs", "", "/scratch"),
    ]
    return Inside(str(rootfs), points, owner=(1000, 1001), container="box")


_CHILD = """
import os, sys
from corral.linux import libc, mounts

root = sys.argv[1]
assert libc.unshare(0x20000) == 0
mounts.make_private("/", recursive=True)
mounts.bind(root, root)
for name in ("scratch", "ro", "run/vol"):
    os.makedirs(f"{root}/{name}", exist_ok=True)
open(f"{root}/etc/hosts", "a").close()
mounts.mount("proc", f"{root}/proc", "proc")
mounts.mount("tmpfs", f"{root}/scratch", "tmpfs")
open(f"{root}/scratch/ram", "w").close()
for source, target, read_write in eval(sys.argv[2]):
    mounts.bind(source, root + target, read_only=not read_write)
os.chroot(root)
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture(params=["stopped", "running"])
def either(request: pytest.FixtureRequest, inside: Inside, tmp_path: Path) -> Iterator[Inside]:
    """The same, stopped; and with a process in a mount namespace that has all of it mounted, and a tmpfs."""
    if request.param == "stopped":
        yield inside
        return
    places = [(p.source, p.target.replace("/var/run", "/run"), p.read_write) for p in inside.mount_points[:3]]
    child = subprocess.Popen(
        [sys.executable, "-c", _CHILD, inside.rootfs, repr(places)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout
    assert child.stdout.readline() == "ready\n"
    yield replace_pid(inside, child.pid)
    child.send_signal(signal.SIGKILL)
    child.communicate()


def replace_pid(inside: Inside, pid: int) -> Inside:
    return Inside(inside.rootfs, inside.mount_points, pid, inside.read_only, inside.owner, inside.container)


async def get(inside: Inside, path: str) -> dict[str, bytes | str]:
    data = b"".join([chunk async for chunk in archive.read(inside, path)])
    found: dict[str, bytes | str] = {}
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        for member in tar:
            file = tar.extractfile(member) if member.isreg() else None
            found[member.name + ("/" if member.isdir() else "")] = file.read() if file else member.linkname
    return found


def make_tar(entries: dict[str, str | bytes | None], **attributes: int) -> bytes:
    """bytes: a file; None: a directory; text: a symbolic link."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in entries.items():
            member = tarfile.TarInfo(name)
            member.uid, member.gid, member.mtime = attributes.get("uid", 5), attributes.get("gid", 6), 1_600_000_000
            member.mode = 0o755 if content is None else 0o640
            member.type = tarfile.DIRTYPE if content is None else tarfile.REGTYPE
            if isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content
            elif content:
                member.size = len(content)
            tar.addfile(member, io.BytesIO(content) if isinstance(content, bytes) else None)
    return out.getvalue()


async def put(inside: Inside, path: str, data: bytes, **options: bool) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for at in range(0, len(data), 700):
            yield data[at : at + 700]

    await archive.write(inside, path, chunks(), **options)


async def stat(inside: Inside, path: str) -> PathStat:
    return await asyncio.to_thread(archive.stat, inside, path)


async def test_stat_tells_what_the_client_needs(either: Inside, rootfs: Path) -> None:
    os.utime(rootfs / "etc" / "passwd", ns=(0, 1_600_000_000_123_456_789))
    assert await stat(either, "/etc/passwd") == PathStat("passwd", 26, 0o644, 1_600_000_000_123_456_789)
    assert (await stat(either, "/var/run/vol/inside")).size == 6
    assert (await stat(either, "etc/hosts")).size == 13
    for path, name in (("/", "/"), ("/etc/", "etc"), ("/link/", "link"), ("/link/.", ".")):
        found = await stat(either, path)
        assert found.name == name
        assert found.mode & (1 << 31)
        assert found.link_target == ""
    for path, target in (
        ("/link", "/etc"), ("/tmp/escape", "/etc"), ("/tmp/broken", "/tmp/missing/file"), ("/var/run", "/run")
    ):  # fmt: skip
        found = await stat(either, path)
        assert found.mode & (1 << 27)
        assert found.link_target == target


@pytest.mark.parametrize("path", ["/missing", "/etc/missing/deep", "/tmp/broken/", "/tmp/escape/shadow"])
async def test_what_is_not_there_is_not_found_in_dockers_words(either: Inside, path: str) -> None:
    with pytest.raises(NotFound) as caught:
        await stat(either, path)
    assert caught.value.message == f"Could not find the file {path} in container box"
    with pytest.raises(NotFound, match="Could not find the file"):
        await get(either, path)


async def test_reading_names_entries_as_docker_does(either: Inside) -> None:
    passwd = b"root:x:0:0::/root:/bin/sh\n"
    assert await get(either, "/etc/passwd") == {"passwd": passwd}
    assert await get(either, "/etc") == {"etc/": "", "etc/passwd": passwd, "etc/hosts": b"127.0.0.1 me\n"}
    assert await get(either, "/link") == {"link": "/etc"}
    assert (await get(either, "/link/"))["link/passwd"] == passwd
    assert (await get(either, "/link/."))["./passwd"] == passwd
    assert await get(either, "/var/run/vol") == {"vol/": "", "vol/inside": b"volume"}
    assert (await get(either, "/tmp")) == {
        "tmp/": "", "tmp/broken": "missing/file", "tmp/escape": "../../../../../../../../etc"
    }  # fmt: skip


async def test_the_whole_container_is_without_what_the_kernel_invents(either: Inside) -> None:
    found = await get(either, "/")
    names = {name.lstrip("/") for name in found}
    assert {"etc/passwd", "run/vol/inside", "ro/inside", "proc/"} <= names
    assert not [name for name in names if name.startswith("proc/") and name != "proc/"]
    if either.pid:
        assert "scratch/ram" in names


async def test_writing_goes_through_links_and_mounts_as_inside(either: Inside, rootfs: Path, volume: Path) -> None:
    await put(either, "/tmp", make_tar({"./": None, "dir": None, "dir/file": b"x", "dir/link": "file"}))
    assert (rootfs / "tmp" / "dir" / "file").read_bytes() == b"x"
    status = os.stat(rootfs / "tmp" / "dir" / "file")
    assert (status.st_uid, status.st_gid, modes.S_IMODE(status.st_mode)) == (5, 6, 0o640)
    assert status.st_mtime == 1_600_000_000
    await put(either, "/link", gzip.compress(make_tar({"new": b"y"})))
    assert (rootfs / "etc" / "new").read_bytes() == b"y"
    await put(either, "/tmp/escape/", make_tar({"newer": b"z"}))
    assert (rootfs / "etc" / "newer").read_bytes() == b"z"
    await put(either, "/", make_tar({"var/run/vol/new": b"v", "var/run/plain": b"p"}))
    assert (volume / "new").read_bytes() == b"v"
    assert (rootfs / "run" / "plain").read_bytes() == b"p"
    await put(either, "/var", make_tar({"run/vol/newer": b"w"}))
    assert (volume / "newer").read_bytes() == b"w"
    assert not Path("/etc/newer").exists()


async def test_the_owner_can_be_the_containers_user(either: Inside, rootfs: Path) -> None:
    await put(either, "/tmp", make_tar({"mine": b"x"}), copy_uid_gid=True)
    status = os.stat(rootfs / "tmp" / "mine")
    assert (status.st_uid, status.st_gid) == (1000, 1001)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/etc/passwd", "extraction point is not a directory"),
        ("/ro", "mounted volume is marked read-only"),
    ],
)
async def test_where_nothing_can_be_unpacked(either: Inside, path: str, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        await put(either, path, make_tar({"x": b""}))
    assert caught.value.message == message
    with pytest.raises(NotFound, match="Could not find the file /missing in container box"):
        await put(either, "/missing", make_tar({"x": b""}))


async def test_a_read_only_container_takes_files_only_in_its_volumes(
    inside: Inside, rootfs: Path, volume: Path
) -> None:
    inside = Inside(inside.rootfs, inside.mount_points, read_only=True, container="box")
    with pytest.raises(InvalidInput, match=r"^container rootfs is marked read-only$"):
        await put(inside, "/tmp", make_tar({"x": b""}))
    os.symlink("../../tmp", volume / "sneaky")
    with pytest.raises(CorralError, match="read-only file system"):
        await put(inside, "/run/vol", make_tar({"sneaky/x": b""}))
    await put(inside, "/run/vol", make_tar({"fine": b"1"}))
    assert (volume / "fine").exists()
    assert not (rootfs / "tmp" / "x").exists()
    (rootfs / "still-writable").touch()


async def test_entries_cannot_write_into_a_read_only_volume(either: Inside, volume: Path) -> None:
    with pytest.raises(CorralError, match="read-only file system"):
        await put(either, "/", make_tar({"ro/x": b""}))
    assert not (volume / "x").exists()


async def test_directories_and_files_replace_each_other_unless_forbidden(either: Inside, rootfs: Path) -> None:
    (rootfs / "tmp" / "dir").mkdir()
    (rootfs / "tmp" / "file").touch()
    for data, message in (
        ({"dir": b""}, 'cannot overwrite directory "dir" with non-directory "/tmp"'),
        ({"file": None}, 'cannot overwrite non-directory "file" with directory "/tmp"'),
    ):
        with pytest.raises(InvalidInput) as caught:
            await put(either, "/tmp", make_tar(data), no_overwrite_dir_non_dir=True)  # type: ignore[arg-type]
        assert caught.value.message == message
    await put(either, "/tmp", make_tar({"dir": b"", "file": None}))
    assert (rootfs / "tmp" / "dir").is_file()
    assert (rootfs / "tmp" / "file").is_dir()


HOSTILE: list[dict[str, str | bytes | None]] = [
    {"../../../../../../../../tmp/corral-escaped": b"x"},
    {"out": "/../../../../../../../../../tmp", "out/corral-escaped": b"x"},
    {"out": "../../../../../../../../../../tmp", "out/corral-escaped": b"x"},
    {"/../../tmp/corral-escaped": b"x"},
]


@pytest.mark.parametrize("entries", HOSTILE)
async def test_hostile_archives_stay_inside(either: Inside, entries: dict[str, str | bytes | None]) -> None:
    try:
        await put(either, "/run", make_tar(entries))
    except InvalidInput as error:
        assert "breaks out" in error.message
    assert not Path("/tmp/corral-escaped").exists()


async def test_damaged_archives_are_bad_input(either: Inside) -> None:
    data = make_tar({"file": bytes(5000)})
    for bad in (data[:3000], b"not a tar" * 200, gzip.compress(data)[:-20]):
        with pytest.raises(InvalidInput):
            await put(either, "/tmp", bad)


async def test_a_stream_that_is_closed_early_leaves_nothing_behind(either: Inside, rootfs: Path) -> None:
    (rootfs / "tmp" / "large").write_bytes(bytes(30 << 20))
    chunks = archive.read(either, "/tmp/large")
    assert await anext(chunks)
    await chunks.aclose()  # type: ignore[attr-defined]
    with pytest.raises(ConnectionResetError):

        async def fails() -> AsyncIterator[bytes]:
            yield make_tar({"file": b"x"})[:600]
            raise ConnectionResetError

        await archive.write(either, "/tmp", fails())
    assert not [point for point in mounts.mounts_under(either.rootfs)]


async def test_a_full_volume_is_no_space(inside: Inside, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounts.mount("tmpfs", str(small), "tmpfs", 0, "size=64k")
    try:
        full = Inside(inside.rootfs, [MountPoint("volume", str(small), "/small")], container="box")
        with pytest.raises(NoSpace, match=r"unpack 'small/large': no space left on device|unpack 'large'"):
            await put(full, "/small", make_tar({"large": bytes(200_000)}))
    finally:
        mounts.unmount(str(small))


async def test_nothing_of_the_view_is_seen_by_the_host(inside: Inside, rootfs: Path) -> None:
    def seen() -> list[str]:  # those of others come and go
        points = mount_points(Path("/proc/self/mountinfo").read_text())
        return [point for point in points if point.startswith(str(rootfs))]

    before = seen()
    assert inside.run(lambda root: os.listdir(f"{rootfs}/run/vol")) == ["inside"]
    assert seen() == before
    assert not os.listdir(rootfs / "run" / "vol")


async def test_a_source_that_has_gone_is_a_clear_error(inside: Inside) -> None:
    gone = Inside(inside.rootfs, [MountPoint("bind", "/does/not/exist", "/x")], container="box")
    with pytest.raises(CorralError, match=r"mount /does/not/exist on .*no such file"):
        await stat(gone, "/etc")


async def test_a_non_recursive_bind_shows_no_mounts_below(inside: Inside, volume: Path) -> None:
    (volume / "below").mkdir()
    mounts.mount("tmpfs", str(volume / "below"), "tmpfs", 0, "size=64k")
    try:
        (volume / "below" / "ram").touch()
        for non_recursive, names in ((False, {"v/", "v/below/", "v/below/ram", "v/inside"}), (True, None)):
            spec = Mount("bind", "/v", str(volume), non_recursive=non_recursive)
            point = replace(MountPoint("bind", str(volume), "/v"), spec=spec)
            found = set(await get(Inside(inside.rootfs, [point]), "/v"))
            assert found == (names or {"v/", "v/below/", "v/inside"})
    finally:
        mounts.unmount(str(volume / "below"))
