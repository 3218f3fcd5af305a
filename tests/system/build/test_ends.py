"""Builds that end early: cancelled, left by their client, killed with their daemon; and builds that can be repeated."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path

import pytest

from corral.build.request import BuildFailed, BuildRequest, Output, Printed
from corral.errors import InvalidInput, Unsupported
from corral.linux.mounts import mount
from tests.support.building import CLEAN, HELD, Workshop, directories, opened

pytestmark = [pytest.mark.root, pytest.mark.timeout(180)]

LONG = """\
FROM busybox AS a
RUN echo a > /a
FROM busybox
COPY --from=a /a /
RUN --mount=type=cache,target=/c --mount=type=secret,id=s --mount=target=/x,from=a,rw --mount=from=a,target=/y \\
    echo up {n}; sleep 1000
"""


async def test_a_build_that_nobody_follows_ends_at_once(shop: Workshop) -> None:
    events = shop.builder.build(BuildRequest(dockerfile_text=LONG, secrets={"s": b"x"}))
    async for event in events:
        if isinstance(event, Printed):
            break
    assert (await shop.left())["processes"]
    await events.aclose()
    assert await shop.left() == CLEAN
    assert (await shop.build(LONG, target="a")).cached()["RUN echo a > /a"], "what was finished is kept"


async def test_a_build_is_cancelled_by_its_id(shop: Workshop) -> None:
    request = BuildRequest(dockerfile_text=LONG, id="mine")
    with pytest.raises(BuildFailed, match="context canceled"):
        async for event in shop.builder.build(request):
            if isinstance(event, Printed):
                await shop.builder.cancel("mine")
    assert await shop.left() == CLEAN


async def test_cancelled_at_any_moment_nothing_is_left(shop: Workshop) -> None:
    turns = random.Random(7)
    for n in range(12):
        task = asyncio.create_task(shop.build(LONG.format(n=n), secrets={"s": b"x"}))
        await asyncio.wait([task], timeout=turns.random() * 0.4)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert await shop.left() == CLEAN
    held = {image.diff_ids[0] for image in shop.engine.images.list()}
    await shop.builder.prune(all=True)
    assert shop.engine.images.layers.diffs() == held


DAEMON = """\
import asyncio, sys
from pathlib import Path
from corral.build.request import BuildRequest, Printed
from tests.support.building import add_busybox, opened

async def main():
    async with opened(Path(sys.argv[1]), Path(sys.argv[2])) as shop:
        await add_busybox(shop)
        async for event in shop.builder.build(BuildRequest(dockerfile_text=sys.argv[3], secrets={"s": b"x"})):
            if isinstance(event, Printed):
                print("up", flush=True)

