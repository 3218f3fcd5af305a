"""Events: what is written at each stage; and the files that they are written to."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from corral.cluster.apiserver.attributes import Attributes, User
from corral.cluster.apiserver.audit import policy
from corral.cluster.apiserver.audit.events import Auditor
from corral.cluster.apiserver.audit.log import AuditLog, Limits

JANE = User("jane", groups=("dev",))
CREATE = Attributes(JANE, "create", "apps", "v1", "deployments", "", "d")
NOW = 1_800_000_000.25


def auditor(level: str, **rest: Any) -> tuple[Auditor, list[dict[str, Any]]]:
    written: list[dict[str, Any]] = []
    head = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [{"level": level, **rest}]}
    return Auditor(policy.parse(head), written.append, lambda: NOW), written


def test_a_request_in_its_stages() -> None:
    made, written = auditor("RequestResponse", omitManagedFields=True)
    record = made.begin(CREATE, uri="/apis/apps/v1/x", audit_id="id", source="127.0.0.1", user_agent="kubectl")
    assert record is not None
    record.impersonated(User("kim"), "impersonate:user-info")
    record.annotate("authorization.k8s.io/decision", "allow")
    record.request_object({"metadata": {"name": "web", "managedFields": [{}]}})
    record.response_object({"metadata": {"name": "web", "uid": "1", "managedFields": [{}]}})
    record.complete(201)
    first, last = written
    assert first["stage"] == "RequestReceived" and "annotations" not in first and "responseStatus" not in first
    stamp = "2027-01-15T08:00:00.250000Z"
    assert last == {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "RequestResponse",
        "auditID": "id",
        "stage": "ResponseComplete",
        "requestURI": "/apis/apps/v1/x",
        "verb": "create",
        "user": {"username": "jane", "groups": ["dev"]},
        "impersonatedUser": {"username": "kim"},
        "authenticationMetadata": {"impersonationConstraint": "impersonate:user-info"},
        "sourceIPs": ["127.0.0.1"],
        "userAgent": "kubectl",
        "objectRef": {
            "resource": "deployments",
            "namespace": "d",
            "name": "web",
            "apiGroup": "apps",
            "apiVersion": "v1",
        },
        "responseStatus": {"metadata": {}, "code": 201},
        "requestObject": {"metadata": {"name": "web"}},
        "responseObject": {"metadata": {"name": "web", "uid": "1"}},
        "requestReceivedTimestamp": stamp,
        "stageTimestamp": stamp,
        "annotations": {"authorization.k8s.io/decision": "allow"},
    }


@pytest.mark.parametrize(("level", "request_", "response"), [("Metadata", False, False), ("Request", True, False)])
def test_levels(level: str, request_: bool, response: bool) -> None:
    made, written = auditor(level, omitStages=["RequestReceived"])
    record = made.begin(CREATE, uri="/", audit_id="id")
    assert record is not None
    record.request_object({"a": 1})
    record.response_object({"b": 2})
    record.started(200)
    record.complete(403, {"kind": "Status", "status": "Failure", "message": "no", "metadata": {}})
    assert [one["stage"] for one in written] == ["ResponseStarted", "ResponseComplete"]
    assert ("requestObject" in written[1], "responseObject" in written[1]) == (request_, response)
    assert written[1]["responseStatus"] == {"metadata": {}, "status": "Failure", "message": "no", "code": 403}


def test_nothing_is_made_of_what_nobody_wants() -> None:
    made, written = auditor("None")
    assert made.begin(CREATE, uri="/", audit_id="id") is None and written == []
    made, written = auditor("Metadata")
    record = made.begin(Attributes(JANE, "get", path="/"), uri="/", audit_id="id")
    assert record is not None
    record.panic("oh")
    assert written[1]["stage"] == "Panic" and written[1]["responseStatus"]["code"] == 500
    assert "objectRef" not in written[1]


def lines(path: Path) -> list[int]:
    return [json.loads(line)["n"] for line in path.read_text().splitlines()]


def test_files_are_of_bounded_size_and_number(tmp_path: Path) -> None:
    seconds = iter(range(1_800_000_000, 1_900_000_000))
    path = tmp_path / "audit" / "audit.log"
    log = AuditLog(path, Limits(size=25, backups=2), lambda: next(seconds))
    for number in range(10, 20):
        log.write({"n": number})
    log.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    old = sorted(path.parent.glob("audit-*.log"))
    assert [lines(one) for one in (*old, path)] == [[14, 15], [16, 17], [18, 19]]
    again = AuditLog(path, Limits(size=0), lambda: 0)
    again.write({"n": 20})
    again.close()
    assert lines(path) == [18, 19, 20] and log.dropped == again.dropped == 0


def test_a_disk_that_hangs_holds_nobody_up(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    log = AuditLog(path, Limits(size=0), lambda: 0, waiting=4)
    big = "x" * (1 << 20)
    for number in range(50):
        log.write({"n": number, "big": big})  # a pipe takes 64 KiB, so the writer hangs in the first
    assert log.dropped >= 44
    os.set_blocking(reader, True)
    seen = 0
    while seen < 50 - log.dropped:
        seen += os.read(reader, 1 << 20).count(b"\n")
    os.close(reader)
    log.close()


def test_a_file_that_cannot_be_renamed_grows(tmp_path: Path) -> None:
    path = tmp_path / "audit" / "audit.log"
    (path.parent / "audit-1970-01-01T00-00-00.000000.log" / "in the way").mkdir(parents=True)
    log = AuditLog(path, Limits(size=10), lambda: 0)
    for number in range(10, 14):
        log.write({"n": number})
    log.close()
    assert lines(path) == [10, 11, 12, 13] and log.dropped == 0


def test_what_cannot_be_written_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    path.symlink_to("/dev/full")
    log = AuditLog(path, Limits(size=0), lambda: 0)
    log.write({"n": 1})
    log.close()
    assert log.dropped == 1
