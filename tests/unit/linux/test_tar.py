"""The tar reader and writer against the standard library's, and against damage."""

from __future__ import annotations

import io
import tarfile

import pytest

from corral.linux.tar.entry import BadTar, Entry, Limits
from corral.linux.tar.headers import build_header, parse_header, parse_number
from corral.linux.tar.reader import TarReader
from corral.linux.tar.writer import END, entry_bytes, padding
from tests.support.tars import chunked, member, tar

LONG = "directory/" * 20 + "n" * 90


def read(data: bytes, **options: object) -> list[tuple[Entry, bytes]]:
    reader = TarReader(chunked(data, 777), **options)  # type: ignore[arg-type]
    return [(entry, b"".join(bytes(p) for p in reader.content())) for entry in reader]


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_reads_what_the_standard_library_writes(format: int) -> None:
    data = tar(
        member("d", "dir", mode=0o1777),
        member("d/f", data=b"x" * 1500, uid=12, gid=34, mtime=5),
        member("d/l", "symlink", linkname="../f"),
        member("d/h", "hardlink", linkname="d/f"),
        member("null", "char", devmajor=1, devminor=3),
        member("pipe", "fifo"),
        format=format,
    )
    found = read(data)
    kinds = ["dir", "file", "symlink", "hardlink", "char", "fifo"]
    assert [(e.name.rstrip("/"), e.kind) for e, _ in found] == list(
        zip(["d", "d/f", "d/l", "d/h", "null", "pipe"], kinds, strict=True)
    )
    file, content = found[1]
    assert (file.size, file.uid, file.gid, file.mode, file.mtime) == (1500, 12, 34, 0o644, 5 * 10**9)
    assert content == b"x" * 1500
    assert found[2][0].link == "../f"
    assert found[3][0].link == "d/f"
    assert (found[4][0].major, found[4][0].minor) == (1, 3)


@pytest.mark.parametrize("format", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_and_large_numbers(format: int) -> None:
    big = 3_000_000_000 if format == tarfile.PAX_FORMAT else 3_000_000
    data = tar(member(LONG, "symlink", linkname=LONG + "/t", uid=big, mtime=8589934592 + 5), format=format)
    (entry, _), *_ = read(data)
    assert (entry.name, entry.link, entry.uid, entry.mtime) == (LONG, LONG + "/t", big, 8589934597 * 10**9)


def test_names_that_are_not_text() -> None:
    raw = b"caf\xe9"
    header = build_header(b"0", raw, Entry("x"), b"")
    ((entry, _),) = read(header + END)
    assert entry.name == raw.decode("utf-8", "surrogateescape")
    assert raw in entry_bytes(entry)


def test_old_directories_end_with_a_slash() -> None:
    header = build_header(b"\0", b"old/", Entry("old/"), b"")
    assert read(header + END)[0][0].kind == "dir"


def test_attributes_and_fractions_of_seconds() -> None:
    entry = Entry("f", mtime=1_500_000_001, xattrs={"user.a": b"\0=\n", "security.capability": b"\1"})
    ((found, _),) = read(entry_bytes(entry) + END)
    assert (found.mtime, found.xattrs) == (entry.mtime, entry.xattrs)


@pytest.mark.parametrize(
    "entry",
    [
        Entry("a", mode=0o4755, uid=1, gid=2, mtime=7 * 10**9),
        Entry("ü/" + "n" * 200, uid=5_000_000, gid=4_000_000_000),
        Entry("d", "dir", mode=0o755),
        Entry("l", "symlink", link="t" * 150),
        Entry("c", "char", major=300, minor=70000),
        Entry("t", mtime=-5 * 10**9),
        Entry("big", stored=9 << 30),
    ],
)
def test_the_standard_library_reads_what_we_write(entry: Entry) -> None:
    data = entry_bytes(entry)
    (info,) = [i for i in [tarfile.open(fileobj=io.BytesIO(data + END)).next()] if i]
    assert info.name == entry.name
    assert (info.mode, info.uid, info.gid, int(info.mtime)) == (
        entry.mode, entry.uid, entry.gid, entry.mtime // 10**9,
    )  # fmt: skip
    assert (info.linkname, info.size) == (entry.link, entry.stored)


def test_raw_and_contents_together_are_the_archive() -> None:
    data = tar(member("a", data=b"1" * 700), member("b", data=b"2" * 512), member(LONG, data=b"3")) + b"tail"
    seen = bytearray()
    reader = TarReader(chunked(data, 333), raw=seen.extend)
    for n, _ in enumerate(reader):
        if n != 1:  # the second is skipped: its content is raw then
            for piece in reader.content():
                seen.extend(piece)
    assert bytes(seen) == data


def sparse_old(extended: bool) -> bytes:
    """GNU's oldest way, by hand: data at 1000 (4 bytes) and 5000 (3), up to 26 pieces with an extension block."""
    pieces = [(1000, 4), (5000, 3)] + ([(6000 + n * 10, 1) for n in range(20)] if extended else [])
    stored = sum(n for _, n in pieces)
    block = bytearray(build_header(b"S", b"holes", Entry("holes", stored=stored), b""))
    block[345:] = bytes(167)

    def put(into: bytearray, at: int, pairs: list[tuple[int, int]]) -> None:
        for n, (offset, size) in enumerate(pairs):
            into[at + n * 24 : at + n * 24 + 24] = b"%011o\0%011o\0" % (offset, size)

    put(block, 386, pieces[:4])
    block[482] = len(pieces) > 4
    block[483:495] = b"%011o\0" % 9000
    block[148:156] = b"        "
    block[148:156] = b"%06o\0 " % sum(block)
    extension = bytearray(512) if len(pieces) > 4 else bytearray()
    if extension:
        put(extension, 0, pieces[4:])
    content = b"ABCDEFG" + b"z" * (stored - 7)
    return bytes(block) + bytes(extension) + content + padding(stored) + END


@pytest.mark.parametrize("extended", [False, True])
def test_old_sparse_files(extended: bool) -> None:
    ((entry, content),) = read(sparse_old(extended))
    assert (entry.size, entry.sparse and entry.sparse[:2]) == (9000, [(1000, 4), (5000, 3)])
    assert content.startswith(b"ABCDEFG")
    assert entry.stored == len(content)


def pax_sparse(records: dict[str, str], content: bytes) -> bytes:
    info, _ = member("GNUSparseFile.0/holes", data=content)
    info.pax_headers = records
    return tar((info, content))


def test_pax_sparse_files() -> None:
    map10 = b"2\n10\n3\n20\n2\n".ljust(512, b"\0")
    version1 = pax_sparse(
        {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "holes", "GNU.sparse.realsize": "30"},
        map10 + b"abcde",
    )
    version01 = pax_sparse(
        {"GNU.sparse.map": "10,3,20,2", "GNU.sparse.size": "30", "GNU.sparse.name": "holes"}, b"abcde"
    )
    for data in (version1, version01):
        ((entry, content),) = read(data)
        assert (entry.name, entry.size, entry.sparse, content) == ("holes", 30, [(10, 3), (20, 2)], b"abcde")


MAP_FIRST = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "holes"}


