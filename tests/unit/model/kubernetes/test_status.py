from __future__ import annotations

import pytest

from corral.model.kubernetes import problems, status


def test_a_status_names_code_reason_and_details() -> None:
    found = status.not_found("deployments", "web", "apps").status()
    assert found == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": 'deployments.apps "web" not found',
        "reason": "NotFound",
        "details": {"name": "web", "group": "apps", "kind": "deployments"},
        "code": 404,
    }


def test_details_may_be_there_and_empty() -> None:
    assert status.no_such_path().status()["details"] == status.not_allowed().status()["details"] == {}
    assert "details" not in status.unauthorized().status() and "details" not in status.bad_request("no").status()


def test_several_causes_are_listed_once_each() -> None:
    twice = problems.required("spec.a")
    error = status.invalid("Pod", "web", [twice, twice, problems.duplicate("spec.b[1]", "x")])
    assert error.message == 'Pod "web" is invalid: [spec.a: Required value, spec.b[1]: Duplicate value: "x"]'
    assert [cause["field"] for cause in error.details["causes"]] == ["spec.a", "spec.a", "spec.b[1]"]


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (problems.invalid("a", {"b": 1}, "no"), 'a: Invalid value: {"b":1}: no'),
        (problems.invalid("a", None, "no"), "a: Invalid value: null: no"),
        (problems.too_long("a", 63), "a: Too long: may not be more than 63 bytes"),
        (problems.too_many("a", 3, 1), "a: Too many: 3: must have at most 1 item"),
        (problems.forbidden("a", "may not be set"), "a: Forbidden: may not be set"),
    ],
)
def test_problems_read_as_upstream_writes_them(problem: problems.Problem, text: str) -> None:
    assert str(problem) == text


def test_an_error_without_a_reason_has_none() -> None:
    assert "reason" not in status.StatusError(418, "", "short and stout").status()
