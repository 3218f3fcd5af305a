"""Images for containers: there at once where `docker build` or an earlier pull put them, else pulled."""

from __future__ import annotations

import asyncio
import base64
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

import msgspec

from corral.cluster.client.events import Recorder
from corral.cluster.kubelet.errors import CannotStart
from corral.cluster.kubelet.lifecycle.restarts import SECOND, Backoff, next_backoff
from corral.cluster.kubelet.pods import Member
from corral.cluster.kubelet.pulls import Login, PullRecords, Secret, hash_of
from corral.cluster.kubelet.times import duration
from corral.engine.engine import Engine
from corral.errors import CorralError, InvalidInput, NotFound
from corral.model.image import Image
from corral.model.transfer import ANYBODY, Credentials

Object = dict[str, Any]

log = logging.getLogger("corral.kubelet")

Borrow = Callable[[str], Awaitable[bool]]  # brings an image from a neighbour, if that has it

HUB: Final = ("docker.io", "index.docker.io", "registry-1.docker.io")


async def nobody(name: str) -> bool:
    """For a node without neighbours on its machine."""
    return False


def pull_policy(container: Object) -> str:
    """Without one it follows from the tag.

    >>> pull_policy({"image": "web"}), pull_policy({"image": "host:5000/web:1"}), pull_policy({"image": "w:latest"})
    ('Always', 'IfNotPresent', 'Always')
    """
    given = container.get("imagePullPolicy")
    if given:
        return str(given)
    last = container["image"].rpartition("/")[2]
    latest = "@" not in last and (":" not in last or last.endswith(":latest"))
    return "Always" if latest else "IfNotPresent"


def registry_of(image: str) -> str:
    """
    >>> registry_of("busybox"), registry_of("localhost:5000/a/b:1"), registry_of("quay.io/x")
    ('docker.io', 'localhost:5000', 'quay.io')
    """
    first, slash, _ = image.partition("/")
    known = slash and ("." in first or ":" in first or first == "localhost")
    return first if known and first not in HUB else "docker.io"


def plan_logins(secrets: Iterable[Object], image: str) -> list[Login]:
    """Who to be at the image's registry, by which of the pull secrets; nobody in particular comes last. Pure.

    >>> import base64, json
    >>> config = json.dumps({"auths": {"https://index.docker.io/v1/": {"username": "me", "password": "pw"}}})
    >>> secret = {"data": {".dockerconfigjson": base64.b64encode(config.encode()).decode()}}
    >>> [one.who.username for one in plan_logins([secret], "busybox")]
    ['me', '']
    """
    wanted, full = registry_of(image), image if registry_of(image) != "docker.io" else f"docker.io/{image}"
    found: list[tuple[int, Login]] = []
    for secret in secrets:
        for name, auth in _auths(secret).items():
            place = name.partition("://")[2] or name
            host, _, path = place.rstrip("/").partition("/")
            host = "docker.io" if host in HUB else host
            path = "" if path in ("v1", "v2") else path
            if host == wanted and full.startswith(f"{host}/{path}" if path else host):
                found.append((len(path), _login(secret, _credentials(auth, host))))
    return [one for _, one in sorted(found, key=lambda pair: -pair[0])] + [Login(ANYBODY, None)]


def _login(secret: Object, who: Credentials) -> Login:
    meta = secret.get("metadata") or {}
    by = Secret(meta.get("namespace", ""), meta.get("name", ""), meta.get("uid", ""), hash_of(who))
    return Login(who, None if who.anonymous else by)


def _auths(secret: Object) -> dict[str, Any]:
    data = secret.get("data") or {}
    for key in (".dockerconfigjson", ".dockercfg"):
        if key in data:
            try:
                told = msgspec.json.decode(base64.b64decode(data[key]))
            except (ValueError, msgspec.DecodeError):
                return {}
            auths = told.get("auths") if key == ".dockerconfigjson" else told
            return dict(auths or {})
    return {}


