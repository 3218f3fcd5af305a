"""testcontainers-python against Corral; its reaper has the Docker socket mounted and talks to it from inside."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.ahead import Work
from tests.support.endpoint import Endpoint
from tests.support.python_image import python_rootfs
from tests.support.tools import knows_localhost
from tests.support.venvs import environment
from tests.support.wait import eventually

HERE = Path(__file__).parent
CACHE = Path(__file__).resolve().parents[3] / ".cache"
REAPER = "corral-test/reaper:1"

PYTHON = Work(lambda: environment(CACHE, "testcontainers", ("testcontainers>=4,<5",)))

pytestmark = [
    *(pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(300)),
    pytest.mark.ahead.with_args(PYTHON),
]


@pytest.fixture
def reaper_image(engine: Endpoint) -> str:
    """The stand-in's image: Ryuk's own is on a registry."""
    rootfs = python_rootfs({"reaper.py": (HERE / "reaper.py").read_bytes()})
    changes = ['ENTRYPOINT ["/python/bin/python3","-u","/reaper.py"]', "ENV PYTHONHOME=/python", "EXPOSE 8080"]
    engine.import_image((REAPER,), changes, rootfs=rootfs)
    return REAPER


def _run(engine: Endpoint, what: str, **env: str) -> list[str]:
    knows_localhost()
    done = subprocess.run(
        [str(PYTHON()), str(HERE / "scenario.py"), what],
        env=engine.env({"HOME": str(HERE), "TC_POOLING_INTERVAL": "0.1", **env}),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == (9 if what == "crash" else 0), done.stdout + done.stderr
    return done.stdout.split()


def test_without_a_reaper(engine: Endpoint) -> None:
    page, code, identity = _run(engine, "clean", TESTCONTAINERS_RYUK_DISABLED="true")
    assert (page, code) == ("from-inside", "3")
    assert engine.get(f"/containers/{identity}/json").status == 404


def test_the_reaper_ends_what_a_crashed_session_left(engine: Endpoint, reaper_image: str) -> None:
    page, code, identity = _run(engine, "crash", RYUK_CONTAINER_IMAGE=reaper_image)
    assert (page, code) == ("from-inside", "3")
    eventually(lambda: engine.get(f"/containers/{identity}/json").status == 404, "the reaper removed it", seconds=30)
    left = [container["Image"] for container in engine.get("/containers/json", query={"all": 1}).json]
    eventually(
        lambda: engine.get("/containers/json", query={"all": 1}).json == [], f"the reaper removed itself: {left}"
    )


def test_the_socket_is_a_socket_inside(engine: Endpoint, reaper_image: str) -> None:
    """The daemon is asked from inside by a container that has its socket, and by one that has not."""
    ask = "import sys; sys.path.insert(0, '/'); import reaper; print(reaper.ask('GET', '/_ping').decode())"
    command = {"Entrypoint": ["/python/bin/python3", "-c", ask]}
    binds = {"Binds": [f"{engine.socket}:/var/run/docker.sock"]}
    assert engine.result(image=reaper_image, HostConfig=binds, **command) == (0, "OK\n")
    assert engine.result(image=reaper_image, **command)[0] == 1
