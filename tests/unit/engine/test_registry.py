"""Finding containers, and keeping their names apart."""

import pytest

from corral.engine.registry import Registry
from corral.errors import Conflict, InvalidInput, NotFound
from corral.model.container import Container, ContainerSpec, State
from corral.store.memory import MemoryStore


def record(id: str, name: str, **state: object) -> Container:
    return Container(id, name, 1, "sha256:0", ContainerSpec("busybox"), state=State(**state))  # type: ignore[arg-type]


async def test_found_by_id_prefix_and_name() -> None:
    registry = Registry(MemoryStore())
    await registry.insert(record("abc1", "one"))
    await registry.insert(record("abd2", "two"))
    assert registry.get("one").id == registry.get("/one").id == registry.get("abc1").id == registry.get("abc").id
    with pytest.raises(InvalidInput, match="multiple IDs found with provided prefix: ab"):
        registry.get("ab")
    for missing in ("x", "/", "one/db"):
        with pytest.raises(NotFound, match="No such container"):
            registry.get(missing)
    with pytest.raises(InvalidInput, match='invalid name or ID supplied: ""'):
        registry.get("")


async def test_found_by_the_name_that_a_link_gives() -> None:
    registry = Registry(MemoryStore())
    await registry.insert(record("abc1", "db"))
    web = record("abc2", "web")
    web.spec.network.links = ["abc1:my-db"]
    await registry.insert(web)
    assert registry.get("web/my-db").id == registry.get("/web/my-db").id == "abc1"
    with pytest.raises(NotFound, match="No such container: web/db"):
        registry.get("web/db")


async def test_a_name_beats_another_ones_id_prefix() -> None:
    registry = Registry(MemoryStore())
    await registry.insert(record("abc1", "one"))
    await registry.insert(record("ffff", "abc"))
    assert registry.get("abc").id == "ffff"


async def test_a_name_has_one_holder() -> None:
    registry = Registry(MemoryStore())
    registry.reserve("web", "1")
    with pytest.raises(Conflict, match='name "/web" is already in use by container "1"'):
        registry.reserve("web", "2")
    registry.release("web", "2")
    with pytest.raises(Conflict):
        registry.reserve("web", "3")
    registry.release("web", "1")
    registry.reserve("web", "3")


async def test_records_survive() -> None:
    store = MemoryStore()
    first = Registry(store)
    await first.insert(record("abc1", "one", status="running", pid=4))
    gone = await first.insert(record("abc2", "two"))
    await first.delete(gone)
    again = Registry(store)
    (live,) = await again.load()
    assert live.record.state.pid == 4
    assert not live.exited.is_set()
    assert again.name_taken("one") and not again.name_taken("two")
