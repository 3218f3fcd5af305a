"""What a node knows of its cluster: DIR/node/join.json, and the certificate by which the cluster knows the node.

The token in the file is of use only until the certificate is there.
"""

from __future__ import annotations

import logging
import ssl
import time
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from corral.cli.instance import Instance
from corral.cluster.apiserver.certificates import files
from corral.cluster.client.https.remote import RemoteClient, make_context
from corral.cluster.joining.credentials import expired, is_due
from corral.cluster.joining.joining import ask_certificate, check_name, discover
from corral.cluster.joining.rights import split_token
from corral.errors import Conflict, CorralError, Forbidden, HostError, InvalidInput, from_oserror
from corral.model.kubernetes.names import dns_subdomain
from corral.model.kubernetes.status import StatusError

log = logging.getLogger("corral.daemon")

T = TypeVar("T")

FOLDER: Final = "node"
IDENTITY: Final = "identity.pem"
LONGEST_NAME: Final = 63


class Join(msgspec.Struct, omit_defaults=True):
    """`ca_hash` or `authority` (PEM) vouches for the server; `server_name` stands in its certificate, if not the URL's
    host. `netns`: a file of the network namespace that the node is in, "" for the host's. `images`: the socket of the
    engine that lends its images, `pulls`: the folder of its kubelet, which knows by whom they were pulled.
    `pod_network`: the subnets of its pods, with commas between. `grace`: for how many seconds the cluster bears the
    node's silence.
    """

    server: str
    name: str
    token: str = ""
    ca_hash: str = ""
    authority: str = ""
    server_name: str = ""
    netns: str = ""
    images: str = ""
    pulls: str = ""
    pod_network: str = ""
    grace: float = 40.0


def folder(instance: Instance) -> Path:
    return Path(instance.root) / FOLDER


def load(instance: Instance) -> Join | None:
    """None where this is no node yet. HostError."""
    return read_kept(instance, "join.json", Join)


def read_kept(instance: Instance, name: str, kind: type[T]) -> T | None:
    """What a node keeps in a file of its folder; None where it has kept nothing yet. HostError."""
    text = files.read(folder(instance) / name)
    if text is None:
        return None
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.DecodeError as error:
        raise HostError(f"{folder(instance)}/{name}: {error}") from error


def has_joined(instance: Instance) -> bool:
    return Path(instance.node_identity).exists()


def was_removed(instance: Instance) -> bool:
    """Whether nothing is left of what it knew of its cluster: `corral reset` took it away."""
    return not folder(instance).exists()


def save(instance: Instance, join: Join) -> None:
    """For root alone. HostError."""
    try:
        Path(instance.root).mkdir(mode=0o711, parents=True, exist_ok=True)
    except OSError as error:
        raise from_oserror(f"make {instance.root}", error) from error
    files.make_folder(folder(instance))
    files.write(folder(instance) / "join.json", msgspec.json.encode(join).decode())


def merge(known: Join | None, asked: Join, *, joined: bool) -> Join:
    """Pure: what holds: a node that has `joined` stays what it is; a new token may be given. Conflict, InvalidInput.

    >>> merge(None, Join("https://a", "n", token="t"), joined=False).token
    't'
    >>> merge(Join("https://a", "n", authority="PEM"), Join("", ""), joined=True).server
    'https://a'
    >>> merge(Join("https://a", "n"), Join("https://b", "n"), joined=True)
    Traceback (most recent call last):
    corral.errors.Conflict: this is a node of https://a already; to leave it: corral reset
    """
    if known is None:
        if not asked.server:
            raise InvalidInput("this is no node yet: corral join URL --token TOKEN --ca-hash HASH")
        return asked
    if asked.server and not joined:
        return asked
    if asked.server not in ("", known.server) or asked.name not in ("", known.name):
        raise Conflict(f"this is a node of {known.server} already; to leave it: corral reset")
    return msgspec.structs.replace(known, token=asked.token or known.token, ca_hash=asked.ca_hash or known.ca_hash)


def check_node_name(name: str) -> None:
    """Pure: InvalidInput where no Node can have it. It is the value of a label, too.

    >>> check_node_name("box-1.example.org")
    >>> check_node_name("Box_1")
    Traceback (most recent call last):
    corral.errors.InvalidInput: name 'Box_1': a lowercase RFC 1123 subdomain must consist of lower case alphanumeric \
characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for \
validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
    """
    if problems := dns_subdomain(name):
        raise InvalidInput(f"name {name!r}: {problems[0]}")
    if len(name) > LONGEST_NAME:
        raise InvalidInput(f"name {name!r}: must be no more than {LONGEST_NAME} characters")


class Identity:
    """The node's certificate and key in a file, made and renewed as need be."""

    def __init__(self, instance: Instance, join: Join) -> None:
        self.path = folder(instance) / IDENTITY
        self._instance, self._join = instance, join
        self._contexts: list[ssl.SSLContext] = []
        self._clients: list[RemoteClient] = []

    async def ensure(self) -> Join:
        """The file is there and good when this returns; the result has what was learned of the server. CorralError."""
        if not self._join.authority:
            if self._join.token:
                split_token(self._join.token)
            if not self._join.ca_hash:
                raise InvalidInput("--ca-hash is missing: without it nobody knows whose server that is")
            found = await discover(self._join.server, self._join.ca_hash, self._join.server_name)
            self._join = msgspec.structs.replace(self._join, authority=found)
            save(self._instance, self._join)
        present = files.read(self.path) or ""
        if not is_due(present, self._join.name, time.time()):
            return self._join
        try:
            await self._renew(present)
        except (OSError, CorralError) as error:
            log.warning("the certificate of node %s is not renewed: %s", self._join.name, error)
            if expired(present, time.time()):
                raise
        return self._join

    async def _renew(self, present: str) -> None:
        """By the certificate that is there, or by the token. StatusError, OSError, CorralError."""
        by_token = expired(present, time.time())
        if by_token and not self._join.token:
            raise Forbidden("this node has no valid certificate: give it a token (corral token create)")
        context = make_context(self._join.authority, "" if by_token else str(self.path))  # for this once
        client = self._client("corral-join", context, self._join.token if by_token else "")
        try:
            if not present:
                await check_name(client, self._join.name)
            files.write(self.path, await ask_certificate(client, self._join.name))
            for context in self._contexts:  # new connections show the new one
                context.load_cert_chain(str(self.path))
            for shown in self._clients:  # and old ones, which would be refused when the old one expires, are given up
                shown.renew()
        except StatusError as error:
            if error.code != 401 or not by_token:
                raise
            raise Forbidden(
                f"{self._join.server} does not take the token {self._join.token.partition('.')[0]}: it has expired, or "
                "is another cluster's; `corral token create` there makes a new one"
            ) from error
        finally:
            client.close()

    def context(self) -> ssl.SSLContext:
        """Shows the node's certificate, also when it is renewed. HostError."""
        made = make_context(self._join.authority, str(self.path))
        self._contexts.append(made)
        return made

    def client(self, manager: str) -> RemoteClient:
        """Shows the node's certificate, also when it is renewed. HostError."""
        made = self._client(manager, self.context())
        self._clients.append(made)
        return made

    def _client(self, manager: str, context: ssl.SSLContext, token: str = "") -> RemoteClient:
        return RemoteClient(self._join.server, context, manager, token=token, server_name=self._join.server_name)
