"""A process that works on an image store until it is killed. Run by test_kills.py, with the store's root."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import sys

from corral.errors import Conflict
from corral.images import Images
from corral.kit.clock import SystemClock
from corral.model.image import ImageConfig
from tests.support.imagestore import an_image, load, nobody, saved
from tests.support.tars import member


async def main(root: str, seed: int) -> None:
    """Imports, loads, tags, commits, removes, for ever; prints each image that is durable before it goes on."""
    pick = random.Random(seed)
    images = await Images.open(root, clock=SystemClock())
    print("open", flush=True)
    for container in images.rootfs.ids():
        await images.discard(container)
    archives: list[bytes] = []
    while True:
        n = pick.randrange(6)
        action = pick.choice(["import", "import", "load", "tag", "commit", "remove", "container"])
        known = [image for image in images.list() if image.tags]
        if action == "import":
            files = [member(f"f{i}", data=os.urandom(pick.randrange(60_000))) for i in range(pick.randrange(1, 30))]
            image = await an_image(images, f"app:{n}", *files)
            print("has", f"app:{n}", image.id, flush=True)
            archives = [*archives[-3:], await saved(images, f"app:{n}")]
        elif action == "load" and archives:
            for event in await load(images, pick.choice(archives)):
                print("has", event.name, event.id, flush=True)
        elif not known:
            continue
        elif action == "tag":
            image = pick.choice(known)
            print("lost", f"alias:{n}", "-", flush=True)
            await images.tag(image.id, f"alias:{n}")
            print("has", f"alias:{n}", image.id, flush=True)
        elif action == "remove":
            image = pick.choice(known)
            for tag in image.tags:
                print("lost", tag, "-", flush=True)
            with contextlib.suppress(Conflict):  # others were made from it
                await images.remove(image.id, force=True, used_by=nobody)
        else:
            await _container(images, pick, f"c{n}", action == "commit")


async def _container(images: Images, pick: random.Random, name: str, commit: bool) -> None:
    image = pick.choice([image for image in images.list() if image.tags])
    if name in images.rootfs.ids():
        await images.discard(name)
    images.prepare(name, image.id)
    upper = images.rootfs.graph(name)["UpperDir"]
    for n in range(pick.randrange(5)):
        with open(f"{upper}/w{n}", "wb") as file:
            file.write(os.urandom(10_000))
    if commit:
        print("lost", f"commit:{name}", "-", flush=True)
        made = await images.commit(name, image, config=ImageConfig(user=name), ref=f"commit:{name}")
        print("has", f"commit:{name}", made.id, flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
