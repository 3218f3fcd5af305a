from __future__ import annotations

import json

from bench.measures import QUICK, Size, measures
from bench.statistics import Row, Target
from bench.table import document, table

FIFTH = Target("most", 0.2, "dockerd")


def test_a_table_with_all_three() -> None:
    rows = [
        Row("run --rm", "ms", {"corral": [50.0], "dockerd": [300.0], "podman": [350.0]}, (FIFTH,)),
        Row("daemon, idle", "MB", {"corral": [70.5], "dockerd": [90.0]}, (Target("most", 60),)),
    ]
    assert table(rows, ["corral", "dockerd", "podman"]).splitlines() == [
        "                   corral  dockerd  podman  corral/dockerd  corral/podman  target",
        "run --rm (ms)        50.0      300     350          0.17 ×         0.14 ×  ≤ 0.2 × dockerd: reached",
        "daemon, idle (MB)    70.5     90.0       –          0.78 ×              –  ≤ 60 MB: MISSED",
    ]


def test_corral_alone() -> None:
    lines = table([Row("run --rm", "ms", {"corral": [50.0]}, (FIFTH,))], ["corral"]).splitlines()
    assert lines == ["               corral  target", "run --rm (ms)    50.0  ≤ 0.2 × dockerd: can't be told"]


def test_the_document_keeps_every_sample() -> None:
    made = document([Row("run", "ms", {"corral": (50.0, 52.0)}, (Target("most", 60),))], {"cores": 2})
    again = json.loads(json.dumps(made))
    assert again["cores"] == 2
    assert again["rows"][0]["samples"] == {"corral": [50.0, 52.0]}
    assert again["rows"][0]["targets"] == ["≤ 60 ms: reached"]


def test_measures_have_names_and_rows_of_their_own() -> None:
    for size in (Size(), QUICK):
        made = measures(size)
        assert len({measure.name for measure in made}) == len(made)
        names = [row for measure in made for row in measure.rows]
        assert len(set(names)) == len(names)
