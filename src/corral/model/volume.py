"""A volume: a directory that outlives the containers that use it."""

from __future__ import annotations

from corral.model.container import Struct


class Volume(Struct):
    """`mountpoint` is the directory with the data. `created` in nanoseconds since the epoch.

    `anonymous`: it was made without a name, for one container, and may go with it.
    """

    name: str
    driver: str = "local"
    mountpoint: str = ""
    created: int = 0
    labels: dict[str, str] = {}
    options: dict[str, str] = {}
    anonymous: bool = False
    scope: str = "local"
