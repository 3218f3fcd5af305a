"""By whose credentials this node's kubelet pulled which image: who has none of them may not use what lies there.

Follows pkg/kubelet/images/pullmanager (KubeletEnsureSecretPulledImages) with upstream's default policy,
NeverVerifyPreloadedImages: an image that no kubelet pulled, as one that somebody built, loaded or pulled by hand, is
anybody's. Here that goes for each of its names: what was built on this machine, and pushed to a private registry from
which a pod pulled it, is still everybody's by the name that it was built under. A pull is noted before it begins, so
that one whose end was not noted counts as pulled by nobody known. The files are written in threads, one after the
other: a disk that answers nobody holds up only the pulls that wait for it.

A node beside others on a machine borrows their images, and what is known of these with them.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, NamedTuple, TypeVar

import msgspec

from corral.errors import HostError, from_oserror
from corral.kit.apart import apart
from corral.kit.durable import write_durably
from corral.kit.tasks import Tasks
from corral.model.transfer import Credentials

log = logging.getLogger("corral.kubelet")

FOLDER: Final = "image_manager"
MOST_SECRETS: Final = 100  # that are noted of an image while they are only compared
CLOSE_SECONDS: Final = 5.0  # for what is being written; a disk that is stuck must not keep the kubelet
T = TypeVar("T")


class Secret(msgspec.Struct, frozen=True):
    """Which pull secret, and a hash of what it says for the image's registry."""

    namespace: str
    name: str
    uid: str
    hash: str

    def is_same_object(self, other: Secret) -> bool:
        return (self.namespace, self.name, self.uid) == (other.namespace, other.name, other.uid)


class Login(NamedTuple):
    """Who to be, and by which secret; None for nobody in particular."""

    who: Credentials
    by: Secret | None


class Access(msgspec.Struct):
    """Who may use an image by one of its names. `everybody`: it was pulled without credentials."""

    everybody: bool = False
    secrets: list[Secret] = []


class Pulled(msgspec.Struct):
    """An image that a kubelet pulled; `access` by its names without tags and digests. `unsure`: it may have been pulled
    by other names, too."""

    id: str
    access: dict[str, Access] = {}
    unsure: bool = False


class Intent(msgspec.Struct):
    """A pull that was begun."""

    image: str


def hash_of(who: Credentials) -> str:
    """Pure. Of what is said to the registry, and not where."""
    parts = (who.username, who.password, who.identity_token, who.registry_token)
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()


def repository(image: str) -> str:
    """Pure: a name without tag and digest, in full.

    >>> [repository(name) for name in ("a", "a:1@sha256:0", "host:5000/b", "me/c:2", "index.docker.io/library/a")]
    ['docker.io/library/a', 'docker.io/library/a', 'host:5000/b', 'docker.io/me/c', 'docker.io/library/a']
    """
    name = image.partition("@")[0]
    folder, slash, last = name.rpartition("/")
    name = f"{folder}{slash}{last.partition(':')[0]}"
    host, slash, rest = name.partition("/")
    if not (slash and ("." in host or ":" in host or host == "localhost")):
        host, rest = "docker.io", name
    if host == "index.docker.io":
        host = "docker.io"
    return f"{host}/library/{rest}" if host == "docker.io" and "/" not in rest else f"{host}/{rest}"


def may_use(pulled: Pulled, image: str, offered: Iterable[Secret], names: Iterable[str] = ()) -> bool:
    """Pure: whether who has these secrets may use an image that a kubelet pulled, without asking its registry. A secret
    that says the same will do, and so will one that said so: it was changed since. `names` are all that the image has
    here: one by which no kubelet pulled it was given by somebody who has the image.

    >>> key = Secret("a", "pull", "1", "aa")
    >>> found = Pulled("sha256:0", {"h:1/b": Access(secrets=[key])})
    >>> may_use(found, "h:1/b:1", [key]), may_use(found, "h:1/b:1", []), may_use(found, "h:1/c:1", [key])
    (True, False, False)
    >>> other, changed = Secret("b", "o", "2", "aa"), Secret("a", "pull", "1", "cc")
    >>> strange = Secret("b", "o", "2", "dd")
    >>> [may_use(found, "h:1/b", [one]) for one in (other, changed, strange)]
    [True, True, False]
    >>> may_use(found, "built:1", [], ["docker.io/library/built:1", "h:1/b:1"]), may_use(found, "0123", [], ["h:1/b:1"])
    (True, False)
    """
    name = repository(image)
    if name not in pulled.access:
        return not pulled.unsure and name in map(repository, names)
    access = pulled.access[name]
    return access.everybody or any(
        (known.hash and known.hash == one.hash) or known.is_same_object(one)
        for one in offered
        for known in access.secrets
    )


