"""What `system df` and `prune` say of the disk is what du finds."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator

import pytest

from tests.support.fake_registry import Ask, FakeRegistry
from tests.support.instance import Instance, instance
from tests.support.ports import free_port
from tests.support.tars import member, tar
from tests.support.wait import eventually

pytestmark = pytest.mark.root
MB = 1_000_000
SIZES = {"B": 1, "kB": 1000, "MB": MB, "GB": 1000 * MB}


@pytest.fixture
def engine() -> Iterator[Instance]:
    with instance("--registry", f"127.0.0.1:{free_port()}") as made:
        yield made


def disk(engine: Instance) -> int:
    """Bytes that its whole state takes."""
    return int(subprocess.run(["du", "-s", "-B1", str(engine.root)], capture_output=True, text=True).stdout.split()[0])


def size(text: str) -> float:
    """
    >>> size("1.5MB")
    1500000.0
    """
    number, unit = re.fullmatch(r"([0-9.]+)([kMG]?B)", text).groups()  # type: ignore[union-attr]
    return float(number) * SIZES[unit]


def told(engine: Instance) -> tuple[float, float]:
    """(what images take, what of it could be had back), as `docker system df` says."""
    lines = engine.docker("system", "df", "--format", "{{.Type}}|{{.Size}}|{{.Reclaimable}}", check=True).stdout
    _, used, free = next(line for line in lines.splitlines() if line.startswith("Images|")).split("|")
    return size(used), size(free.partition(" ")[0])


def test_images_take_what_is_said_and_give_it_back(engine: Instance) -> None:
    before, (used, _) = disk(engine), told(engine)
    for name in ("one", "two"):
        engine.docker(
            "run", "--name", "maker", "busybox", "dd", "if=/dev/urandom", "of=/f", "bs=1M", "count=20", check=True
        )
        engine.docker("commit", "maker", f"{name}:1", check=True)
        engine.docker("rm", "maker", check=True)
    larger, reclaimable = told(engine)
    assert larger - used == pytest.approx(2 * 20 * 2**20, abs=MB)
    # what the removed containers had written is deleted after the answer
    eventually(lambda: disk(engine) - before == pytest.approx(larger - used, abs=MB), "the disk has the images alone")
    assert reclaimable == pytest.approx(larger, abs=MB)
    engine.docker("tag", "two:1", "kept:1", check=True)
    engine.docker("run", "-d", "--name", "user", "kept:1", "sleep", "100", check=True)
    said = engine.docker("image", "prune", "-af", check=True).stdout
    reclaimed = size(re.search(r"Total reclaimed space: (\S+)", said)[1])  # type: ignore[index]
    assert reclaimed == pytest.approx(20 * 2**20, abs=MB)
    left = larger - used - reclaimed
    eventually(lambda: abs(disk(engine) - before - left) < MB, lambda: str(disk(engine) - before))
    assert engine.docker("exec", "user", "wc", "-c", "/f", check=True).stdout.split()[0] == str(20 * 2**20)
    engine.docker("rm", "-f", "user", check=True)
    engine.docker("rmi", "kept:1", check=True)  # the other name, which nobody used, was pruned
    eventually(lambda: disk(engine) - before < MB, lambda: str(disk(engine) - before))


def test_what_the_registry_has_is_not_an_image_and_stays(engine: Instance) -> None:
    """A prune does not take what was pushed; the registry's own copy runs afterwards."""
    name = f"localhost:{engine.flags[1].rpartition(':')[2]}/app:1"
    engine.docker("run", "--name", "maker", "busybox", "dd", "if=/dev/urandom", "of=/f", "bs=1M", "count=5", check=True)
    engine.docker("commit", "-c", 'CMD ["wc", "-c", "/f"]', "maker", name, check=True)
    engine.docker("rm", "maker", check=True)
    engine.docker("push", name, check=True)
    engine.docker("image", "prune", "-af", check=True)
    assert told(engine) == (0, 0)
    assert engine.docker("run", "--rm", name, check=True).stdout == f"{5 * 2**20} /f\n"


def test_what_came_of_a_broken_pull_is_told_and_pruned(engine: Instance) -> None:
    """With -a, and not while it is younger than was asked for."""
    with FakeRegistry() as registry:
        manifest = registry.add_image("app", "1", [tar(member("big", data=os.urandom(8 * MB)))])
        layer = manifest["layers"][0]
        part = registry.blobs["app"][layer["digest"]][: 5 * MB]

        def breaks(ask: Ask) -> bool:
            """The first part comes, the rest never does."""
            if layer["digest"] not in ask.path:
                return False
            if "Range" in ask.headers:
                return ask.refuse(404, "BLOB_UNKNOWN")
            ask.close_connection = True
            return ask.answer(200, part, Content_Length=str(layer["size"]))

        registry.fault(breaks)
        used, free = told(engine)
        assert engine.docker("pull", f"{registry.host}/app:1").returncode == 1
    kept = told(engine)[0] - used
    assert kept == pytest.approx(5 * MB, abs=MB / 5)
    assert told(engine)[1] - free == pytest.approx(kept, abs=MB / 5)
    before = disk(engine)
    for options in (["-f"], ["-af", "--filter", "until=1h"], ["-af", "--filter", "label=no"]):
        engine.docker("image", "prune", *options, check=True)
        assert told(engine)[0] - used == pytest.approx(kept, abs=MB / 5)
    engine.docker("run", "-d", "--name", "user", "busybox", "sleep", "100", check=True)
    said = engine.docker("system", "prune", "-af", check=True).stdout
    assert f"deleted: {layer['digest']}\n" in said
    assert size(re.search(r"Total reclaimed space: (\S+)", said)[1]) == pytest.approx(kept, abs=MB / 5)  # type: ignore[index]
    assert told(engine)[0] == pytest.approx(used, abs=MB / 5)
    assert before - disk(engine) == pytest.approx(kept, abs=MB / 2)
