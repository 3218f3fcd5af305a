"""Pushes: what is sent, what is not, and what happens when the connection breaks."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from corral.errors import CorralError, NotFound, RemoteFailed
from corral.images import Images
from corral.images.remote.names import push_reference
from corral.images.remote.packing import Pack
from corral.model.transfer import ANYBODY, Credentials, Note
from tests.support.fake_registry import Ask, FakeRegistry, sha256
from tests.support.imagestore import an_image, leftovers, nobody, store
from tests.support.tars import member, tar
from tests.support.wait import eventually_async
from tests.system.images.remote.test_pull import BASE, TOP, lines, pulled

pytestmark = pytest.mark.root
BIG = member("big", data=os.urandom(3_000_000))


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry() as made:
        yield made


@pytest.fixture
async def images(tmp_path: Path) -> AsyncIterator[Images]:
    async with store(tmp_path) as made:
        yield made
        await made.disconnect()


async def pushed(images: Images, name: str, tag: str = "1", credentials: Credentials = ANYBODY) -> list[Note]:
    return [note async for note in images.remote.push(push_reference(name, tag), credentials=credentials)]


def manifest_of(registry: FakeRegistry, repository: str, tag: str = "1") -> dict[str, object]:
    return dict(json.loads(registry.manifests[repository][tag][1]))


async def test_what_a_push_tells_and_leaves(images: Images, registry: FakeRegistry, tmp_path: Path) -> None:
    name = f"{registry.host}/team/app"
    image = await an_image(images, f"{name}:1", BIG)
    notes = await pushed(images, name)
    layer = image.diff_ids[0][7:19]
    digest = sha256(registry.manifests["team/app"]["1"][1])
    size = len(registry.manifests["team/app"]["1"][1])
    assert lines(notes)[:-1] == [
        f"The push refers to repository [{name}]",
        f"{layer}: Preparing",
        f"{layer}: Pushed",
        f"1: digest: {digest} size: {size}",
    ]
    assert notes[-1].aux == {"Tag": "1", "Digest": digest, "Size": size}
    assert any(note.status == "Pushing" and note.current for note in notes)
    assert images.get(f"{name}:1").digests == [f"{name}@{digest}"]
    assert os.listdir(tmp_path / "images/content/ingest") == []
    (patch,) = registry.asked("PATCH", "uploads")
    assert patch[2]["Transfer-Encoding"] == "chunked"


async def test_an_image_that_is_removed_while_its_layers_travel(images: Images, registry: FakeRegistry) -> None:
    name = f"{registry.host}/app"
    image = await an_image(images, f"{name}:1", BIG)
    removed = False
    async for note in images.remote.push(push_reference(name, "1"), credentials=ANYBODY):
        if note.status == "Pushing" and not removed:
            removed = True
            await images.remove(image.id, force=True, used_by=nobody)
    assert removed and not images.content.has(image.id)
    assert manifest_of(registry, "app")["config"]["digest"] == image.id  # type: ignore[index]


async def test_again_it_has_the_same_digests(images: Images, registry: FakeRegistry) -> None:
    name = f"{registry.host}/app"
    await an_image(images, f"{name}:1", BIG)
    await pushed(images, name)
    first = registry.manifests["app"]["1"]
    assert "Layer already exists" in " ".join(lines(await pushed(images, name)))
    registry.blobs.clear()
    registry.manifests.clear()
    registry.seen.clear()
    await pushed(images, name)  # the registry has lost all: sent again, and the same
    assert registry.manifests["app"]["1"] == first


async def test_a_small_layer_goes_whole(images: Images, registry: FakeRegistry) -> None:
    await an_image(images, f"{registry.host}/app:1")
    await pushed(images, f"{registry.host}/app")
    assert registry.asked("PATCH", "") == [] and len(registry.asked("PUT", "/uploads/")) == 2


async def test_layers_of_another_repository_are_mounted(images: Images, registry: FakeRegistry) -> None:
    registry.add_image("base", "1", [BASE, TOP])
    await pulled(images, f"{registry.host}/base")
    await images.tag(f"{registry.host}/base:1", f"{registry.host}/team/app:1")
    told = lines(await pushed(images, f"{registry.host}/team/app"))
    assert sum("Mounted from base" in line for line in told) == 2
    assert not any("Pushed" in line for line in told)
    assert registry.manifests["team/app"]["1"] == registry.manifests["base"]["1"]  # it is the one it came with


async def test_what_was_thought_to_be_there_and_is_not(images: Images, registry: FakeRegistry) -> None:
    registry.add_image("base", "1", [BASE])
    await pulled(images, f"{registry.host}/base")
    registry.blobs.clear()
    await images.tag(f"{registry.host}/base:1", f"{registry.host}/app:1")
    told = lines(await pushed(images, f"{registry.host}/app"))
    assert any("Pushed" in line for line in told)
    assert "uploads/u0" in registry.asked("DELETE", "uploads")[0][1]  # what a mount that failed had begun
    assert len(registry.uploads) == 0


@pytest.fixture
def packed(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set once a layer is compressed."""
    done, settle = threading.Event(), Pack.settle

    def settled(pack: Pack, error: BaseException | None = None) -> None:
        settle(pack, error)
        done.set()

    monkeypatch.setattr(Pack, "settle", settled)
    return done


