"""What happened: the engine's events."""

from __future__ import annotations

from corral.model.container import Struct


class Event(Struct):
    """`type` is container, image, volume, network or daemon; `attributes` hold labels and details as text."""

    type: str
    action: str
    id: str
    attributes: dict[str, str] = {}
    time: int = 0
    scope: str = "local"
    unlisted: str = ""  # as of the container it is about: told only to who asks for all
