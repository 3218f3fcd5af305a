"""Links between containers that are kept apart open what they open with dockerd, however the host's bridges are."""

from __future__ import annotations

import pytest

from tests.compat.links.script import answers_of

pytestmark = [pytest.mark.root, pytest.mark.timeout(600)]

EXPECTED = {
    "a link opens an exposed port": True,
    "a link opens another port": False,
    "without a link": False,
    "after a restart of the called": True,
    "after a restart of the caller": True,
    "who comes after the caller": False,
    "a link in a network of one's own": False,
}


@pytest.mark.parametrize("which", [pytest.param("dockerd", marks=pytest.mark.peers), "corral", "corral-unfiltered"])
def test_what_links_open(which: str) -> None:
    """What dockerd answers is what ours is held to."""
    assert answers_of(which) == EXPECTED
