"""Cache keys: what a step's result depends on, as one digest. Two steps with one key would write the same. Pure.

A key is made from what is below (the chain id of the layers, so contents, not how they came about), the instruction
with everything expanded, and the digests of the files that it reads. It is not made from secrets' values, proxies,
agents, what cache mounts hold, or limits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import msgspec

from corral.build.ops import CopyOp, RunMount, RunOp, WorkdirOp
from corral.model.container import Ulimit

PROXIES = frozenset(
    name
    for upper in ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")
    for name in (upper, upper.lower())
)


class Surroundings(msgspec.Struct, frozen=True):
    """What the whole request gives to each process: a part of every RUN's key."""

    network: str = ""
    extra_hosts: tuple[str, ...] = ()
    ulimits: tuple[Ulimit, ...] = ()
    shm_size: int = 0


def make_key(*parts: object) -> str:
    """The digest of some data, whatever order its mappings have.

    >>> make_key({"a": 1, "b": [2]}) == make_key({"b": [2], "a": 1}) != make_key({"a": 1})
    True
    """
    return hashlib.sha256(msgspec.json.encode(parts, order="sorted")).hexdigest()


def run_key(
    below: str,
    op: RunOp,
    declared: Iterable[str],
    files: Mapping[str, str],
    around: Surroundings | None = None,
    latest: int | None = None,
) -> str:
    """A process's key. `declared` is the ENV of the stage ("NAME=value"), `files` the digest of what each mount that
    has an origin shows, by target; `latest` what times are clamped to.

    What is below counts, and a proxy only where the Dockerfile itself names it:

    >>> op = RunOp(["make"], environment=["HTTP_PROXY=http://a"])
    >>> other = RunOp(["make"], environment=["HTTP_PROXY=http://b"])
    >>> run_key("sha256:1", op, [], {}) == run_key("sha256:1", other, [], {})
    True
    >>> run_key("sha256:1", op, [], {}) == run_key("sha256:2", op, [], {})
    False
    >>> run_key("", op, op.environment, {}) == run_key("", other, other.environment, {})
    False
    """
    environment = [entry for entry in op.environment if not _is_proxy(entry, op.arguments, declared)]
    mounts = [mount_key(mount, files.get(mount.target, "")) for mount in op.mounts]
    about = [op.argv, environment, op.user, op.workdir, op.network, op.insecure, op.files]
    return make_key("run", below, about, mounts, around or Surroundings(), latest)


def _is_proxy(entry: str, arguments: Iterable[str], declared: Iterable[str]) -> bool:
    """Pure: a proxy that came with the request, not with the Dockerfile."""
    name = entry.partition("=")[0]
    return name in PROXIES and name not in arguments and entry not in declared


def mount_key(mount: RunMount, files: str) -> object:
    """A mount's part: how it looks inside, and the content that it begins with.

    >>> mount_key(RunMount("cache", "/m", id="a", sharing="locked"), "") == mount_key(RunMount("cache", "/m", id="a"), "")
    True
    """
    return [
        mount.kind,
        mount.target,
        mount.id,
        mount.read_only,
        mount.mode,
        mount.uid,
        mount.gid,
        mount.size,
        mount.env,
        files,
    ]


def copy_key(below: str, op: CopyOp, content: str, latest: int | None = None) -> str:
    """A COPY's or ADD's key. `content` is the digest of the op and of all that it brings; with `link` nothing else
    matters, so that the copy stays when what is below it changes.

    >>> op = CopyOp(["a"], "/b", link=True)
    >>> copy_key("sha256:1", op, "d") == copy_key("sha256:2", op, "d")
    True
    """
    return make_key("copy", "" if op.link else below, content, latest)


def workdir_key(below: str, op: WorkdirOp, latest: int | None = None) -> str:
    """
    >>> workdir_key("", WorkdirOp("/a")) == workdir_key("", WorkdirOp("/a", "me"))
    False
    """
    return make_key("workdir", below, op.path, op.user, latest)
