"""The registry as a part of the daemon: what the settings mean to it, where it listens, and that it costs nothing
before somebody asks it something."""

from __future__ import annotations

import asyncio
import errno
import logging
import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from msgspec.structs import replace

from corral.cli.instance import Instance
from corral.daemon.config import Settings, remote_config
from corral.daemon.listeners import is_loopback
from corral.errors import CorralError, HostError, InvalidInput
from corral.http.message import Answer, Request, Response
from corral.http.server import Server
from corral.images.content import Content
from corral.registry.records import digests_on_disk

if TYPE_CHECKING:
    from corral.registry.app import Registry
    from corral.registry.config import RegistryConfig

log = logging.getLogger("corral.daemon")

DEFAULT = "127.0.0.1:5000"
DATABASE = "registry.db"
PATIENCE = 3  # tries at an upstream: somebody waits for the answer, and may be helped by what is kept
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def plan_address(setting: str, default_instance: bool) -> str:
    """Pure: where the registry listens; "" if there is to be none. An instance of its own has none unless asked: many
    of them may live on one machine, which has one port 5000.

    >>> plan_address("", True), plan_address("", False), plan_address("off", True), plan_address(":5000", False)
    ('127.0.0.1:5000', '', '', ':5000')
    """
    if setting == "off":
        return ""
    return setting or (DEFAULT if default_instance else "")


def parse_address(text: str) -> tuple[str, int]:
    """Pure: ADDRESS:PORT. InvalidInput.

    >>> parse_address("127.0.0.1:5000"), parse_address("[::1]:0"), parse_address(":80")
    (('127.0.0.1', 5000), ('::1', 0), ('0.0.0.0', 80))
    """
    host, colon, port = text.rpartition(":")
    if not colon or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise InvalidInput(f"registry {text!r}: must be ADDRESS:PORT, or `off`")
    return host.removeprefix("[").removesuffix("]") or "0.0.0.0", int(port)


def parse_time(text: str) -> float | None:
    """Pure: seconds; None for "".

    >>> parse_time("7d"), parse_time("")
    (604800.0, None)
    """
    if not text:
        return None
    if not (text[:-1].isascii() and text[:-1].isdigit() and text[-1] in _UNITS):
        raise InvalidInput(f"registry: {text!r} is no time: must be a number and one of s, m, h, d, w")
    return float(int(text[:-1]) * _UNITS[text[-1]])


def parse_url(key: str, text: str) -> str:
    """Pure: an address to go to, as it was given. InvalidInput.

    >>> parse_url("registry-webhook", "https://ci.example/pushed")
    'https://ci.example/pushed'
    """
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidInput(f"{key} {text!r}: must be http://HOST or https://HOST, and may have a path")
    return text


def registry_config(settings: Settings, instance: Instance, root: str) -> RegistryConfig:
    """The settings in the registry's words. InvalidInput."""
    from corral.registry.config import RegistryConfig
    from corral.registry.retention import parse_immutable, parse_rule
    from corral.registry.rights import parse_right
    from corral.registry.upstreams import parse_upstream, read_accounts

    remote = remote_config(settings, instance)
    read_accounts(settings.text("registry-proxy-auth"))  # a file that is wrong is told at once
    public_url = settings.text("registry-public-url")
    return RegistryConfig(
        root=root,
        tls=bool(settings.text("registry-tlscert")),
        htpasswd=settings.text("registry-htpasswd"),
        rights=tuple(parse_right(word) for word in settings.list("registry-right")),
        anonymous_pull=settings.on("registry-anonymous-pull"),
        public_url=parse_url("registry-public-url", public_url).rstrip("/") if public_url else "",
        immutable=tuple(parse_immutable(word) for word in settings.list("registry-immutable")),
        retention=tuple(parse_rule(word) for word in settings.list("registry-retain")),
        keep_untagged=parse_time(settings.text("registry-keep-untagged")),
        keep_unreferenced=parse_time(settings.text("registry-keep-unused")) or 0.0,
        webhooks=tuple(parse_url("registry-webhook", word) for word in settings.list("registry-webhook")),
        read_only=settings.on("registry-read-only"),
        sparse=settings.on("registry-sparse"),
        upstreams=tuple(parse_upstream(word) for word in settings.list("registry-proxy")),
        remote=replace(remote, attempts=min(remote.attempts, PATIENCE), rides_out=False),
        proxy_auth=settings.text("registry-proxy-auth"),
        proxy_fresh=parse_time(settings.text("registry-proxy-fresh")) or 0.0,
        proxy_keep=parse_time(settings.text("registry-proxy-keep")) or 0.0,
    )


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """With the registry's certificate; None without one. HostError if it cannot be used."""
    cert, key = settings.text("registry-tlscert"), settings.text("registry-tlskey")
    if not cert:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(cert, key or None)
    except (OSError, ssl.SSLError) as error:
        raise HostError(f"registry-tlscert: cannot use {cert}, {key}: {error}") from error
    return context


