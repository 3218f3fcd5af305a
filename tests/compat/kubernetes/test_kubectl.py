"""A tour with the real kubectl, of this release and of an old one. What it is: tour/*.txt, to be read as a terminal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.compat.kubernetes.clients import KUBECTL, OLD
from tests.compat.kubernetes.conftest import Place
from tests.compat.kubernetes.transcript import parse, run_all
from tests.support.ahead import Work
from tests.support.endpoint import BUSYBOX

TOUR = sorted(Path(__file__).with_name("tour").glob("*.txt"))
CLIENTS = {"1.37": KUBECTL, "1.32": OLD}

pytestmark = [*(pytest.mark.root, pytest.mark.timeout(180)), pytest.mark.ahead.with_args(KUBECTL, OLD)]


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("transcript", TOUR, ids=lambda path: path.stem)
def test_tour(transcript: Path, client: str, place: Callable[[str], Place]) -> None:
    programs: Work[str] = CLIENTS[client]
    found = place(programs())
    text = transcript.read_text().replace("{ns}", found.namespace).replace("{image}", BUSYBOX)
    wrong = run_all(text, client, found.folder, found.env)
    assert not wrong, "\n\n".join(wrong)


def test_the_tour_is_long() -> None:
    assert sum(len(parse(path.read_text())) for path in TOUR) >= 250
