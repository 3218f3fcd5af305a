"""The simulation of many nodes, at a size that takes a moment: real server, hollow kubelets, one step."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import simulation
from bench.hollow import objects
from bench.simulation import COLUMNS, Step, parse_steps, simulate, table


@pytest.mark.parametrize("text", ["", "100", "100/x", "1/2/3"])
def test_steps_that_are_none(text: str) -> None:
    with pytest.raises((ValueError, TypeError)):
        parse_steps(text)


def test_nodes_and_their_pods_have_addresses_of_their_own() -> None:
    nodes = [objects.node(number, "now") for number in range(5000)]
    assert len({one["status"]["addresses"][0]["address"] for one in nodes}) == 5000
    assert len({one["spec"]["podCIDR"] for one in nodes}) == 5000


def test_a_row_has_every_column() -> None:
    row = {name: float(number) for number, name in enumerate(COLUMNS)}
    head, line = table([row]).splitlines()
    assert len(head.split("  ")) >= len(COLUMNS) and len(line.split()) == len(COLUMNS)


async def test_a_step_fills_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulation, "CHANGES", 2)
    monkeypatch.setattr(simulation, "QUIET_SECONDS", 0.1)
    (row,) = await simulate(tmp_path, [Step(3, 12)])
    assert set(row) == set(COLUMNS) and (row["nodes"], row["pods"]) == (3, 12)
    assert all(value > 0 for name, value in row.items() if name != "idle")
