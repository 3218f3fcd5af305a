from __future__ import annotations

import time
from pathlib import Path

import pytest

from corral.cli.instance import Instance
from corral.cluster.apiserver.certificates import files, pki
from corral.cluster.apiserver.certificates.issuing import new_leaf
from corral.cluster.apiserver.certificates.renewal import DAY, Wanted
from corral.cluster.certificates.x509 import parse
from corral.cluster.client.protocol import Collection
from corral.daemon import node_join
from corral.daemon.node_join import IDENTITY, LONGEST_NAME, Identity, Join, check_node_name, folder
from corral.errors import InvalidInput
from corral.http import tls
from corral.http.message import Answer, Request, Response
from corral.http.server import Server


def test_names_that_no_label_can_hold() -> None:
    check_node_name("n" * LONGEST_NAME)
    with pytest.raises(InvalidInput, match="no more than 63 characters"):
        check_node_name("n" * (LONGEST_NAME + 1))


async def test_a_token_of_another_form_is_not_told_of_and_nobody_is_asked(tmp_path: Path) -> None:
    asked = Join("https://192.0.2.1:1", "n", token="secret", ca_hash="sha256:00")
    with pytest.raises(InvalidInput, match="a token has 6 and 16"):
        await Identity(Instance(str(tmp_path)), asked).ensure()


async def test_a_renewed_certificate_is_shown_by_clients_that_have_shown_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that went on would be refused from the day on that the old one expires."""
    made = pki.ensure(tmp_path / "pki", pki.server_names("10.96.0.1"), int(time.time()))
    authority = (tmp_path / "pki" / "ca.pem").read_text()
    wanted = Wanted("system:node:n", ("system:nodes",), client=True)

    async def sign(*_: object) -> str:
        return new_leaf(wanted, authority, int(time.time()))

    async def who(request: Request) -> Answer:
        return Response(200, {}, b'{"n":"%s"}' % parse(request.peer_certificate).fingerprint.encode())

    monkeypatch.setattr(node_join, "ask_certificate", sign)
    server = Server(who)
    port = await server.listen_tcp(
        "127.0.0.1", 0, tls.server_context(str(made.server), str(made.server), made.client_authorities)
    )
    instance = Instance(str(tmp_path / "i"))
    files.make_folder(folder(instance))
    identity = Identity(instance, Join(f"https://127.0.0.1:{port}", "n", authority=made.ca))
    files.write(identity.path, new_leaf(wanted, authority, int(time.time()) - 300 * DAY))
    assert identity.path == folder(instance) / IDENTITY
    client = identity.client("test")
    old = await client.get(Collection("", "v1", "nodes"), "n")
    await identity.ensure()
    assert await client.get(Collection("", "v1", "nodes"), "n") != old
    known = len(identity._contexts)
    for _ in range(3):  # a node lives for years
        await identity._renew(files.read(identity.path) or "")
    assert len(identity._contexts) == known
    client.close()
    await server.close(grace=0.1)
