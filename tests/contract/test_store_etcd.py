"""What is etcd's own: servers that die and come back, neighbours, and its limits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from corral.errors import InvalidInput, Unavailable
from corral.store.etcd import EtcdStore, Login, Tls, open_etcd
from corral.store.interface import Mismatch
from tests.support import certificates
from tests.support.etcd import EtcdServer, Relay
from tests.support.ports import free_port
from tests.support.stores import apply, happened, keys, take, value
from tests.support.wait import PATIENCE

pytestmark = pytest.mark.peers


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EtcdServer]:
    """One of its own, which may be killed."""
    with EtcdServer(tmp_path) as made:
        yield made


@pytest_asyncio.fixture
async def store(server: EtcdServer) -> AsyncIterator[EtcdStore]:
    made = await open_etcd([server.endpoint], root="/corral/")
    yield made
    made.close()
    await made.closed()


async def _again(store: EtcdStore) -> None:
    """Until etcd answers. Each question waits for the connection, so this does not spin."""
    async with asyncio.timeout(30 * PATIENCE):
        while True:
            try:
                await store.get("a")
                return
            except Unavailable:
                continue


async def test_a_killed_server_loses_nothing_and_watches_go_on_where_they_stopped(
    server: EtcdServer, store: EtcdStore
) -> None:
    base = store.revision
    watch = store.watch("k/", base)
    made: set[int] = set()

    async def write(name: str) -> None:
        try:
            for n in range(10_000):
                made.add(await store.commit({f"k/{name}/{n % 9}": b"%d" % n}))
        except Unavailable:
            return

    writers = [asyncio.ensure_future(write(str(n))) for n in range(4)]
    changes = await take(watch, base + 200)
    server.kill()
    await asyncio.gather(*writers)
    with pytest.raises(Unavailable, match="cannot be reached"):
        while True:
            changes += await anext(watch)
    watch.close()
    with pytest.raises(Unavailable, match=server.endpoint):
        await store.commit({"k/late": b""})
    server.start()
    await _again(store)
    last = await store.commit({"k/end": b""})
    changes += await happened(store, "k/", watch.progress(), last)
    assert [change.revision for change in changes] == list(range(base + 1, last + 1))
    assert made <= {change.revision for change in changes}
    assert apply(changes, {}) == {entry.key: entry for entry in (await store.range("")).entries}


async def test_a_store_does_not_see_its_neighbours(server: EtcdServer, store: EtcdStore) -> None:
    other = await open_etcd([server.endpoint], root="/corral/b/")
    await store.commit({"a": b"mine"})
    await other.commit({"a": b"theirs"})
    assert (await value(store, "a"), await value(other, "a")) == (b"mine", b"theirs")
    assert await keys(other) == ["a"]
    with pytest.raises(Mismatch):
        await other.commit({"a": b""}, expect={"a": 2})
    other.close()
    await other.closed()
    with pytest.raises(InvalidInput, match="must end with '/'"):
        await open_etcd([server.endpoint], root="/corral")


async def test_a_commit_beyond_the_servers_limits_is_refused(store: EtcdStore) -> None:
    with pytest.raises(InvalidInput, match="too many operations"):
        await store.commit({f"{n}": b"" for n in range(200)})
    with pytest.raises(InvalidInput, match="too large"):
        await store.commit({"a": bytes(1_600_000)})
    assert await keys(store) == []


async def test_a_server_that_is_not_there_is_a_clear_error(server: EtcdServer) -> None:
    server.kill()
    with pytest.raises(Unavailable, match=f"etcd {server.endpoint} cannot be reached"):
        await open_etcd([server.endpoint])
    server.start()


async def test_both_sides_prove_who_they_are(tmp_path: Path) -> None:
    certificate, client = certificates.make(tmp_path / "tls"), certificates.make(tmp_path / "tls", "client")
    with EtcdServer(tmp_path, certificate, client[0]) as server:
        good = Tls(certificate[0].read_bytes(), client[0].read_bytes(), client[1].read_bytes())
        store = await open_etcd([server.endpoint], tls=good)
        base = store.revision
        assert (await happened(store, "", base, await store.commit({"a": b"1"})))[0].value == b"1"
        store.close()
        await store.closed()
        for bad in (None, Tls(certificate[0].read_bytes()), Tls(client[0].read_bytes(), good.certificate, good.key)):
            with pytest.raises(Unavailable, match="cannot be reached"):
                await open_etcd([server.endpoint], tls=bad)


async def test_several_endpoints_with_tls_of_which_one_is_away(tmp_path: Path) -> None:
    certificate = certificates.make(tmp_path / "tls")
    with EtcdServer(tmp_path, certificate) as server:
        away = f"127.0.0.1:{free_port()}"
        named = f"localhost:{server.endpoint.rpartition(':')[2]}"
        for endpoints in ([away, server.endpoint], [server.endpoint, away], [f"localhost:{away[10:]}", named]):
            store = await open_etcd(endpoints, tls=Tls(certificate[0].read_bytes()))
            base = store.revision
            watch = store.watch("a", base)
            assert (await take(watch, await store.commit({"a": b"1"})))[0].value == b"1"
            await store.keep_alive(await store.grant(60))
            store.close()
            await store.closed()


async def test_when_an_endpoint_goes_away_the_other_is_used(tmp_path: Path) -> None:
    """A watch ends with its endpoint; who reads it goes on with a new one, over the other."""
    with EtcdServer(tmp_path) as server, Relay(server.endpoint) as relay:
        store = await open_etcd([relay.endpoint, server.endpoint])
        watch = store.watch("", store.revision)
        revision = await store.commit({"a": b"1"})
        assert len(await take(watch, revision)) == 1
        relay.cut()
        with pytest.raises(Unavailable):
            await anext(watch)
        await _again(store)
        later = await store.commit({"a": b"2"})
        assert [one.value for one in await happened(store, "", revision, later)] == [b"2"]
        store.close()
        await store.closed()


async def test_a_user_logs_in_and_again_when_the_token_is_none_any_more(server: EtcdServer) -> None:
    await server.require_login("corral", "secret", "/corral/")
    for login, problem in (
        (None, "refuses us"),
        (Login("corral", "wrong"), "refuses us .*authentication failed"),
        (Login("nobody", "secret"), "refuses us .*authentication failed"),
    ):
        with pytest.raises(Unavailable, match=problem):
            await open_etcd([server.endpoint], root="/corral/", login=login)
    with pytest.raises(Unavailable, match="permission denied"):
        await open_etcd([server.endpoint], root="/other/", login=Login("corral", "secret"))
    store = await open_etcd([server.endpoint], root="/corral/", login=Login("corral", "secret"))
    base = store.revision
    watch = store.watch("", base)
    revision = await store.commit({"a": b"1"})
    assert [one.value for one in await take(watch, revision)] == [b"1"]
    lease = await store.grant(60)
    await store.keep_alive(lease)
    server.kill()
    server.start()  # which knows no token of before
    await _again(store)
    assert await value(store, "a") == b"1"
    await store.keep_alive(lease)
    later = await store.commit({"a": b"2"})
    assert [one.value for one in await happened(store, "", revision, later)] == [b"2"]
    store.close()
    await store.closed()


async def test_all_who_need_a_token_log_in_once(server: EtcdServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each login keeps a processor of etcd busy: with one for each call none is over in time."""
    logins = 0
    usual = EtcdStore._log_in

    async def counted(self: EtcdStore) -> None:
        nonlocal logins
        logins += 1
        await usual(self)

    monkeypatch.setattr(EtcdStore, "_log_in", counted)
    await server.require_login("corral", "secret", "/corral/")
    store = await open_etcd([server.endpoint], root="/corral/", login=Login("corral", "secret"))
    revision = await store.commit({"a": b"1"})
    logins, store._token = 0, "unknown.1"
    watches = [store.watch("", revision) for _ in range(10)]
    assert await asyncio.gather(*(value(store, "a") for _ in range(30))) == [b"1"] * 30
    for watch in watches:
        with pytest.raises(Unavailable):
            await anext(watch)
    assert logins == 1
    store.close()
    await store.closed()


@pytest.mark.parametrize("endpoints", [[], ["host"], ["http://host:2379"], ["a:1", "b"], [":2379"]])
async def test_endpoints_that_make_no_sense_are_refused(endpoints: list[str]) -> None:
    with pytest.raises(InvalidInput, match="etcd"):
        await open_etcd(endpoints)
