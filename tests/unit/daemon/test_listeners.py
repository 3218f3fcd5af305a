"""Where the daemon may listen."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import time
from pathlib import Path

import pytest

from corral.cli.instance import Instance
from corral.cluster.apiserver.certificates import pki
from corral.cluster.apiserver.certificates.renewal import DAY
from corral.daemon import listeners
from corral.daemon.config import Settings
from corral.daemon.listeners import check, group_id, is_loopback, listen, parse_host, reachable, tls_context
from corral.errors import HostError, InvalidInput
from corral.http.message import Answer, Request, Response
from corral.http.server import Server


def settings(**values: str) -> Settings:
    return Settings.of({}, {key: [value] for key, value in values.items()})


@pytest.mark.parametrize("url", ["unix:///x", "tcp://", "tcp://a:b", "http://a:1", "tcp://a:1/path", "a:1", ""])
def test_hosts_that_are_none(url: str) -> None:
    with pytest.raises(InvalidInput, match="must be tcp://"):
        parse_host(url)


def test_only_the_loopback_may_go_without_certificates() -> None:
    assert tls_context(settings(), "127.0.0.1") is None and is_loopback("::1") and is_loopback("localhost")
    for host in ("0.0.0.0", "192.168.0.1", "example.org", "::"):
        with pytest.raises(InvalidInput, match="tlsverify"):
            tls_context(settings(), host)


def test_missing_certificates_are_named() -> None:
    with pytest.raises(HostError, match=r"/nowhere/cert\.pem"):
        tls_context(settings(tlsverify="true", tlscert="/nowhere/cert.pem"), "0.0.0.0")


def test_the_one_file_that_is_in_the_way_is_named(tmp_path: Path) -> None:
    there = tmp_path / "there.pem"
    there.write_text("no certificate")
    given = {"tlsverify": "true", "tlscert": str(there), "tlskey": str(there), "tlscacert": str(there)}
    for name in ("tlscert", "tlskey", "tlscacert"):
        missing = str(tmp_path / f"{name}.pem")
        with pytest.raises(HostError, match="No such file") as caught:
            tls_context(settings(**{**given, name: missing}), "127.0.0.1")
        assert f"cannot read {name} {missing}" in caught.value.message and str(there) not in caught.value.message
    with pytest.raises(HostError, match=r"cannot use tlscert .* with tlskey"):
        tls_context(settings(**given), "127.0.0.1")


async def test_a_client_whose_certificate_has_expired_is_nobody(tmp_path: Path) -> None:
    """Where whoever gets in is root, the handshake is the door."""

    async def root(request: Request) -> Answer:
        return Response(200, {}, b"root")

    now = int(time.time())
    made = pki.ensure(tmp_path / "pki", pki.server_names("10.96.0.1"), now)
    authority = tmp_path / "ca.pem"
    authority.write_text(made.ca)
    files = {"tlscert": str(made.server), "tlskey": str(made.server), "tlscacert": str(authority)}
    server = Server(root)
    port = await server.listen_tcp("127.0.0.1", 0, tls_context(settings(tlsverify="true", **files), "127.0.0.1"))

    async def ask(name: str, since: int) -> bytes:
        context = ssl.create_default_context(cadata=made.ca)
        context.load_cert_chain(pki.identity(made, name, name, (), since))
        try:
            reader, writer = await asyncio.open_connection("localhost", port, ssl=context, family=socket.AF_INET)
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            return await reader.read()
        except OSError:
            return b""

    assert (await ask("fine", now)).endswith(b"root") and await ask("late", now - 400 * DAY) == b""
    await server.close(grace=0.1)


def test_an_unknown_group_says_how_to_make_it() -> None:
    assert group_id("") == -1 and group_id("0") == 0
    with pytest.raises(InvalidInput, match="groupadd no-such-group"):
        check(settings(**{"socket-group": "no-such-group"}))


def test_long_paths_become_reachable(tmp_path: Path) -> None:
    folder = tmp_path / ("a" * 90) / ("b" * 90)
    folder.mkdir(parents=True)
    path = str(folder / "docker.sock")
    assert reachable("/run/docker.sock") == "/run/docker.sock"
    short = reachable(path)
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(short)
        assert os.path.exists(path)
    finally:
        os.close(int(short.split("/")[4]))


async def nothing(request: Request) -> Answer:
    return Response(200)


async def open_at(root: Path, caplog: pytest.LogCaptureFixture) -> tuple[Server, str]:
    """A server with `docker-socket`, and what it warned of."""
    server, instance = Server(nothing), Instance(str(root))
    os.makedirs(os.path.dirname(instance.socket), exist_ok=True)
    caplog.clear()
    await listen(server, instance, settings(**{"docker-socket": "true"}))
    return server, caplog.text


async def test_dockers_own_socket_is_taken_when_nobody_owns_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    docker = tmp_path / "docker.sock"
    monkeypatch.setattr(listeners, "DOCKER_SOCKET", str(docker))
    first, warned = await open_at(tmp_path / "a", caplog)
    assert docker.is_socket() and not warned
    second, warned = await open_at(tmp_path / "b", caplog)
    assert "answers at unix://" in warned and str(docker) in warned
    await second.close()
    assert docker.is_socket(), "it is another's"
    await first.close()
    assert not docker.exists()
    with socket.socket(socket.AF_UNIX) as dead:  # one whose daemon was killed
        dead.bind(str(docker))
    third, warned = await open_at(tmp_path / "c", caplog)
    assert docker.is_socket() and not warned
    await third.close()
