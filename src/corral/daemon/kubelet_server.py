"""The kubelet's HTTPS listener: its certificate, signed by the cluster, and where it listens.

Its code is loaded here and nowhere else, so a daemon that serves no Kubernetes pays nothing for it.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from corral.cluster.apiserver.certificates import files
from corral.cluster.certificates.x509 import from_pem
from corral.cluster.joining.credentials import is_serving_due
from corral.cluster.joining.joining import ask_certificate
from corral.errors import CorralError, HostError, InvalidInput
from corral.http.server import Server
from corral.http.tls import reload, server_context
from corral.kit.backoff import exponential
from corral.kit.tasks import Tasks

if TYPE_CHECKING:
    import ssl

    from corral.cluster.apiserver.app import Kubernetes
    from corral.cluster.client.protocol import Client
    from corral.cluster.kubelet.kubelet import Kubelet
    from corral.cluster.kubelet.server.gate import Review

log = logging.getLogger("corral.daemon")

PORT: Final = 10250
LOOK_SECONDS: Final = 3600.0  # between looks at the certificate's age
SHORTEST, LONGEST = 5_000, 3_600_000  # milliseconds until a certificate is asked for again
AWAY: Final = (errno.EADDRNOTAVAIL,)  # an address that is not this machine's: somebody hands on what comes to it


class KubeletListener:
    """`run` until it is cancelled: the node says where its kubelet listens as soon as it does.

    `client` asks for the certificate, `authority` (PEM) has signed those of who may ask, `review` says whether they
    may. `port`: where to listen, 0 for upstream's port or, if that is taken, any.
    """

    def __init__(self, kubelet: Kubelet, client: Client, authority: str, review: Review, port: int) -> None:
        from corral.cluster.kubelet.server.gate import Gate
        from corral.cluster.kubelet.server.server import KubeletServer

        self._kubelet, self._client, self._authority, self._port = kubelet, client, authority, port
        self._name = kubelet.machine.name
        self._names = (self._name, *kubelet.machine.addresses)
        self._path = Path(kubelet.settings.root) / "serving.pem"
        self._context: ssl.SSLContext | None = None
        self._bound, self._told = 0, False
        gate = Gate(self._name, review, from_pem(authority))
        self._server = Server(KubeletServer(kubelet, gate).handle)

    async def run(self) -> None:
        failures = 0
        while True:
            try:
                await self._advance()
            except (CorralError, OSError) as error:
                log.warning("the kubelet's server (node %s): %s", self._name, error)
                await asyncio.sleep(exponential(failures, SHORTEST, LONGEST) / 1000)
                failures += 1
                continue
            failures = 0
            await asyncio.sleep(LOOK_SECONDS)

    async def _advance(self) -> None:
        """Does what is missing: the certificate, listening, saying so. HostError, StatusError, Forbidden, OSError."""
        renewed = await self._ensure()
        if not self._bound:
            self._context = server_context(str(self._path), str(self._path), self._authority)
            self._bound = await self._listen(self._context)
        elif renewed and self._context is not None:
            reload(self._context, str(self._path), str(self._path))
        if not self._told:
            await self._kubelet.ready.wait()
            await self._kubelet.listens(self._bound)
            self._told = True

    async def _ensure(self) -> bool:
        """Whether a new certificate had to be got. It is asked for when the node is there, with its addresses: then it
        is approved without anybody's help."""
        if not is_serving_due(files.read(self._path) or "", self._names, time.time()):
            return False
        await self._kubelet.ready.wait()
        files.make_folder(self._path.parent)
        files.write(self._path, await ask_certificate(self._client, self._name, self._names))
        return True

    async def _listen(self, context: ssl.SSLContext) -> int:
        """The port. HostError."""
        port = self._port or PORT
        for address in self._kubelet.machine.addresses:
            port = await self._listen_at(address, port, context)
        log.info("the kubelet of node %s listens on port %d", self._name, port)
        return port

    async def _listen_at(self, address: str, port: int, context: ssl.SSLContext) -> int:
        try:
            return await self._server.listen_tcp(address, port, context)
        except HostError as error:
            if error.errno == errno.EADDRINUSE and not self._port:
                return await self._server.listen_tcp(address, 0, context)
            if error.errno not in AWAY:
                raise
        return await self._listen_at("::" if ":" in address else "0.0.0.0", port, context)

    async def close(self) -> None:
        await self._server.close(grace=1.0)


def add_listener(
    stack: AsyncExitStack, kubelet: Kubelet, client: Client, authority: str, review: Review, port: int
) -> None:
    """Runs it until `stack` ends."""
    listener, tasks = KubeletListener(kubelet, client, authority, review, port), Tasks()
    stack.push_async_callback(listener.close)
    stack.push_async_callback(tasks.close)
    tasks.start("kubelet server", listener.run())


def review_here(api: Kubernetes) -> Review:
    """Reviews by the API server in this process."""
    from corral.cluster.apiserver.authentication.reviews import review_token
    from corral.cluster.apiserver.authorization.reviews import review_subject

    async def review(asked: dict[str, Any]) -> dict[str, Any]:
        await api.caches.fresh()
        match asked["kind"]:
            case "TokenReview":
                return await review_token(asked, api.authenticator)
            case "SubjectAccessReview":
                return review_subject(asked, api.authorizer)
        raise InvalidInput(f"no review: {asked['kind']}")

    return review
