"""The store of several machines: etcd, spoken to over its v3 API (needs the extra `corral[etcd]`).

A key is kept under `root` followed by itself, so that several instances can share an etcd. Its revisions count the
commits of all of them, and begin with 1. etcd has limits of its own, of 1.5 MiB and 128 changes for a commit if
nobody raised them; what is beyond is InvalidInput. When etcd cannot be reached during a commit (Unavailable), nobody
knows whether that was made: `expect` makes it safe to try again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
from aetcd import rpc

from corral.errors import CorralError, InvalidInput, Unavailable
from corral.kit.clock import Clock, SystemClock
from corral.store import etcd_words as words
from corral.store.etcd_endpoints import Endpoints, Stub
from corral.store.housekeeping import Marks
from corral.store.interface import (
    Change,
    Changes,
    Compacted,
    Entry,
    NoLease,
    Page,
    Room,
    Watch,
    check_key,
    check_lease,
    check_text,
)
from corral.store.watching import QueuedWatch

TIMEOUT = 10.0  # seconds for one call
PATIENCE = 0.05  # seconds for a change that is told of to reach us
BARRIER = "barrier"
ROOM = Room(100, 1 << 20)  # below the limits that etcd has if nobody changed them


@dataclass(frozen=True)
class Tls:
    """In PEM: whom to trust, and who we are ("" for nobody in particular)."""

    authorities: bytes
    certificate: bytes = b""
    key: bytes = b""


@dataclass(frozen=True)
class Login:
    """Who we are in an etcd whose authentication is on."""

    user: str
    password: str = field(repr=False)


class EtcdStore:
    """Made by `open_etcd`, on the event loop that uses it."""

    def __init__(self, endpoints: Endpoints, name: str, root: str, clock: Clock, login: Login | None = None) -> None:
        self._login, self._token = login, ""
        self._endpoints, self._name, self._root, self._clock = endpoints, name, root, clock
        self._kv, self._leases = Stub(endpoints, rpc.KVStub), Stub(endpoints, rpc.LeaseStub)
        self._watch, self._auth = Stub(endpoints, rpc.WatchStub), Stub(endpoints, rpc.AuthStub)
        self._loop = asyncio.get_running_loop()
        self._seen = 0
        self._heard = 0  # the newest revision that something of ours is known to have
        self._listeners: list[tuple[int, asyncio.Future[None]]] = []
        self._marks = Marks()
        self._closed = False
        self._tasks: set[asyncio.Task[Any]] = set()
        self._renewal: asyncio.Task[None] | None = None
        self._pumps: dict[QueuedWatch, asyncio.Task[Any]] = {}

    @property
    def revision(self) -> int:
        return self._seen

    @property
    def room(self) -> Room:
        return ROOM

    # Reading

    async def latest(self) -> int:
        """etcd's revision counts what others write there, too, and no watch of ours hears of that.

        So where nothing of ours is known at that revision, something is written that watches will hear of.
        """
        self._check_open()
        revision = int((await self._range_nothing()).header.revision)
        if revision <= self._heard:
            return revision
        waiter = self._loop.create_future()
        self._listeners.append((revision, waiter))
        await asyncio.wait((waiter,), timeout=PATIENCE if self._pumps else 0)
        if waiter.done():
            return revision
        waiter.cancel()
        return await self.commit({BARRIER: b""})

    def _hear(self, revision: int) -> None:
        """A change of ours has this revision."""
        self._heard = max(self._heard, revision)
        self._listeners = [one for one in self._listeners if not one[1].done()]
        for wanted, waiter in self._listeners:
            if wanted <= revision:
                waiter.set_result(None)

    async def get(self, key: str, revision: int | None = None) -> Entry | None:
        check_key(key)
        request = rpc.RangeRequest(key=words.encode_key(self._root, key), revision=_past(revision))
        response = await self._ask(self._kv.Range, request, revision)
        return words.decode_entry(self._root, response.kvs[0]) if response.kvs else None

    async def range(self, prefix: str, *, start: str = "", limit: int = 0, revision: int | None = None) -> Page:
        check_text(prefix, start)
        begin, end = words.encode_range(self._root, prefix, start)
        request = rpc.RangeRequest(key=begin, range_end=end, limit=limit, revision=_past(revision))
        response = await self._ask(self._kv.Range, request, revision)
        entries = [words.decode_entry(self._root, kv) for kv in response.kvs]
        at = response.header.revision if revision is None else revision
        return Page(entries, at, response.count - len(entries) if limit else 0)

    # Writing

    async def commit(
        self,
        puts: Mapping[str, bytes],
        deletes: Iterable[str] = (),
        *,
        expect: Mapping[str, int] | None = None,
        lease: int = 0,
    ) -> int:
        changes = Changes(puts, deletes, expect, lease)
        self._check_open()
        # Who is cancelled leaves; the commit goes on.
        return await asyncio.shield(self._spawn(self._commit(changes)))

    async def _commit(self, changes: Changes) -> int:
        if not (changes.puts or changes.deletes or changes.expect):
            return (await self._range_nothing()).header.revision  # type: ignore[no-any-return]
        response = await self._call(self._kv.Txn, words.encode_commit(self._root, changes), lease=changes.lease)
        if not response.succeeded:
            raise words.decode_mismatch(changes.expect, response)
        self._tend()
        return int(response.header.revision)

    async def _range_nothing(self) -> Any:
        return await self._call(self._kv.Range, rpc.RangeRequest(key=self._root.encode() + b"\0", count_only=True))

    def _tend(self) -> None:
        """Now and then, what is old is compacted; other servers may do the same."""
        if oldest := self._marks.note(self._clock.now(), self._seen):
            self._spawn(self._compact_quietly(oldest))

    async def _compact_quietly(self, revision: int) -> None:
        try:
            await self.compact(revision)
        except Unavailable:
            return  # the next mark comes soon

    async def compact(self, revision: int) -> None:
        try:
            await self._ask(self._kv.Compact, rpc.CompactionRequest(revision=revision), revision)
        except Compacted:
            return  # somebody else was faster

    async def grant(self, seconds: int) -> int:
        check_lease(seconds)
        return int((await self._ask(self._leases.LeaseGrant, rpc.LeaseGrantRequest(TTL=seconds))).ID)

    async def keep_alive(self, lease: int) -> None:
        async def once(request: Any, timeout: float, metadata: Any) -> Any:
            async for response in self._leases.here.LeaseKeepAlive([request], timeout=timeout, metadata=metadata):
                return response
            raise NoLease(lease)

        response = await self._ask(once, rpc.LeaseKeepAliveRequest(ID=lease), lease=lease)
        if not response.TTL:
            raise NoLease(lease)

    async def revoke(self, lease: int) -> None:
        await self._ask(self._leases.LeaseRevoke, rpc.LeaseRevokeRequest(ID=lease), lease=lease)

    # Watching: one stream of etcd for each watch. It ends with the stream; who reads it goes on with a new one.

    def watch(self, prefix: str, after: int) -> Watch:
        self._check_open()
        check_text(prefix)
        made = QueuedWatch(prefix, after, after, _never, self._leave)
        self._pumps[made] = self._spawn(self._pump(made, prefix, after))
        return made

    async def _pump(self, watch: QueuedWatch, prefix: str, after: int) -> None:
        at, used = self._endpoints.at, self._token
        call = self._watch.here.Watch(metadata=self._metadata)
        try:
            await call.write(words.encode_watch(self._root, prefix, after))
            while (response := await call.read()) is not grpc.aio.EOF:
                if response.compact_revision:
                    raise Compacted(after, response.compact_revision)
                if response.canceled:
                    if words.needs_login(response.cancel_reason):
                        await self._renew(used)  # for who watches on
                    break
                self._offer(watch, response, after)
            watch.end(Unavailable(f"{self._name} has ended the watch of {prefix!r}"))
        except Compacted as error:
            watch.end(error)
        except rpc.AioRpcError as error:
            self._endpoints.note(at, error)
            watch.end(words.translate(self._name, error, after, self._seen))
        except Exception as error:  # whatever it is, the reader hears of it
            watch.end(Unavailable(f"{self._name}: the watch of {prefix!r} has failed: {error!r}"))
        finally:
            call.cancel()

    def _offer(self, watch: QueuedWatch, response: Any, after: int) -> None:
        events = [event for event in response.events if event.kv.mod_revision > after]
        changes: list[Change] = [words.decode_change(self._root, event) for event in events]
        changes.sort(key=lambda change: change[:2])
        # With events, the header may be ahead of them; without, it says that there were none until then.
        if response.events:
            reached = int(response.events[-1].kv.mod_revision)
            self._hear(reached)
        else:
            reached = 0 if response.created else int(response.header.revision)
        self._seen = max(self._seen, reached)
        watch.offer(changes, reached)

    def _leave(self, watch: QueuedWatch) -> None:
        if pump := self._pumps.pop(watch, None):
            pump.cancel()

    # Calls

    async def _ask(
        self, method: Callable[..., Awaitable[Any]], request: Any, revision: int | None = None, lease: int = 0
    ) -> Any:
        self._check_open()
        return await self._call(method, request, revision, lease)

    async def _call(
        self,
        method: Callable[..., Awaitable[Any]],
        request: Any,
        revision: int | None = None,
        lease: int = 0,
    ) -> Any:
        try:
            response = await self._with_token(method, request)
        except rpc.AioRpcError as error:
            raise words.translate(self._name, error, revision or 0, self._seen, lease) from error
        self._seen = max(self._seen, response.header.revision)
        return response

    @property
    def _metadata(self) -> tuple[tuple[str, str], ...]:
        return (("token", self._token),) if self._token else ()

    async def _with_token(self, method: Callable[..., Awaitable[Any]], request: Any) -> Any:
        """A token ends some minutes after its last use, and when etcd starts anew: then there is another."""
        if self._login is not None and not self._token:
            await self._renew("")
        used = self._token
        try:
            return await method(request, timeout=TIMEOUT, metadata=self._metadata)
        except rpc.AioRpcError as error:
            if self._login is None or not words.needs_login(str(error.details())):
                raise
        await self._renew(used)
        return await method(request, timeout=TIMEOUT, metadata=self._metadata)

    async def _renew(self, used: str) -> None:
        """One login for all who wait: a password takes etcd long, and where each asks by itself, too long for all."""
        if self._token != used:
            return
        if self._renewal is None or self._renewal.done():
            self._renewal = self._spawn(self._log_in())
            self._renewal.add_done_callback(lambda done: done.cancelled() or done.exception())  # who asked may be gone
        await asyncio.shield(self._renewal)

    async def _log_in(self) -> None:
        """Raises AioRpcError."""
        if self._login is not None:
            request = rpc.AuthenticateRequest(name=self._login.user, password=self._login.password)
            self._token = (await self._auth.Authenticate(request, timeout=TIMEOUT)).token

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def close(self) -> None:
        if self._closed:
            return
        for watch in list(self._pumps):
            watch.end(Unavailable(f"{self._name} is closed"))
        begun = list(self._tasks)
        self._closed = True
        if not self._loop.is_closed():  # otherwise the channel has ended with it
            self._spawn(self._finish(begun))

    async def _finish(self, begun: Sequence[asyncio.Task[Any]]) -> None:
        await asyncio.gather(*begun, return_exceptions=True)
        await self._endpoints.close()

    async def closed(self) -> None:
        """Returns when everything has been let go of, after `close`."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable(f"{self._name} is closed")