def _credentials(auth: Object, server: str) -> Credentials:
    user, password = auth.get("username") or "", auth.get("password") or ""
    if auth.get("auth") and not user:
        user, _, password = base64.b64decode(auth["auth"]).decode(errors="replace").partition(":")
    return Credentials(user, password, auth.get("identitytoken") or "", auth.get("registrytoken") or "", server)


class ImagePuller:
    """One for the node: two pods that want one image share the pull. Failures are put off, later and later.

    `records`: by whose credentials an image was pulled, which others may not use because it lies there.
    """

    def __init__(self, engine: Engine, events: Recorder, records: PullRecords, borrow: Borrow = nobody) -> None:
        self._engine, self._events, self._records, self._borrow = engine, events, records, borrow
        self._backoffs: dict[str, tuple[Backoff, str]] = {}
        self._pulling: dict[str, asyncio.Lock] = {}

    def begin(self) -> None:
        """Once, before pods are begun. HostError."""

        def find(name: str) -> str:
            image = self.find(name)
            return image.id if image is not None else ""

        self._records.begin(find, [image.id for image in self._engine.images.list()])

    async def close(self) -> None:
        """Once, when pods have ended or are let be."""
        await self._records.close()

    def find(self, name: str) -> Image | None:
        try:
            return self._engine.images.get(name)
        except (NotFound, InvalidInput):
            return None

    async def _borrowed(self, name: str) -> Image | None:
        """What was built or pulled on this machine is there on all its nodes."""
        async with self._pulling.setdefault(name, asyncio.Lock()):
            found = self.find(name)
            if found is None and await self._borrow(name):
                found = self.find(name)
                if found is not None:
                    await self._records.borrowed(name, found.id)
            return found

    async def ensure(self, pod: Object, one: Member, secrets: Iterable[Object]) -> Image:
        """The container's image. CannotStart, in the words that its status shows."""
        name, policy = one.spec["image"], pull_policy(one.spec)
        self._check_name(pod, one)
        image, logins = self.find(name) or await self._borrowed(name), plan_logins(secrets, name)
        offered = [login.by for login in logins if login.by is not None]
        if image is not None and self._records.must_ask(name, image.id, offered, image.tags + image.digests):
            image = None  # of others: this pod has to show that it may have it
        if image is not None and policy != "Always":
            self._told(pod, one, "Normal", "Pulled", f'Container image "{name}" already present on machine '
                       "and can be accessed by the pod")  # fmt: skip
            return image
        if policy == "Never":
            message = f'Container image "{name}" is not present with pull policy of Never'
            self._told(pod, one, "Warning", "ErrImageNeverPull", message)
            raise CannotStart("ErrImageNeverPull", message)
        key = f"{pod['metadata']['uid']}_{name}"
        self._hold_off(pod, one, key)
        self._told(pod, one, "Normal", "Pulling", f'Pulling image "{name}"')
        begun = time.monotonic()
        try:
            async with self._pulling.setdefault(name, asyncio.Lock()):
                image = await self._pull(name, logins)
        except CorralError as error:
            return self._failed(pod, one, key, image, error)
        took = duration(round(time.monotonic() - begun, 3))
        size = f"Image size: {image.size} bytes."
        self._backoffs.pop(key, None)
        self._told(pod, one, "Normal", "Pulled", f'Successfully pulled image "{name}" in {took} ({took} including '
                   f"waiting). {size}")  # fmt: skip
        return image

    def _check_name(self, pod: Object, one: Member) -> None:
        """A name that cannot be one is not asked of a registry."""
        name = one.spec["image"]
        try:
            self._engine.images.get(name)
        except NotFound:
            return
        except InvalidInput as error:
            why = f'couldn\'t parse image name "{name}": {error.message}'
            message = f'Failed to apply default image tag "{name}": {why}'
            self._told(pod, one, "Warning", "InspectFailed", message)
            raise CannotStart("InvalidImageName", message) from error

    def _hold_off(self, pod: Object, one: Member, key: str) -> None:
        known, name = self._backoffs.get(key), one.spec["image"]
        if known is not None and time.time_ns() - known[0].updated < known[0].delay * SECOND:
            self._told(pod, one, "Normal", "BackOff", f'Back-off pulling image "{name}"')
            raise CannotStart("ImagePullBackOff", f'Back-off pulling image "{name}": ErrImagePull: {known[1]}')

    def pause(self, uid: str, name: str) -> int:
        """When, in nanoseconds, the next try is due."""
        known = self._backoffs.get(f"{uid}_{name}")
        return 0 if known is None else known[0].updated + known[0].delay * SECOND

    def _failed(self, pod: Object, one: Member, key: str, there: Image | None, error: CorralError) -> Image:
        """With the policy Always an image that nobody's registry has, as one that was built here, will do."""
        name = one.spec["image"]
        if there is not None and not there.digests:
            self._told(pod, one, "Normal", "Pulled", f'Container image "{name}" already present on machine '
                       "and can be accessed by the pod")  # fmt: skip
            return there
        message = f'failed to pull and unpack image "{name}": {error.message}'
        known = self._backoffs.get(key)
        self._backoffs[key] = (next_backoff(known[0] if known else None, time.time_ns()), message)
        self._told(pod, one, "Warning", "Failed", f'Failed to pull image "{name}": {message}')
        raise CannotStart("ErrImagePull", message) from error

    async def _pull(self, name: str, logins: list[Login]) -> Image:
        before = self.find(name)
        try:
            await self._records.intend(name)
            by = await self._pull_as_one(name, logins)
            image = self._engine.images.get(name)
        except (CorralError, asyncio.CancelledError):
            there = self.find(name)
            if there is None or there == before:
                self._records.failed(name)
            else:
                self._records.cut_off(name, there.id)
            raise
        await self._records.succeeded(name, image.id, by)
        return image

    async def _pull_as_one(self, name: str, logins: list[Login]) -> Secret | None:
        """By which secret it went, None for none."""
        tag = "" if _is_exact(name) else "latest"
        for n, login in enumerate(logins):
            try:
                async for _ in self._engine.transfers.pull(name, tag, credentials=login.who):
                    pass
                return login.by
            except CorralError as error:
                if n == len(logins) - 1:
                    raise
                log.info("pull %s as %s: %s", name, login.who.username or "nobody", error.message)
        raise InvalidInput(f"pull {name}: there is nobody to be")

    def forget(self, uid: str) -> None:
        """The pod is gone."""
        for key in [key for key in self._backoffs if key.startswith(f"{uid}_")]:
            del self._backoffs[key]

    def _told(self, pod: Object, one: Member, kind: str, reason: str, message: str) -> None:
        self._events.record(pod, kind, reason, message, field_path=one.field_path)


def _is_exact(name: str) -> bool:
    """Whether a reference has a tag or a digest.

    >>> _is_exact("host:5000/a"), _is_exact("a:1"), _is_exact("a@sha256:0")
    (False, True, True)
    """
    last = name.rpartition("/")[2]
    return ":" in last or "@" in last


def shown_id(image: Image, name: str) -> str:
    """How a status names the image: by the digest that its registry knows, else by its own id. Pure."""
    repository = name.partition("@")[0]
    for digest in image.digests:
        if digest.partition("@")[0].endswith(repository.rpartition("/")[2].partition(":")[0]):
            return digest
    return image.digests[0] if image.digests else image.id


def shown_name(image: Image, name: str) -> str:
    """How a status calls the image: in full. Pure.

    >>> shown_name(Image("sha256:0", tags=["docker.io/library/a:1"]), "a:1"), shown_name(Image("sha256:0"), "b@x")
    ('docker.io/library/a:1', 'b@x')
    """
    wanted = name if _is_exact(name) else f"{name}:latest"
    return next((tag for tag in image.tags if tag == wanted or tag.endswith(f"/{wanted}")), name)