def plan_noted(pulled: Pulled, image: str, by: Secret | None) -> Pulled:
    """Pure: what is known after a pull by a secret, or without any: then everybody may use it for good."""
    name = repository(image)
    before = pulled.access.get(name, Access())
    if by is None or before.everybody:
        now = Access(everybody=True)
    else:
        now = Access(secrets=[*(one for one in before.secrets if not one.is_same_object(by)), by])
    return Pulled(pulled.id, {**pulled.access, name: now}, pulled.unsure)


def plan_unnoted(pulled: Pulled, image: str) -> Pulled:
    """Pure: what is known after a pull of which nobody knows how it ended: who may use the image by that name has to
    show it.

    >>> plan_unnoted(Pulled("sha256:0"), "a").access
    {'docker.io/library/a': Access(everybody=False, secrets=[])}
    """
    return Pulled(pulled.id, {repository(image): Access()} | pulled.access, pulled.unsure)


class PullRecords:
    """In files of a folder: `pulled` by the ids of images, `pulling` by their names; what they say is at hand, so that
    nobody who only asks waits for a disk. `lender`: the folder of the node whose images this one borrows.

    What is begun is written to its end, in the order in which it was asked for, also when who asked is cancelled.
    """

    def __init__(self, root: str, lender: str = "") -> None:
        self._pulled, self._pulling = _folders(root)
        self._lender = lender
        self._known: dict[str, Pulled] = {}
        self._intents: Counter[str] = Counter()  # by names: a pull whose end could not be noted keeps its own
        self._turn, self._writing = asyncio.Lock(), Tasks()

    def begin(self, find: Callable[[str], str], there: Sequence[str]) -> None:
        """At the start: pulls that were cut off count as done if `find` gives their images' ids, and what is known of
        images that are not `there` any more is forgotten. HostError. Blocks."""
        for path in _files(self._pulling):
            intent = _read(path, Intent)
            id = find(intent.image) if intent is not None else ""
            if id and intent is not None:
                place = _place(self._pulled, id)
                _write(place, plan_unnoted(_known(self._pulled, id) or Pulled(id), intent.image))
            os.unlink(path)
        for path in set(_files(self._pulled)) - {_place(self._pulled, id) for id in there}:
            os.unlink(path)
        found = {id: _known(self._pulled, id) for id in there}
        self._known = {id: pulled for id, pulled in found.items() if pulled is not None}

    async def close(self) -> None:
        """Returns when all is written, or the disk has taken too long for it: then what was meant is still noted."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._writing.wait()
        await self._writing.close()

    def known(self, id: str) -> Pulled | None:
        """None of an image that no kubelet pulled. One whose record makes no sense is nobody's."""
        return self._known.get(id)

    def is_pulling(self, image: str) -> bool:
        return self._intents[image] > 0

    async def borrowed(self, image: str, id: str) -> None:
        """An image came from the lender. HostError."""
        if not self._lender:
            return
        lender, place = self._lender, _place(self._pulled, id)

        def note() -> Pulled | None:
            found = read_lent(lender, image, id)
            if found is not None:
                _write(place, found)
            return found

        async def borrow() -> None:
            found = await apart(note)
            if found is not None:
                self._known[id] = found

        await self._in_turn(borrow)

    def must_ask(self, image: str, id: str, offered: Sequence[Secret], names: Sequence[str] = ()) -> bool:
        """Whether the registry is to say that who has these secrets may have the image, though it is there, under all
        these names."""
        pulled = self.known(id)
        if pulled is None:
            return self.is_pulling(image)
        if not may_use(pulled, image, offered, names):
            return True
        access = pulled.access.get(repository(image))
        if access is None:
            return self.is_pulling(image)
        if not access.everybody and len(access.secrets) < MOST_SECRETS:
            new = next((one for one in offered if may_use(pulled, image, [one]) and one not in access.secrets), None)
            if new is not None:  # it counts from now on, when what it is compared with is long gone
                self._start(lambda: self._note(id, image, new, MOST_SECRETS))
        return False

    async def intend(self, image: str) -> None:
        """Returns when it is noted for good that a pull begins; `failed` or `succeeded` must follow in any case, also
        after a HostError or a cancellation here."""
        self._intents[image] += 1
        await self._in_turn(lambda: apart(lambda: _write(_place(self._pulling, image), Intent(image))))

    async def succeeded(self, image: str, id: str, by: Secret | None) -> None:
        """If that cannot be noted, the intent stays, and the image counts as one that nobody known has pulled."""

        async def note() -> None:
            if await self._note(id, image, by):
                await self._end(image)

        await self._in_turn(note)

    def failed(self, image: str) -> None:
        """The pull has ended without an image. Does not wait until that is noted."""
        self._start(lambda: self._end(image))

    def cut_off(self, image: str, id: str) -> None:
        """The pull was left when the image had come, and nobody knows by whose credentials. Does not wait either."""

        async def note() -> None:
            if await self._keep(plan_unnoted(self._known.get(id, Pulled(id)), image), image):
                await self._end(image)

        self._start(note)

    async def _end(self, image: str) -> None:
        self._intents[image] -= 1
        if self._intents[image] > 0:
            return
        del self._intents[image]
        try:
            await apart(lambda: os.unlink(_place(self._pulling, image)))
        except FileNotFoundError:
            pass  # it could not be written
        except OSError as error:
            log.warning("the record of pulling %s: %s", image, error.strerror)

    async def _note(self, id: str, image: str, by: Secret | None, most: int = 0) -> bool:
        """With `most` no more secrets than that."""
        before = self._known.get(id, Pulled(id))
        noted = plan_noted(before, image, by)
        if noted == before or 0 < most < len(noted.access[repository(image)].secrets):
            return True  # as for each pod whose policy is Always
        return await self._keep(noted, image)

    async def _keep(self, noted: Pulled, image: str) -> bool:
        """What is known counts once it is on the disk."""
        try:
            await apart(lambda: _write(_place(self._pulled, noted.id), noted))
        except HostError as error:
            log.error("who may use image %s is not noted: %s", image, error.message)
            return False
        self._known[noted.id] = noted
        return True

    async def _in_turn(self, work: Callable[[], Awaitable[None]]) -> None:
        if (error := await asyncio.shield(self._start(work))) is not None:
            raise error

    def _start(self, work: Callable[[], Awaitable[object]]) -> asyncio.Task[HostError | None]:
        async def run() -> HostError | None:
            async with self._turn:
                try:
                    await work()
                except HostError as error:
                    return error
            return None

        return self._writing.start("record of pulls", run())


