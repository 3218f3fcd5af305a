"""docker-py's own integration tests pass against Corral: all that are not in LEFT_OUT, and none that are."""

from __future__ import annotations

import pytest

from tests.compat.docker_py.left_out import EARLY, LEFT_OUT, TIMES
from tests.compat.docker_py.suite import TAGS, python, run, source
from tests.support.instance import instance
from tests.support.ports import free_port
from tests.support.tars import member, tar

pytestmark = [
    *(pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(900)),
    pytest.mark.ahead.with_args(python, source),
]


@pytest.fixture(scope="module")
def results() -> dict[str, str]:
    """By an engine whose own registry stands for Docker Hub, with the images that the tests pull from there."""
    host = f"127.0.0.1:{free_port()}"
    mirror = f"registry-mirror=docker.io=http://{host}"
    with instance("--registry", host, f"--{mirror}") as engine:
        engine.import_image(TAGS)
        engine.import_image(["hello-world:latest"], rootfs=tar(member("hello", data=b"Hello from Docker!")))
        for name in (*TAGS, "hello-world:latest"):
            engine.docker("tag", name, f"{host}/library/{name}", check=True)
            engine.docker("push", f"{host}/library/{name}", check=True)
            engine.docker("rmi", f"{host}/library/{name}", check=True)
        try:
            found = run(engine)
            for _ in range(TIMES):
                if early := [name.rpartition("::")[2] for name in EARLY if found[name]]:
                    found |= run(engine, only=" or ".join(early))
            return found
        finally:
            engine.remove_everything()


def test_every_test_that_is_not_left_out_passes(results: dict[str, str]) -> None:
    failed = {name: why for name, why in results.items() if why and name not in LEFT_OUT}
    assert len(results) > 170, "the suite ran short"
    assert not failed, "\n".join(f"{name}: {why.splitlines()[0]}" for name, why in failed.items())


def test_what_is_left_out_is_still_needed(results: dict[str, str]) -> None:
    stale = sorted(name for name in LEFT_OUT if not results.get(name))
    assert not stale, f"these pass or are gone: take them off the list: {stale}"
