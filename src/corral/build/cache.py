"""Cache keys: what a step's result depends on, as one digest. Two steps with one key would write the same. Pure.

A key is made from what is below (the chain id of the layers, so contents, not how they came about), the instruction
with everything expanded, and the digests of the files that it reads. It is not made from secrets' values, proxies,
agents, what cache mounts hold, or limits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import msgspec

from corral.build.ops import RunMount, RunOp, WorkdirOp
from corral.model.container import Ulimit

KEY_FORMAT = 1  # count it up when the same step shall have another key


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
    return hashlib.sha256(msgspec.json.encode([KEY_FORMAT, parts], order="sorted")).hexdigest()


def run_key(
    below: str, op: RunOp, files: Mapping[str, str], around: Surroundings | None = None, latest: int | None = None
) -> str:
    """A process's key. `files` is the digest of what each mount that has an origin shows, by target; `latest` what
    times are clamped to.

    >>> op, other = RunOp(["make"], proxies=["HTTP_PROXY=http://a"]), RunOp(["make"])
    >>> run_key("sha256:1", op, {}) == run_key("sha256:1", other, {})
    True
    >>> run_key("sha256:1", op, {}) == run_key("sha256:2", op, {})
    False
    """
    mounts = [mount_key(mount, files.get(mount.target, "")) for mount in op.mounts]
    about = [op.argv, op.environment, op.user, op.workdir, op.hostname, op.network, op.insecure, op.files]
    return make_key("run", below, about, mounts, around or Surroundings(), latest)


def mount_key(mount: RunMount, files: str) -> object:
    """A mount's part: how it looks inside, and the content that it begins with.

    >>> one, other = RunMount("cache", "/m", id="a", sharing="locked"), RunMount("cache", "/m", id="a")
    >>> mount_key(one, "") == mount_key(other, "")
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


def copy_key(below: str, content: str, latest: int | None = None) -> str:
    """A COPY's or ADD's key. `content` is the digest of the op and of all that it brings. With --link `below` is "":
    the copy stays when what is below it changes.

    >>> copy_key("sha256:1", "d") == copy_key("sha256:1", "d") != copy_key("sha256:2", "d")
    True
    """
    return make_key("copy", below, content, latest)


def workdir_key(below: str, op: WorkdirOp, latest: int | None = None) -> str:
    """
    >>> workdir_key("", WorkdirOp("/a")) == workdir_key("", WorkdirOp("/a", "me"))
    False
    """
    return make_key("workdir", below, op.path, op.user, latest)
