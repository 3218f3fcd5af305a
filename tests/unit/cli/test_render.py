"""How things look."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corral.cli.copying import plan_in, plan_out, split
from corral.cli.fail import Failure
from corral.cli.render import Columns, age, decimal_size, fill, parse_duration, parse_size, table
from corral.cli.verbs.events import line
from corral.cli.verbs.images import rows
from corral.cli.when import epoch, parse_when

SHOW = Columns({"A": ("LETTER", lambda o: o["a"]), "N": ("NUMBER", lambda o: str(o["n"]))}, "{{.A}}\t{{.N}}")
THINGS = [{"a": "x", "n": 1}, {"a": "long", "n": 22}]


@pytest.mark.parametrize(
    ("how", "lines"),
    [
        ("", ["LETTER   NUMBER\nx        1\nlong     22"]),
        ("table {{.N}}", ["NUMBER\n1\n22"]),
        ("{{.A}}={{.N}}", ["x=1", "long=22"]),
        ("json", ['{"A":"x","N":"1"}', '{"A":"long","N":"22"}']),
    ],
)
def test_formats(how: str, lines: list[str]) -> None:
    assert SHOW.show(THINGS, how, "") == lines


def test_a_row_looks_at_its_object_once() -> None:
    """With hundreds of containers, what a table asks of each is most of the command's time."""
    asked: list[int] = []
    columns = Columns({"A": ("LETTER", lambda n: str(asked.append(n) or n))}, "{{.A}}\t{{.A}}\t{{.A}}")
    assert columns.show([1, 2], "", "") == ["LETTER   LETTER   LETTER\n1        1        1\n2        2        2"]
    assert asked == [1, 2]


@pytest.mark.parametrize("how", ["{{range .}}", "{{.A | upper}}", "{{if .A}}", "{{.A"])
def test_templates_beyond_ours_point_to_docker(how: str) -> None:
    with pytest.raises(Failure) as caught:
        SHOW.show(THINGS, how, "docker -H unix:///x ps")
    assert "docker -H unix:///x ps" in caught.value.message or "unclosed" in caught.value.message


@pytest.mark.parametrize("how", ["{{.Nope}}", "table {{.A}}\\t{{.Nope}}", "{{.A"])
def test_a_wrong_template_is_wrong_though_there_is_nothing_to_show(how: str) -> None:
    with pytest.raises(Failure):
        SHOW.show([], how, "")
    assert SHOW.show([], "{{.A}}", "") == []


def test_fields_that_are_not_there() -> None:
    with pytest.raises(Failure, match="no field"):
        fill("{{.Nope}}", {"A": 1}, "")
    assert fill("{{.A.B}}", {"A": {}}, "") == "<no value>"
    assert fill("{{.A}} {{.B}} {{.C}} {{.D}}", {"A": True, "B": None, "C": [1, "x"], "D": {"k": 1}}, "") == (
        "true <nil> [1 x] map[k:1]"
    )


@given(st.floats(0, 10**15), st.integers(0, 10**15))
def test_ages_and_sizes_are_short(seconds: float, count: int) -> None:
    assert len(age(seconds)) < 25 and len(decimal_size(count)) < 12


@given(st.text(max_size=10))
def test_any_size_and_duration_is_read_or_refused(words: str) -> None:
    for read in (parse_size, parse_duration):
        try:
            assert isinstance(read(words), int)
        except Failure as error:
            assert error.code == 125


def test_an_empty_table_has_its_heading() -> None:
    assert table(["A", "B"], []) == "A   B"


def test_times() -> None:
    assert parse_when("2024-01-02T03:04:05Z") == "1704164645.000000000"
    assert parse_when("1h30m", now=10_000.0) == "4600.000000000"
    assert epoch("1970-01-01T00:00:01Z") == 1
    with pytest.raises(Failure):
        parse_when("yesterday")


def test_events_as_lines() -> None:
    event: dict[str, Any] = {"Type": "container", "Action": "start", "timeNano": 1, "Actor": {"ID": "ab"}}
    assert line(event).endswith(" container start ab")
    event["Actor"]["Attributes"] = {"name": "x", "image": "i"}
    assert line(event).endswith("ab (image=i, name=x)")


def test_images_without_a_name_have_a_row() -> None:
    found = [{"Id": "a", "RepoTags": ["x:1", "h:5/y:2"], "RepoDigests": ["x@sha256:d"]}, {"Id": "b", "RepoTags": []}]
    assert [(r["repository"], r["tag"], r["digest"]) for r in rows(found)] == [
        ("x", "1", "sha256:d"),
        ("h:5/y", "2", "<none>"),
        ("<none>", "<none>", "<none>"),
    ]


@pytest.mark.parametrize("words", ["box:/x", "a-b:/", "box:rel"])
def test_places_in_containers(words: str) -> None:
    assert split(words)[0]


@pytest.mark.parametrize("words", ["/x:y", "./box:/x", "x", "-", ":x"])
def test_places_here(words: str) -> None:
    assert split(words) == ("", words)


def test_copies_that_make_no_sense() -> None:
    with pytest.raises(Failure, match="cannot copy a directory over"):
        plan_out("/etc", True, "file", False, True)
    with pytest.raises(Failure, match="does not exist"):
        plan_out("/etc/passwd", False, "new/", False, False)
    with pytest.raises(Failure, match="cannot copy directory to a file"):
        plan_in("dir", True, "/etc/passwd", False, True)
    with pytest.raises(Failure, match="must exist"):
        plan_in("file", False, "/new/", False, False)
