"""COPY and ADD in whole builds: between stages, linked, and what of it is cached."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.building import Workshop
from tests.support.tars import member, tar

pytestmark = [pytest.mark.root, pytest.mark.timeout(120)]
TEXT = """\
FROM busybox AS made
COPY --chown=www-data:7 --chmod=u=rwX,go=rX d /made
COPY <<one <<two /here/
1
one
2
two
ADD a.tar /unpacked
FROM busybox
COPY --from=made /made /from
COPY --link d /linked/
COPY --parents d/./in/*.txt /p/
COPY --exclude=*.txt d/in /e
RUN ls -lnR /from /linked /p /e | grep -v total
COPY --from=made /here /unpacked /all/
RUN ls -ln /all
"""


async def test_a_build_that_copies_in_every_way(shop: Workshop) -> None:
    where = shop.context({"d/in/f.txt": "x", "d/in/g.o": "yy", "big": "1"})
    Path(where, "a.tar").write_bytes(tar(member("t", data=b"tar", uid=5, gid=6)))
    os.symlink("/etc/shadow", f"{where}/d/link")
    first = await shop.build(TEXT, context=where)
    lines = [" ".join(line.split()[:1] + line.split()[2:5]) for line in first.output.splitlines() if "g.o" in line]
    assert sorted(lines) == ["-rw-r--r-- 0 0 2", "-rw-r--r-- 0 0 2", "-rw-r--r-- 33 7 2"]
    assert [line.split()[2:5] for line in first.output.splitlines() if line.endswith(" t")] == [["5", "6", "3"]]
    assert "link -> /etc/shadow" in first.output
    Path(where, "unrelated").write_text("new")
    os.utime(f"{where}/d/in/f.txt", (1, 1))
    again = await shop.build(TEXT, context=where)
    assert again.image == first.image
    Path(where, "d/in/f.txt").write_text("changed")
    assert (await shop.build(TEXT, context=where)).image != first.image


async def test_what_is_missing_is_named(shop: Workshop) -> None:
    outcome = await shop.build("FROM busybox\nCOPY none /x\n", context=shop.context({"f": ""}))
    assert "failed to calculate checksum of ref" in str(outcome.error)
    assert '"/none": not found' in str(outcome.error)
