"""What can be set about a registry."""

from __future__ import annotations

from dataclasses import dataclass, field

from corral.registry.retention import Rule
from corral.registry.rights import Right


@dataclass(frozen=True, slots=True)
class RegistryConfig:
    """`root` holds the database, the key of the tokens and, unless it is shared, the content store.

    htpasswd: the file with users and passwords; "", with no right given either: everybody may do everything
    anonymous_pull: who does not log in may pull
    public_url: how clients reach it, behind a proxy; "": as they say in the Host header
    immutable: patterns "REPOSITORY:TAG" of tags that never change once they are pushed
    keep_untagged: seconds that a manifest without a tag is kept; None: for ever
    keep_unreferenced: seconds that a blob which no manifest needs is kept
    """

    root: str
    tls: bool = False
    htpasswd: str = ""
    rights: tuple[Right, ...] = ()
    anonymous_pull: bool = False
    public_url: str = ""
    immutable: tuple[str, ...] = ()
    retention: tuple[Rule, ...] = ()
    keep_untagged: float | None = None
    keep_unreferenced: float = 86400.0
    webhooks: tuple[str, ...] = ()
    read_only: bool = False
    upstreams: dict[str, str] = field(default_factory=dict)
