"""Sweeping: tags that are kept no longer, manifests that nothing names, blobs that nothing needs. Online: pushes and
pulls go on meanwhile.

What is decided about a repository is done to it in the same breath (see `repositories`), so no push comes in between;
a blob that is being pushed is young, and one that a client was just told of (HEAD) counts as young.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec.structs import replace

from corral.errors import CorralError
from corral.registry import records
from corral.registry.config import RegistryConfig
from corral.registry.records import Manifest, Record
from corral.registry.repositories import Repository
from corral.registry.retention import is_immutable, plan_retention

if TYPE_CHECKING:
    from corral.registry.app import Registry

log = logging.getLogger("corral.registry")

SECOND: Final = 1_000_000_000
EVERY: Final = 3600.0  # seconds


class Sweep(NamedTuple):
    """What a repository loses; `puts` are manifests that have lost their last tag just now."""

    tags: list[str]
    manifests: list[str]
    blobs: list[str]
    puts: dict[str, Record]

    def keys(self, name: str) -> list[str]:
        return [
            *(records.tag_key(name, tag) for tag in self.tags),
            *(records.manifest_key(name, digest) for digest in self.manifests),
            *(records.blob_key(name, digest) for digest in self.blobs),
        ]


def plan_sweep(repository: Repository, config: RegistryConfig, now: int) -> Sweep:
    """Pure. `now` in nanoseconds. A tag that never changes is no matter of retention: once gone it could be pushed
    anew, and mean something else."""
    held = {tag for tag in repository.tags if is_immutable(config.immutable, repository.name, tag)}
    others = {name: tag for name, tag in repository.tags.items() if name not in held}
    tags = plan_retention(config.retention, repository.name, others, now)
    puts = left_behind(repository, tags, now) if config.linger else {}
    tagged = {tag.digest for name, tag in repository.tags.items() if name not in set(tags)}
    kept = set(repository.manifests)
    if config.keep_untagged is not None:
        since = now - int(config.keep_untagged * SECOND)
        young = {d for d, m in repository.manifests.items() if max(m.at, m.untagged) > since}
        young |= {records.split_key(key)[2] for key in puts}
        kept = reachable(repository, tagged | young)
    needed = {blob for digest in kept for blob in repository.manifests[digest].blobs}
    limit = now - int(config.keep_unreferenced * SECOND)
    blobs = [
        digest
        for digest, blob in repository.blobs.items()
        if digest not in needed and max(blob.at, repository.seen.get(digest, 0)) <= limit
    ]
    gone = [digest for digest in repository.manifests if digest not in kept]
    return Sweep(tags, gone, blobs, {key: put for key, put in puts.items() if records.split_key(key)[2] in kept})


def reachable(repository: Repository, roots: Iterable[str]) -> set[str]:
    """Pure: the manifests that are roots, parts of such, or refer to such."""
    found: set[str] = set()
    queue = [digest for digest in roots if digest in repository.manifests]
    while queue:
        digest = queue.pop()
        if digest not in found:
            found.add(digest)
            nearby = (*repository.manifests[digest].children, *repository.referrers.get(digest, ()))
            queue += [other for other in nearby if other in repository.manifests]
    return found


def left_behind(repository: Repository, tags: Iterable[str], now: int, digest: str = "") -> dict[str, Record]:
    """Pure: the manifests that lose their last tag when `tags` go (or go over to `digest`), with the time noted.

    From then on it is counted how long they are kept.
    """
    tags = set(tags)
    lost = {repository.tags[tag].digest for tag in tags if tag in repository.tags} - {digest}
    still = {tag.digest for name, tag in repository.tags.items() if name not in tags}
    puts: dict[str, Record] = {}
    for one in lost - still:
        manifest = repository.manifests.get(one)
        if isinstance(manifest, Manifest):
            puts[records.manifest_key(repository.name, one)] = replace(manifest, untagged=now)
    return puts


async def sweep(registry: Registry) -> tuple[int, int]:
    """Does it to all repositories, then frees the disk: (blobs, bytes)."""
    for repository in list(registry.repositories.by_name.values()):
        plan = plan_sweep(repository, registry.config.of(repository.name), registry.clock.now())
        keys = plan.keys(repository.name)
        repository.forget_seen(registry.clock.now() - int(registry.config.keep_unreferenced * SECOND))
        if keys:
            await registry.repositories.change(plan.puts, keys)
            counts = f"{len(plan.tags)} tags, {len(plan.manifests)} manifests, {len(plan.blobs)} blobs"
            log.info("removed from %s: %s", repository.name, counts)
    blobs, size = await asyncio.to_thread(registry.content.collect)
    registry.metrics.add("collections_total")
    registry.metrics.add("collected_bytes_total", value=size)
    return blobs, size


async def keep_sweeping(registry: Registry) -> None:
    """At once, for what a crash left, then every hour."""
    while True:
        registry.uploads.expire(time.monotonic())
        try:
            blobs, size = await sweep(registry)
            if blobs:
                log.info("freed %d bytes of %d blobs", size, blobs)
        except CorralError as error:
            log.error("clean-up failed and will be tried again in an hour: %s", error.message)
        await asyncio.sleep(EVERY)
