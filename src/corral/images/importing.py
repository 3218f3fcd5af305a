"""Importing: a tar of a root file system becomes an image of one layer (`docker import`)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from corral.errors import InvalidInput
from corral.images import config as configs
from corral.images.layers import Layer
from corral.images.platforms import host_platform, split_platform
from corral.images.references import parse_tag
from corral.linux.streams import Inbox, consume
from corral.model.image import HistoryEntry, Image, ImageConfig

if TYPE_CHECKING:
    from corral.images.library import Images


async def import_rootfs(
    images: Images, chunks: AsyncIterator[bytes], ref: str, message: str, config: ImageConfig, platform: str
) -> Image:
    """The image, recorded under `ref` unless that is empty. What is wrong with the request is said before reading."""
    names = [str(parse_tag(ref))] if ref else []
    system, architecture, variant = split_platform(platform or host_platform())
    if system != "linux":
        raise InvalidInput(f'operating system is not supported: "{system}"')
    async with images.draft() as draft:
        diff_id = draft.add_first(await _unpack(images, chunks))
        now = images.clock.now()
        history = [HistoryEntry(now, comment=message)]
        image = Image("", now, architecture, variant, system, "", message, config, history, [diff_id])
        return await draft.record(configs.build(image), names)


async def _unpack(images: Images, chunks: AsyncIterator[bytes]) -> Layer:
    made: list[Layer] = []

    def work(inbox: Inbox) -> None:
        made.append(images.layers.unpack(inbox, list, images.limits, inbox.leave))

    try:
        await consume(chunks, work, name="import")
    except BaseException:
        images.layers.remove(made)  # cancelled just when it was done
        raise
    return made[0]
