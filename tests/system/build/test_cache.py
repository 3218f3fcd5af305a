"""What is built once is not built again, and what changed is."""

from __future__ import annotations

import asyncio

import pytest

from corral.build.records import Record
from corral.build.request import CacheStore, Output
from corral.build.usage import Room
from corral.images.draft import Draft
from tests.support.building import CLEAN, HELD, Workshop, add_busybox, directories, opened
from tests.support.distribution import Distribution
from tests.support.tools import needs

pytestmark = [pytest.mark.root, pytest.mark.timeout(120)]

TWO = "FROM busybox\nCOPY a /a\nRUN cat /a > /sum\nCOPY b /b\nRUN cat /b\n"


async def test_the_same_again_is_the_very_same_image(shop: Workshop) -> None:
    where = shop.context({"a": "1", "b": "1"})
    first = await shop.build(TWO, context=where)
    second = await shop.build(TWO, context=where)
    assert second.image == first.image
    assert second.cached()["RUN cat /b"] and second.cached()["COPY a /a"]


async def test_what_has_no_layer_is_the_same_again(shop: Workshop) -> None:
    text = 'FROM scratch\nEXPOSE 80\nENTRYPOINT ["/app"]\n'
    assert (await shop.build(text)).image == (await shop.build(text)).image


async def test_a_changed_file_builds_only_what_depends_on_it(shop: Workshop) -> None:
    await shop.build(TWO, context=shop.context({"a": "1", "b": "1"}))
    outcome = await shop.build(TWO, context=shop.context({"a": "1", "b": "2"}))
    steps = ("COPY a /a", "RUN cat /a > /sum", "COPY b /b", "RUN cat /b")
    assert [outcome.cached()[step] for step in steps] == [True, True, False, False]
    assert outcome.output == "2"


async def test_environment_counts_and_labels_do_not(shop: Workshop) -> None:
    text = "FROM busybox\nLABEL l={l}\nENV e={e}\nRUN echo $e\n"
    await shop.build(text.format(l="1", e="1"))
    assert (await shop.build(text.format(l="2", e="1"))).cached()["RUN echo 1"]
    assert not (await shop.build(text.format(l="1", e="2"))).cached()["RUN echo 2"]


async def test_no_cache_for_all_or_for_one_stage(shop: Workshop) -> None:
    text = "FROM busybox AS one\nRUN echo 1 > /x\nFROM busybox AS two\nRUN echo 2\nCOPY --from=one /x /x\n"
    first = await shop.build(text)
    part = await shop.build(text, no_cache_stages=["one"])
    assert not part.cached()["RUN echo 1 > /x"] and part.cached()["RUN echo 2"]
    assert part.cached()["COPY --from=one /x /x"], "the same content came out"
    assert not any((await shop.build(text, no_cache=True)).cached().values())
    assert first.error is None


async def test_only_needed_stages_run(shop: Workshop) -> None:
    text = "FROM busybox AS no\nRUN exit 1\nFROM busybox AS yes\nRUN true\nFROM no\n"
    assert (await shop.build(text, target="yes")).image


async def test_a_linked_copy_survives_a_change_below(shop: Workshop) -> None:
    text = "FROM busybox\nRUN echo {n} > /n\nCOPY --link a /to/a\nRUN cat /n /to/a\n"
    where = shop.context({"a": "x\n"})
    await shop.build(text.format(n=1), context=where)
    outcome = await shop.build(text.format(n=2), context=where)
    assert outcome.cached()["COPY --link a /to/a"] and outcome.output == "2\nx\n"


async def test_two_builds_at_once_do_the_same_step_once(shop: Workshop) -> None:
    text = f"FROM busybox\nRUN --mount=type=cache,target=/c echo x >> /c/n; cat /c/n; {HELD}\n"
    both = [shop.follow(text) for _ in range(2)]
    for _, heard in both:
        await heard.wait()
    shop.let_go()
    one, other = [await task for task, _ in both]
    assert one.image == other.image and one.output == other.output == "x\n"


async def test_the_first_of_two_goes_and_the_other_goes_on(shop: Workshop) -> None:
    text = f"FROM busybox\nRUN --mount=type=cache,target=/c echo here; {HELD}; echo done\n"
    first, heard = shop.follow(text)
    await heard.wait()
    other, heard = shop.follow(text)
    await heard.wait()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    shop.let_go()
    assert (await other).output.endswith("done\n")


async def test_what_is_cached_outlives_image_and_daemon_and_goes_when_pruned(shop: Workshop) -> None:
    text = "FROM busybox\nRUN echo kept > /kept\n"
    image = (await shop.build(text, tags=["gone"])).image
    shared = await shop.builder.usage()
    assert [one.shared for one in shared] == [True] and (await shop.builder.prune()).ids == []
    await shop.engine.images.remove("gone", force=True, used_by=lambda _: [])
    assert (await shop.build(text)).image == image
    await shop.engine.images.remove(image, force=True, used_by=lambda _: [])
    before = len(shop.engine.images.layers.diffs())
    pruned = await shop.builder.prune()
    assert len(pruned.ids) == 1 and pruned.freed == 5
    assert len(shop.engine.images.layers.diffs()) == before - 1 and await shop.builder.usage() == []
    assert not (await shop.build(text)).cached()["RUN echo kept > /kept"]


