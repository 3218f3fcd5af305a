"""What a check tells of a Dockerfile whose warnings are errors."""

from __future__ import annotations

import json

from corral.api.buildkit.questions import plan_lint
from corral.build.dockerfile.lint import Check, violation, warn
from corral.build.frontend import Source
from corral.build.ops import Span

SOURCE = Source("Dockerfile", "FROM a AS B\n")


def test_warnings_that_are_errors_are_listed_beside_the_error() -> None:
    """It is no line's fault, so it names none."""
    check = Check(error=True)
    warnings = warn(check, "StageNameCasing", Span(1, 1), "B")
    found = json.loads(plan_lint(SOURCE, warnings, violation(check, warnings))["result.json"])
    assert [one["ruleName"] for one in found["warnings"]] == ["StageNameCasing"]
    assert found["buildError"] == {"message": "lint violation found for rules: StageNameCasing"}


def test_nothing_found() -> None:
    found = plan_lint(SOURCE, [])
    assert (json.loads(found["result.json"])["warnings"], found["result.statuscode"]) == (None, b"0")
