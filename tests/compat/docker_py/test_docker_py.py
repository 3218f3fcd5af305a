"""docker-py's own integration tests pass against Corral: all that are not in LEFT_OUT, and none that are."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.compat.docker_py.left_out import LEFT_OUT
from tests.compat.docker_py.suite import TAGS, run
from tests.support.endpoint import Endpoint

CHECKOUT = Path(__file__).resolve().parents[3]

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def results(shared_engine: Endpoint) -> dict[str, str]:
    shared_engine.remove_everything()
    shared_engine.import_image(TAGS)
    try:
        return run(CHECKOUT / ".cache", shared_engine)
    finally:
        shared_engine.remove_everything()


def test_every_test_that_is_not_left_out_passes(results: dict[str, str]) -> None:
    failed = {name: why for name, why in results.items() if why and name not in LEFT_OUT}
    assert len(results) > 140, "the suite ran short"
    assert not failed, "\n".join(f"{name}: {why.splitlines()[0]}" for name, why in failed.items())


def test_what_is_left_out_is_still_needed(results: dict[str, str]) -> None:
    stale = sorted(name for name in LEFT_OUT if not results.get(name))
    assert not stale, f"these pass or are gone: take them off the list: {stale}"
