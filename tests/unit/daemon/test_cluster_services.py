"""The addresses of Services are the cluster's: what a server finds in the store, and what it makes of it."""

from __future__ import annotations

import time
from ipaddress import ip_network
from pathlib import Path

import pytest

from corral.cluster.apiserver.app import Kubernetes, Options
from corral.cluster.apiserver.certificates import pki
from corral.daemon.cluster_services import check_services, find_services, read_services
from corral.errors import Conflict
from corral.store.memory import MemoryStore

FOUR, SIX = ip_network("10.96.0.0/12"), ip_network("fd00:10:96::/112")


async def test_what_was_stored_is_followed_and_a_second_family_may_come(tmp_path: Path) -> None:
    made = pki.ensure(tmp_path / "pki", pki.server_names("10.96.0.1"), int(time.time()))
    store = MemoryStore()
    assert await read_services(store) == ()
    assert await find_services(store, [SIX], True) == (SIX,)
    for asked in ((FOUR,), (FOUR, SIX), (FOUR, SIX)):
        networks = await find_services(store, asked, True)
        api = await Kubernetes.open(store, made, Options(networks=networks))
        await api.boot()
        await api.close()
        assert await read_services(store) == networks == asked
    assert await find_services(store, [SIX], True) == (FOUR, SIX)
    await check_services(store, [FOUR, SIX])
    with pytest.raises(Conflict, match=r"given 10\.96\.0\.0/12 fd00:10:96::/112 by another server"):
        await check_services(store, [SIX])
    store.close()
