"""TLS with client certificates that may be there: who showed one is known to the handler; openssl is the client."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from corral.cluster.apiserver.certificates import pki
from corral.cluster.apiserver.certificates.renewal import DAY
from corral.cluster.certificates.x509 import parse
from corral.http import tls
from corral.http.message import Answer, Request, Response
from corral.http.server import Server

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is the client")
NAMES = pki.server_names("10.96.0.1")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> pki.Pki:
    return pki.ensure(tmp_path_factory.mktemp("pki") / "pki", NAMES, int(time.time()))


async def who(request: Request) -> Answer:
    shown = parse(request.peer_certificate).common_name if request.peer_certificate else "nobody"
    return Response(200, {}, f"{shown} from {request.remote} wants {request.values('x-list')}".encode())


@pytest.fixture
async def listening(made: pki.Pki) -> AsyncIterator[tuple[int, ssl.SSLContext]]:
    context = tls.server_context(str(made.server), str(made.server), made.client_authorities)
    server = Server(who)
    yield await server.listen_tcp("127.0.0.1", 0, context), context
    await server.close(grace=0.1)


async def ask(port: int, made: pki.Pki, *options: object, identity: Path | None = None) -> str:
    """What openssl gets (and says) for two requests on one connection."""
    argv = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", "localhost", "-ign_eof"]
    argv += ["-CAfile", str(made.folder / "ca.crt"), "-verify_return_error", *map(str, options)]
    if identity is not None:
        argv += ["-cert", str(identity), "-key", str(identity)]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*argv, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.STDOUT)
    first = b"GET / HTTP/1.1\r\nHost: x\r\nX-List: a, b\r\nX-List: c\r\n\r\n"
    last = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    output, _ = await asyncio.wait_for(process.communicate(first + last), 10)
    return output.decode("utf-8", "replace")


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
async def test_the_handler_knows_who_showed_a_certificate(
    listening: tuple[int, ssl.SSLContext], made: pki.Pki, version: str
) -> None:
    output = await ask(listening[0], made, version, "-alpn", "h2,http/1.1", identity=made.admin)
    assert "kubernetes-admin from 127.0.0.1 wants ['a, b', 'c']" in output
    assert "kubernetes-admin from 127.0.0.1 wants []" in output
    assert "ALPN protocol: http/1.1" in output
    proxied = await ask(listening[0], made, version, identity=made.front_proxy_client)
    assert "front-proxy-client from 127.0.0.1" in proxied


async def test_none_need_be_shown(listening: tuple[int, ssl.SSLContext], made: pki.Pki) -> None:
    assert "nobody from 127.0.0.1" in await ask(listening[0], made)


async def test_others_certificates_and_old_versions_are_refused(
    listening: tuple[int, ssl.SSLContext], made: pki.Pki, tmp_path: Path
) -> None:
    other = pki.ensure(tmp_path / "other", NAMES, int(time.time()))
    for output in (
        await ask(listening[0], made, identity=other.admin),
        await ask(listening[0], made, identity=made.server),  # not made for clients
        await ask(listening[0], made, "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"),
    ):
        assert "from 127.0.0.1" not in output and "alert" in output


async def test_who_comes_with_one_that_has_expired_is_the_handlers_to_refuse(
    listening: tuple[int, ssl.SSLContext], made: pki.Pki
) -> None:
    late = pki.identity(made, "late", "late", (), int(time.time()) - 400 * DAY)
    assert "late from 127.0.0.1" in await ask(listening[0], made, identity=late)


async def test_a_renewed_certificate_is_used_without_a_restart(
    listening: tuple[int, ssl.SSLContext], made: pki.Pki, tmp_path: Path
) -> None:
    port, context = listening
    renewed = pki.ensure(tmp_path / "renewed", NAMES, int(time.time()))
    with pytest.raises(ssl.SSLError):
        tls.reload(context, str(renewed.server), str(made.server))
    assert "nobody" in await ask(port, made)
    tls.reload(context, str(renewed.server), str(renewed.server))
    assert "verify error" in await ask(port, made)
    assert "nobody" in await ask(port, renewed)