@pytest.mark.timeout(30)  # it took minutes when each block of the map had all before it read again
def test_a_map_of_very_many_pieces_is_read_once() -> None:
    count = 200_000
    text = f"{count}\n" + "".join(f"{2 * n}\n1\n" for n in range(count))
    head = text.encode().ljust(-(-len(text) // 512) * 512, b"\0")
    data = pax_sparse({**MAP_FIRST, "GNU.sparse.realsize": str(2 * count)}, head + b"x" * count)
    ((entry, content),) = read(data)
    assert entry.sparse == [(2 * n, 1) for n in range(count)] and content == b"x" * count


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"1\n" + b"0" * 50_000_000, "map of a sparse file is too long"),
        (b"1000001\n".ljust(512, b"\0"), "map of a sparse file is too long"),
        (b"2\n0\n".ljust(1024, b"\0"), "damaged map of a sparse file"),
        (b"\0" * 512, "damaged map of a sparse file"),
        (b"", "damaged map of a sparse file"),
    ],
)
def test_maps_of_sparse_files_that_do_not_end(content: bytes, words: str) -> None:
    with pytest.raises(BadTar, match=words):
        read(pax_sparse({**MAP_FIRST, "GNU.sparse.realsize": "30"}, content))


@pytest.mark.parametrize(
    "records",
    [
        {"GNU.sparse.map": "10,3,5,2", "GNU.sparse.size": "30"},  # backwards
        {"GNU.sparse.map": "10,3,29,2", "GNU.sparse.size": "30"},  # past the end
        {"GNU.sparse.map": "10,3", "GNU.sparse.size": "30"},  # too little
        {"GNU.sparse.map": "10,3,20", "GNU.sparse.size": "30"},  # half a pair
        {"GNU.sparse.map": "a,3", "GNU.sparse.size": "30"},
    ],
)
def test_damaged_maps_of_sparse_files(records: dict[str, str]) -> None:
    with pytest.raises(BadTar, match=r"sparse|number"):
        read(pax_sparse(records, b"abcde"))


