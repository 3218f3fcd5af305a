"""SIGKILL amid pushes, pulls, builds, loads and prunes: what was pushed is served, what is listed is whole, and in the
end the disk is as empty as before.

The work and what must hold are in `tests.support.image_work`; CORRAL_SEED repeats a run.
"""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections.abc import Iterator

import pytest

from tests.support.fake_registry import FakeRegistry
from tests.support.image_work import Ledger, Worker, check_images, check_registry, half_made, unneeded_layers
from tests.support.instance import Instance, instance
from tests.support.kills import failures_of_threads, kill_amid, seeded, told
from tests.support.ports import free_port
from tests.support.registry import RegistryClient
from tests.support.tars import member, tar
from tests.support.wait import eventually

KILLS = 15
ROUND = (0.05, 1.4)  # seconds of work before a kill
WORKERS = 4
STRICT = 5  # rounds between two looks for layers that nothing needs: the builds' caches go for that
MB = 1_000_000

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture
def outside() -> Iterator[FakeRegistry]:
    """A registry elsewhere; the daemon's death is none of its business."""
    with FakeRegistry() as registry:
        shared = tar(member("shared", data=os.urandom(300_000)))
        for number in range(4):
            registry.add_image("app", str(number), [shared, tar(member(f"f{number}", data=os.urandom(200_000)))])
        yield registry


def used(engine: Instance) -> int:
    """Bytes of all that images have on the disk, but for the registry's blobs and uploads, and what SQLite keeps."""
    others = [f"--exclude={name}" for name in ("blobs", "upload-*", "images.db*")]
    command = ["du", "-s", "-B1", *others, str(engine.root / "images")]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[0])


def layers_size(engine: Instance) -> int:
    return int(engine.get("/system/df").json["LayersSize"])


def check(engine: Instance, own: RegistryClient, ledger: Ledger, chance: random.Random) -> None:
    check_registry(own, ledger)
    check_images(engine)
    runnable = [i["Id"] for i in engine.get("/images/json").json if "built:" in str(i["RepoTags"])]
    if runnable:
        assert engine.result("cmp", "/f", "/made/g", image=chance.choice(runnable)) == (0, "")
    eventually(lambda: not half_made(engine), lambda: f"nothing half-made stays: {half_made(engine)}")
    eventually(lambda: engine.settled() == (0, 0), engine.unsettled)


def check_layers(engine: Instance) -> None:
    assert engine.post("/build/prune", query={"all": 1}).status == 200
    eventually(lambda: not unneeded_layers(engine), lambda: f"all layers are needed, but {unneeded_layers(engine)}")


def check_disk(engine: Instance, own: RegistryClient, ledger: Ledger, before: int, size: int) -> None:
    """After `rmi` and prunes there is no more than before, but what was pushed."""
    engine.remove_everything()
    engine.create("true")  # busybox stays for it
    assert engine.post("/images/prune", query={"filters": {"dangling": {"false": True}}}).status == 200
    check_layers(engine)
    eventually(lambda: used(engine) - before < MB / 4, lambda: f"{used(engine) - before} bytes more than before")
    assert layers_size(engine) == size
    engine.restart_daemon("--registry-keep-unused=0s")  # what was half-pushed is no longer waited for
    needed = check_registry(own, ledger) | {image["Id"] for image in engine.get("/images/json").json}
    blobs = engine.root / "images/content/blobs/sha256"
    extra = lambda: {f"sha256:{name}" for name in os.listdir(blobs)} - needed  # noqa: E731
    eventually(lambda: not extra(), lambda: f"all blobs are needed, but {extra()}")


def test_images_outlive_kills_and_nothing_half_made_stays(
    capsys: pytest.CaptureFixture[str], outside: FakeRegistry
) -> None:
    seed, chance = seeded()
    ledger, port, begun = Ledger(), free_port(), time.monotonic()
    own = RegistryClient("127.0.0.1", port)
    with failures_of_threads() as failures, instance("--registry", f"127.0.0.1:{port}") as engine:
        engine.create("true")  # no prune takes busybox away
        before, size = used(engine), layers_size(engine)
        for number in range(KILLS):
            with told(engine, capsys, f"kill {number + 1} of {KILLS}, CORRAL_SEED={seed}"):
                workers = [Worker(engine, own, outside, ledger, chance.getrandbits(64)) for _ in range(WORKERS)]
                kill_amid(engine, workers, lambda: time.sleep(chance.uniform(*ROUND)))
                assert not failures, failures[0]
                check(engine, own, ledger, chance)
                if number % STRICT == STRICT - 1:
                    check_layers(engine)
        with told(engine, capsys, f"the end, CORRAL_SEED={seed}"):
            check_disk(engine, own, ledger, before, size)
    with capsys.disabled():
        print(f"\n{KILLS} kills in {time.monotonic() - begun:.0f} s, {ledger.done}, CORRAL_SEED={seed}")
