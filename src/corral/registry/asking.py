"""Asking: the upstreams, as whoever the registry is there; one that is silent is left alone for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar

from msgspec.structs import replace

from corral.errors import CorralError, NotFound, RemoteFailed
from corral.images.content import Content
from corral.images.remote.endpoints import Endpoint, mirror_endpoint
from corral.images.remote.fetching import Source
from corral.images.remote.hub import Hub
from corral.images.remote.refusal import Refusal, explain, is_missing
from corral.images.remote.repository import Repository
from corral.images.remote.threads import blocking
from corral.images.remote.wire import WireError
from corral.kit.clock import Clock
from corral.model.transfer import Credentials
from corral.registry.config import RegistryConfig
from corral.registry.faults import Fault
from corral.registry.sweep import SECOND
from corral.registry.upstreams import Place, account_of, read_accounts

T = TypeVar("T")
PATIENCE: Final = 300.0  # seconds that an answer may take, with all the pauses that were asked for
SILENCE: Final = 30 * SECOND  # for so long nobody waits again for an upstream that did not answer


class Asking:
    """`hub` is the client; what it fetches become blobs of the content store. Each upstream has downloads of its own:
    none waits for another one's."""

    def __init__(self, config: RegistryConfig, content: Content, clock: Clock) -> None:
        each = config.remote.downloads
        self.hub = Hub(content, replace(config.remote, downloads=each * len(config.upstreams)), store=True)
        self._slots = {one.url: asyncio.Semaphore(max(1, each)) for one in config.upstreams}
        self._config, self._clock = config, clock
        self._silent: dict[str, int] = {}  # URL -> until when

    def close(self) -> None:
        self.hub.close()

    def _where(self, place: Place) -> tuple[Endpoint, Credentials]:
        """The file of accounts is read each time: a password that was changed there is used at once."""
        url = place.upstream.url
        return mirror_endpoint(url, self._config.remote), account_of(read_accounts(self._config.proxy_auth), url)

    async def ask(self, place: Place, work: Callable[[Repository], T]) -> T:
        """NotFound for what the upstream does not have, or not for us; RemoteFailed for silence and failures."""
        url, now = place.upstream.url, self._clock.now()
        if self._silent.get(url, 0) > now:
            raise RemoteFailed(f"{url} did not answer a moment ago")
        endpoint, who = self._where(place)
        try:
            async with asyncio.timeout(PATIENCE):
                return await blocking(
                    "upstream",
                    lambda cancel: work(Repository(self.hub.session(endpoint, who, cancel), place.path, cancel)),
                    explained,
                )
        except TimeoutError:
            self.hub.forget(endpoint, who)
            self._silent[url] = self._clock.now() + SILENCE
            raise RemoteFailed(f"{url} did not come to an end within {PATIENCE:g} seconds") from None
        except RemoteFailed as error:
            self.hub.forget(endpoint, who)
            if is_silence(error.__cause__):
                self._silent[url] = now + SILENCE
            raise

    def slots(self, place: Place) -> asyncio.Semaphore:
        """How many downloads from there go on at a time."""
        return self._slots[place.upstream.url]

    def source(self, place: Place, digest: str) -> Source:
        """Where a blob can be had."""
        endpoint, who = self._where(place)
        return self.hub.source(endpoint, who, place.path, digest)


def explained(refusal: Refusal) -> CorralError:
    """Pure: NotFound for what we do not get there, RemoteFailed for what may pass.

    >>> [type(explained(Refusal(status, "", "", ""))).__name__ for status in (401, 404, 502)]
    ['NotFound', 'NotFound', 'RemoteFailed']
    """
    if refusal.status in (401, 403, 404) or is_missing(refusal):
        return NotFound(refusal.text)
    return explain(refusal)


def is_silence(cause: BaseException | None) -> bool:
    """Pure: whether an upstream is in no state to answer anything, and not only this question.

    >>> [is_silence(cause) for cause in (Refusal(429, "", "", ""), Refusal(400, "", "", ""), WireError("gone"), None)]
    [True, False, True, False]
    """
    if isinstance(cause, Refusal):
        return cause.status == 429 or cause.status >= 500
    return isinstance(cause, WireError)


def failed(place: Place, error: CorralError) -> Fault:
    """Pure: what a client is told when the upstream fails it, with the upstream's name once."""
    said, url = error.message, place.upstream.url
    return Fault("UNAVAILABLE", said if url in said else f"{url}: {said}")
