"""What every test shares: which tests run where, and the daemons that they talk to."""

from __future__ import annotations

import math
import os
import platform
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

from tests.support import memory
from tests.support.ahead import Work
from tests.support.wait import PATIENCE

if TYPE_CHECKING:
    from tests.support.endpoint import Endpoint
    from tests.support.instance import Instance

IN_CI = os.environ.get("CI", "").lower() in ("1", "true", "yes")
IN_GUEST = os.environ.get("CORRAL_GUEST") == "1"
LONGEST = 840 if IN_GUEST else math.inf  # seconds of one test: its host hears a silence of 900 as its end
AHEAD = pytest.StashKey[list[Work[Any]]]()
GUARD = pytest.StashKey[memory.Guard]()
ORDER = ("unit", "contract", "property", "system", "compat", "guest")  # cheap ones fail first


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("corral")
    group.addoption("--peers", action="store_true", help="also compare with peers (dockerd); always on where CI=true")
    group.addoption("--target", default="corral", help="corral, or dockerd to check the system tests themselves")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "in_guest: runs only inside the guest")
    config.addinivalue_line(
        "markers", "ahead(work): needs what is made or run beside the tests before it; see tests/support/ahead.py"
    )
    config.addinivalue_line("markers", "not_in_guest: cannot run inside the guest; says why")
    # Who starts this in the background has it ignored, and with it what is started here.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    config.stash[GUARD] = memory.Guard()
    if not IN_CI:  # where hypothesis has a profile of its own; how long an example takes is no property
        settings.register_profile("corral", deadline=None, suppress_health_check=[HealthCheck.too_slow])
        settings.load_profile("corral")


def pytest_unconfigure(config: pytest.Config) -> None:
    if GUARD in config.stash:
        config.stash[GUARD].end()


def _rank(item: pytest.Item) -> int:
    parts = item.path.parts
    return next((place for place, name in enumerate(ORDER) if name in parts), len(ORDER))


def _unwanted(item: pytest.Item, config: pytest.Config) -> bool:
    if item.get_closest_marker("peers") and not (IN_CI or config.getoption("--peers")):
        return True
    return item.get_closest_marker("not_in_guest" if IN_GUEST else "in_guest") is not None


def _be_patient(items: list[pytest.Item]) -> None:
    """Where everything takes longer, so may the tests. (The default of pyproject.toml is for tests without a limit.)"""
    if PATIENCE != 1:
        for item in items:
            limit = item.get_closest_marker("timeout")
            seconds = limit.args[0] if limit else float(item.config.getini("timeout"))
            item.add_marker(pytest.mark.timeout(min(seconds * PATIENCE, LONGEST)), append=False)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Order by cost; deselect peers where they were not asked for; without root, skip what needs it (never in CI)."""
    unwanted = [item for item in items if _unwanted(item, config)]
    if unwanted:
        config.hook.pytest_deselected(items=unwanted)
    chosen = [item for item in items if item not in set(unwanted)]
    chosen.sort(key=_rank)
    items[:] = chosen
    _be_patient(chosen)
    if not IN_CI and (platform.system() != "Linux" or os.geteuid() != 0):
        reason = pytest.mark.skip(reason="needs root on Linux: sudo ./dev test")
        for item in items:
            if item.get_closest_marker("root"):
                item.add_marker(reason)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Begin what the chosen tests need and what takes long, beside the first of them."""
    if session.config.option.collectonly or session.testsfailed:  # what cannot be collected ends the session at once
        return
    marks = (
        mark for item in session.items if not item.get_closest_marker("skip") for mark in item.iter_markers("ahead")
    )
    session.config.stash[AHEAD] = list(dict.fromkeys(work for mark in marks for work in mark.args))
    for work in session.config.stash[AHEAD]:
        work.begin()


def pytest_sessionfinish(session: pytest.Session) -> None:
    for work in session.config.stash.get(AHEAD, []):
        work.end()


@pytest.fixture(scope="session")
def shared_engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """One daemon with the busybox image for the whole session."""
    if request.config.getoption("--target") == "dockerd":
        from tests.support.dockerd import Dockerd

        with Dockerd(Path("/tmp/corral-peer")) as peer:
            peer.import_image()
            yield peer
        return
    from tests.support.instance import instance

    with instance() as subject:
        yield subject


@pytest.fixture
def engine(shared_engine: Endpoint) -> Iterator[Endpoint]:
    """The session's daemon; whatever a test leaves in it is removed, and leaks of that removal are found."""
    yield shared_engine
    shared_engine.remove_everything()
    from tests.support.instance import Instance
    from tests.support.wait import eventually

    if isinstance(shared_engine, Instance):
        eventually(lambda: shared_engine.settled() == (0, 0), shared_engine.unsettled)


@pytest.fixture
def fresh() -> Iterator[Instance]:
    """A daemon of the test's own, with the busybox image: for tests that kill or restart it."""
    from tests.support.instance import instance

    with instance() as subject:
        yield subject
