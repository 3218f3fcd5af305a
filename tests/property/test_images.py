"""Properties of references, archives and recipes, for whatever anybody may send."""

from __future__ import annotations

import io
import os
import tarfile
import tempfile
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from corral.errors import CorralError, InvalidInput
from corral.images import digests
from corral.images.changes import with_parents
from corral.images.layers import Layer, Layers
from corral.images.references import parse
from corral.linux import rooted
from corral.linux.archive import BadTar, Entry, Limits, TarReader, extract, pack
from corral.linux.tar.pax import build_records, parse_records
from corral.linux.tar.writer import END, entry_bytes, padding
from tests.support.tars import ME, chunked, listing

SLOW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])

# References.

component = st.from_regex(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*", fullmatch=True).filter(lambda s: len(s) < 30)
host = st.sampled_from(["", "", "docker.io/", "localhost/", "localhost:5000/", "reg.example.com/", "[::1]:80/", "UP/"])
tag = st.one_of(st.just(""), st.from_regex(r":[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True))
digest = st.one_of(st.just(""), st.from_regex(r"@sha256:[0-9a-f]{64}", fullmatch=True))


@given(host, st.lists(component, min_size=1, max_size=4), tag, digest)
def test_every_good_reference_has_one_full_and_one_short_form(h: str, path: list[str], t: str, d: str) -> None:
    path[0] = path[0].replace(".", "-")  # else it reads as a registry where none is given
    try:
        found = parse(h + "/".join(path) + t + d)
    except InvalidInput as error:
        assert "64-byte" in error.message
        return
    assert parse(str(found)) == found == parse(found.familiar)
    assert len(found.familiar) <= len(str(found))


@given(st.one_of(st.text(max_size=60), st.text("abAB.:/@-_ 0", max_size=40)))
def test_any_text_is_a_reference_or_invalid_input(text: str) -> None:
    try:
        found = parse(text)
    except InvalidInput:
        return
    assert "/" in found.name and ".." not in found.path.split("/")


# Archives: what we write is read back, by us and by the standard library.

names = st.text(
    st.characters(blacklist_characters="/\0", blacklist_categories=["Cs"]), min_size=1, max_size=120
).filter(lambda s: s not in (".", "..") and len(s.encode()) <= 255)
paths = st.lists(names, min_size=1, max_size=4).map("/".join)
entries = st.builds(
    Entry,
    name=paths,
    kind=st.sampled_from(["file", "dir", "symlink", "hardlink", "char", "fifo"]),
    mode=st.integers(0, 0o7777),
    uid=st.integers(0, 2**32 - 2),
    gid=st.integers(0, 2**32 - 2),
    mtime=st.integers(-(2**40), 2**40).map(lambda n: n * 1_000_000),
    link=paths,
    major=st.integers(0, 0o7777777),
    minor=st.integers(0, 0o7777777),
    xattrs=st.dictionaries(
        st.from_regex(r"user\.[a-z]{1,9}", fullmatch=True), st.binary(min_size=1, max_size=30), max_size=2
    ),
)


def whole(entry: Entry, data: bytes) -> bytes:
    entry.size = entry.stored = len(data) if entry.kind == "file" else 0
    if entry.kind not in ("symlink", "hardlink"):
        entry.link = ""
    if entry.kind != "char":
        entry.major = entry.minor = 0
    return entry_bytes(entry) + (data + padding(len(data)) if entry.kind == "file" else b"")


@given(st.lists(st.tuples(entries, st.binary(max_size=1500)), max_size=5), st.integers(1, 2000))
def test_what_is_written_is_read(items: list[tuple[Entry, bytes]], size: int) -> None:
    data = b"".join(whole(*item) for item in items) + END
    seen = []
    for entry in (reader := TarReader(chunked(data, size))):
        content = b"".join(bytes(p) for p in reader.content())
        entry.name = entry.name.rstrip("/")
        seen.append((entry, content))
    assert [e for e, _ in seen] == [Entry(**{f: getattr(e, f) for f in e.__slots__}) for e, _ in items]
    assert [c for e, c in seen if e.kind == "file"] == [d for e, d in items if e.kind == "file"]


@given(st.lists(st.tuples(entries, st.binary(max_size=600)), max_size=3))
def test_the_standard_library_agrees(items: list[tuple[Entry, bytes]]) -> None:
    data = b"".join(whole(*item) for item in items) + END
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        found = [(i.name, i.mode, i.uid, i.gid, i.linkname, i.size) for i in archive]
    assert found == [(e.name, e.mode, e.uid, e.gid, e.link, e.stored) for e, _ in items]


@given(st.lists(st.tuples(st.from_regex(r"[A-Za-z.]{1,12}", fullmatch=True), st.binary(max_size=80)), max_size=6))
def test_pax_records_round_trip(records: list[tuple[str, bytes]]) -> None:
    assert parse_records(build_records(records)) == records


@given(st.lists(st.tuples(entries, st.binary(max_size=900)), min_size=1, max_size=3), st.data())
def test_no_damage_gets_through_as_another_error(items: list[tuple[Entry, bytes]], data: st.DataObject) -> None:
    archive = bytearray(b"".join(whole(*item) for item in items) + END)
    for _ in range(data.draw(st.integers(1, 4))):
        archive[data.draw(st.integers(0, len(archive) - 1))] = data.draw(st.integers(0, 255))
    del archive[data.draw(st.integers(0, len(archive))) :]
    raw = bytearray()
    reader = TarReader(chunked(bytes(archive), 700), raw=raw.extend, limits=Limits(total=1 << 30))
    try:
        for _ in reader:
            for piece in reader.content():
                raw.extend(piece)
    except BadTar:
        assert archive.startswith(bytes(raw[:512]))
    else:
        assert raw == archive  # nothing lost, nothing twice


# Hostile archives: whatever they hold, nothing outside the root changes.

parts = st.sampled_from(["a", "b", "c", "..", ".", "", "/"])
evil = st.lists(parts, min_size=1, max_size=5).map("/".join)
hostile = st.builds(
    Entry, name=evil, kind=st.sampled_from(["file", "dir", "symlink", "hardlink", "fifo"]), link=evil,
    uid=st.just(ME[0]), gid=st.just(ME[1]), mode=st.just(0o755),
)  # fmt: skip


def archive_of(items: list[Entry]) -> bytes:
    return b"".join(whole(entry, b"evil") for entry in items if entry.name) + END


def unpack_into(base: str, data: bytes) -> tuple[str, dict[str, object]]:
    """The error's words ("" if none) and what is there afterwards, outside and inside."""
    os.makedirs(f"{base}/root/deep")
    Path(f"{base}/a").write_text("outside")
    os.makedirs(f"{base}/b/c")
    message = ""
    try:
        extract([data], f"{base}/root/deep")
    except CorralError as error:
        message = error.message
    inside = {k: v[:4] for k, v in listing(f"{base}/root/deep").items()}
    found = {k: v[:4] for k, v in listing(base).items() if not k.startswith("root/deep")}
    assert found == {k: v[:4] for k, v in _clean(base).items()}
    return message, inside  # type: ignore[return-value]


def _clean(base: str) -> dict[str, tuple[object, ...]]:
    with tempfile.TemporaryDirectory() as other:
        os.makedirs(f"{other}/root/deep")
        Path(f"{other}/a").write_text("outside")
        os.makedirs(f"{other}/b/c")
        return {k: v for k, v in listing(other).items() if not k.startswith("root/deep")}


@SLOW
@given(st.lists(hostile, min_size=1, max_size=8))
def test_nothing_outside_the_root_is_touched(items: list[Entry]) -> None:
    with tempfile.TemporaryDirectory() as base:
        unpack_into(base, archive_of(items))


@SLOW
@given(st.lists(hostile, min_size=1, max_size=8))
def test_both_ways_to_resolve_paths_agree(items: list[Entry]) -> None:
    data = archive_of(items)
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        by_kernel = unpack_into(one, data)
        with mock.patch.object(rooted, "_openat2", side_effect=OSError(38, "not here")):
            by_hand = unpack_into(two, data)
        assert by_hand[0] == by_kernel[0]
        assert by_hand[1] == by_kernel[1]


# Recipes: an unpacked layer gives its tar back, bit for bit.

tame = st.sampled_from(["a", "b", "a/b", "a/c", "a/b/d", "l", "l/x", "c"])
benign = st.builds(
    Entry, name=tame, kind=st.sampled_from(["file", "file", "dir", "symlink"]), link=st.sampled_from(["a", "b", "/a"]),
    uid=st.just(ME[0]), gid=st.just(ME[1]), mode=st.just(0o755), mtime=st.just(10**9),
)  # fmt: skip


@SLOW
@given(st.lists(st.tuples(benign, st.binary(max_size=2000)), max_size=10), st.booleans())
def test_every_layer_gives_its_tar_back(items: list[tuple[Entry, bytes]], trailer: bool) -> None:
    data = b"".join(whole(*item) for item in items) + END + (b"rubbish" if trailer else b"")
    with tempfile.TemporaryDirectory() as base:
        layers = Layers(f"{base}/layers")
        try:
            layer = layers.unpack(chunked(data, 999), list, Limits())
        except CorralError:
            assert os.listdir(f"{base}/layers") == []
            return
        assert (layer.diff, layer.tar_size) == (digests.of(data), len(data))
        assert b"".join(layers.tar(layer)) == data


@SLOW
@given(st.lists(st.tuples(benign, st.binary(max_size=500)), max_size=8))
def test_packing_what_was_unpacked_and_unpacking_again(items: list[tuple[Entry, bytes]]) -> None:
    data = b"".join(whole(*item) for item in items) + END
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        try:
            extract([data], one)
        except CorralError:
            return
        out: list[bytes] = []
        pack(out.append, one)
        extract(out, two)
        assert listing(one) == listing(two)


# Layers: who needs whom.


@given(st.lists(st.tuples(st.sampled_from(["hold", "release"]), st.integers(0, 5)), max_size=60))
def test_layers_live_exactly_as_long_as_somebody_needs_them(steps: list[tuple[str, int]]) -> None:
    parents = {0: "", 1: "0", 2: "1", 3: "1", 4: "", 5: "4"}
    with tempfile.TemporaryDirectory() as base:
        known = [Layer(str(n), f"d{n}", f"p{n}", parent) for n, parent in parents.items()]
        layers = Layers(base, known)
        holders = dict.fromkeys(range(6), 1)
        for n in holders:
            layers.hold(str(n))
        for action, n in steps:
            if layers.get(str(n)) is None or (action == "release" and holders[n] == 0):
                continue
            holders[n] += 1 if action == "hold" else -1
            if action == "hold":
                layers.hold(str(n))
            else:
                layers.release(str(n))
        needed = {str(n) for n, count in holders.items() if count}
        for n in list(needed):
            while n := parents[int(n)]:
                needed.add(n)
        assert {n for n in map(str, parents) if layers.get(n)} == needed


@given(st.dictionaries(st.lists(st.sampled_from("abc"), min_size=1, max_size=5).map(lambda p: "/" + "/".join(p)),
                       st.sampled_from(["added", "deleted", "modified"])))  # fmt: skip
def test_every_change_shows_the_directories_above_it(kinds: dict[str, str]) -> None:
    found = with_parents(kinds)
    assert all(found[path] == kind for path, kind in kinds.items())
    assert all(path.rpartition("/")[0] in found for path in found if path.count("/") > 1)


@pytest.mark.parametrize("depth", [1, 50])
def test_chain_ids_depend_on_all_below(depth: int) -> None:
    diffs = [digests.of(b"%d" % n) for n in range(depth)]
    changed = [digests.of(b"x"), *diffs[1:]]
    assert all(a != b for a, b in zip(digests.chain_ids(diffs), digests.chain_ids(changed), strict=True))
