"""Folders that only root may enter, and whoever is root in a container there, whatever lies in them.

On disk a set-uid file of a container's root is the host's root's: no other user of the host may come near it.
"""

from __future__ import annotations

import os
from pathlib import Path

from corral.errors import from_oserror


def make_private(place: str | Path, group: int | None = None) -> None:
    """The folder is there, with mode 0700; one that was open is closed. HostError.

    `group` may go through, and not look around: that of a user namespace's root.
    """
    try:
        os.makedirs(place, mode=0o700, exist_ok=True)
        if group is not None:
            os.chown(place, -1, group)
        os.chmod(place, 0o700 if group is None else 0o710)
    except OSError as error:
        raise from_oserror(f"make {place}", error) from error