async def test_how_much_a_prune_leaves(shop: Workshop) -> None:
    text = "FROM busybox\nRUN dd if=/dev/zero of=/1 bs=1k count=3\nRUN dd if=/dev/zero of=/2 bs=1k count=4\n"
    assert (await shop.build(text)).error is None
    sizes = {one.id: one.size for one in await shop.builder.usage()}
    assert sorted(sizes.values()) == [3072, 4096]
    assert (await shop.builder.prune(room=Room(free=1), all=True)).ids == [], "more than one byte of the disk is free"
    assert (await shop.builder.prune(room=Room(reserved=7168, most=1), all=True)).ids == []
    assert len((await shop.builder.prune(room=Room(most=7000), all=True)).ids) == 1
    assert len((await shop.builder.prune(room=Room(free=1 << 60), all=True)).ids) == 1
    assert await shop.builder.usage() == []


@pytest.mark.parametrize("also", [False, True])
async def test_a_prune_in_the_moment_a_step_is_made(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch, also: bool
) -> None:
    """Between its record and the end of its work there is time for a prune, in which nobody's image may break."""
    text = "FROM busybox\nRUN echo 1 > /1\nCOPY --link a /a\nRUN echo 2 > /2\n"
    works = shop.builder._works
    add, leave = works.records.add, Draft._leave
    pruned: list[str] = []

    def adding(record: Record) -> None:
        add(record)
        fresh.add(record.key)

    async def leaving(draft: Draft) -> None:
        if fresh:
            fresh.clear()
            pruned.extend((await shop.builder.prune(all=True)).ids)
        await leave(draft)

    fresh: set[str] = set()
    monkeypatch.setattr(works.records, "add", adding)
    monkeypatch.setattr(Draft, "_leave", leaving)
    where = shop.context({"a": "x"})
    builds = [shop.build(text, context=where, tags=[f"t:{n}"]) for n in range(1 + also)]
    for outcome in await asyncio.gather(*builds):
        assert outcome.error is None and outcome.image
        assert len(shop.engine.images.get(outcome.image).diff_ids) == 4
    monkeypatch.undo()
    await shop.builder.prune(all=True)
    assert pruned == [] and works.held == {}


async def test_what_is_cached_goes_by_itself_above_the_limit() -> None:
    text = "FROM busybox\nRUN echo {n} && head -c 1000000 /dev/zero > /{n}\nRUN echo above\n"
    with directories() as (root, run):
        async with opened(root, run, build_cache_limit=2_500_000) as shop:
            await add_busybox(shop)
            for n in (1, 2, 3):
                await shop.build(text.format(n=n), outputs=[Output("none")])
            image = (await shop.build(text.format(n=4), tags=["kept"])).image
            await shop.builder._works.afterwork.drain()
            there = {one.description.split()[2]: one for one in await shop.builder.usage() if one.size}
            assert sorted(there) == ["2", "3", "4"] and there["4"].shared
            assert len(shop.engine.images.get(image).diff_ids) == 3
            assert (await shop.build(text.format(n=3))).cached()["RUN echo above"]
            assert not (await shop.build(text.format(n=1))).cached()["RUN echo above"]


async def test_records_are_there_after_a_restart() -> None:
    with directories() as (root, run):
        async with opened(root, run) as shop:
            await add_busybox(shop)
            await shop.build("FROM busybox\nRUN echo kept > /kept\n")
            images = [image.id for image in shop.engine.images.list() if not image.tags]
            for image in images:
                await shop.engine.images.remove(image, force=True, used_by=lambda _: [])
        async with opened(root, run) as shop:
            assert (await shop.build("FROM busybox\nRUN echo kept > /kept\n")).cached()["RUN echo kept > /kept"]
            assert await shop.left() == CLEAN


@needs("docker-registry")
async def test_a_cache_goes_to_a_registry_and_comes_from_there(shop: Workshop) -> None:
    text = "FROM busybox AS one\nRUN echo 1 > /x\nFROM busybox\nCOPY --from=one /x /x\nRUN cat /x > /y\n"
    with Distribution(shop.root / "registry") as registry:
        whole, small, app = (f"{registry.host}/{name}" for name in ("cache:max", "cache:min", "app:1"))
        to = [CacheStore("registry", whole, "max"), CacheStore("registry", small), CacheStore("inline")]
        await shop.build(text, tags=[app], cache_to=to)
        async for _ in shop.engine.transfers.push(f"{registry.host}/app", "1"):
            pass
        for ref in (whole, small, app):  # of the last two `one` has no layer, and is not needed, as in BuildKit
            await _forget(shop)
            outcome = await shop.build(text, cache_from=[CacheStore("registry", ref)])
            assert outcome.image and outcome.cached()["RUN cat /x > /y"], ref
            assert outcome.cached()["RUN echo 1 > /x"], ref
        await _forget(shop)
        missing = await shop.build(text, cache_from=[CacheStore("registry", f"{registry.host}/no:1")])
        assert missing.image and "cannot be used" in missing.output


async def _forget(shop: Workshop) -> None:
    for image in shop.engine.images.list():
        if not any("busybox" in tag for tag in image.tags):
            await shop.engine.images.remove(image.id, force=True, used_by=lambda _: [])
    await shop.builder.prune(all=True)
    assert await shop.builder.usage() == []


async def test_an_image_s_history_is_a_cache_too(shop: Workshop) -> None:
    text = "FROM busybox\nWORKDIR /w\nENV a=b\nRUN echo $a > x\n"
    image = (await shop.build(text, tags=["old"])).image
    await shop.builder.prune(all=True)
    outcome = await shop.build(text, cache_from=[CacheStore("registry", "old")])
    assert outcome.image == image and outcome.cached()["RUN echo b > x"]