def read_lent(root: str, image: str, id: str) -> Pulled | None:
    """What is known on another node, whose folder it is, of an image that came from there. Blocks."""
    pulled, pulling = _folders(root)
    is_pulling = os.path.exists(_place(pulling, image))  # first: a pull that ends is noted before its intent goes
    found = _known(pulled, id)
    return plan_unnoted(found or Pulled(id), image) if is_pulling else found


def _folders(root: str) -> tuple[str, str]:
    return f"{root}/{FOLDER}/pulled", f"{root}/{FOLDER}/pulling"


def _known(folder: str, id: str) -> Pulled | None:
    path = _place(folder, id)
    return (_read(path, Pulled) or Pulled(id, unsure=True)) if os.path.exists(path) else None


def _place(folder: str, name: str) -> str:
    return f"{folder}/{hashlib.sha256(name.encode()).hexdigest()}"


def _files(folder: str) -> list[str]:
    try:
        return sorted(entry.path for entry in os.scandir(folder) if not entry.name.endswith(".new"))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise from_oserror(f"read {folder}", error) from error


def _read(path: str, kind: type[T]) -> T | None:
    try:
        with open(path, "rb") as file:
            return msgspec.json.decode(file.read(), type=kind)
    except (OSError, msgspec.DecodeError) as error:
        log.warning("%s: %s", path, error)
        return None


def _write(path: str, value: msgspec.Struct) -> None:
    """HostError."""
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        write_durably(path, msgspec.json.encode(value))
    except OSError as error:
        raise from_oserror(f"write {path}", error) from error