def breaks_once(registry: FakeRegistry, *, forgets: bool = False) -> list[int]:
    """The first piece of an upload breaks; how many bytes of it have come."""
    got: list[int] = []

    def breaks(ask: Ask) -> bool:
        if ask.command != "PATCH":
            return False
        name = ask.url.path.rpartition("/")[2]
        chunked = "Transfer-Encoding" in ask.headers  # otherwise the layer was packed before the upload began
        size = int(ask.rfile.readline(), 16) if chunked else int(ask.headers["Content-Length"]) // 2
        registry.uploads[name] += ask.rfile.read(size)
        got.append(len(registry.uploads[name]))
        if forgets:
            registry.uploads.clear()
        return ask.hang_up()

    registry.fault(breaks, times=1)
    return got


@pytest.mark.parametrize("forgets", [False, True])
@pytest.mark.parametrize("late", [False, True])
async def test_a_broken_upload_goes_on_where_it_was(
    images: Images, registry: FakeRegistry, packed: threading.Event, forgets: bool, late: bool
) -> None:
    await an_image(images, f"{registry.host}/app:1", BIG)
    if late:  # the registry is so slow that all is packed when it answers
        registry.fault(lambda ask: ask.command == "POST" and not packed.wait(20))
    got = breaks_once(registry, forgets=forgets)
    await pushed(images, f"{registry.host}/app")
    assert got[0] > 0
    first, *_ = registry.asked("PATCH", "uploads")
    assert "Content-Length" in first[2] or not late
    begun = len(registry.asked("POST", "uploads"))
    assert begun == (3 if forgets else 2)  # the layer's, the configuration's, and one more if it had to start anew


async def test_a_registry_that_restarts_is_waited_for(images: Images, registry: FakeRegistry) -> None:
    """Nobody listens at its port for a while, and it has forgotten the upload."""
    name = f"{registry.host}/app"
    await an_image(images, f"{name}:1", BIG)

    def falls(ask: Ask) -> bool:
        if ask.command != "PATCH":
            return False
        registry.down()
        return ask.hang_up()

    registry.fault(falls, times=1)
    told: list[str] = []
    async for note in images.remote.push(push_reference(name, "1")):
        told += [note.status] * note.status.startswith("Retrying in ")
        if len(told) == 3 and registry.is_down:
            registry.up()
    assert len(told) >= 3
    assert "1" in registry.manifests["app"]


