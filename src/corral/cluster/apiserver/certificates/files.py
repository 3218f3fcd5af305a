"""Files that are there whole or not at all, and that only their owner reads."""

from __future__ import annotations

from pathlib import Path

from corral.errors import from_oserror
from corral.kit.durable import write_durably


def make_folder(path: Path) -> None:
    """With mode 0700. HostError."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise from_oserror(f"make {path}", error) from error


def write(path: Path, text: str, mode: int = 0o600) -> None:
    """Replaces the file in one step: whoever is killed here leaves the old one, or the new one. HostError."""
    try:
        write_durably(str(path), text.encode(), mode)
    except OSError as error:
        raise from_oserror(f"write {path}", error) from error


def read(path: Path) -> str | None:
    """None when it is not there. HostError."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        cause = error if isinstance(error, OSError) else OSError(0, "not text")
        raise from_oserror(f"read {path}", cause) from error
