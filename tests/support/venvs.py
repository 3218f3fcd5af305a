"""Virtual environments for clients under test, so that their requirements never meet ours. Kept by what they hold."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def pip(*words: str, python: Path | None = None) -> None:
    """Run pip; with `python` for that interpreter's environment."""
    quiet = ["--quiet", "--disable-pip-version-check", "--no-input"]
    target = ["--python", str(python)] if python else []
    command = [sys.executable, "-m", "pip", *target, *words[:1], *quiet, *words[1:]]
    subprocess.run(command, check=True, timeout=300, stdin=subprocess.DEVNULL)


def environment(cache: Path, name: str, packages: Sequence[str]) -> Path:
    """The interpreter of an environment that has `packages`; made at the first call."""
    key = hashlib.sha256("\n".join((sys.version, *packages)).encode()).hexdigest()[:12]
    place = cache / f"venv-{name}-{key}"
    python = place / "bin/python"
    if not (place / "complete").exists():
        shutil.rmtree(place, ignore_errors=True)
        # Not made elsewhere and moved: an environment knows its own path.
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place)], check=True)
        pip("install", *packages, python=python)
        (place / "complete").touch()
    return python
