"""Those who read along with a download."""

import asyncio
from pathlib import Path

import pytest

from corral.errors import RemoteFailed
from corral.images.content import Content
from corral.registry.download import Download
from tests.support import oci


async def test_who_begins_to_read_when_it_has_failed_hears_why(tmp_path: Path) -> None:
    """The scratch file is gone by then, and the answer has begun."""
    content = Content(str(tmp_path))

    async def prove() -> None:
        raise AssertionError("nobody asks")

    download = Download(content, oci.digest(b"x"), 1000, "http://up.example", prove)
    reading = asyncio.ensure_future(anext(download.chunks()))
    await asyncio.sleep(0)
    assert not reading.done()  # the file goes a moment before it is said why
    download._result.set_exception(RemoteFailed("broken"))
    with pytest.raises(RemoteFailed, match="broken"):
        await reading
