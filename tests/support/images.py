"""Images without a registry: a root file system of static busybox with every applet, as a tar."""

from __future__ import annotations

import functools
import io
import shutil
import subprocess
import tarfile

PASSWD = """\
root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/bin/false
bin:x:2:2:bin:/bin:/bin/false
sys:x:3:3:sys:/dev:/bin/false
mail:x:8:8:mail:/var/spool/mail:/bin/false
www-data:x:33:33:www-data:/var/www:/bin/false
operator:x:37:37:Operator:/var:/bin/false
postgres:x:70:70:PostgreSQL:/var/lib/postgresql:/bin/sh
nobody:x:65534:65534:nobody:/home:/bin/false
"""
GROUP = """\
root:x:0:
daemon:x:1:
bin:x:2:
sys:x:3:
adm:x:4:
tty:x:5:
disk:x:6:
mail:x:8:
audio:x:29:operator
www-data:x:33:
postgres:x:70:
users:x:100:
nogroup:x:65534:
"""
FOLDERS = {
    "bin": 0o755, "dev": 0o755, "etc": 0o755, "home": 0o755, "proc": 0o555, "root": 0o700, "sbin": 0o755,
    "sys": 0o555, "tmp": 0o1777, "usr": 0o755, "usr/bin": 0o755, "usr/sbin": 0o755, "var": 0o755, "var/opt": 0o755,
    "var/www": 0o755, "var/spool": 0o755, "var/spool/mail": 0o755,
}  # fmt: skip


def busybox_path() -> str:
    """The static busybox of this host.

    :raises AssertionError: there is none; the message says what to install.
    """
    path = shutil.which("busybox")
    assert path, "the tests' image is made from busybox: install busybox-static (Debian) or busybox (Fedora)"
    return path


def _add(tar: tarfile.TarFile, name: str, mode: int, data: bytes | None = None, link: str = "") -> None:
    entry = tarfile.TarInfo(name)
    entry.mode, entry.mtime = mode, 1_700_000_000
    if link:
        entry.type, entry.linkname = tarfile.SYMTYPE, link
    elif data is None:
        entry.type = tarfile.DIRTYPE
    else:
        entry.size = len(data)
    tar.addfile(entry, io.BytesIO(data) if data else None)


@functools.cache
def busybox_rootfs() -> bytes:
    """The tar: `/bin/busybox`, a link for each of its applets, and a small `/etc`."""
    busybox = busybox_path()
    applets = subprocess.run([busybox, "--list-full"], check=True, capture_output=True, text=True).stdout.split()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, mode in FOLDERS.items():
            _add(tar, name, mode)
        with open(busybox, "rb") as program:
            _add(tar, "bin/busybox", 0o755, program.read())
        names = {f"bin/{applet.rpartition('/')[2]}" for applet in applets} - {"bin/busybox"}
        for name in sorted(names):
            _add(tar, name, 0o777, link="/bin/busybox")
        _add(tar, "etc/passwd", 0o644, PASSWD.encode())
        _add(tar, "etc/group", 0o644, GROUP.encode())
    return buffer.getvalue()


def tree_tar(files: dict[str, bytes]) -> bytes:
    """A small tar of plain files, for layers and copies."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in files.items():
            _add(tar, name, 0o644, data)
    return buffer.getvalue()
