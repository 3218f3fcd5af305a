"""Where the cluster's state is kept: which settings make sense, and who is told why."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from corral.daemon.cluster_store import check, open_store, plan_place
from corral.daemon.config import Settings
from corral.errors import HostError, InvalidInput, Unavailable


def settings(**values: str) -> Settings:
    return Settings.of({key.replace("_", "-"): [value] for key, value in values.items()}, {})


@pytest.mark.parametrize(
    "text", ["sqlite:///x", "etcd://", "etcd://u@h:1", "etcd://h:1?x=1", "10.0.0.1:2379", "etcd:///root"]
)
def test_what_is_no_place(text: str) -> None:
    with pytest.raises(InvalidInput, match="must be etcd://HOST:PORT"):
        plan_place(text)


@pytest.mark.parametrize(
    ("values", "cause"),
    [
        ({"store_tlscacert": "/x"}, "the store is a file"),
        ({"store": "etcd://h:1", "store_tlscert": "/x", "store_tlscacert": "/x"}, "one needs the other"),
        ({"store_user": "a"}, "the store is a file"),
        ({"store": "etcd://h:1", "store_user": "a"}, "store-user and store-password: one needs the other"),
        ({"store": "etcd://h:1", "store_tlscert": "/x", "store_tlskey": "/x"}, "it needs store-tlscacert"),
    ],
)
def test_settings_that_do_not_go_together(values: dict[str, str], cause: str) -> None:
    with pytest.raises(InvalidInput, match=cause):
        check(settings(**values))


async def test_one_that_cannot_be_opened_is_told_by_name(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        with pytest.raises(Unavailable, match=r"etcd 127\.0\.0\.1:1 cannot be reached"):
            await open_store(stack, settings(store="etcd://127.0.0.1:1"), tmp_path)
        with pytest.raises(HostError, match="store-tlscacert: read /nowhere"):
            await open_store(stack, settings(store="etcd://127.0.0.1:1", store_tlscacert="/nowhere"), tmp_path)