def _past(revision: int | None) -> int:
    """As etcd has it: 0 is the present, 1 is before everything."""
    return 0 if revision is None else max(1, revision)


async def _never(prefix: str, after: int, until: int) -> tuple[list[Change], int]:
    return [], until  # a stream of etcd brings the history itself


async def open_etcd(
    endpoints: Sequence[str],
    *,
    root: str = "",
    tls: Tls | None = None,
    login: Login | None = None,
    clock: Clock | None = None,
) -> EtcdStore:
    """The store in an etcd at `endpoints` ("10.0.0.1:2379", "name:2379"), tried in order.

    `root` ends with "/", so that none lies within another. InvalidInput, Unavailable (not reached).
    """
    if root and not root.endswith("/"):
        raise InvalidInput(f"the root of a store in etcd must end with '/': {root!r}")
    options = [
        ("grpc.max_receive_message_length", -1),
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.initial_reconnect_backoff_ms", 200),
        ("grpc.max_reconnect_backoff_ms", 5_000),  # an etcd that is back is found in seconds, however long it was away
        ("grpc.enable_http_proxy", 0),
    ]
    targets = words.targets(endpoints)
    if tls is None:
        channels = [grpc.aio.insecure_channel(target, options) for target in targets]
    else:
        credentials = grpc.ssl_channel_credentials(tls.authorities, tls.key or None, tls.certificate or None)
        channels = [grpc.aio.secure_channel(target, credentials, options) for target in targets]
    name = f"etcd {','.join(endpoints)}"
    store = EtcdStore(Endpoints(channels), name, root, clock or SystemClock(), login)
    try:
        await store.commit({})
    except CorralError:
        store.close()
        await store.closed()
        raise
    return store
