"""A small Debian and what is built on it, and the way to the package registries as this host has it.

Nothing of that way is written here: mirrors, proxies, certificates and indexes are read from the host's own settings.
"""

from __future__ import annotations

import fcntl
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.support.ahead import Work
from tests.support.tools import tool

CACHE = Path(__file__).resolve().parents[2] / ".cache"
BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
SUITE = "bookworm"
NO_DOCS = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")


def _said(*command: str) -> list[str]:
    if not shutil.which(command[0]):
        return []
    return subprocess.run(command, capture_output=True, text=True).stdout.splitlines()


def mirrors() -> list[str]:
    """Lines for sources.list with the mirrors that this host uses for the suite; none where it has none."""
    found = _said("apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages")
    lines = [line.split() for line in found]
    return sorted({f"deb {uri} {suite} {part}" for uri, suite, part in lines if suite.startswith(SUITE)})


def _base() -> Path:
    place = CACHE / f"debian-{SUITE}-minbase.tar"
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / "debian.lock", "w") as lock:  # several that need it may be made at the same time
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.exists():
            leave_out = [f"--dpkgopt=path-exclude={path}" for path in NO_DOCS]
            _bootstrap(place, "--variant=minbase", *leave_out)
    return place


base = Work(_base)  # the tar of the base's files; some twenty seconds at the first call


def extended(target: Path, packages: Sequence[str]) -> None:
    """The base and `packages` with all that they need, at `target`: a tar by that ending, otherwise a folder."""
    unpack = f'mmtarfilter "--path-exclude=/dev/*" <{shlex.quote(str(base()))} | tar -C "$1" -x'
    _bootstrap(target, "--variant=custom", f"--setup-hook={unpack}", f"--include={','.join(packages)}")


def _bootstrap(target: Path, *options: str) -> None:
    """Made beside its place and renamed: a killed run leaves nothing at it.

    In namespaces of its own, so that its end, whatever it comes of, takes its processes and mounts along: what is
    removed afterwards is files, and never what of this machine's was mounted among them.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="debian-work-", dir=target.parent) as folder:
        part = Path(folder) / target.name
        apart = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        command = [*apart, tool("mmdebstrap"), "--quiet", *options, SUITE, str(part), *mirrors()]
        env = os.environ | {"TMPDIR": folder}
        done = subprocess.run(command, capture_output=True, text=True, timeout=1800, stdin=subprocess.DEVNULL, env=env)
        assert done.returncode == 0, done.stderr[-3000:]
        os.replace(part, target)


def write_host_settings(folder: Path) -> None:
    """What apt and pip in a container need in order to reach what the host's reach: apt.conf, pip.conf, ca.pem."""
    folder.mkdir()
    wanted = ("Acquire::http", "Acquire::https", "Acquire::Check", "Acquire::Retries")
    lines = [line for line in _said("apt-config", "dump") if line.startswith(wanted)]
    bundle = next((path for path in BUNDLES if Path(path).exists()), "")
    if bundle:
        shutil.copyfile(bundle, folder / "ca.pem")
        lines.append('Acquire::https::CaInfo "/host/ca.pem";')
    (folder / "apt.conf").write_text("\n".join(lines) + "\n")
    (folder / "pip.conf").write_text("\n".join(["[global]", *_pip_settings(), "cert = /host/ca.pem"]) + "\n")


def _pip_settings() -> list[str]:
    """The host's indexes, less those that are directories of the host."""
    settings = dict(line.split("=", 1) for line in _said("pip", "config", "list") if "=" in line)
    found = []
    for name in ("index-url", "extra-index-url", "trusted-host", "timeout"):
        value = settings.get(f"global.{name}", "").strip("'")
        value = os.environ.get("PIP_" + name.upper().replace("-", "_"), value)
        words = [word for word in value.split() if not word.startswith(("file:", "/"))]
        if words:
            found.append(f"{name} = {' '.join(words)}")
    return found


def proxies() -> list[str]:
    """Build arguments for the proxies that the host uses."""
    return [word for name in PROXIES if name in os.environ for word in ("--build-arg", name)]
