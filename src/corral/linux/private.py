"""Folders that only their owner may enter, whatever lies in them."""

from __future__ import annotations

import os
from pathlib import Path

from corral.errors import from_oserror


def make_private(place: str | Path) -> None:
    """The folder is there, with mode 0700; one that was open is closed. HostError."""
    try:
        os.makedirs(place, mode=0o700, exist_ok=True)
        os.chmod(place, 0o700)
    except OSError as error:
        raise from_oserror(f"make {place}", error) from error
