"""docker-py's own integration tests, fetched from its source distribution and run in an environment of their own."""

from __future__ import annotations

import os
import subprocess
import tarfile
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

from tests.support.ahead import Work
from tests.support.endpoint import Endpoint
from tests.support.venvs import environment, pip

CACHE = Path(__file__).resolve().parents[3] / ".cache"
SDIST = "docker==6.1.3"
# docker-py 6.1.3 is older than requests 2.32 and urllib3 2, whose insides it reaches into.
PACKAGES = (
    SDIST,
    "paramiko<4",
    "pytest<8",
    "pytest-timeout<3",
    "requests<2.32",
    "setuptools<66",
    "urllib3<2",
    "websocket-client<1.4",
)
FILES = (
    "api_container_test",
    "api_exec_test",
    "api_healthcheck_test",
    "api_network_test",
    "models_containers_test",
    "api_build_test",
    "api_image_test",
    "models_images_test",
    "api_volume_test",
    "models_volumes_test",
    "models_networks_test",
    "api_client_test",
    "client_test",
)
# Python before 3.11.4 has no filters; the archive is one that pip has verified.
SAFELY: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
TAGS = ("alpine:3.10", "alpine:latest", "busybox:latest")  # the images that the tests name


def _source() -> Path:
    done = CACHE / f"docker-py-{SDIST.partition('==')[2]}"
    if not done.is_dir():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as folder:
            pip("download", "--no-deps", "--no-binary", "docker", "-d", folder, SDIST)
            with tarfile.open(next(Path(folder).glob("docker-*.tar.gz"))) as sdist:
                sdist.extractall(folder, **SAFELY)
            os.rename(next(path for path in Path(folder).iterdir() if path.is_dir()), done)
    return done


source = Work(_source)  # the unpacked source distribution
python = Work(lambda: environment(CACHE, "docker-py", PACKAGES))


def run(endpoint: Endpoint, *, only: str = "", seconds: float = 600) -> dict[str, str]:
    """Run the suite: test name ("api_exec_test::ExecTest::test_execute_command") to "" or the reason it did not pass.

    It runs in an empty network namespace: one of its tests calls an address that belongs to somebody else.
    """
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        files = [f"tests/integration/{name}.py" for name in FILES]
        command = [
            *("unshare", "--net", str(python()), "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            *("--timeout", "60", f"--junitxml={report}", "-o", "junit_family=xunit1", *files),
            *(("-k", only) if only else ()),
        ]
        env = endpoint.env({"HOME": folder, "PYTHONDONTWRITEBYTECODE": "1"})
        # The tests read this folder's config.json; a client of its own needs no other.
        env.pop("DOCKER_CONFIG", None)
        env = {name: value for name, value in env.items() if not name.startswith(("PYTEST_", "PYTHONPATH"))}
        done = subprocess.run(
            command,
            cwd=source(),
            env=env,
            capture_output=True,
            text=True,
            timeout=seconds,
            stdin=subprocess.DEVNULL,
        )
        assert report.exists(), done.stdout[-4000:] + done.stderr[-4000:]
        return outcomes(report.read_text())


def outcomes(report: str) -> dict[str, str]:
    """JUnit XML to test name and the reason it did not pass ("" where it did). Pure.

    >>> outcomes('<t><testcase classname="tests.integration.a_test.B" name="c"><failure message="no"/></testcase></t>')
    {'a_test::B::c': 'no'}
    """
    found: dict[str, str] = {}
    for case in ET.fromstring(report).iter("testcase"):
        file, _, group = case.get("classname", "").removeprefix("tests.integration.").partition(".")
        reasons = [
            f"{child.get('message', child.tag)}" for child in case if child.tag in ("failure", "error", "skipped")
        ]
        found["::".join(filter(None, (file, group, case.get("name"))))] = "; ".join(reasons)
    return found
