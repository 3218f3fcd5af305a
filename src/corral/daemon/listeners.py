"""Where the daemon listens: the instance's socket, Docker's own if it is asked for and free, and TCP with TLS."""

from __future__ import annotations

import grp
import ipaddress
import logging
import os
import ssl
from urllib.parse import urlsplit

from corral.cli.instance import Instance
from corral.daemon.config import Settings
from corral.errors import Conflict, CorralError, HostError, InvalidInput
from corral.http.server import Server

log = logging.getLogger("corral.daemon")

DOCKER_SOCKET = "/var/run/docker.sock"
LONGEST = 107  # bytes of a unix socket's path that the kernel takes


async def listen(server: Server, instance: Instance, settings: Settings) -> None:
    """Opens every listener of the settings; what was opened before a failure is closed by `server.close`."""
    gid = group_id(settings.text("socket-group"))
    mode = 0o660 if gid >= 0 else 0o600
    await server.listen_unix(reachable(instance.socket), mode, gid)
    if settings.on("docker-socket"):
        try:
            await server.listen_unix(DOCKER_SOCKET, mode, gid)
        except Conflict as error:
            log.warning("docker-socket: %s; Corral answers at %s only", error.message, instance.url)
    for url in settings.list("host"):
        host, port = parse_host(url)
        context = tls_context(settings, host)
        port = await server.listen_tcp(host, port, context)
        log.info("listening on tcp://%s:%d%s", host, port, "" if context else " without encryption")


def reachable(path: str) -> str:
    """The same place under a name that fits into a socket address.

    A long one goes through a descriptor of its directory, which stays open as long as the process.
    """
    if len(os.fsencode(path)) <= LONGEST:
        return path
    folder = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    return f"/proc/self/fd/{folder}/{os.path.basename(path)}"


def group_id(name: str) -> int:
    """The group's number, -1 for "" (root alone). InvalidInput if there is no such group."""
    if not name:
        return -1
    try:
        return int(name) if name.isdigit() else grp.getgrnam(name).gr_gid
    except KeyError:
        raise InvalidInput(f"socket-group {name!r}: there is no such group; make it: groupadd {name}") from None


def parse_host(url: str) -> tuple[str, int]:
    """Pure: the address and port of a `host` setting.

    >>> parse_host("tcp://127.0.0.1:2376"), parse_host("tcp://[::1]")
    (('127.0.0.1', 2376), ('::1', 2376))
    """
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = -1
    if parts.scheme != "tcp" or not parts.hostname or port == -1 or parts.path not in ("", "/"):
        raise InvalidInput(f"host {url!r}: must be tcp://ADDRESS:PORT; the unix socket is always there")
    return parts.hostname, 2376 if port is None else port


def is_loopback(host: str) -> bool:
    """Pure: whether only this machine can connect to it."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def tls_context(settings: Settings, host: str) -> ssl.SSLContext | None:
    """Mutual TLS, or None on the loopback. Whoever reaches the API is root here, so elsewhere it is a must."""
    if not settings.on("tlsverify"):
        if is_loopback(host):
            return None
        raise InvalidInput(f"host {host}: the API gives root, so beyond the loopback it needs tlsverify = true")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    cert, key, authority = (settings.text(name) for name in ("tlscert", "tlskey", "tlscacert"))
    _check_readable(cert=cert, key=key, cacert=authority)
    try:
        context.load_cert_chain(cert, key)
    except ssl.SSLError as error:
        raise HostError(f"tlsverify: cannot use tlscert {cert} with tlskey {key}: {error}") from error
    try:
        context.load_verify_locations(authority)
    except ssl.SSLError as error:
        raise HostError(f"tlsverify: cannot use tlscacert {authority}: {error}") from error
    return context


def _check_readable(**files: str) -> None:
    """Which of the files is the one in the way: OpenSSL names none. Raises HostError."""
    for name, path in files.items():
        try:
            with open(path, "rb"):
                pass
        except OSError as error:
            raise HostError(f"tlsverify: cannot read tls{name} {path}: {error.strerror}") from error


def check(settings: Settings) -> None:
    """Raises for listener settings that cannot work, before anything of the host is touched."""
    group_id(settings.text("socket-group"))
    try:
        for url in settings.list("host"):
            tls_context(settings, parse_host(url)[0])
    except CorralError as error:
        error.add_note("in the settings of `corral up`")
        raise
