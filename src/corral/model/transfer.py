"""Transfers: images on their way from and to registries: as whom, and what is told meanwhile."""

from __future__ import annotations

import msgspec

from corral.model.container import Struct


class Credentials(msgspec.Struct, frozen=True):
    """Who we are at a registry. `identity_token` is what a login gave instead of the password; `registry_token` is
    sent as it is. All empty: nobody in particular."""

    username: str = ""
    password: str = ""
    identity_token: str = ""
    registry_token: str = ""
    server: str = ""

    @property
    def anonymous(self) -> bool:
        return not (self.username or self.password or self.identity_token or self.registry_token)


ANYBODY = Credentials()


class Note(Struct):
    """One note on a transfer's progress, in the words that Docker's clients draw.

    `id` is what it is about: a tag, or the start of a layer's digest. `current` and `total` are bytes; a `current`
    of -1 is a note without a count. `aux` is for programs. `what` says how the note is shown: "layer" is replaced
    by later notes of the same id, "line" stays.
    """

    status: str = ""
    id: str = ""
    current: int = -1
    total: int = 0
    what: str = "line"
    aux: dict[str, str | int] | None = None


def layer(id: str, status: str, current: int = -1, total: int = 0) -> Note:
    return Note(status, id, current, total, "layer")


class Hit(Struct):
    """A repository that a search found."""

    name: str
    description: str = ""
    stars: int = 0
    official: bool = False
    automated: bool = False


class Description(Struct):
    """What a registry has under a name: a manifest or an index, and the platforms it has images for, each as system,
    architecture and variant."""

    media_type: str
    digest: str
    size: int
    platforms: list[tuple[str, str, str]]