def test_damage_in_the_middle_is_an_error_that_names_the_place() -> None:
    data = bytearray(tar(member("first", data=b"1" * 600), member("second", data=b"2")))
    second = 512 + 1024
    data[second] ^= 0xFF
    with pytest.raises(BadTar, match=r"invalid tar header \(after 'first'\)"):
        read(bytes(data))


def test_every_truncation_is_noticed_or_at_a_boundary() -> None:
    data = tar(member("a", data=b"1" * 600), member(LONG, data=b"2" * 10))
    whole = len(read(data))
    content_end = len(data.rstrip(b"\0")) // 512 * 512 + 512  # from here on there are only empty blocks
    file_ends = (512 + 600, content_end - 512 + 10)
    for end in range(content_end + 1024):
        try:
            found = read(data[:end])
        except BadTar as error:
            assert "unexpected EOF" in error.message
        else:
            # some writers end with the last file's last byte
            assert end % 512 == 0 or end in file_ends
            assert len(found) < whole or end >= content_end - 512


def test_rubbish() -> None:
    for data in (b"x" * 512, b"x" * 5000, b"\x1f\x8b" * 600):
        with pytest.raises(BadTar, match="invalid tar header"):
            read(data)
    with pytest.raises(BadTar, match="unexpected EOF"):
        read(b"short")
    assert read(b"") == []
    assert read(END) == []


def test_one_empty_block_between_entries_is_damage() -> None:
    data = tar(member("a"))
    with pytest.raises(BadTar):
        read(data[:512] + bytes(512) + data[:512] + END)


def test_unknown_types_are_named() -> None:
    header = build_header(b"V", b"label", Entry("label"), b"")
    with pytest.raises(BadTar, match="'label' has the unhandled type 'V'"):
        read(header + END)


def test_limits() -> None:
    data = tar(member("a", data=b"1" * 100), member("b", data=b"2" * 100))
    with pytest.raises(BadTar, match=r"more than 1 entries \(at 'b'\)"):
        read(data, limits=Limits(entries=1))
    with pytest.raises(BadTar, match=r"more than 150 bytes \(at 'b'\)"):
        read(data, limits=Limits(total=150))
    with pytest.raises(BadTar, match="too long"):
        read(tar(member("x" * 5000)))
    with pytest.raises(BadTar, match="extended header"):
        read(tar(member("x" * 3000)), limits=Limits(extended_header=2000))


def test_a_sparse_bomb_counts_with_its_holes() -> None:
    data = pax_sparse({"GNU.sparse.map": "0,5", "GNU.sparse.size": str(1 << 50), "GNU.sparse.name": "bomb"}, b"abcde")
    with pytest.raises(BadTar, match="'bomb'"):
        read(data)


def test_negative_and_odd_numbers() -> None:
    assert parse_number(b"\xff" * 12) == -1
    assert parse_number(b"-7\0") == -7
    for bad in (b"12x\0", b"0x10\0", b"1_0\0", b"99\0\0"):
        with pytest.raises(BadTar):
            parse_number(bad)


def test_negative_sizes_are_refused() -> None:
    block = bytearray(build_header(b"0", b"f", Entry("f"), b""))
    block[124:136] = b"\xff" * 12
    block[148:156] = b"        "
    block[148:156] = b"%06o\0 " % sum(block)
    with pytest.raises(BadTar, match="negative size"):
        parse_header(bytes(block))


def test_signed_checksums_of_old_programs() -> None:
    block = bytearray(build_header(b"0", b"caf\xe9", Entry("x"), b""))
    block[148:156] = b"        "
    block[148:156] = b"%06o\0 " % (sum(b - 256 if b > 127 else b for b in block))
    assert parse_header(bytes(block)).name == b"caf\xe9"


def test_damaged_pax_records() -> None:
    for body in (b"99 a=b\n", b"6 a=b", b"x a=b\n", b"5 ab\n", b"0 a=b\n", b"6 =bb\n"):
        about = Entry("x", stored=len(body))
        data = build_header(b"x", b"x", about, b"") + body + padding(len(body)) + tar(member("f"))
        with pytest.raises(BadTar, match="PAX"):
            read(data)


def test_an_extended_header_without_its_entry() -> None:
    body = b"10 path=a\n"
    data = build_header(b"x", b"x", Entry("x", stored=len(body)), b"") + body + padding(len(body)) + END
    with pytest.raises(BadTar, match="unexpected EOF"):
        read(data)
