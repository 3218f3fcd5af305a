"""How things look: tables, sizes, ages, and the small part of Docker's `--format` that this command offers."""

from __future__ import annotations

from corral.cli.fail import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Pure: columns three spaces apart.

    >>> print(table(["ID", "NAME"], [["abc", "x"], ["d", "yy"]]))
    ID    NAME
    abc   x
    d     yy
    """
    whole = [list(head), *map(list, rows)]
    widths = [max(len(row[n]) for row in whole) for n in range(len(head))]
    lines = ("   ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)) for row in whole)
    return "\n".join(line.rstrip() for line in lines)


def decimal_size(count: float) -> str:
    """Bytes in powers of 1000, four digits at most.

    >>> decimal_size(0), decimal_size(4260000), decimal_size(999999)
    ('0B', '4.26MB', '1MB')
    """
    return _scaled(count, 1000.0, ("B", "kB", "MB", "GB", "TB", "PB"))


def binary_size(count: float) -> str:
    """Bytes in powers of 1024.

    >>> binary_size(3 * 1024 * 1024 + 500_000)
    '3.477MiB'
    """
    return _scaled(count, 1024.0, ("B", "KiB", "MiB", "GiB", "TiB", "PiB"))


def _scaled(count: float, base: float, units: Sequence[str]) -> str:
    n = 0
    while count >= base and n < len(units) - 1:
        count /= base
        n += 1
    digits = f"{count:.4g}" if base == 1024.0 else f"{count:.3g}"
    if digits == "1e+03" and n < len(units) - 1:
        return f"1{units[n + 1]}"
    return f"{float(digits):.10g}{units[n]}"


def parse_size(words: str) -> int:
    """A size as the user writes it, in bytes; powers of 1024.

    >>> parse_size("10m"), parse_size("1.5GiB"), parse_size("512")
    (10485760, 1610612736, 512)
    """
    body = words.strip().lower().removesuffix("b").removesuffix("i")
    scale = "bkmgtp".find(body[-1:]) if body[-1:].isalpha() else 0
    try:
        number = float(body[:-1] if body[-1:].isalpha() else body)
    except ValueError:
        scale = -1
    if scale < 0:
        raise Failure(f"invalid size: '{words}'", 125)
    return int(number * 1024**scale)


def parse_duration(words: str) -> int:
    """A duration such as "1m30s" in nanoseconds.

    >>> parse_duration("1m30s"), parse_duration("250ms"), parse_duration("0")
    (90000000000, 250000000, 0)
    """
    units = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
    total, rest = 0.0, words
    while rest and rest != "0":
        digits = rest[: len(rest) - len(rest.lstrip("0123456789."))]
        rest = rest[len(digits) :]
        unit = rest[: len(rest) - len(rest.lstrip("nuµmsh"))]
        unit = unit if unit in units else unit[:1]
        if unit not in units or not digits:
            raise Failure(f"invalid duration: '{words}'", 125)
        total += float(digits) * units[unit]
        rest = rest[len(unit) :]
    return round(total)


def age(seconds: float) -> str:
    """How long ago, in the largest unit that fits.

    >>> [age(n) for n in (0.5, 1, 45, 70, 300, 4000, 90000, 10**6, 10**7, 10**8)]
    ... # doctest: +NORMALIZE_WHITESPACE
    ['Less than a second', '1 second', '45 seconds', 'About a minute', '5 minutes', 'About an hour', '25 hours',
     '11 days', '3 months', '3 years']
    """
    if seconds < 1:
        return "Less than a second"
    if seconds < 60:
        return "1 second" if int(seconds) == 1 else f"{int(seconds)} seconds"
    minutes = int(seconds // 60)
    if minutes < 60:
        return "About a minute" if minutes == 1 else f"{minutes} minutes"
    hours = round(seconds / 3600)
    if hours < 48:
        return "About an hour" if hours == 1 else f"{hours} hours"
    days = hours // 24
    for limit, unit, length in ((14, "days", 1), (60, "weeks", 7), (730, "months", 30)):
        if days < limit:
            return f"{days // length} {unit}"
    return f"{days // 365} years"


def short(identifier: str) -> str:
    return identifier.rpartition(":")[2][:12]


def split_reference(words: str) -> tuple[str, str]:
    """(repository, tag): the tag follows the last colon that no slash follows. Pure.

    >>> split_reference("host:5000/a/b"), split_reference("a:1")
    (('host:5000/a/b', ''), ('a', '1'))
    """
    head, colon, tail = words.rpartition(":")
    return (head, tail) if colon and "/" not in tail else (words, "")


class Columns:
    """What a list can show: key -> (heading, how to get it from an object).

    `show` knows `--format`: "" (the default columns), "json", "table {{.A}}…" and templates of {{.Key}} and
    {{json .}}; anything else is refused, since Go's templates are not offered here.
    """

    def __init__(self, columns: dict[str, tuple[str, Callable[[Any], str]]], default: str) -> None:
        self._columns = columns
        self._default = default

    def show(self, objects: Sequence[Any], how: str, hint: str) -> list[str]:
        if how in ("", "table"):
            how = f"table {self._default}"
        if how == "json":
            how = "{{json .}}"
        if not objects:
            fill(how.removeprefix("table "), dict.fromkeys(self._columns, ""), hint)  # what is wrong is so before, too
        if how.startswith("table "):
            parts = how[6:].replace("\\t", "\t").split("\t")
            head = [self._heading(part, hint) for part in parts]
            return [table(head, [self._row(parts, o, hint) for o in objects])]
        return [fill(how, self._values(o), hint) for o in objects]

    def _row(self, parts: Sequence[str], item: Any, hint: str) -> list[str]:
        values = self._values(item)  # once a row: hundreds of rows must not be felt
        return [fill(part, values, hint) for part in parts]

    def _values(self, item: Any) -> dict[str, str]:
        return {key: get(item) for key, (_, get) in self._columns.items()}

    def _heading(self, part: str, hint: str) -> str:
        key = part.strip().removeprefix("{{").removesuffix("}}").strip().removeprefix(".")
        return self._columns[key][0] if key in self._columns else part


def fill(template: str, values: Any, hint: str) -> str:
    """A template's {{.Path}} and {{json .Path}} replaced.

    >>> fill("{{.Name}}: {{ .State.Pid }} {{json .State}}", {"Name": "x", "State": {"Pid": 7}}, "")
    'x: 7 {"Pid":7}'
    """
    done, rest = "", template.replace("\\t", "\t").replace("\\n", "\n")
    while rest:
        before, opened, rest = rest.partition("{{")
        done += before
        if opened:
            inside, closed, rest = rest.partition("}}")
            if not closed:
                raise Failure(f"template parsing error: unclosed action in {template!r}", 64)
            done += _action(inside.strip(), values, hint)
    return done


def _action(words: str, values: Any, hint: str) -> str:
    as_json = words.startswith("json ")
    path = words.removeprefix("json ").strip()
    if not path.startswith(".") or (not path.replace(".", "").replace("_", "x").isalnum() and path != "."):
        raise Failure(f"template {{{{{words}}}}} is more than this command offers; use: {hint}", 64)
    found = values
    for depth, key in enumerate(path.split(".")[1:] if path != "." else []):
        if isinstance(found, dict) and key in found:
            found = found[key]
        elif depth and (found is None or isinstance(found, dict)):
            return "<no value>"
        else:
            raise Failure(f'template: no field "{key}" in {{{{{words}}}}}', 64)
    return _text(found, as_json)


def _text(value: Any, as_json: bool) -> str:
    if as_json:
        import json

        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "<nil>"
    if isinstance(value, list):
        return "[" + " ".join(_text(one, False) for one in value) + "]"
    if isinstance(value, dict):
        return "map[" + " ".join(f"{k}:{_text(v, False)}" for k, v in sorted(value.items())) + "]"
    return str(value)
