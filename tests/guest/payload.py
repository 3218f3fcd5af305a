"""The second disk: this checkout, the Python packages that its tests need, and the script that the guest runs.

Layout inside the guest (mounted at /opt)::

    /opt/run           what payload.service executes; its output is the serial console
    /opt/corral/       the checkout: every file that git knows or would add
    /opt/packages/     site-packages, made outside from wheels
    /opt/bin/corral    the command, as an installation would have it
    /opt/bin/docker    the docker client that the tests use outside, too
    /opt/bin/kubectl   and their kubectl

Every line of the script's own starts with `GUEST: `, so that the host's test finds them between the others.
"""

from __future__ import annotations

import compileall
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path

from tests.guest.image import make_disk
from tests.support.endpoint import docker_cli
from tests.support.fleet import KUBECTL
from tests.support.venvs import pip

PYTHON = "3.11"  # of the guest's Debian
# What is faster with them, and must work without: left out here.
OPTIONAL = ("isal", "zstandard")
TOOLS = ("docker>=7", "hypothesis>=6", "pytest>=8", "pytest-asyncio>=0.23", "pytest-timeout>=2")


def wheels() -> tuple[str, ...]:
    """What Corral needs, as pyproject.toml says, and what its tests need."""
    project = tomllib.loads((Path(__file__).resolve().parents[2] / "pyproject.toml").read_text())["project"]
    needed = (one for one in project["dependencies"] if not one.startswith(OPTIONAL))
    return (*needed, *TOOLS)


WHEELS = wheels()
SIZE = "768M"
# An emulated processor is ten times slower than a real one, and here it has only what other tests leave of that.
PATIENCE = 8

# Compiling all modules of the daemon takes the emulated machine seconds. They come compiled, as Debian's are, if this
# Python makes what that one reads; otherwise it keeps what it has compiled once, for /opt is read-only.
COMPILED = f"{sys.version_info.major}.{sys.version_info.minor}" == PYTHON and sys.implementation.name == "cpython"
CACHE = "" if COMPILED else " PYTHONPYCACHEPREFIX=/var/cache/corral-tests"
COMMAND = f"""\
#!/bin/sh
export PYTHONPATH=/opt/corral/src:/opt/packages{CACHE}
exec /usr/bin/python3 -m corral.cli "$@"
"""

RUN = """\
export PATH=/opt/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 TERM=dumb
export PYTHONPATH=/opt/corral:/opt/corral/src:/opt/packages{cache}
export CORRAL_GUEST=1 CORRAL_TEST_PATIENCE={patience} HYPOTHESIS_STORAGE_DIRECTORY=/var/tmp/hypothesis {environment}
ln -sf /opt/bin/corral /usr/bin/corral
for word in $(cat /proc/cmdline); do case $word in corral.boot=*) boot=${{word#*=}} ;; esac; done
case $boot in
{cases}
esac
modprobe -a overlay veth bridge nf_tables nf_nat loop 2>/dev/null
cd /opt/corral
echo "GUEST: boot $boot, $(uname -r), up for $(cut -d' ' -f1 /proc/uptime) s"
python3 -m pytest -p no:cacheprovider --color=no "$@"
echo "GUEST: boot $boot, exit $?"
"""


def script(boots: Sequence[Sequence[str]], environment: dict[str, str]) -> str:
    """What the guest runs: pytest, with other arguments at each boot. Pure.

    >>> [line for line in script([["tests/system", "-q"], ["a b"]], {}).splitlines() if " set -- " in line]
    ['1) set -- tests/system -q ;;', "2) set -- 'a b' ;;"]
    """
    words = " ".join(f"{name}={value}" for name, value in sorted(environment.items()))
    cases = "\n".join(f"{number}) set -- {shlex.join(words)} ;;" for number, words in enumerate(boots, 1))
    return RUN.format(cases=cases, environment=words, patience=PATIENCE, cache=CACHE)


def packages(cache: Path) -> Path:
    """A site-packages folder for the guest's Python, made from wheels; kept by what it holds."""
    key = hashlib.sha256("\n".join((PYTHON, *WHEELS)).encode()).hexdigest()[:16]
    done = cache / f"guest-packages-{key}"
    if done.is_dir():
        return done
    cache.mkdir(parents=True, exist_ok=True)
    work = tempfile.mkdtemp(prefix="guest-packages-work-", dir=cache)
    try:
        target = ["--target", work, "--python-version", PYTHON, "--only-binary=:all:", "--implementation", "cp"]
        pip("install", "--root-user-action=ignore", *target, *WHEELS)
        os.rename(work, done)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return done


def _copy_checkout(checkout: Path, target: Path) -> None:
    listing = ["git", "-C", str(checkout), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, check=True, capture_output=True).stdout.decode().split("\0")
    for name in filter(None, names):
        source = checkout / name
        if source.is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name)


def make_payload(checkout: Path, cache: Path, disk: Path, run: str) -> None:
    """The payload disk at `disk`, with `run` as its script."""
    with tempfile.TemporaryDirectory(prefix="corral-payload-") as folder:
        tree = Path(folder)
        _copy_checkout(checkout, tree / "corral")
        shutil.copytree(packages(cache), tree / "packages", symlinks=True)  # pip has compiled these
        for part in ("src", "tests/support", "demo") if COMPILED else ():
            assert compileall.compile_dir(tree / "corral" / part, quiet=1)
        (tree / "bin").mkdir()
        (tree / "bin/corral").write_text(COMMAND)
        (tree / "bin/corral").chmod(0o755)
        shutil.copy(docker_cli(), tree / "bin/docker")
        shutil.copy(KUBECTL(), tree / "bin/kubectl")
        (tree / "run").write_text(run)
        make_disk(tree, disk, SIZE)
