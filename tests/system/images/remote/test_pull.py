"""Pulls from a registry that is as well behaved, or as hostile, as the test wants it."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import zstandard

from corral.errors import CorralError, InvalidInput, NotFound, RemoteFailed
from corral.images import Images
from corral.images.remote.config import RemoteConfig
from corral.images.remote.names import pull_reference
from corral.model.image import Image
from corral.model.transfer import ANYBODY, Credentials, Note
from tests.support.fake_registry import OCI_INDEX, OCI_MANIFEST, Ask, FakeRegistry, sha256
from tests.support.imagestore import leftovers, nobody, store
from tests.support.tars import listing, member, tar
from tests.support.wait import eventually_async

pytestmark = pytest.mark.root
BASE = tar(member("./", "dir"), member("bin", "dir"), member("bin/sh", data=b"#!" + os.urandom(200_000)))
TOP = tar(member("etc/deep/conf", data=os.urandom(50_000)), member("bin/.wh.sh"))
THIRD = tar(member("data", data=os.urandom(600_000)))


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry() as made:
        yield made


@pytest.fixture
async def images(tmp_path: Path) -> AsyncIterator[Images]:
    async with store(tmp_path) as made:
        yield made
        await made.disconnect()


async def pulled(
    images: Images, name: str, tag: str = "1", *, platform: str = "", credentials: Credentials = ANYBODY
) -> list[Note]:
    ref = pull_reference(name, tag)
    return [note async for note in images.remote.pull(ref, platform=platform, credentials=credentials)]


def lines(notes: list[Note]) -> list[str]:
    """Without the counted ones."""
    return [f"{note.id}: {note.status}" if note.id else note.status for note in notes if note.current < 0]


def clean(base: Path) -> None:
    """Nothing half-made is left, and nothing that could be gone on with."""
    assert leftovers(base) == []
    assert os.listdir(base / "images/content/resume") == []


async def test_what_a_pull_tells_and_leaves(images: Images, registry: FakeRegistry, tmp_path: Path) -> None:
    manifest = registry.add_image("team/app", "1", [BASE, TOP])
    first, second = (layer["digest"][7:19] for layer in manifest["layers"])
    name = f"{registry.host}/team/app"
    told = lines(await pulled(images, name))
    digest = sha256(registry.manifests["team/app"]["1"][1])
    assert told[:3] == ["1: Pulling from team/app", f"{first}: Pulling fs layer", f"{second}: Pulling fs layer"]
    for one in (first, second):
        steps = [line.partition(": ")[2] for line in told if line.startswith(one)]
        assert steps == ["Pulling fs layer", "Verifying Checksum", "Download complete", "Pull complete"]
    assert told[-2:] == [f"Digest: {digest}", f"Status: Downloaded newer image for {name}:1"]
    image = images.get(f"{name}:1")
    assert (image.digests, image.id) == ([f"{name}@{digest}"], manifest["config"]["digest"])
    assert images.get(f"{name}@{digest}").id == image.id
    again = lines(await pulled(images, name))
    assert again == ["1: Pulling from team/app", f"Digest: {digest}", f"Status: Image is up to date for {name}:1"]
    assert os.listdir(tmp_path / "images/content/resume") == [] == os.listdir(tmp_path / "images/content/ingest")


async def test_directories_that_are_not_listed_look_as_below(images: Images, registry: FakeRegistry) -> None:
    """Though layers are unpacked at the same time."""
    below = tar(
        member("./", "dir", mode=0o711), member("etc", "dir", mode=0o750, uid=7), member("x", data=os.urandom(9**6))
    )
    registry.add_image("app", "1", [below, tar(member("etc/a", data=b"a")), tar(member("etc/b", data=b"b"))])
    await pulled(images, f"{registry.host}/app")
    for layer in images.layers.stack(_top(images.get(f"{registry.host}/app:1")))[1:]:
        found = listing(images.layers.dir_of(layer))
        assert found["etc"][:2] == (0o40750, 7)
        assert os.stat(images.layers.dir_of(layer)).st_mode & 0o7777 == 0o711


def _top(image: Image) -> str:
    from corral.images.digests import chain_ids

    return chain_ids(image.diff_ids)[-1]


@pytest.mark.parametrize("pack", [lambda data: data, zstandard.compress, gzip.compress])
async def test_every_compression(images: Images, registry: FakeRegistry, pack) -> None:  # type: ignore[no-untyped-def]
    registry.add_image("app", "1", [BASE, TOP], pack=pack)
    await pulled(images, f"{registry.host}/app")
    assert images.get(f"{registry.host}/app:1").diff_ids == [sha256(BASE), sha256(TOP)]


async def test_layers_that_are_here_are_not_asked_for(images: Images, registry: FakeRegistry) -> None:
    registry.add_image("app", "1", [BASE, TOP])
    registry.add_image("app", "2", [BASE, THIRD])
    await pulled(images, f"{registry.host}/app", "1")
    registry.seen.clear()
    told = lines(await pulled(images, f"{registry.host}/app", "2"))
    assert sum("Already exists" in line for line in told) == 1
    assert len(registry.asked("GET", "/blobs/")) == 2  # the configuration and one layer


async def test_all_tags(images: Images, registry: FakeRegistry) -> None:
    for number in range(5):
        registry.add_image("app", f"t{number}", [BASE], config={"Cmd": [str(number)]})
    told = lines(await pulled(images, f"{registry.host}/app", ""))
    assert [line for line in told if "Pulling from" in line] == [f"t{n}: Pulling from app" for n in range(5)]
    assert told[-1] == f"Status: Downloaded newer image for {registry.host}/app"
    assert len(images.list()) == 5


async def test_by_digest(images: Images, registry: FakeRegistry) -> None:
    registry.add_image("app", "1", [BASE])
    digest = sha256(registry.manifests["app"]["1"][1])
    told = lines(await pulled(images, f"{registry.host}/app", digest))
    assert told[0] == f"{digest}: Pulling from app"
    image = images.get(f"{registry.host}/app@{digest}")
    assert (image.tags, len(image.digests)) == ([], 1)
    assert "up to date" in (await pulled(images, f"{registry.host}/app@{digest}", ""))[-1].status


def an_index(registry: FakeRegistry) -> str:
    entries = []
    for platform in ("linux/amd64", "linux/arm64/v8", "linux/arm/v6", "linux/arm/v7"):
        system, architecture, *variant = platform.split("/")
        about = {"architecture": architecture, "os": system} | ({"variant": variant[0]} if variant else {})
        registry.add_image("app", platform.replace("/", "-"), [BASE], **about)
        media_type, data = registry.manifests["app"].pop(platform.replace("/", "-"))
        entries.append({"mediaType": media_type, "digest": sha256(data), "size": len(data), "platform": about})
    return registry.add_manifest("app", "1", {"schemaVersion": 2, "manifests": entries}, OCI_INDEX)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("linux/amd64", "amd64"),
        ("linux/arm64", "arm64/v8"),
        ("linux/arm/v7", "arm/v7"),
        ("linux/arm/v6", "arm/v6"),
        ("linux/arm/v8", "arm/v7"),
    ],
)
async def test_the_platform_is_chosen(images: Images, registry: FakeRegistry, wanted: str, found: str) -> None:
    digest = an_index(registry)
    await pulled(images, f"{registry.host}/app", platform=wanted)
    image = images.get(f"{registry.host}/app:1")
    assert "/".join(filter(None, (image.architecture, image.variant))) == found
    assert image.digests == [f"{registry.host}/app@{digest}"]  # the index's, under which it can be pulled anywhere


async def test_no_such_platform(images: Images, registry: FakeRegistry) -> None:
    an_index(registry)
    with pytest.raises(NotFound, match=r"no matching manifest for linux/s390x in the manifest list entries"):
        await pulled(images, f"{registry.host}/app", platform="linux/s390x")
    registry.add_image("one", "1", [BASE])
    with pytest.raises(NotFound, match=r"was found but its platform \(linux/amd64\) does not match .*\(linux/arm64\)"):
        await pulled(images, f"{registry.host}/one", platform="linux/arm64")


@pytest.mark.parametrize("name", ["app", "nope"])
async def test_what_is_not_there(images: Images, registry: FakeRegistry, name: str) -> None:
    registry.add_image("app", "1", [BASE])
    with pytest.raises(NotFound, match=r"not found: (manifest|name) unknown"):
        await pulled(images, f"{registry.host}/{name}", "77")


# Connections that break.


@pytest.mark.parametrize("ranges", [True, False])
async def test_a_broken_connection_is_gone_on_with(images: Images, registry: FakeRegistry, ranges: bool) -> None:
    registry.ranges = ranges
    manifest = registry.add_image("app", "1", [THIRD])
    digest = manifest["layers"][0]["digest"]
    registry.fault(lambda ask: ask.cut(200_000) if digest in ask.path else False, times=2)
    await pulled(images, f"{registry.host}/app")
    asked = [headers.get("Range", "") for _, _, headers in registry.asked("GET", digest)]
    assert len(asked) == 3 and asked[0] == "" and all(one.startswith("bytes=") for one in asked[1:])


async def test_a_registry_that_restarts_is_waited_for(images: Images, registry: FakeRegistry) -> None:
    """Nobody listens at its port for a while."""
    digest = registry.add_image("app", "1", [THIRD])["layers"][0]["digest"]

    def falls(ask: Ask) -> bool:
        if digest not in ask.path:
            return False
        ask.cut(200_000)
        registry.down()
        return True

    registry.fault(falls, times=1)
    told: list[str] = []
    async for note in images.remote.pull(pull_reference(f"{registry.host}/app", "1")):
        told += [note.status] * note.status.startswith("Retrying in ")
        if len(told) == 3 and registry.is_down:
            registry.up()
    assert len(told) >= 3
    assert [headers["Range"] for _, _, headers in registry.asked("GET", digest)[1:]] == ["bytes=200000-"]


async def test_a_mirror_that_goes_away_is_not_waited_for(tmp_path: Path, registry: FakeRegistry) -> None:
    digest = registry.add_image("app", "1", [THIRD])["layers"][0]["digest"]
    with FakeRegistry() as mirror:
        mirror.add_image("app", "1", [THIRD])
        mirror.fault(lambda ask: digest in ask.path and (mirror.down() or ask.hang_up()), times=1)
        config = RemoteConfig(mirrors={registry.host: [mirror.url]})
        async with store(tmp_path, remote=config) as images:
            told = lines(await pulled(images, f"{registry.host}/app"))
            assert not any("Retrying" in line for line in told)
            await images.disconnect()
        mirror.up()
    assert len(registry.asked("GET", digest)) == 1


async def test_a_killed_daemon_goes_on_where_it_was(registry: FakeRegistry, tmp_path: Path) -> None:
    manifest = registry.add_image("app", "1", [THIRD])
    digest = manifest["layers"][0]["digest"]
    held = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop_there(ask: Ask) -> bool:
        if digest not in ask.path:
            return False
        data = registry.blobs["app"][digest]
        ask.send_response(200)
        ask.send_header("Content-Length", str(len(data)))
        ask.end_headers()
        ask.wfile.write(data[:300_000])
        loop.call_soon_threadsafe(held.set)
        ask.rfile.read(1)  # until the other side goes
        return ask.hang_up()

    registry.fault(stop_there, times=1)
    async with store(tmp_path) as images:
        task = asyncio.create_task(pulled(images, f"{registry.host}/app"))
        await held.wait()
        part = tmp_path / f"images/content/resume/pull-{digest}"
        await eventually_async(lambda: part.stat().st_size >= 300_000, "the first part is here")
        os.link(tmp_path / f"images/content/resume/pull-{digest}", tmp_path / "as-it-was")
        task.cancel()
        await asyncio.wait([task])
        await images.disconnect()
    clean(tmp_path)
    os.link(tmp_path / "as-it-was", tmp_path / f"images/content/resume/pull-{digest}")  # what a kill leaves
    async with store(tmp_path) as images:
        await pulled(images, f"{registry.host}/app")
        assert registry.asked("GET", digest)[-1][2]["Range"] == "bytes=300000-"
        await images.disconnect()


async def test_busy_registries_are_waited_for(images: Images, registry: FakeRegistry) -> None:
    registry.add_image("app", "1", [BASE])
    registry.fault(lambda ask: ask.refuse(503, "UNAVAILABLE") if "/manifests/" in ask.path else False, times=2)
    registry.fault(
        lambda ask: ask.refuse(429, "TOOMANYREQUESTS", Retry_After="0") if "/blobs/" in ask.path else False, times=2
    )
    await pulled(images, f"{registry.host}/app")


async def test_a_rate_limit_is_explained(images: Images, registry: FakeRegistry) -> None:
    registry.fault(
        lambda ask: (
            ask.refuse(429, "TOOMANYREQUESTS", "slow down", Retry_After="7200") if "manif" in ask.path else False
        )
    )
    with pytest.raises(RemoteFailed, match=r"toomanyrequests: slow down .*wait 2 hours.*docker login.*mirror"):
        await pulled(images, f"{registry.host}/app")


async def test_nobody_there(images: Images, registry: FakeRegistry) -> None:
    host = registry.host
    registry.add_image("app", "1", [BASE])
    await pulled(images, f"{host}/app")  # now it is known to speak no TLS
    registry.down()
    with pytest.raises(RemoteFailed, match=rf'Get "http://{host}/v2/": dial tcp {host}: connect: connection refused'):
        await pulled(images, f"{host}/app")
    registry._server.socket.close()


# Several at a time, and going away.


async def test_two_pulls_of_one_image_are_one_download(images: Images, registry: FakeRegistry) -> None:
    manifest = registry.add_image("app", "1", [BASE, THIRD])
    told = await asyncio.gather(*(pulled(images, f"{registry.host}/app") for _ in range(4)))
    assert all(one[-1].status.startswith("Status: Downloaded") for one in told)
    for layer in manifest["layers"]:
        assert len(registry.asked("GET", layer["digest"])) == 1


async def test_images_that_share_layers_share_their_download(
    images: Images, registry: FakeRegistry, tmp_path: Path
) -> None:
    for number in range(4):
        manifest = registry.add_image("app", str(number), [BASE, THIRD, tar(member(f"f{number}", data=b"x"))])
    await asyncio.gather(*(pulled(images, f"{registry.host}/app", str(n)) for n in range(4)))
    for layer in manifest["layers"][:2]:
        assert len(registry.asked("GET", layer["digest"])) == 1
    assert len(os.listdir(tmp_path / "images/layers")) == 2 + 4
    for image in images.list():
        await images.remove(image.id, force=True, used_by=nobody)
    clean(tmp_path)


def hold(registry: FakeRegistry, digest: str) -> tuple[asyncio.Event, asyncio.Event]:
    """Lets a download stop in the middle: (it has begun, it may go on)."""
    import threading

    begun, loop, go = asyncio.Event(), asyncio.get_running_loop(), threading.Event()

    def act(ask: Ask) -> bool:
        if digest in ask.path and ask.command == "GET":
            loop.call_soon_threadsafe(begun.set)
            go.wait(20)
        return False

    registry.fault(act)
    free = asyncio.Event()
    free.set = go.set  # type: ignore[method-assign]
    return begun, free


async def test_who_goes_away_takes_nothing_from_the_others(images: Images, registry: FakeRegistry) -> None:
    manifest = registry.add_image("app", "1", [BASE, THIRD])
    registry.add_image("app", "2", [BASE, THIRD], config={"Cmd": ["2"]})
    begun, go = hold(registry, manifest["layers"][1]["digest"])
    first = asyncio.create_task(pulled(images, f"{registry.host}/app", "1"))
    await begun.wait()
    second = asyncio.create_task(pulled(images, f"{registry.host}/app", "2"))
    await eventually_async(lambda: registry.asked("GET", "/manifests/2"), "the second pull is under way")
    first.cancel()
    await asyncio.wait([first])
    go.set()
    assert (await second)[-1].status.startswith("Status: Downloaded")
    with pytest.raises(NotFound):
        images.get(f"{registry.host}/app:1")


async def test_a_cancelled_pull_leaves_nothing(images: Images, registry: FakeRegistry, tmp_path: Path) -> None:
    manifest = registry.add_image("app", "1", [BASE, THIRD, TOP])
    begun, go = hold(registry, manifest["layers"][1]["digest"])
    task = asyncio.create_task(pulled(images, f"{registry.host}/app"))
    await begun.wait()
    task.cancel()
    await asyncio.wait([task], timeout=10)
    assert task.cancelled()
    go.set()
    clean(tmp_path)
    assert images.list() == []


# Hostile registries.


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data[:-10] + os.urandom(10), "filesystem layer verification failed for digest"),
        (lambda data: data + b"more", "bytes, not .* as its manifest says"),
        (lambda data: data[:-1], "bytes, not .* as its manifest says"),
    ],
)
async def test_blobs_that_are_not_what_was_promised(  # type: ignore[no-untyped-def]
    images: Images, registry: FakeRegistry, tmp_path: Path, change, message: str
) -> None:
    manifest = registry.add_image("app", "1", [BASE, THIRD])
    digest = manifest["layers"][1]["digest"]
    registry.blobs["app"][digest] = change(registry.blobs["app"][digest])
    with pytest.raises(CorralError, match=message):
        await pulled(images, f"{registry.host}/app")
    assert leftovers(tmp_path) == [] and images.list() == []


async def test_an_endless_blob(images: Images, registry: FakeRegistry, tmp_path: Path) -> None:
    manifest = registry.add_image("app", "1", [BASE])
    digest = manifest["layers"][0]["digest"]

    def endless(ask: Ask) -> bool:
        if digest not in ask.path:
            return False
        ask.send_response(200)
        ask.send_header("Transfer-Encoding", "chunked")
        ask.end_headers()
        while True:
            ask.wfile.write(b"10000\r\n" + bytes(65536) + b"\r\n")

    registry.fault(endless)
    with pytest.raises(RemoteFailed, match=r"has more than \d+ bytes as its manifest says"):
        await pulled(images, f"{registry.host}/app")
    assert leftovers(tmp_path) == []


async def test_a_layer_that_unpacks_to_something_else(images: Images, registry: FakeRegistry, tmp_path: Path) -> None:
    registry.add_image("app", "1", [BASE], rootfs={"type": "layers", "diff_ids": [sha256(b"other")]})
    with pytest.raises(InvalidInput, match="layers from manifest don't match image configuration"):
        await pulled(images, f"{registry.host}/app")
    assert leftovers(tmp_path) == []


async def test_a_layer_that_breaks_out(images: Images, registry: FakeRegistry, tmp_path: Path) -> None:
    registry.add_image("app", "1", [tar(member("../../escaped", data=b"x"))])
    with pytest.raises(InvalidInput, match="breaks out"):
        await pulled(images, f"{registry.host}/app")
    assert leftovers(tmp_path) == [] and not list(tmp_path.rglob("escaped"))


async def test_a_bomb(registry: FakeRegistry, tmp_path: Path) -> None:
    from corral.kit.clock import ManualClock
    from corral.linux.archive import Limits

    registry.add_image("app", "1", [tar(*(member(f"f{n}", data=b"") for n in range(200)))])
    images = await Images.open(str(tmp_path), clock=ManualClock(1), limits=Limits(entries=100))
    try:
        with pytest.raises(CorralError, match="entries"):
            await pulled(images, f"{registry.host}/app")
        assert leftovers(tmp_path) == []
    finally:
        await images.disconnect()
        images.close()


EMPTY = {"digest": sha256(b""), "size": 0}


def a_manifest(config: dict[str, object] = EMPTY, layers: int = 0, **more: object) -> dict[str, object]:
    return {"schemaVersion": 2, "config": config, "layers": [EMPTY] * layers, **more}


MANIFESTS: list[tuple[object, str]] = [
    (b"{", "cannot be read"),
    (b"[" * 100_000, "cannot be read"),
    ({"schemaVersion": 1, "fsLayers": []}, r"schema 1 support is disabled .*app:1"),
    ({"schemaVersion": 2}, "neither an image's nor an index"),
    (a_manifest({"digest": "sha256:x", "size": 1}), "digest"),
    (a_manifest(EMPTY | {"size": -1}), "-1 bytes"),
    (a_manifest(EMPTY | {"size": 10**12}), "bytes long"),
    (
        a_manifest(EMPTY | {"mediaType": "application/vnd.cncf.helm.config.v1+json"}),
        r'remote "application/vnd.cncf.helm',
    ),
    (a_manifest(mediaType="application/vnd.evil"), "unsupported manifest media type"),
    (a_manifest(layers=1001), "1001 layers"),
]


@pytest.mark.parametrize(("document", "message"), MANIFESTS)
async def test_manifests_that_are_none(images: Images, registry: FakeRegistry, document: object, message: str) -> None:
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    registry.manifests["app"] = {"1": (OCI_MANIFEST, data)}
    with pytest.raises(CorralError, match=message):
        await pulled(images, f"{registry.host}/app")


async def test_a_manifest_without_end(images: Images, registry: FakeRegistry) -> None:
    registry.manifests["app"] = {"1": (OCI_MANIFEST, b" " * (5 << 20))}
    with pytest.raises(InvalidInput, match="longer than"):
        await pulled(images, f"{registry.host}/app")


async def test_an_index_of_itself(images: Images, registry: FakeRegistry) -> None:
    inner = registry.add_manifest("app", "x", {"schemaVersion": 2, "manifests": []}, OCI_INDEX)
    entry = {"mediaType": OCI_INDEX, "digest": inner, "size": 1}
    registry.add_manifest("app", "1", {"schemaVersion": 2, "manifests": [entry]}, OCI_INDEX)
    with pytest.raises(InvalidInput, match="names another index"):
        await pulled(images, f"{registry.host}/app")


async def test_a_manifest_that_is_not_what_its_digest_says(images: Images, registry: FakeRegistry) -> None:
    registry.add_image("app", "1", [BASE])
    digest = sha256(b"other")
    registry.manifests["app"][digest] = registry.manifests["app"]["1"]
    with pytest.raises(InvalidInput, match="content verification failed"):
        await pulled(images, f"{registry.host}/app", digest)
