"""`corral build`: its words, what is packed, what is unpacked, and both displays."""

from __future__ import annotations

import base64
import io
import os
import re
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from corral.cli import build_words
from corral.cli.build_output import unpack
from corral.cli.context import packed
from corral.cli.create_options import parse_ulimits
from corral.cli.fail import Failure
from corral.cli.progress.live import Live
from corral.cli.progress.paint import columns, paint
from corral.cli.progress.plain import Plain
from corral.cli.progress.work import Watch
from corral.cli.tarring import pack
from corral.cli.things import label_pairs

Event = dict[str, Any]


def started(vertex: int, name: str) -> Event:
    return {"type": "Started", "vertex": vertex, "name": name}


def printed(vertex: int, text: str) -> Event:
    return {"type": "Printed", "vertex": vertex, "data": base64.b64encode(text.encode()).decode()}


def finished(vertex: int, **more: object) -> Event:
    return {"type": "Finished", "vertex": vertex, **more}


def shown(*events: Event) -> str:
    out: list[str] = []
    plain = Plain(out.append)
    for now, event in enumerate(events):
        plain.take(event, float(now))
    plain.end(float(len(events)))
    return "".join(out)


def test_lines_of_two_at_once_are_kept_apart() -> None:
    text = shown(
        started(1, "[a] RUN x"),
        started(2, "[b] RUN y"),
        printed(1, "x1\n"),
        printed(2, "y1\n"),
        finished(1),
        printed(2, "y2\n"),
        finished(2, error="broken"),
    )
    assert text == (
        "#1 [a] RUN x\n#1 2.000 x1\n#1 DONE 4.0s\n\n#2 [b] RUN y\n#2 2.000 y1\n#2 4.000 y2\n#2 ERROR: broken\n"
    )


def test_one_that_says_nothing_for_long_makes_room() -> None:
    text = shown(
        started(1, "[a] RUN x"),
        started(2, "[b] RUN y"),
        *(printed(2, f"{n}\n") for n in range(4)),
        finished(1),
        finished(2),
    )
    assert "#1 ...\n\n#2 [b] RUN y\n" in text
    assert text.endswith("#2 DONE 6.0s\n\n#1 [a] RUN x\n#1 DONE 6.0s\n")


def test_what_only_changes_the_configuration_is_not_shown() -> None:
    assert shown({**started(1, "ENV A=1"), "step": "Step 1/1 : ENV A=1"}, finished(1)) == ""


@pytest.mark.parametrize("rows", [3, 6, 12, 40])
@pytest.mark.parametrize("width", [12, 40, 100])
def test_the_picture_fits(rows: int, width: int) -> None:
    watch = Watch()
    for number in range(8):
        watch.take(started(number, f"[stage {number}/8] RUN make a very long line 日本語 " + "x" * 50), 0.0)
        watch.take(printed(number, "some\toutput\x1b[2J\x07 日本語" * 20 + "\n" + "half"), 1.0)
        if number < 4:
            watch.take(finished(number), 2.0)
    lines = paint(list(watch.all.values()), 0.0, 3.0, rows, width)
    assert len(lines) <= rows
    for line in lines:
        bare = line
        for code in ("\033[34m", "\033[31m", "\033[2m", "\033[1m", "\033[0m"):
            bare = bare.replace(code, "")
        assert "\033" not in bare
        assert columns(bare) <= width
    assert any("stage 7/8" in line for line in lines) or rows < 6 or width < 40


def test_drawing_is_bounded() -> None:
    out: list[str] = []
    live = Live(out.append, lambda: (24, 80), 0.0)
    live.take(started(1, "[1/1] RUN x"), 1.0)
    for number in range(1000):
        live.take(printed(1, f"{number}\n"), 1.0 + number / 10_000)
    assert len(out) <= 3


