"""Hub: the registries that this instance speaks to: connections, sessions, and downloads under way, shared by all."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import NamedTuple, TypeVar

from corral.images.content import Content
from corral.images.references import Reference
from corral.images.remote.cancel import Cancel
from corral.images.remote.certificates import Trust
from corral.images.remote.config import RemoteConfig
from corral.images.remote.documents import Blob
from corral.images.remote.endpoints import Endpoint, plan_endpoints
from corral.images.remote.fetching import Fetch, Source
from corral.images.remote.refusal import Refusal
from corral.images.remote.repository import Found, Part, Repository
from corral.images.remote.session import Session
from corral.images.remote.wire import Wire, WireError
from corral.linux.streams import in_thread
from corral.model.transfer import ANYBODY, Credentials

log = logging.getLogger("corral.images.remote")


T = TypeVar("T")
Place = tuple[Endpoint, Credentials]


class Resolved(NamedTuple):
    """A manifest, and who gave it; `sources` are all that may have the blobs, that one first."""

    found: Found
    repository: Repository
    sources: list[Place]


class Hub:
    """Blocking methods are for threads; `fetching` is for the event loop. `store`: what is fetched becomes a blob."""

    def __init__(
        self,
        content: Content,
        config: RemoteConfig,
        environment: Mapping[str, str] = os.environ,
        *,
        store: bool = False,
    ) -> None:
        self.config, self._content, self._store = config, content, store
        self.wire = Wire(Trust(config.certificates), environment)
        self._schemes: dict[str, str] = {}
        self._sessions: dict[tuple[Endpoint, Credentials], Session] = {}
        self._lock = threading.Lock()
        self.unpacking: dict[str, asyncio.Future[None]] = {}  # the layers being unpacked, by chain id
        self._fetches: dict[str, tuple[Fetch, asyncio.Future[None]]] = {}
        self._slots = asyncio.Semaphore(max(1, config.downloads))
        self.uploads = asyncio.Semaphore(max(1, config.uploads))

    # Who to speak to.

    def open(self, endpoint: Endpoint, credentials: Credentials, cancel: Cancel, *, login: bool = False) -> Session:
        """A session at a registry that answers. WireError, Refusal: the last thing that was tried."""
        schemes = endpoint.schemes
        known = self._schemes.get(endpoint.host)
        if known in schemes:
            schemes = [known, *(scheme for scheme in schemes if scheme != known)]
        failures: dict[str, WireError] = {}
        for scheme in schemes:
            session = Session(
                self.wire, endpoint, scheme, credentials, self.config.user_agent, self.config.attempts,
                login=login, rides_out=self.config.rides_out and not login,
            )  # fmt: skip
            try:
                last = scheme == schemes[-1]
                session.persist(lambda: _ping(session, cancel, last), cancel)  # noqa: B023  called in this round
            except WireError as error:
                failures[scheme] = error
                if not error.plain or last:
                    self._schemes.pop(endpoint.host, None)
                    # of several the one without TLS is told, as by dockerd, whichever was tried first
                    raise failures[endpoint.schemes[-1]] if error.plain else error from None
            else:
                self._schemes[endpoint.host] = scheme
                return session
        raise AssertionError("an endpoint has a scheme")

    def session(self, endpoint: Endpoint, credentials: Credentials, cancel: Cancel) -> Session:
        """The same, opened once for several requests of one piece of work."""
        key = (endpoint, credentials)
        with self._lock:
            session = self._sessions.get(key)
        if session is None:
            session = self.open(endpoint, credentials, cancel)
            with self._lock:
                self._sessions[key] = session
                while len(self._sessions) > 64:
                    del self._sessions[next(iter(self._sessions))]
        return session

    def forget(self, endpoint: Endpoint, credentials: Credentials) -> None:
        """The next piece of work asks anew who it is there."""
        with self._lock:
            self._sessions.pop((endpoint, credentials), None)

    def resolve(self, ref: Reference, reference: str, credentials: Credentials, cancel: Cancel) -> Resolved:
        """The manifest `reference` (a tag or digest) of the repository of `ref`: from a mirror, or the registry."""
        places = self.places(ref, credentials)

        def ask(number: int, repository: Repository) -> Resolved:
            return Resolved(repository.manifest(reference), repository, [*places[number:], *places[:number]])

        return self._from_any(ref, places, cancel, ask)

    def tags(self, ref: Reference, credentials: Credentials, cancel: Cancel) -> list[str]:
        """All tags of the repository of `ref`."""
        return self._from_any(ref, self.places(ref, credentials), cancel, lambda _, repository: repository.tags())

    def _from_any(self, ref: Reference, places: list[Place], cancel: Cancel, ask: Callable[[int, Repository], T]) -> T:
        """From a mirror that can answer, else from the registry itself, whose refusal is the one to tell."""
        for number, (endpoint, who) in enumerate(places):
            try:
                self.forget(endpoint, who)
                return ask(number, Repository(self.session(endpoint, who, cancel), ref.path, cancel))
            except (WireError, Refusal) as error:
                if not endpoint.mirror:
                    raise
                log.info("mirror %s has no %s: %s", endpoint.host, ref.familiar, error)
        raise AssertionError("the registry itself is always asked")

    def places(self, ref: Reference, credentials: Credentials) -> list[Place]:
        """Where to read from; mirrors are never told who we are."""
        return [(e, ANYBODY if e.mirror else credentials) for e in plan_endpoints(ref.domain, self.config)]

    def source(self, endpoint: Endpoint, who: Credentials, path: str, digest: str) -> Source:
        def open_at(offset: int, cancel: Cancel) -> Part:
            return Repository(self.session(endpoint, who, cancel), path, cancel).blob(digest, offset)

        return open_at

    # Downloads.

    @asynccontextmanager
    async def fetching(self, blob: Blob, sources: Iterable[Source]) -> AsyncIterator[Fetch]:
        """A download that goes on while anybody is inside; a second one of the same blob joins the first.

        Left by a cancelled task, what came is removed if nobody else wants it; left by an error it stays for the next
        try.
        """
        fetch, running = self._join(blob, sources)
        keep = False
        try:
            yield fetch
        except asyncio.CancelledError:
            raise
        except BaseException:
            keep = True
            raise
        finally:
            fetch.users -= 1
            if fetch.users == 0:
                if self._fetches.get(blob.digest, (None,))[0] is fetch:
                    del self._fetches[blob.digest]
                await asyncio.shield(asyncio.ensure_future(_finish(fetch, running, keep=keep)))

    def _join(self, blob: Blob, sources: Iterable[Source]) -> tuple[Fetch, asyncio.Future[None]]:
        known = self._fetches.get(blob.digest)
        if known is None or known[0].broken or known[0].blob.size != blob.size:
            attempts, rides_out = self.config.attempts, self.config.rides_out
            fetch = Fetch(self._content, blob, sources, attempts, store=self._store, rides_out=rides_out)
            known = self._fetches[blob.digest] = (fetch, asyncio.ensure_future(self._run(fetch)))
        known[0].users += 1
        return known

    async def _run(self, fetch: Fetch) -> None:
        async with self._slots:
            if not fetch.cancel.stopped:
                fetch.started = True
                await in_thread(f"fetch {fetch.blob.digest[7:19]}", fetch.run)

    def close(self) -> None:
        self.wire.close()


async def _finish(fetch: Fetch, running: asyncio.Future[None], *, keep: bool) -> None:
    fetch.cancel.stop()
    if not fetch.started:
        running.cancel()  # it waits for its turn
    await asyncio.wait([running])
    fetch.close(keep=keep)


def _ping(session: Session, cancel: Cancel, last: bool) -> None:
    """Once only where it may be no TLS, and there is a way without to try. WireError."""
    try:
        session.ping(cancel)
    except WireError as error:
        error.passing = error.passing and (last or not error.plain)
        raise
