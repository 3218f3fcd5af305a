"""The command `corral build`, run on a context."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.compat.build.case import Case
from tests.support.instance import Instance, corral_command


class Builds:
    """Runs the command on a context."""

    def __init__(self, engine: Instance, folder: Path) -> None:
        self.engine, self.folder = engine, folder

    def __call__(
        self, dockerfile: str, *args: str, ok: bool = True, env: dict[str, str] | None = None, **given: str | bytes
    ) -> subprocess.CompletedProcess[str]:
        Case("", dockerfile, {name.replace("__", "/"): content for name, content in given.items()}).lay(self.folder)
        done = subprocess.run(
            [*corral_command(), "--root", str(self.engine.root), "build", *args, "."],
            cwd=self.folder,
            env=os.environ | {"HOME": str(self.folder)} | (env or {}),
            capture_output=True,
            text=True,
            timeout=100,
        )
        assert (done.returncode == 0) == ok, done.stdout + done.stderr
        return done
