"""Docker's newer clients that tests use: the docker command and its plugin buildx, of the Debian after this one."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.support.ahead import Work
from tests.support.debian import CACHE, mirrors
from tests.support.instance import Instance
from tests.support.tools import tool

SUITE = "trixie"
PACKAGES = ("docker-cli", "docker-buildx")


def _clients() -> Path:
    """A tree with the packages' files. They are static enough to run here; nothing is installed."""
    done = CACHE / f"docker-clients-{SUITE}"
    if done.exists():
        return done
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        place = Path(folder)
        uris = sorted({line.split()[1] for line in mirrors() if "security" not in line})
        assert uris, "this host names no mirror of Debian to fetch docker's newer clients from"
        keys = "/usr/share/keyrings/debian-archive-keyring.gpg"
        (place / "sources.list").write_text("".join(f"deb [signed-by={keys}] {uri} {SUITE} main\n" for uri in uris))
        (place / "lists/partial").mkdir(parents=True)
        (place / "cache/archives/partial").mkdir(parents=True)
        where = {
            "Dir::Etc::sourcelist": place / "sources.list",
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::State::lists": place / "lists",
            "Dir::Cache": place / "cache",
            "APT::Sandbox::User": "root",
        }
        apt = [tool("apt-get"), *(f"-o{name}={value}" for name, value in where.items())]
        for words in (["update"], ["download", *PACKAGES]):
            ran = subprocess.run([*apt, *words], cwd=place, capture_output=True, text=True, timeout=600)
            assert ran.returncode == 0, ran.stdout + ran.stderr
        for package in place.glob("*.deb"):
            subprocess.run([tool("dpkg-deb"), "-x", package, place / "tree"], check=True)
        os.rename(place / "tree", done)
    return done


clients = Work(_clients)


def docker_cli() -> str:
    """The docker command, which builds by buildx."""
    return str(clients() / "usr/bin/docker")


def plug_in(subject: Instance) -> None:
    """Has the docker commands that speak to an instance find buildx."""
    folder = Path(subject.env()["DOCKER_CONFIG"]) / "cli-plugins"
    folder.mkdir(parents=True, exist_ok=True)
    plugin = folder / "docker-buildx"
    if not plugin.exists():
        shutil.copyfile(clients() / "usr/libexec/docker/cli-plugins/docker-buildx", plugin)
        plugin.chmod(0o755)
