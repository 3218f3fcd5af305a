"""A machine joins: it learns the cluster's certificate, and asks for one of its own.

Follows kubeadm's discovery by token and kubelet's TLS bootstrap.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import ssl
from collections.abc import Sequence
from typing import Final

from corral.cluster.client.builtin import NODES
from corral.cluster.client.https.remote import RemoteClient
from corral.cluster.client.protocol import APPLY_PATCH, Client, Collection, Object
from corral.cluster.joining.credentials import authority_hash, new_key, request
from corral.cluster.joining.rights import CONFIG_MAPS, INFO, PUBLIC, SECRETS, parse_info, plan_rights, plan_token
from corral.cluster.joining.unreached import why_unreached
from corral.errors import Conflict, Forbidden, HostError
from corral.model.kubernetes.status import StatusError

CSRS: Final = Collection("certificates.k8s.io", "v1", "certificatesigningrequests")
SIGNER: Final = "kubernetes.io/kube-apiserver-client-kubelet"
SERVING_SIGNER: Final = "kubernetes.io/kubelet-serving"
PATIENCE: Final = 60.0  # seconds for the controllers to approve and sign


async def discover(url: str, expected: str, server_name: str = "") -> str:
    """The cluster's certificate (PEM), which has the hash `expected`. Nothing secret is sent before that is known.

    Forbidden where it has another, or lets nobody join; HostError, StatusError.
    """
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    client = RemoteClient(url, context, "corral-join", server_name=server_name)
    try:
        found = parse_info(await client.get(CONFIG_MAPS, INFO, PUBLIC))
    except OSError as error:
        raise HostError(f"cannot reach {url}: {why_unreached(error)}") from error
    except StatusError as error:
        if error.code not in (401, 403, 404):
            raise
        raise Forbidden(f"{url} lets no machine join yet: `corral token create` there says what to type") from error
    finally:
        client.close()
    if not hmac.compare_digest(authority_hash(found), expected):
        raise Forbidden(f"{url} is another cluster: its certificate has the hash {authority_hash(found)}")
    return found


async def ask_certificate(client: Client, node: str, names: Sequence[str] = ()) -> str:
    """A new key and its certificate, signed by the cluster, as one PEM text: of a client, or with `names` of a server
    that has these names and addresses.

    Forbidden when it is denied or not approved in time; StatusError, OSError.
    """
    key = new_key()
    spec = {
        "request": base64.b64encode(request(node, key, names).encode()).decode(),
        "signerName": SERVING_SIGNER if names else SIGNER,
        "usages": ["digital signature", "server auth" if names else "client auth"],
    }
    made = await client.create(CSRS, {"metadata": {"generateName": "node-csr-"}, "spec": spec})
    name = made["metadata"]["name"]
    try:
        async with asyncio.timeout(PATIENCE):
            return await _signed(client, name) + key
    except TimeoutError:
        raise Forbidden(
            f"nobody has approved {name} within {PATIENCE:.0f} s: kubectl certificate approve {name}"
        ) from None


async def check_name(client: Client, node: str) -> None:
    """Conflict where a node of that name is at work. StatusError, OSError."""
    try:
        found = await client.get(NODES, node)
    except StatusError as error:
        if error.code != 404:
            raise
        return
    conditions = (found.get("status") or {}).get("conditions") or ()
    if any(one["type"] == "Ready" and one["status"] == "True" for one in conditions):
        raise Conflict(
            f'a Node with name "{node}" and status "Ready" already exists in the cluster. You must delete the existing '
            "Node or change the name of this new joining Node"
        )


async def _signed(client: Client, name: str) -> str:
    """The certificate, once it is there."""
    selector = f"metadata.name={name}"
    while True:
        listing = await client.list(CSRS, field_selector=selector)
        for one in listing.items:
            if text := plan_answer(one):
                return text
        version = listing.resource_version
        async for event in client.watch(CSRS, resource_version=version, field_selector=selector):
            if event.type == "MODIFIED" and (text := plan_answer(event.object)):
                return text


def plan_answer(found: Object) -> str:
    """Pure: the certificate of a request, "" while there is none. Forbidden when there will be none.

    >>> plan_answer({"metadata": {"name": "a"}}), plan_answer({"status": {"certificate": "UEVN"}})
    ('', 'PEM')
    """
    status = found.get("status") or {}
    for one in status.get("conditions") or ():
        if one["type"] in ("Denied", "Failed"):
            raise Forbidden(f"the request for a certificate was refused: {one.get('message') or one.get('reason')}")
    return base64.b64decode(status.get("certificate") or "").decode()


async def allow_joining(client: Client, extra: list[tuple[Collection, Object]] | None = None) -> None:
    """Applies the roles and bindings, and what else is given. StatusError."""
    for of, obj in (*plan_rights(), *(extra or ())):
        meta = obj["metadata"]
        await client.patch(
            of,
            meta["name"],
            meta.get("namespace", ""),
            patch=obj,
            type=APPLY_PATCH,
            field_manager="corral",
            force=True,
        )


async def create_token(client: Client, token: str, expiration: str, description: str) -> None:
    """StatusError, when there is one of that id already, too."""
    await client.create(SECRETS, plan_token(token, expiration, description))


async def forget_token(client: Client, token: str) -> None:
    try:
        await client.delete(SECRETS, f"bootstrap-token-{token[:6]}", "kube-system")
    except StatusError as error:
        if error.code != 404:
            raise
