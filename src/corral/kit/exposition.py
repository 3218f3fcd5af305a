"""Prometheus' text format, line by line: what servers count about themselves."""

from __future__ import annotations

import resource
from collections.abc import Iterable, Iterator
from typing import Final

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
Labels = tuple[tuple[str, str], ...]


def head(name: str, kind: str, text: str) -> Iterator[str]:
    """Pure.

    >>> list(head("up", "gauge", "Whether it is."))
    ['# HELP up Whether it is.', '# TYPE up gauge']
    """
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {kind}"


def shown(labels: Labels) -> str:
    """Pure.

    >>> shown((("a", 'x"y'),)), shown(())
    ('{a="x\\\\"y"}', '')
    """
    escaped = ((key, value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")) for key, value in labels)
    return "{" + ",".join(f'{key}="{value}"' for key, value in escaped) + "}" if labels else ""


def family(name: str, kind: str, text: str, values: Iterable[tuple[Labels, float]], at: int = 0) -> Iterator[str]:
    """Pure: all of a name. `at`: when it was so, in milliseconds, 0 for now.

    >>> list(family("a_bytes", "gauge", "So many.", [((("pod", "web"),), 4096)], at=5))[2:]
    ['a_bytes{pod="web"} 4096 5']
    """
    yield from head(name, kind, text)
    moment = f" {at}" if at else ""
    for labels, value in values:
        yield f"{name}{shown(labels)} {value}{moment}"


def process_lines(start: float) -> Iterator[str]:
    """What every process says of itself. `start`: when it began."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    total = "Total user and system CPU time spent in seconds."
    yield from family("process_cpu_seconds_total", "counter", total, [((), usage.ru_utime + usage.ru_stime)])
    since = "Start time of the process since unix epoch in seconds."
    yield from family("process_start_time_seconds", "gauge", since, [((), start)])
    most = "The most memory that the process has had."
    yield from family("process_resident_memory_max_bytes", "gauge", most, [((), usage.ru_maxrss * 1024)])


def parse(text: str) -> Iterator[tuple[str, dict[str, str], float, int]]:
    """Pure: (name, labels, value, time in milliseconds or 0) of each line; what is none is left out.

    >>> list(parse('# TYPE a gauge\\na{pod="w\\\\"b",x=""} 2.5 7\\nb 1\\n?'))
    [('a', {'pod': 'w"b', 'x': ''}, 2.5, 7), ('b', {}, 1.0, 0)]
    """
    for line in text.splitlines():
        name, labels, rest = _split(line.strip())
        words = rest.split()
        try:
            yield name, labels, float(words[0]), int(words[1]) if len(words) > 1 else 0
        except (IndexError, ValueError):
            continue


def _split(line: str) -> tuple[str, dict[str, str], str]:
    name, brace, rest = line.partition("{")
    if not brace or " " in name:
        name, _, rest = line.partition(" ")
        return name, {}, "" if name.startswith("#") else rest
    labels: dict[str, str] = {}
    while rest and not rest.startswith("}"):
        key, _, rest = rest.lstrip(",").partition('="')
        value, rest = _quoted(rest)
        labels[key] = value
        rest = rest.lstrip(",")
    return name, labels, rest[1:]


def _quoted(text: str) -> tuple[str, str]:
    """What stands before the closing quotation mark, and what comes after it."""
    found, at = "", 0
    while at < len(text) and text[at] != '"':
        if text[at] == "\\" and at + 1 < len(text):
            at += 1
            found += "\n" if text[at] == "n" else text[at]
        else:
            found += text[at]
        at += 1
    return found, text[at + 1 :]
