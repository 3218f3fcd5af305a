"""The folder of manifests: what lies in it, and when that changes."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Any

from corral.cluster.kubelet.static.manifest import parse_manifest
from corral.cluster.kubelet.static.mirror import key_of
from corral.errors import InvalidInput, from_oserror
from corral.linux import inotify

Object = dict[str, Any]

log = logging.getLogger("corral.kubelet")

CHANGES = (
    inotify.CLOSE_WRITE | inotify.MOVED_TO | inotify.MOVED_FROM | inotify.DELETE | inotify.DELETE_SELF | inotify.ATTRIB
)


def read_folder(folder: str, node: str, now: str, before: Mapping[str, Object]) -> dict[str, Object]:
    """The pods by their files' names. A file that makes no sense is told in the log; its pod, if there was one, stays.

    HostError.
    """
    found: dict[str, Object] = {}
    taken: dict[str, str] = {}
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise from_oserror(f"read {folder}", error) from error
    for name in names:
        path = f"{folder}/{name}"
        if name.startswith(".") or not os.path.isfile(path):
            continue
        try:
            with open(path, "rb") as file:
                pod = parse_manifest(file.read(), path, node, now)
            if (other := taken.get(key_of(pod))) is not None:
                raise InvalidInput(f"{key_of(pod)} is in {other} already")
        except (OSError, InvalidInput) as error:
            log.warning("static pod %s: %s", path, error)
            if name in before:
                found[name] = before[name]
            continue
        known = before.get(name)
        same = known is not None and known["metadata"]["uid"] == pod["metadata"]["uid"]
        found[name] = known if known is not None and same else pod
        taken[key_of(pod)] = name
    return found


async def changes(folder: str) -> AsyncIterator[None]:
    """Yields once at first and then whenever something in the folder may have changed. HostError."""
    while True:
        watch = inotify.Inotify()
        try:
            with suppress(FileExistsError):
                os.makedirs(folder, mode=0o700)
            watch.add(folder, CHANGES | inotify.ONLYDIR)
            yield
            async for event in watch:
                if not event.mask & (inotify.IGNORED | inotify.DELETE_SELF):
                    yield
                    continue
                break  # the folder itself is gone: it is made anew
        except OSError as error:
            raise from_oserror(f"watch {folder}", error) from error
        finally:
            watch.close()
