"""SIGKILL at any moment: the next start finds every image that was there, whole, and nothing half-made."""

from __future__ import annotations

import os
import random
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from corral.images import Images
from corral.images.library import top
from corral.images.references import parse
from tests.support.imagestore import leftovers, saved, store

pytestmark = [pytest.mark.root, pytest.mark.slow]
ROUNDS = 25
CODE = str(Path(__file__).with_name("killed.py"))


def killed_after(root: Path, seed: int, seconds: float) -> list[list[str]]:
    """Runs the worker and kills it some time after it opened the store; what it said."""
    where = str(Path(__file__).parents[3])
    path = [f"{where}/src", where, *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": ":".join(path)}
    child = subprocess.Popen(
        [sys.executable, CODE, str(root), str(seed)], stdout=subprocess.PIPE, env=environment, bufsize=0
    )
    assert child.stdout is not None
    said = child.stdout.readline()  # it is open
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0 and select.select([child.stdout], [], [], left)[0]:
        data = os.read(child.stdout.fileno(), 65_536)
        if not data:
            break
        said += data
    child.send_signal(signal.SIGKILL)
    said += child.stdout.read()
    assert child.wait() == -signal.SIGKILL, "the worker failed by itself"
    whole = said.decode().rpartition("\n")[0]  # the last line may have been cut
    return [line.split() for line in whole.splitlines() if line.startswith(("has", "lost"))]


async def test_nothing_is_lost_and_nothing_is_left(tmp_path: Path) -> None:
    pick = random.Random(20)
    names: dict[str, str] = {}
    for seed in range(ROUNDS):
        for what, name, image_id in killed_after(tmp_path, seed, pick.uniform(0.0, 0.4)):
            full = str(parse(name).tagged())
            if what == "lost":
                names.pop(full, None)  # it may or may not be there any more
            else:
                names[full] = image_id
        async with store(tmp_path) as images:
            here = {tag: image.id for image in images.list() for tag in image.tags}
            # The last thing done may have taken effect without being told.
            different = {tag for tag in names if here.get(tag) != names[tag]}
            assert len(different) <= 1, (seed, different)
            for image in images.list():
                await saved(images, image.id)  # reads every layer, and checks its digest
            needed = {layer.place for image in images.list() for layer in images.layers.stack(top(image))}
            needed |= {place for container in images.rootfs.ids() for place in places_of(images, container)}
            places = {name.partition("/")[2] for name in leftovers(tmp_path) if name.startswith("layers/")}
            assert places <= needed | {"none"}, seed
            assert not [name for name in leftovers(tmp_path) if name.startswith(("content", "trash"))]
            names = here


def places_of(images: Images, container: str) -> list[str]:
    """The layers that a container needs: all below its scaffold."""
    return [Path(place).parent.name for place in images.rootfs.graph(container)["LowerDir"].split(":")[1:]]
