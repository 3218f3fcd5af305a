"""The parameters of requests: what is read, and what is refused in which words."""

from __future__ import annotations

import pytest

from corral.cluster.apiserver.options import delete_options, list_options, parse_revision, write_options
from corral.http.query import Query
from corral.model.kubernetes.status import StatusError


def test_of_lists() -> None:
    found = list_options(Query("limit=5&continue=t&timeoutSeconds=7&watch&allowWatchBookmarks=true&resourceVersion=3"))
    assert (found.limit, found.token, found.timeout, found.watch, found.bookmarks) == (5, "t", 7, True, True)
    assert found.send_initial is None and list_options(Query("sendInitialEvents=false")).send_initial is False
    assert list_options(Query("limit=-1")).limit == 0


def test_of_writes() -> None:
    found = write_options(Query("dryRun=All&fieldManager=me&fieldValidation=Strict"), "CreateOptions")
    assert (found.dry_run, found.manager, found.validation) == (True, "me", "Strict")
    assert found.shown("CreateOptions") == {
        "kind": "CreateOptions",
        "apiVersion": "meta.k8s.io/v1",
        "dryRun": ["All"],
        "fieldManager": "me",
        "fieldValidation": "Strict",
    }


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("fieldManager=" + "m" * 129, "fieldManager: Too long: may not be more than 128 bytes"),
        ("fieldManager=a%07b", 'fieldManager: Invalid value: "a\\u0007b": should only contain printable characters'),
        ("dryRun=Some", 'dryRun: Unsupported value: ["Some"]: supported values: "All"'),
        ("force=true", "force: Forbidden: may not be specified for non-apply patch"),
    ],
)
def test_writes_that_make_no_sense(query: str, message: str) -> None:
    with pytest.raises(StatusError) as caught:
        write_options(Query(query), "PatchOptions")
    assert (caught.value.code, caught.value.reason) == (422, "Invalid") and message in caught.value.message


def test_of_deletions() -> None:
    found = delete_options(Query("gracePeriodSeconds=3&propagationPolicy=Orphan&dryRun=All"), None)
    assert (found.grace, found.propagation, found.dry_run) == (3, "Orphan", True)
    body = {"kind": "DeleteOptions", "preconditions": {"uid": "u", "resourceVersion": "7"}, "gracePeriodSeconds": 0}
    found = delete_options(Query("gracePeriodSeconds=3"), body)
    assert (found.grace, found.uid, found.resource_version) == (0, "u", "7")
    assert delete_options(Query("orphanDependents=true"), None).orphan is True


@pytest.mark.parametrize("body", [{"gracePeriodSeconds": True}, {"orphanDependents": 1}, {"propagationPolicy": []}])
def test_deletions_of_wrong_types(body: dict[str, object]) -> None:
    with pytest.raises(StatusError) as caught:
        delete_options(Query(), body)
    assert caught.value.code == 400


@pytest.mark.parametrize("text", ["abc", "-1", "1.5", "٣", "9" * 20])
def test_revisions_that_are_none(text: str) -> None:
    with pytest.raises(StatusError) as caught:
        parse_revision(text)
    assert caught.value.code == 400
