"""`corral token create`: a token for machines that are to join, and the command to type there."""

from __future__ import annotations

import asyncio
import base64
import socket
import ssl
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from corral.cli.instance import Instance
from corral.cluster.apiserver.certificates import files
from corral.cluster.client.https.remote import RemoteClient, make_context
from corral.cluster.client.https.wire import Connection, parse_url
from corral.cluster.client.times import to_text, utc_now
from corral.cluster.joining.credentials import authority_hash
from corral.cluster.joining.joining import allow_joining, create_token
from corral.cluster.joining.rights import plan_info
from corral.cluster.kubelet.node.host import own_addresses
from corral.daemon.kubernetes import kubeconfig_path, plan_url
from corral.daemon.nodes import new_token
from corral.errors import HostError, InvalidInput, NotFound

LIFE: Final = timedelta(hours=24)


def plan_join(url: str, token: str, hash: str) -> str:
    """Pure: what to type on the machine that is to join.

    >>> plan_join("https://10.0.0.1:6443", "abcdef.0123456789abcdef", "sha256:00")
    'corral join https://10.0.0.1:6443 --token abcdef.0123456789abcdef --ca-hash sha256:00'
    """
    return f"corral join {url} --token {token} --ca-hash {hash}"


def print_token(instance: Instance, url: str) -> int:
    """Makes a token that holds for a day, and prints the command. CorralError."""
    text = files.read(path) if (path := _kubeconfig(instance)) else None
    if text is None:
        raise NotFound("no cluster runs here: corral up")
    asyncio.run(_make(text, instance, url))
    return 0


def _kubeconfig(instance: Instance) -> Any:
    from pathlib import Path

    return Path(kubeconfig_path(instance))


async def _make(kubeconfig: str, instance: Instance, url: str) -> None:
    import yaml

    found = yaml.safe_load(kubeconfig)
    cluster = found["clusters"][0]["cluster"]
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    if url:
        await check_reached(cluster["server"], url, authority)
    url = url or await plan_reached(cluster["server"])
    identity = f"{instance.root}/kubernetes/pki/admin.pem"
    client = RemoteClient(cluster["server"], make_context(authority, identity), "corral-token")
    token = new_token()
    try:
        await allow_joining(client, plan_info(url, authority))
        await create_token(client, token, to_text(utc_now() + LIFE), "corral token create")
    except OSError as error:
        raise _unreached(cluster["server"], error) from error
    finally:
        client.close()
    print(plan_join(url, token, authority_hash(authority)))


async def check_reached(server: str, url: str, authority: str) -> None:
    """InvalidInput where no machine could join by that URL: the server's certificate is not for its host. HostError."""
    host = parse_url(url).host
    try:
        connection = await Connection.open(parse_url(server, host), make_context(authority))
    except ssl.SSLCertVerificationError:
        raise InvalidInput(
            f"the certificate of {server} is not for {host}, so no machine can join by {url}: "
            f"corral up --kubernetes-name {host}"
        ) from None
    except OSError as error:
        raise _unreached(server, error) from error
    connection.close()


def _unreached(server: str, error: OSError) -> HostError:
    """
    >>> _unreached("https://10.0.0.1:6443", TimeoutError()).message
    'cannot reach https://10.0.0.1:6443: no answer'
    """
    return HostError(f"cannot reach {server}: {str(error) or 'no answer'}")


async def plan_reached(server: str) -> str:
    """Where other machines reach the API: at this machine's own address, if it listens there. InvalidInput."""
    parts = urlsplit(server)
    host, port = parts.hostname or "", parts.port or 443
    if host not in ("127.0.0.1", "::1", "localhost"):
        return server
    for own in own_addresses((4, 6)):
        if await _listens(own, port):
            return plan_url(own, port)
    raise InvalidInput(
        f"the API listens at {server} only, where no other machine reaches it: "
        "corral up --kubernetes-address 0.0.0.0:6443, or say --url"
    )


async def _listens(address: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            async with asyncio.timeout(2):
                await asyncio.get_running_loop().sock_connect(probe, (address, port))
        except OSError:
            return False
    return True