async def test_an_upload_whose_state_was_asked_too_early(images: Images, registry: FakeRegistry) -> None:
    """The registry says how far it is, and only then takes what had reached it: nothing is sent twice or left out."""
    name = f"{registry.host}/app"
    await an_image(images, f"{name}:1", BIG)
    got = breaks_once(registry)

    def early(ask: Ask) -> bool:
        if ask.command != "GET" or "/uploads/" not in ask.path:
            return False
        return ask.answer(204, Range=f"0-{got[0] // 2}", Location=ask.path)

    registry.fault(early, times=1)
    await pushed(images, name)
    _, *again = registry.asked("PATCH", "uploads")
    begins = [int(ask[2]["Content-Range"].partition("-")[0]) for ask in again]
    assert begins == [got[0] // 2 + 1, got[0]]


async def test_all_tags(images: Images, registry: FakeRegistry) -> None:
    name = f"{registry.host}/app"
    image = await an_image(images, f"{name}:1")
    await images.tag(image.id, f"{name}:2")
    told = lines(await pushed(images, name, ""))
    assert [line.partition(":")[0] for line in told if " digest: " in line] == ["1", "2"]
    assert registry.manifests["app"]["1"] == registry.manifests["app"]["2"]


async def test_what_is_not_here(images: Images, registry: FakeRegistry) -> None:
    with pytest.raises(NotFound, match=f"An image does not exist locally with the tag: {registry.host}/app"):
        await pushed(images, f"{registry.host}/app")
    await an_image(images, f"{registry.host}/app:1")
    with pytest.raises(NotFound, match=f"tag does not exist: {registry.host}/app:9"):
        await pushed(images, f"{registry.host}/app", "9")


@pytest.mark.parametrize("auth", ["basic", "bearer"])
async def test_who_may_push(images: Images, auth: str) -> None:
    with FakeRegistry(users={"me": "pw"}, auth=auth) as registry:
        registry.anonymous_pull = True
        await an_image(images, f"{registry.host}/app:1", BIG)
        said = {"bearer": "unauthorized: authentication required", "basic": 'Post ".*": no basic auth credentials'}
        with pytest.raises(RemoteFailed, match=said[auth]):
            await pushed(images, f"{registry.host}/app")
        await pushed(images, f"{registry.host}/app", credentials=Credentials("me", "pw"))
        registry.add_image("other", "1", [BASE])
        if auth == "bearer":  # a mount needs the right to read there, which is asked for with it
            await pulled(images, f"{registry.host}/other", credentials=Credentials("me", "pw"))
            await images.tag(f"{registry.host}/other:1", f"{registry.host}/app:2")
            told = lines(await pushed(images, f"{registry.host}/app", "2", Credentials("me", "pw")))
            assert any("Mounted from other" in line for line in told)


async def test_a_registry_that_refuses(images: Images, registry: FakeRegistry, tmp_path: Path) -> None:
    await an_image(images, f"{registry.host}/app:1", BIG)
    registry.fault(lambda ask: ask.command == "PATCH" and ask.refuse(413, "SIZE_INVALID", "too large"))
    with pytest.raises(RemoteFailed, match="size invalid: too large"):
        await pushed(images, f"{registry.host}/app")
    assert os.listdir(tmp_path / "images/content/ingest") == []


async def test_a_registry_that_stores_something_else(images: Images, registry: FakeRegistry) -> None:
    await an_image(images, f"{registry.host}/app:1")
    other = sha256(b"other")
    registry.fault(
        lambda ask: ask.command == "PUT" and "/manifests/" in ask.path and ask.answer(201, Docker_Content_Digest=other)
    )
    with pytest.raises(CorralError, match="content verification failed"):
        await pushed(images, f"{registry.host}/app")


async def test_a_cancelled_push_leaves_nothing(images: Images, registry: FakeRegistry, tmp_path: Path) -> None:
    await an_image(images, f"{registry.host}/app:1", BIG)
    go = threading.Event()
    registry.fault(lambda ask: ask.command == "PATCH" and not go.wait(20))
    task = asyncio.create_task(pushed(images, f"{registry.host}/app"))
    await eventually_async(lambda: registry.asked("PATCH", ""), "the layer is being sent")
    task.cancel()
    await asyncio.wait([task], timeout=10)
    assert task.cancelled()
    go.set()
    assert os.listdir(tmp_path / "images/content/ingest") == []
    assert "app" not in registry.manifests
    assert len(leftovers(tmp_path)) == 1  # the image's own layer


async def test_pushed_and_pulled_elsewhere(images: Images, registry: FakeRegistry, tmp_path: Path) -> None:
    image = await an_image(images, f"{registry.host}/app:1", BIG, member("etc/more", data=b"x"), command=["a"])
    await pushed(images, f"{registry.host}/app")
    async with store(tmp_path / "other") as other:
        await pulled(other, f"{registry.host}/app")
        assert other.get(f"{registry.host}/app:1").id == image.id
        await other.disconnect()
    assert tar(BIG)  # what was sent is what came: the diff ids were compared


@pytest.mark.parametrize("lists", [False, True])
async def test_the_referrers_of_a_registry_that_keeps_no_list(
    images: Images, registry: FakeRegistry, lists: bool
) -> None:
    """ "the client MUST … pull the current referrers list using the referrers tag schema", add to it, and push it."""
    about = {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": sha256(b"it"), "size": 2}
    tag = about["digest"].replace(":", "-")
    for number in ("1", "2"):
        manifest = registry.add_image("base", number, [BASE], author=number)
        registry.add_manifest("base", number, manifest | {"subject": about, "annotations": {"n": number}})
        await pulled(images, f"{registry.host}/base", number)
        await images.tag(f"{registry.host}/base:{number}", f"{registry.host}/app:{number}")
    if lists:
        registry.fault(
            lambda ask: ask.answer(201, OCI_Subject=about["digest"]) if ask.command == "PUT" and "manifests" in ask.path
            else False
        )  # fmt: skip
    for number in ("1", "2", "2"):
        await pushed(images, f"{registry.host}/app", number)
    if lists:
        assert not registry.asked("PUT", tag)
    else:
        kind, data = registry.manifests["app"][tag]
        found = json.loads(data)["manifests"]
        assert kind == "application/vnd.oci.image.index.v1+json"
        assert [one["annotations"]["n"] for one in found] == ["1", "2"]
        assert found[0]["digest"] == sha256(registry.manifests["app"]["1"][1])
        assert found[0]["artifactType"] == "application/vnd.oci.image.config.v1+json"
