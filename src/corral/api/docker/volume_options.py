"""Small checks of mount options."""

from __future__ import annotations

from corral.api.docker.parts import TmpfsOptions
from corral.errors import InvalidInput, NotFound


def is_local_path(path: str) -> bool:
    """Pure: a relative path that stays below where it starts.

    >>> is_local_path("a/../b"), is_local_path("a/../../b"), is_local_path("/a"), is_local_path("")
    (True, False, False, False)
    """
    depth = 0
    for part in path.split("/"):
        depth += {"": 0, ".": 0, "..": -1}.get(part, 1)
        if depth < 0:
            return False
    return path != "" and not path.startswith("/")


def check_tmpfs_options(options: TmpfsOptions | None) -> None:
    """A list of one or two words each, of which only exec and noexec are known."""
    for words in options.Options if options else []:
        if not 1 <= len(words) <= 2:
            raise InvalidInput("invalid option array length")
        if words[0] not in ("exec", "noexec"):
            raise InvalidInput(f"invalid option: {words[0]}")


def check_volume_driver(name: str, volume: str = "") -> None:
    """Only volumes of this machine are offered. `volume`: its name; "" where it has none yet. NotFound."""
    if name not in ("", "local"):
        doing = f"create {volume}: " if volume else ""
        raise NotFound(f'{doing}error looking up volume plugin {name}: plugin "{name}" not found')