def warn_if_open(settings: Settings, host: str) -> None:
    """Says what everybody on the network could do."""
    if is_loopback(host):
        return
    if not settings.text("registry-htpasswd"):
        log.warning("registry: everybody who reaches %s may push, for there is no registry-htpasswd", host)
    elif not settings.text("registry-tlscert"):
        log.warning("registry: passwords come to %s without encryption, for there is no registry-tlscert", host)


class LazyRegistry:
    """Opens the registry for the first request: a daemon whose registry nobody uses does without its memory."""

    def __init__(self, root: str, make: Callable[[], Awaitable[Registry]]) -> None:
        self._database, self._make = f"{root}/{DATABASE}", make
        self._opening: asyncio.Task[Registry] | None = None

    def held(self) -> Sequence[str]:
        """The digests that a registry which is not open needs; an open one speaks for itself."""
        return [] if self._opening and self._opening.done() else digests_on_disk(self._database)

    async def open(self) -> Registry:
        if self._opening is None or (self._opening.done() and self._opening.exception()):
            self._opening = asyncio.ensure_future(self._make())
        return await asyncio.shield(self._opening)

    async def handle(self, request: Request) -> Answer:
        try:
            registry = await self.open()
        except CorralError as error:
            log.error("the registry cannot be opened: %s", error.message)
            return Response(503, {"Content-Type": "text/plain; charset=utf-8"}, error.message.encode())
        return await registry.handle(request)

    async def close(self) -> None:
        if self._opening is not None and not (self._opening.done() and self._opening.exception()):
            await (await self._opening).close()


async def start_registry(server: Server, settings: Settings, address: str, *, asked: bool) -> int:
    """Listens; the port. A port that is taken is an error only if it was `asked` for: then 0. HostError."""
    host, port = parse_address(address)
    context = tls_context(settings)
    try:
        port = await server.listen_tcp(host, port, context)
    except HostError as error:
        if asked or error.errno != errno.EADDRINUSE:
            raise
        log.warning("no registry: %s is taken by another program; give it another place with registry = …", address)
        return 0
    warn_if_open(settings, host)
    log.info("the registry is at %s:%d%s", host, port, " (HTTPS)" if context else "")
    return port


def make_lazy(settings: Settings, instance: Instance, root: str, content: Content | None) -> LazyRegistry:
    """The registry in `root`, with its blobs in `content` or, without one, in a store of its own."""

    async def make() -> Registry:
        from corral.registry.app import Registry

        return await Registry.open(registry_config(settings, instance, root), content)

    return LazyRegistry(root, make)


def check(settings: Settings, instance: Instance) -> None:
    """Raises for settings that cannot work, before anything is touched."""
    address = plan_address(settings.text("registry"), instance.default)
    if address:
        parse_address(address)
        registry_config(settings, instance, instance.root)
        tls_context(settings)
