"""The result as a table for people, and as JSON for comparisons over time. All of it pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence

from bench.statistics import SUBJECT, Row, Spread, ratio

ABSENT = "–"


def number(value: float | None) -> str:
    """Three digits that matter.

    >>> [number(value) for value in (None, 0.0423, 0.5, 7.25, 52.34, 1234.5)]
    ['–', '0.042', '0.50', '7.25', '52.3', '1234']
    """
    if value is None:
        return ABSENT
    for limit, digits in ((0.1, 3), (10, 2), (100, 1)):
        if abs(value) < limit:
            return f"{value:.{digits}f}"
    return f"{value:.0f}"


def verdict(row: Row) -> str:
    """The row's targets, and whether they are reached.

    >>> from bench.statistics import Target
    >>> verdict(Row("memory", "MB", {"corral": [31.0]}, (Target("most", 60),)))
    '≤ 60 MB: reached'
    """
    return "; ".join(f"{target.text(row.unit)}: {target.verdict(row.samples)}" for target in row.targets)


def times(found: Spread | None) -> str:
    """A ratio, and how far its pairs say that it may be off.

    >>> times(Spread(1.0, 0.98, 1.02)), times(Spread(0.2, 0.2, 0.2)), times(None)
    ('1.00 × (0.98–1.02)', '0.20 ×', '–')
    """
    if found is None:
        return ABSENT
    shown = f"{number(found.median)} ×"
    return shown if found.low == found.high else f"{shown} ({number(found.low)}–{number(found.high)})"


def cells(row: Row, engines: Sequence[str]) -> list[str]:
    """One line: the name, each engine's median, Corral's ratio to each of the others, the targets.

    >>> cells(Row("run", "ms", {"corral": [50.0], "dockerd": [250.0]}), ["corral", "dockerd"])
    ['run (ms)', '50.0', '250', '0.20 ×', '']
    """
    medians = row.medians
    ratios = [ratio(row.samples, engine) for engine in engines if engine != SUBJECT]
    return [
        f"{row.name} ({row.unit})",
        *(number(medians.get(engine)) for engine in engines),
        *map(times, ratios),
        verdict(row),
    ]


def head(engines: Sequence[str]) -> list[str]:
    """
    >>> head(["corral", "dockerd"])
    ['', 'corral', 'dockerd', 'corral/dockerd', 'target']
    """
    return ["", *engines, *(f"{SUBJECT}/{engine}" for engine in engines if engine != SUBJECT), "target"]


def table(rows: Sequence[Row], engines: Sequence[str]) -> str:
    """Columns of equal width: names and targets to the left, numbers to the right.

    >>> print(table([Row("run", "ms", {"corral": [50.0], "dockerd": [250.0]})], ["corral", "dockerd"]))
              corral  dockerd  corral/dockerd  target
    run (ms)    50.0      250          0.20 ×
    """
    lines = [head(engines), *(cells(row, engines) for row in rows)]
    widths = [max(width(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(_line(line, widths) for line in lines)


def _line(line: Sequence[str], widths: Sequence[int]) -> str:
    last = len(line) - 1
    padded = (
        text + " " * (room - width(text)) if column in (0, last) else " " * (room - width(text)) + text
        for column, (text, room) in enumerate(zip(line, widths, strict=True))
    )
    return "  ".join(padded).rstrip()


def width(text: str) -> int:
    """Columns on a terminal: combining marks take none.

    >>> width("≤ 60"), width("e\\u0301")
    (4, 1)
    """
    return sum(not unicodedata.combining(letter) for letter in text)


def document(rows: Sequence[Row], about: Mapping[str, object]) -> dict[str, object]:
    """What is written as JSON: `about` the run, and every sample.

    >>> document([Row("run", "ms", {"corral": [50.0, 52.0]})], {"cores": 2})["rows"]
    [{'name': 'run', 'unit': 'ms', 'medians': {'corral': 51.0}, 'samples': {'corral': [50.0, 52.0]}, 'targets': []}]
    """
    return {
        **about,
        "rows": [
            {
                "name": row.name,
                "unit": row.unit,
                "medians": row.medians,
                "samples": {engine: list(values) for engine, values in row.samples.items()},
                "targets": [verdict(Row(row.name, row.unit, row.samples, (target,))) for target in row.targets],
            }
            for row in rows
        ],
    }
