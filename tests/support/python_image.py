"""An image with the interpreter that runs the tests: for programs that must run inside a container."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path

# What no program of the tests imports, and what is large.
LEFT_OUT = {"test", "idlelib", "ensurepip", "tkinter", "turtledemo", "lib2to3", "site-packages", "dist-packages"}
LEFT_OUT |= {"__pycache__", "pydoc_data", "unittest", "distutils", "dbm", "sqlite3"}
HEAVY = ("_tkinter", "_sqlite3", "_ssl", "_dbm", "_gdbm", "_curses", "readline", "_test", "_crypt", "nis")
LIBRARY = re.compile(r"(/\S+)\s+\(0x[0-9a-f]+\)")


def _libraries(*programs: Path) -> set[str]:
    """The shared libraries that the programs need, by the paths at which the loader looks for them."""
    found: set[str] = set()
    for program in programs:
        done = subprocess.run(["ldd", str(program)], capture_output=True, text=True)
        found |= set(LIBRARY.findall(done.stdout))
    return found


def python_rootfs(files: dict[str, bytes]) -> bytes:
    """A tar with Python at /python/bin/python3, its standard library, what it links to, and `files`."""
    base = Path(sys.executable).resolve()
    standard = Path(sysconfig.get_path("stdlib"))
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    modules = [path for path in standard.glob("lib-dynload/*.so") if not path.name.startswith(HEAVY)]
    buffer = io.BytesIO()

    def wanted(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
        parts = set(entry.name.split("/"))
        return None if parts & LEFT_OUT or any(part.startswith("config-") for part in parts) else entry

    with tarfile.open(fileobj=buffer, mode="w", dereference=True) as tar:
        for folder in ("proc", "sys", "dev", "etc", "tmp", "var", "var/run"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        tar.add(base, f"python/bin/{version}")
        link = tarfile.TarInfo("python/bin/python3")
        link.type, link.linkname = tarfile.SYMTYPE, version
        tar.addfile(link)
        tar.add(standard, f"python/lib/{version}", filter=wanted)
        for library in sorted(_libraries(base, *modules)):
            tar.add(library, library.lstrip("/"))
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o644
            tar.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()
