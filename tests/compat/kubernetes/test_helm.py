"""Helm 3 and Helm 4 with a chart that has a bit of everything. What they do: helm/*.txt."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.compat.kubernetes.clients import NEW, OLD
from tests.compat.kubernetes.conftest import Place
from tests.compat.kubernetes.transcript import run_all

HERE = Path(__file__).parent
CLIENTS = {"3": OLD, "4": NEW}

pytestmark = [*(pytest.mark.root, pytest.mark.timeout(180)), pytest.mark.ahead.with_args(NEW, OLD)]


@pytest.mark.parametrize("client", CLIENTS)
def test_a_release(client: str, place: Callable[[str], Place]) -> None:
    found = place(CLIENTS[client]())
    text = (HERE / "helm/release.txt").read_text()
    text = text.replace("{ns}", found.namespace).replace("{chart}", str(HERE / "chart"))
    wrong = run_all(text, client, found.folder, found.env)
    assert not wrong, "\n\n".join(wrong)
