"""Git: one commit of a repository as files, with the host's git. It is told to trust nothing on the way.

No configuration of the host or of its user counts, nothing is asked on a terminal, and a repository cannot name the
host's files as its submodules.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import posixpath
import shutil
import signal
import stat
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from corral.build.copying.giturl import GitRef, is_commit
from corral.errors import InvalidInput, NotFound, RemoteFailed, Unsupported
from corral.linux.archive import Tree, remove_tree

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy")
_NO_SHALLOW = "does not support shallow"
_MOST_WORDS = 4096  # of what git says when it fails


@dataclass(frozen=True)
class Tip:
    """What a remote calls `name` now: an object (a tag may be one), and the commit that it means."""

    name: str
    object: str
    commit: str


async def look(ref: GitRef, place: str, *, agent: str = "") -> Tip:
    """Asks the remote, and brings nothing. `place` is any directory, `agent` ssh's socket. A ref that is a commit
    already is believed.

    Unsupported without git; RemoteFailed, NotFound, InvalidInput.
    """
    if ref.checksum and set(ref.checksum.lower()) - set("0123456789abcdef"):
        raise InvalidInput(f"invalid checksum {ref.checksum} for Git URL, expected hex commit hash")
    git = _git(ref, place, agent)
    tip = Tip(ref.ref, ref.ref, ref.ref) if is_commit(ref.ref) else await git.resolve(ref)
    if ref.checksum and not (tip.object.startswith(ref.checksum) or tip.commit.startswith(ref.checksum)):
        found = tip.commit if tip.object == tip.commit else f"{tip.object} or {tip.commit}"
        raise InvalidInput(f"expected checksum to match {ref.checksum}, got {found}")
    return tip


async def checkout(ref: GitRef, tip: Tip, place: str, *, keep_git_dir: bool = False, agent: str = "") -> str:
    """What `look` found, into `place`, an empty directory: the directory with the files. Raises the same."""
    git = _git(ref, place, agent)
    sha256 = ["--object-format=sha256"] if len(tip.object) == 64 else []
    await git.run("init", "--quiet", "--template=", *sha256)
    await git.run("remote", "add", "origin", ref.remote)
    head = await git.fetch(ref, tip.name)
    if tip.object not in (await git.run("rev-parse", head), await git.run("rev-parse", f"{head}^{{commit}}")):
        raise RemoteFailed(f"{_shown(ref)}: {tip.name} was changed while it was fetched: build again")
    await git.run("checkout", "--quiet", "--detach", head)
    if ref.submodules is not False:
        words = ("submodule", "--quiet", "update", "--init", "--recursive")
        await git.shallow(git.run, *words)
    if not keep_git_dir:
        remove_tree(f"{place}/.git")
    return _below(place, ref)


def _git(ref: GitRef, place: str, agent: str) -> _Git:
    program = shutil.which("git")
    if program is None:
        raise Unsupported(f"{_shown(ref)}: git repositories need the program git on this host: install git")
    return _Git(program, place, agent)


def _below(place: str, ref: GitRef) -> str:
    """The directory that was asked for; no link may lead to it."""
    if not ref.subdir:
        return place
    with Tree(place) as tree:
        for n in range(1, ref.subdir.count("/") + 2):
            path = "/".join(ref.subdir.split("/")[:n])
            above, name = posixpath.split(path)
            try:
                there = os.stat(name, dir_fd=tree.directory(above), follow_symlinks=False)
            except FileNotFoundError:
                raise NotFound(f"{_shown(ref)}: failed to open subdir {ref.subdir}: no such directory") from None
            if not stat.S_ISDIR(there.st_mode):
                raise InvalidInput(f"{_shown(ref)}: invalid subdir {ref.subdir}: {path} is not a directory")
    return f"{place}/{ref.subdir}"


class _Git:
    def __init__(self, program: str, place: str, agent: str) -> None:
        self._program, self._place = program, place
        self._environment = {
            "PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "HOME": os.devnull,
            "GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull,
            # A server's key that is known is checked; one that is not is taken, for nobody can be asked.
            "GIT_SSH_COMMAND": "ssh -F /dev/null -o BatchMode=yes -o StrictHostKeyChecking=accept-new",
            **{name: os.environ[name] for name in _PROXIES if name in os.environ},
            **({"SSH_AUTH_SOCK": agent} if agent else {}),
        }  # fmt: skip

    async def resolve(self, ref: GitRef) -> Tip:
        """What the remote calls so: a branch before a tag, as `git checkout` does."""
        wanted = ref.ref or "HEAD"
        listed = await self._asking(ref, "ls-remote", "--", ref.remote, wanted, f"{wanted}^{{}}")
        names = {name: id for id, _, name in (line.partition("\t") for line in listed.splitlines())}
        bare = ref.ref.removeprefix("refs/")
        for name in (
            "" if ref.ref else "HEAD",
            f"refs/{bare}",
            f"refs/heads/{bare.removeprefix('heads/')}",
            f"refs/tags/{bare.removeprefix('tags/')}",
        ):
            if name in names:
                return Tip(name, names[name], names.get(f"{name}^{{}}", names[name]))
        raise NotFound(f'{_shown(ref)}: repository does not contain ref {wanted}, output: "{listed[:200]}"')

    async def shallow(self, run: Callable[..., Awaitable[str]], *words: str) -> None:
        """Without history, or with it where the server is one of mere files ("dumb"), which cannot leave it out."""
        try:
            await run(*words, "--depth=1")
        except RemoteFailed as error:
            if _NO_SHALLOW not in error.message:
                raise
            await run(*words)

    async def fetch(self, ref: GitRef, wanted: str) -> str:
        """As little as the server allows; what it is called here."""
        try:
            asking = partial(self._asking, ref)
            await self.shallow(asking, "fetch", "--quiet", "--no-tags", "origin", wanted)
        except RemoteFailed:
            if not is_commit(wanted):
                raise
            # Not every server gives out a commit that no name stands for: then all of it, and look there.
            await self._asking(ref, "fetch", "--quiet", "--tags", "origin", "+refs/heads/*:refs/remotes/origin/*")
            return wanted
        return "FETCH_HEAD"

    async def _asking(self, ref: GitRef, *words: str) -> str:
        try:
            return await self.run(*words)
        except RemoteFailed as error:
            raise RemoteFailed(f"failed to fetch remote {_shown(ref)}: {error.message}") from error

    async def run(self, *words: str) -> str:
        command = (self._program, "-c", "protocol.file.allow=user", "-c", "core.hooksPath=/dev/null",
                   "-c", "init.defaultBranch=master", "-c", "advice.detachedHead=false", *words)  # fmt: skip
        process = await asyncio.create_subprocess_exec(
            *command, cwd=self._place, env=self._environment, start_new_session=True, umask=0o022,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            out, err = await process.communicate()
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await asyncio.shield(process.wait())
        if process.returncode:
            said = err.decode("utf-8", "replace").strip()[-_MOST_WORDS:]
            raise RemoteFailed(f"git {words[0]}: exit status {process.returncode}: git stderr:\n{said}")
        return out.decode("utf-8", "surrogateescape").strip()


def _shown(ref: GitRef) -> str:
    """Without a password."""
    scheme, found, rest = ref.remote.partition("://")
    who, at, where = rest.partition("@")
    if not found or not at or "/" in who:
        return ref.remote
    return f"{scheme}://{who.partition(':')[0]}:xxxxx@{where}" if ":" in who else ref.remote
