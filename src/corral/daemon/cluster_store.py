"""Where the cluster's state is: a file of this machine, or an etcd that several servers share.

Servers that share a state are one cluster, so they share its authorities, too: those are kept in the store, and each
server has them in its own folder. Whoever may read the store is the cluster's master, as with every etcd of Kubernetes.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit

from corral.daemon.config import Settings
from corral.errors import HostError, InvalidInput, Unsupported, from_oserror

if TYPE_CHECKING:
    from corral.store.etcd import Login, Tls
    from corral.store.interface import Store

DATABASE: Final = "cluster.db"
ROOT: Final = "/corral/"
AUTHORITIES: Final = ("ca.pem", "front-proxy-ca.pem", "service-account.pem")
FOLDER: Final = "authorities/"  # of the store, beside the registry


class Place(NamedTuple):
    """An etcd. `root`: what all our keys begin with."""

    endpoints: tuple[str, ...]
    root: str


def plan_place(setting: str) -> Place | None:
    """Pure: what `store` means; None: a file of this machine. InvalidInput.

    >>> plan_place(""), plan_place("etcd://10.0.0.1:2379,10.0.0.2:2379/blue")
    (None, Place(endpoints=('10.0.0.1:2379', '10.0.0.2:2379'), root='/blue/'))
    """
    if not setting:
        return None
    found = urlsplit(setting)
    endpoints = tuple(one for one in found.netloc.split(",") if one)
    if found.scheme != "etcd" or not endpoints or found.query or found.fragment or "@" in found.netloc:
        raise InvalidInput(f"store {setting!r}: must be etcd://HOST:PORT[,HOST:PORT...][/ROOT]")
    root = found.path.strip("/")
    return Place(endpoints, f"/{root}/" if root else ROOT)


def check(settings: Settings) -> None:
    """Raises InvalidInput for settings that cannot work."""
    place = plan_place(settings.text("store"))
    keys = ("store-tlscacert", "store-tlscert", "store-tlskey", "store-user", "store-password")
    given = [key for key in keys if settings.text(key)]
    if given and place is None:
        raise InvalidInput(f"{given[0]}: the store is a file; give it with store = etcd://...")
    if bool(settings.text("store-tlscert")) != bool(settings.text("store-tlskey")):
        raise InvalidInput("store-tlscert and store-tlskey: one needs the other")
    if bool(settings.text("store-user")) != bool(settings.text("store-password")):
        raise InvalidInput("store-user and store-password: one needs the other")
    if settings.text("store-tlscert") and not settings.text("store-tlscacert"):
        raise InvalidInput("store-tlscert: it needs store-tlscacert, the authority of etcd's certificate")


async def open_store(stack: AsyncExitStack, settings: Settings, root: Path) -> Store:
    """The open store, until `stack` ends; of one that is shared the authorities are in `root`/kubernetes/pki then.

    HostError, Unavailable (etcd is not reached), Unsupported (its client is not installed).
    """
    place = plan_place(settings.text("store"))
    if place is None:
        from corral.store.sqlite import open_sqlite

        file = await asyncio.to_thread(open_sqlite, str(root / DATABASE), history=True)
        stack.callback(file.close)
        return file
    try:
        from corral.store.etcd import open_etcd
    except ImportError as error:
        raise Unsupported(f"store etcd://: needs the extra corral[etcd] ({error})") from None
    store = await open_etcd(place.endpoints, root=place.root, tls=_tls(settings), login=_login(settings))
    stack.push_async_callback(store.closed)
    stack.callback(store.close)
    await share_authorities(store, root / "kubernetes" / "pki")
    return store


def _tls(settings: Settings) -> Tls | None:
    from corral.store.etcd import Tls

    if not settings.text("store-tlscacert"):
        return None
    return Tls(*(_read(settings, key) for key in ("store-tlscacert", "store-tlscert", "store-tlskey")))


def _login(settings: Settings) -> Login | None:
    from corral.store.etcd import Login

    user = settings.text("store-user")
    return Login(user, _read(settings, "store-password").decode().strip()) if user else None


def _read(settings: Settings, key: str) -> bytes:
    """The file that a setting names; nothing where it names none. HostError."""
    path = settings.text(key)
    try:
        return Path(path).read_bytes() if path else b""
    except OSError as error:
        raise from_oserror(f"{key}: read {path}", error) from error


async def share_authorities(store: Store, folder: Path) -> None:
    """Makes the cluster's authorities those of the store; the first server gives its own.

    HostError when this machine has others: they are of another cluster, and what they have signed would not hold.
    """
    from corral.cluster.apiserver.certificates import files, pki

    entries = (await store.range(FOLDER)).entries
    shared = {one.key.removeprefix(FOLDER): one.value.decode() for one in entries}
    own = {name: files.read(folder / name) for name in AUTHORITIES}
    if not shared:
        made = await asyncio.to_thread(pki.ensure_authorities, folder, int(time.time()))
        shared = await _offer(store, made)
        own = {name: text for name, text in own.items() if text is not None}  # what was made now may be replaced
    for name in AUTHORITIES:
        text = own.get(name)
        if text is not None and text != shared.get(name):
            raise HostError(
                f"{folder / name}: another cluster's than the one in the store has; move {folder} away to join that one"
            )
    files.make_folder(folder)
    for name in AUTHORITIES:
        if files.read(folder / name) != shared[name]:
            files.write(folder / name, shared[name])


async def _offer(store: Store, own: dict[str, str]) -> dict[str, str]:
    """What is in the store now: ours, or those of a server that was faster."""
    from corral.store.interface import Mismatch

    puts = {FOLDER + name: text.encode() for name, text in own.items()}
    try:
        await store.commit(puts, expect=dict.fromkeys(puts, 0))
        return own
    except Mismatch:
        entries = (await store.range(FOLDER)).entries
        return {one.key.removeprefix(FOLDER): one.value.decode() for one in entries}
