"""Origins: the places that files come from (see `ops`), as directories that can be read or mounted."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from corral.build.request import BuildFailed
from corral.engine.sandbox import Sandboxes
from corral.errors import from_oserror
from corral.linux.rooted import open_in_root, open_root


@dataclass(frozen=True)
class Origin:
    """`dirs` lie on each other, the top first. `chain` names the content of those that are layers, "" for a
    directory that may change. `owner`: the ids that all of it counts as, None for those it has."""

    name: str
    dirs: tuple[str, ...]
    chain: str = ""
    owner: tuple[int, int] | None = None

    @property
    def constant(self) -> bool:
        return self.owner is None


def stage_of(origin: str) -> int | None:
    """Pure: which stage an origin is; None for anything else.

    >>> stage_of("stage:2"), stage_of("image:a"), stage_of("")
    (2, None, None)
    """
    kind, _, name = origin.partition(":")
    return int(name) if kind == "stage" else None


@asynccontextmanager
async def opened(sandboxes: Sandboxes, origin: Origin) -> AsyncIterator[str]:
    """One directory that shows the origin's files."""
    if not origin.constant:
        yield origin.dirs[0]
        return
    async with sandboxes.show(origin.dirs) as path:
        yield path


def inside(root: str, path: str) -> str:
    """The real path of `path` in the directory `root`, with links followed as if that were `/`. BuildFailed if it is
    not there."""
    top = open_root(root)
    try:
        fd = open_in_root(top, path, os.O_PATH)
        try:
            return os.readlink(f"/proc/self/fd/{fd}")
        finally:
            os.close(fd)
    except (FileNotFoundError, NotADirectoryError):
        raise BuildFailed(
            f'failed to compute cache key: failed to calculate checksum of ref: "/{path.strip("/")}": not found'
        ) from None
    except OSError as error:
        raise from_oserror(f"open /{path.strip('/')}", error) from error
    finally:
        os.close(top)