asyncio.run(main())
"""


async def test_a_killed_daemon_leaves_nothing_after_the_next_start() -> None:
    with directories() as (root, run):
        argv = [sys.executable, "-c", DAEMON, str(root), str(run), LONG]
        daemon = await asyncio.create_subprocess_exec(
            *argv, cwd=Path(__file__).parents[3], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": "src:."}
        )
        assert daemon.stdout and await daemon.stdout.readline() == b"up\n"
        daemon.send_signal(signal.SIGKILL)
        await daemon.wait()
        context = root / "build/contexts/1/context"  # a small one
        context.mkdir(parents=True)
        mount("tmpfs", str(context), "tmpfs")
        partial = root / "build/fetched/1/partial-1"
        partial.parent.mkdir(parents=True)
        partial.write_text("half")
        async with opened(root, run) as shop:
            assert await shop.left() == CLEAN
            assert not list((root / "build/contexts").glob("*")) and not partial.exists()
            outcome = await shop.build(LONG, target="a")
            assert outcome.image


async def test_two_builds_at_one_source_date_are_one_image(shop: Workshop) -> None:
    text = "FROM busybox\nRUN mkdir /d; echo a > /d/a; ln -s a /d/l\nCOPY f /f\nWORKDIR /w\n"
    first = await shop.build(text, context=shop.context({"f": "x"}), build_args={"SOURCE_DATE_EPOCH": "1700000000"})
    second = await shop.build(
        text, context=shop.context({"f": "x"}), no_cache=True, build_args={"SOURCE_DATE_EPOCH": "1700000000"}
    )
    assert first.image == second.image
    image = shop.engine.images.get(first.image)
    assert image.created == 1_700_000_000 * 10**9 == image.history[-1].created
    files = await shop.build(
        text,
        context=shop.context({"f": "x"}),
        build_args={"SOURCE_DATE_EPOCH": "1700000000"},
        outputs=[Output("files")],
    )
    with tarfile.open(fileobj=BytesIO(files.tar)) as tar:
        assert {tar.getmember(name).mtime for name in ("d", "d/a", "d/l", "f", "w")} == {1_700_000_000}


async def test_what_an_output_cannot_be_is_refused(shop: Workshop) -> None:
    text = "ARG SOURCE_DATE_EPOCH=5\nFROM busybox\n"
    assert (await shop.build(text, outputs=[Output("image", {"rewrite-timestamp": "true"})])).image
    with pytest.raises(Unsupported, match="annotations"):  # said or not, there is an output
        await shop.build(text, annotations={"a": "b"})
    for value, kind, words in (("maybe", InvalidInput, "true nor false"), ("false", Unsupported, "always clamped")):
        with pytest.raises(kind, match=words):
            await shop.build(text, outputs=[Output("image", {"rewrite-timestamp": value})])


async def test_independent_stages_run_at_the_same_time(shop: Workshop) -> None:
    """Each waits for what the other says: one after the other they would never end."""
    meet = "touch /c/{a}; until [ -e /c/{b} ]; do :; done"
    stage = f"FROM busybox AS {{a}}\nRUN --mount=type=cache,target=/c {meet}\n"
    text = stage.format(a="a", b="b") + stage.format(a="b", b="a")
    text += "FROM busybox\nCOPY --from=a /bin/true /a\nCOPY --from=b /bin/true /b\n"
    assert (await shop.build(text)).image


async def test_squash_is_one_layer_with_the_same_files(shop: Workshop) -> None:
    text = (
        "FROM busybox\nRUN echo a > /a; mkdir -p /d/e; rm -rf /var/www /etc/group\n"
        "RUN rm -rf /d /a; mkdir /d; echo n > /d/n; mkdir /var/www; rm -rf /home; echo file > /home\n"
    )
    plain = (await shop.build(text, tags=["plain"])).image
    squashed = (await shop.build(text, tags=["squashed"], squash=True)).image
    image = shop.engine.images.get(squashed)
    assert len(image.diff_ids) == 2 and len(shop.engine.images.get(plain).diff_ids) == 3
    assert image.history[-1].comment.startswith(f"merge {plain} to sha256:")
    names = []
    for one in ("plain", "squashed"):
        outcome = await shop.build(f"FROM {one}\n", outputs=[Output("files")])
        with tarfile.open(fileobj=BytesIO(outcome.tar)) as tar:
            names.append([(m.name, m.type, m.size, m.mode) for m in tar.getmembers()])
    assert names[0] == names[1]


async def test_an_archive_loads_as_the_image_that_was_built(shop: Workshop) -> None:
    text = "FROM busybox\nRUN echo a > /a\n"
    outcome = await shop.build(text, tags=["packed:1"], outputs=[Output("oci")])
    data = outcome.tar

    async def chunks():  # type: ignore[no-untyped-def]
        yield data

    loaded = [one async for one in shop.engine.images.load(chunks())]
    assert loaded[0].name == "docker.io/library/packed:1"
    assert loaded[0].id == (await shop.build(text)).image


async def test_nothing_is_deleted_that_a_running_build_needs(shop: Workshop) -> None:
    text = f"FROM base\nRUN --mount=type=cache,target=/c echo up; {HELD}; echo late > /late\nRUN cat /late\n"
    await shop.build("FROM busybox\nRUN echo base > /base\n", tags=["base"])
    events = shop.builder.build(BuildRequest(dockerfile_text=text, tags=["made"]))
    async for event in events:
        if isinstance(event, Printed) and event.data.startswith(b"up"):
            await shop.engine.images.remove("base", force=True, used_by=lambda _: [])
            assert (await shop.builder.prune(all=True)).ids == [], "all of it is in use"
            shop.let_go()
    assert shop.layers("made") == [["base"], ["late"], []]


async def test_the_directories_of_the_engine_are_empty_after_all(shop: Workshop) -> None:
    await shop.build("FROM busybox\nRUN true\n", tags=["a"])
    await shop.engine.images.remove("a", force=True, used_by=lambda _: [])
    await shop.engine.images.remove("busybox", force=True, used_by=lambda _: [])
    await shop.builder.prune(all=True)
    layers = shop.root / "images/layers"
    assert [path.name for path in layers.iterdir() if path.name != "none"] == []
