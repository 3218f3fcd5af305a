"""What can be set about a registry."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from corral.images.remote.config import RemoteConfig
from corral.registry.retention import Rule
from corral.registry.rights import Right
from corral.registry.upstreams import Upstream, find_place


@dataclass(frozen=True, slots=True)
class RegistryConfig:
    """`root` holds the database, the key of the tokens and, unless it is shared, the content store.

    htpasswd: the file with users and passwords; "", with no right given either: everybody may do everything
    anonymous_pull: who does not log in may pull
    public_url: how clients reach it, behind a proxy; "": as they say in the Host header
    immutable: patterns "REPOSITORY:TAG" of tags that never change once they are pushed
    keep_untagged: seconds that a manifest without a tag is kept; None: for ever
    linger: that is counted from when its last tag went, not from when it was pushed
    keep_unreferenced: seconds that a blob which no manifest needs is kept
    sparse: a manifest may name blobs and manifests that are not there, as a copy of one platform of several does
    upstreams: registries whose repositories are fetched from there; `remote` says how they are spoken to
    proxy_auth: a file like docker's config.json that says who we are there
    proxy_fresh: seconds that a tag is taken to mean what it meant when the upstream was asked last
    proxy_keep: seconds that what was fetched is kept after it was asked for last
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
    linger: bool = True
    keep_unreferenced: float = 86400.0
    webhooks: tuple[str, ...] = ()
    read_only: bool = False
    sparse: bool = False
    upstreams: tuple[Upstream, ...] = ()
    remote: RemoteConfig = field(default_factory=RemoteConfig)
    proxy_auth: str = ""
    proxy_fresh: float = 0.0
    proxy_keep: float = 7 * 86400.0

    def of(self, repository: str) -> RegistryConfig:
        """Pure: as it is for one repository. What was fetched from an upstream has a life of its own."""
        if find_place(self.upstreams, repository) is None:
            return self
        rules, keep = (Rule("*", "*", younger=self.proxy_keep),), self.proxy_keep
        return replace(self, immutable=(), retention=rules, keep_untagged=keep, keep_unreferenced=keep, linger=False)