def tar_entries(data: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {entry.name: entry for entry in tar}


def test_what_is_packed(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / ("n" * 150)).write_text("long")
    (tmp_path / "é").write_bytes(b"x" * 3_000_000)
    os.symlink("é", tmp_path / "l")
    os.mkfifo(tmp_path / "f")
    os.chmod(tmp_path / "é", 0o4711)
    data = b"".join(pack(str(tmp_path)))
    found = tar_entries(data)
    assert set(found) == {"d", "d/" + "n" * 150, "é", "l", "f"}
    assert (found["é"].mode, found["é"].uid, found["é"].size) == (0o4711, 0, 3_000_000)
    assert found["l"].linkname == "é"
    assert found["f"].isfifo()


def test_what_is_ignored_is_not_read(tmp_path: Path) -> None:
    for name in ("a", "node_modules/x/y", "doc/keep", "doc/other"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    found = tar_entries(b"".join(packed(str(tmp_path), ["node_modules", "doc", "!doc/keep"])))
    assert set(found) == {"a", "doc/keep"}


def hostile() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, link in (("out", "/tmp"), ("up", "../..")):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, link
            tar.addfile(entry)
        for name in ("../escaped", "/absolute", "out/escaped", "up/escaped", "a/../../escaped"):
            entry = tarfile.TarInfo(name)
            entry.size = 1
            tar.addfile(entry, io.BytesIO(b"x"))
    return buffer.getvalue()


def test_nothing_is_written_outside(tmp_path: Path) -> None:
    unpack(io.BytesIO(hostile()), str(tmp_path / "in" / "here"))
    outside = [path for path in tmp_path.rglob("*") if not path.is_relative_to(tmp_path / "in" / "here")]
    assert outside == [tmp_path / "in"]
    assert not Path("/tmp/escaped").exists()
    assert (tmp_path / "in/here/out/escaped").read_text() == "x", "the link made way"


def test_a_device_is_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        entry = tarfile.TarInfo("null")
        entry.type, entry.devmajor, entry.devminor = tarfile.CHRTYPE, 1, 3
        tar.addfile(entry)
    with pytest.raises(Failure, match="devices are not made"):
        unpack(io.BytesIO(buffer.getvalue()), str(tmp_path))


@pytest.mark.parametrize(
    "act",
    [
        lambda: build_words.output("type=nope"),
        lambda: build_words.output("type=local"),
        lambda: build_words.output("dest=x"),
        lambda: build_words.output("type=oci,tar=false"),
        lambda: build_words.output("type=image,dest=x"),
        lambda: build_words.cache("type=s3", "--cache-to"),
        lambda: build_words.cache("type=registry", "--cache-to"),
        lambda: build_words.cache("type=registry,ref=x,mode=all", "--cache-to"),
        lambda: build_words.secret("src=x", {}),
        lambda: build_words.secret("id=x,env=NOT_SET", {}),
        lambda: build_words.secret("id=x,type=magic", {}),
        lambda: build_words.agent("default", {}),
        lambda: build_words.context("x"),
        lambda: build_words.context("x=oci-layout:///y"),
        lambda: build_words.pairs("a", "--x"),
    ],
)
def test_words_that_make_no_sense(act: Any) -> None:
    with pytest.raises(Failure):
        act()


@pytest.mark.parametrize(
    ("read", "word", "said"),
    [
        (build_words.values, ["=x"], "invalid environment variable: =x"),
        (parse_ulimits, ["nofile"], 'invalid argument "nofile" for "--ulimit" flag'),
        (label_pairs, ["=x"], "invalid label '=x': empty name"),
        (label_pairs, [""], "invalid label '': empty name"),
        (label_pairs, ["a b=c"], "label 'a b' contains whitespaces"),
        (
            build_words.agent,
            "default=/nope",
            "could not parse ssh: [default=/nope]: stat /nope: no such file or directory",
        ),
        (
            build_words.output,
            "type=image,push=maybe",
            'non-bool value specified for push: strconv.ParseBool: parsing "maybe": invalid syntax',
        ),
        (build_words.extra_host, "db", 'bad format for add-host: "db"'),
        (build_words.extra_host, "db:nowhere", 'invalid IP address in add-host: "nowhere"'),
    ],
)
def test_words_that_say_nothing(read: Callable[[Any], object], word: object, said: str) -> None:
    with pytest.raises(Failure, match=f"^{re.escape(said)}$"):
        read(word)
