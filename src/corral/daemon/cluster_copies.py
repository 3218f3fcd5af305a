"""Backups of a cluster's store: files that live no longer than they are sent or read."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from typing import IO

from corral.api.docker.cluster_copies import Copied
from corral.errors import from_oserror
from corral.store.backup import read_backup, restore_backup, write_backup
from corral.store.interface import Store


class ClusterCopies:
    """The `Copies` of a store; `folder` has room for one of them."""

    def __init__(self, store: Store, folder: str) -> None:
        self._store, self._folder = store, folder

    async def backup(self) -> tuple[IO[bytes], int, Copied]:
        with _place(self._folder) as place:
            path = f"{place}/backup"
            done = await write_backup(self._store, path)
            file = open(path, "rb")
        return file, os.fstat(file.fileno()).st_size, Copied(done.revision, done.entries, 0)

    async def restore(self, pieces: AsyncIterator[bytes]) -> Copied:
        with _place(self._folder) as place:
            path = f"{place}/backup"
            try:
                with open(path, "xb") as file:
                    async for piece in pieces:
                        await asyncio.to_thread(file.write, piece)
            except OSError as error:
                raise from_oserror("take in a backup", error) from error
            backup = await asyncio.to_thread(read_backup, path, "what was sent")
        done = await restore_backup(self._store, backup)
        return Copied(done.revision, done.entries, done.deleted)


def _place(folder: str) -> tempfile.TemporaryDirectory[str]:
    try:
        return tempfile.TemporaryDirectory(prefix=".backup-", dir=folder)
    except OSError as error:
        raise from_oserror("make a place for a backup", error) from error
