"""Images as every part knows them: configuration (OCI image-spec 1.1), and what the engine says of them."""

from __future__ import annotations

from typing import Final

from msgspec import field

from corral.model.container import HealthCheck, Struct

UNTOLD: Final = -62_135_596_800 * 10**9  # Go's zero time: when something was made that does not say so


class ImageConfig(Struct):
    """The defaults that an image gives its containers (`config` of the OCI image configuration)."""

    user: str = ""
    exposed_ports: list[str] = []
    env: list[str] = []
    entrypoint: list[str] | None = None
    command: list[str] | None = None
    volumes: list[str] = []
    workdir: str = ""
    labels: dict[str, str] = {}
    stop_signal: str = ""
    health: HealthCheck | None = None
    on_build: list[str] = []
    shell: list[str] | None = None
    args_escaped: bool = False


class HistoryEntry(Struct):
    created: int = UNTOLD
    created_by: str = ""
    author: str = ""
    comment: str = ""
    empty_layer: bool = False


class Image(Struct):
    """One image in the local store. `id` is the digest of its configuration ("sha256:…")."""

    id: str
    created: int = UNTOLD  # nanoseconds since 1970, which some say on purpose (SOURCE_DATE_EPOCH=0)
    architecture: str = "amd64"
    variant: str = ""
    os: str = "linux"
    author: str = ""
    comment: str = ""
    config: ImageConfig = field(default_factory=ImageConfig)
    history: list[HistoryEntry] = []
    diff_ids: list[str] = []
    layer_sizes: list[int] = []  # unpacked bytes, one for each diff id
    tags: list[str] = []  # "docker.io/library/busybox:latest", normalised
    digests: list[str] = []  # "name@sha256:…"
    parent: str = ""
    size: int = 0  # unpacked bytes of all layers
    tagged_at: int = 0


class Change(Struct):
    """A difference between a container's file system and its image: "modified", "added" or "deleted"."""

    path: str
    kind: str
