"""The content store and the records: durable, all or nothing, and clean after a crash."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from corral.errors import HostError, InvalidInput, NotFound, Unavailable
from corral.images import digests
from corral.images.content import Content
from corral.images.records import Change, Records


def test_content_is_kept_by_digest(tmp_path: Path) -> None:
    content = Content(str(tmp_path))
    digest = content.put(b"hello")
    assert digest == content.put(b"hello") == digests.of(b"hello")
    assert content.read(digest) == b"hello"
    assert Content(str(tmp_path)).digests() == [digest]
    content.delete(digest)
    content.delete(digest)
    with pytest.raises(NotFound, match=digest):
        content.read(digest)


def test_damaged_content_is_noticed(tmp_path: Path) -> None:
    content = Content(str(tmp_path))
    digest = content.put(b"hello")
    Path(content.path(digest)).write_bytes(b"other")
    with pytest.raises(HostError, match="damaged on disk"):
        content.read(digest)


def test_content_never_leaves_its_directory(tmp_path: Path) -> None:
    content = Content(str(tmp_path))
    for bad in ("sha256:../../x", "x", "", "sha256:" + "0" * 63):
        with pytest.raises(InvalidInput):
            content.read(bad)


def test_leftovers_go_when_content_is_opened(tmp_path: Path) -> None:
    Content(str(tmp_path))
    (tmp_path / "ingest/half").write_text("x")
    kept = Content(str(tmp_path)).put(b"1")
    content = Content(str(tmp_path))
    assert os.listdir(tmp_path / "ingest") == []
    assert content.digests() == [kept]


def test_records_are_transactions(tmp_path: Path) -> None:
    records = Records(str(tmp_path / "db"))
    records.write([Change("tag", "a", b"1"), Change("image", "b", b"2")])
    records.write([Change("tag", "a", None), Change("image", "b", b"3")])
    with pytest.raises(HostError):
        records.write([Change("tag", "c", b"1"), Change("tag", "d", object())])  # type: ignore[arg-type]
    records.close()
    assert Records(str(tmp_path / "db")).read() == [("image", "b", b"3")]


def test_two_daemons_are_one_too_many(tmp_path: Path) -> None:
    first = Records(str(tmp_path / "db"))
    with pytest.raises(Unavailable, match="in use by another daemon"):
        Records(str(tmp_path / "db"))
    first.close()
    Records(str(tmp_path / "db")).close()


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    import sqlite3

    with sqlite3.connect(tmp_path / "db") as db:
        db.execute("PRAGMA user_version=99")
    with pytest.raises(HostError, match="newer version"):
        Records(str(tmp_path / "db"))
