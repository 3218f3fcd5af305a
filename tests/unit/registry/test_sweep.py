"""What a repository loses, and when."""

from __future__ import annotations

from typing import Any

import pytest

from corral.registry.config import RegistryConfig
from corral.registry.records import Blob, Manifest, Record, Tag, blob_key, manifest_key, tag_key
from corral.registry.repositories import Repositories, Repository
from corral.registry.retention import parse_rule
from corral.registry.sweep import left_behind, plan_sweep
from corral.registry.upstreams import parse_upstream
from corral.store.memory import MemoryStore

DAY = 86400 * 10**9
NOW = 100 * DAY


def manifest(at: int = 0, **fields: Any) -> Manifest:
    return Manifest("application/vnd.oci.image.manifest.v1+json", 1, at, **fields)


async def repository(records: dict[str, Record]) -> Repository:
    all_of = Repositories(MemoryStore())
    await all_of.change(records)
    return all_of.by_name["r"]


def config(**settings: Any) -> RegistryConfig:
    return RegistryConfig("/nowhere", **settings)


async def test_by_default_only_old_blobs_that_nothing_needs_go() -> None:
    found = await repository(
        {
            manifest_key("r", "m"): manifest(blobs=("needed",)),
            blob_key("r", "needed"): Blob(1, 0),
            blob_key("r", "old"): Blob(1, NOW - 2 * DAY),
            blob_key("r", "seen"): Blob(1, NOW - 2 * DAY),
            blob_key("r", "young"): Blob(1, NOW - DAY // 2),
        }
    )
    found.seen["seen"] = NOW - 1
    plan = plan_sweep(found, config(), NOW)
    assert (plan.tags, plan.manifests, plan.blobs, plan.puts) == ([], [], ["old"], {})
    assert plan.keys("r") == [blob_key("r", "old")]


async def test_manifests_without_tags_go_with_their_blobs() -> None:
    found = await repository(
        {
            tag_key("r", "latest"): Tag("index", 0),
            manifest_key("r", "index"): manifest(children=("child", "missing")),
            manifest_key("r", "child"): manifest(blobs=("a",)),
            manifest_key("r", "sbom"): manifest(subject="child"),
            manifest_key("r", "lost"): manifest(blobs=("b",)),
            manifest_key("r", "young"): manifest(at=NOW - DAY, blobs=("c",)),
            manifest_key("r", "of nothing"): manifest(subject="gone"),
            **{blob_key("r", name): Blob(1, 0) for name in "abc"},
        }
    )
    plan = plan_sweep(found, config(keep_untagged=7 * 86400.0), NOW)
    assert set(plan.manifests) == {"lost", "of nothing"} and plan.blobs == ["b"]


async def test_a_manifest_that_has_just_lost_its_tag_is_kept_for_a_while() -> None:
    records: dict[str, Record] = {tag_key("r", "old"): Tag("m", 0), manifest_key("r", "m"): manifest()}
    found = await repository(records)
    settings = config(keep_untagged=7 * 86400.0, retention=(parse_rule("*:*:younger=1d"),))
    plan = plan_sweep(found, settings, NOW)
    assert (plan.tags, plan.manifests) == (["old"], [])
    assert plan.puts == {manifest_key("r", "m"): manifest(untagged=NOW)}
    later = await repository(plan.puts)
    assert plan_sweep(later, settings, NOW + 6 * DAY).manifests == []
    assert plan_sweep(later, settings, NOW + 8 * DAY).manifests == ["m"]


async def test_left_behind() -> None:
    found = await repository(
        {
            tag_key("r", "a"): Tag("one", 0),
            tag_key("r", "b"): Tag("one", 0),
            tag_key("r", "c"): Tag("two", 0),
            manifest_key("r", "one"): manifest(),
            manifest_key("r", "two"): manifest(),
        }
    )
    assert left_behind(found, ["a"], 5) == {}
    assert set(left_behind(found, ["a", "b", "c", "d"], 5)) == {manifest_key("r", "one"), manifest_key("r", "two")}
    assert left_behind(found, ["c"], 5, "two") == {}


@pytest.mark.parametrize(
    ("rules", "removed"),
    [
        (["*:*:last=2"], {"v1", "pr-1", "pr-2"}),
        (["*:pr-*:last=1"], {"pr-1"}),
        (["*:pr-*:last=1,younger=99d"], set()),
        (["*:v*:keep", "*:*:last=1"], {"pr-1", "pr-2"}),
        (["*:v*:keep", "*:*:younger=97d"], {"pr-1"}),
        (["*:v*:keep", f"*:*:younger={97 * 86400}s"], {"pr-1"}),
        (["other:*:last=0"], set()),
        (["r:*:last=0"], {"v1", "v2", "pr-1", "pr-2", "latest"}),
    ],
)
async def test_retention(rules: list[str], removed: set[str]) -> None:
    at = {"v1": 1, "pr-1": 2, "pr-2": 4, "v2": 5, "latest": 6}
    found = await repository({tag_key("r", name): Tag(name, day * DAY) for name, day in at.items()})
    plan = plan_sweep(found, config(retention=tuple(parse_rule(rule) for rule in rules)), NOW)
    assert set(plan.tags) == removed


async def test_retention_takes_no_immutable_tag() -> None:
    found = await repository({tag_key("r", name): Tag(name, n) for n, name in enumerate(("v1", "a", "b", "c"))})
    settings = config(retention=(parse_rule("*:*:last=1"),), immutable=("r:v*",))
    assert set(plan_sweep(found, settings, NOW).tags) == {"a", "b"}
    proxied = config(upstreams=(parse_upstream("*=https://example.com"),), immutable=("*:*",)).of("r")
    assert set(plan_sweep(found, proxied, NOW).tags) == {"v1", "a", "b", "c"}
