"""A build's events as BuildKit's clients draw them."""

from __future__ import annotations

from typing import Any

from corral.api.buildkit.progress import Progress
from corral.build.ops import Span, Warning
from corral.build.request import BuildEvent, Built, Finished, Moved, Printed, Started, Warned


def shown(*events: BuildEvent, names: tuple[str, ...] = ()) -> list[Any]:
    progress = Progress("ref", list(names))
    progress.source = ("Dockerfile", b"FROM a\nCMD x\n")
    return [progress.take(event, at * 10**9) for at, event in enumerate(events, 1)]


def test_a_step() -> None:
    begun, log, ended = shown(
        Started(1, "[2/2] RUN x", "Step 2/2 : RUN x"), Printed(1, b"out", 2), Finished(1, cached=True)
    )
    first, last = begun.vertexes[0], ended.vertexes[0]
    assert (first.name, first.started.seconds, first.HasField("completed")) == ("[2/2] RUN x", 1, False)
    assert (last.digest, last.started.seconds, last.completed.seconds, last.cached) == (first.digest, 1, 3, True)
    assert (log.logs[0].vertex, log.logs[0].msg, log.logs[0].stream) == (first.digest, b"out", 2)


def test_instructions_that_only_say_something_are_not_shown() -> None:
    assert shown(Started(1, "ENV a=b", "Step 2/3 : ENV a=b"), Printed(1, b"x"), Finished(1)) == [None, None, None]


def test_transfers_are_done_when_their_vertex_is() -> None:
    _, moved, ended = shown(Started(1, "load"), Moved(1, "layer", "Downloading", 3, 9), Finished(1, error="no"))
    assert (moved.statuses[0].current, moved.statuses[0].total, moved.statuses[0].HasField("completed")) == (
        3,
        9,
        False,
    )
    assert (ended.statuses[0].ID, ended.statuses[0].HasField("completed")) == ("layer", True)
    assert ended.vertexes[0].error == "no"


def test_an_image_and_its_names() -> None:
    _, ended, built = shown(
        Started(1, "exporting to image"), Finished(1, image="sha256:a"), Built("sha256:a"), names=("a:1", "b:2")
    )
    assert [one.ID for one in ended.statuses] == [
        "exporting layers",
        "writing image sha256:a",
        "naming to a:1",
        "naming to b:2",
    ]
    assert built is None


def test_warnings_have_their_place() -> None:
    begun, told = shown(
        Started(1, "[internal] load build definition from Dockerfile"),
        Warned(Warning("Rule", "why", "https://u", "what", Span(2, 2))),
    )
    warning = told.warnings[0]
    assert (warning.vertex, warning.short) == (begun.vertexes[0].digest, b"Rule: what (line 2)")
    assert (list(warning.detail), warning.url, warning.ranges[0].start.line) == ([b"why"], "https://u", 2)
    assert (warning.info.filename, warning.info.data) == ("Dockerfile", b"FROM a\nCMD x\n")


def test_what_is_not_lint_s_is_not_said() -> None:
    assert shown(Warned(Warning("", "", "", "one or more build-args were not consumed", Span(0, 0)))) == [None]


def test_a_vertex_does_not_say_what_its_error_was_for() -> None:
    """As BuildKit's: the build's own error does."""
    _, ended = shown(Started(1, "[2/2] COPY a /"), Finished(1, error="failed to compute cache key: x: not found"))
    assert ended.vertexes[0].error == "x: not found"
