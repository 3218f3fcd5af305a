"""One request as events of audit.k8s.io/v1: received, begun to be answered, answered."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from corral.cluster.apiserver.attributes import Attributes, User
from corral.cluster.apiserver.audit.policy import Plan, Policy
from corral.cluster.apiserver.authentication.reviews import user_info
from corral.model.kubernetes.kind import Object

RECEIVED: Final = "RequestReceived"
STARTED: Final = "ResponseStarted"
COMPLETE: Final = "ResponseComplete"
PANIC: Final = "Panic"
DECISION: Final = "authorization.k8s.io/decision"
REASON: Final = "authorization.k8s.io/reason"
Write = Callable[[Object], None]


class Record:
    """What is known of a request so far; each stage writes it down as far as the policy wants."""

    def __init__(self, event: Object, plan: Plan, write: Write, now: Callable[[], float]) -> None:
        self._event, self._plan, self._write, self._now = event, plan, write, now

    @property
    def plan(self) -> Plan:
        return self._plan

    def impersonated(self, user: User, constraint: str = "") -> None:
        self._event["impersonatedUser"] = user_info(user)
        if constraint:
            self._event["authenticationMetadata"] = {"impersonationConstraint": constraint}

    def annotate(self, key: str, value: str) -> None:
        self._event.setdefault("annotations", {}).setdefault(key, value)

    def request_object(self, found: Object) -> None:
        """What the client sent; of a create it also tells the name."""
        meta = found.get("metadata") or {}
        reference = self._event.get("objectRef")
        if reference is not None and meta.get("name"):
            reference.setdefault("name", meta["name"])
        if self._plan.with_request:
            self._event["requestObject"] = self._trimmed(found)

    def response_object(self, found: Object) -> None:
        if self._plan.with_response:
            self._event["responseObject"] = self._trimmed(found)

    def received(self) -> None:
        self._emit(RECEIVED)

    def started(self, code: int) -> None:
        """The answer has begun and will take long: a watch, a log, an exec."""
        self._event["responseStatus"] = {"metadata": {}, "code": code}
        self._emit(STARTED)

    def complete(self, code: int, status: Object | None = None) -> None:
        """`status`: the Status object that was the answer, as failures and deletions have one."""
        kept = {key: value for key, value in (status or {}).items() if key not in ("kind", "apiVersion")}
        self._event["responseStatus"] = {"metadata": {}, **kept, "code": code}
        self._emit(COMPLETE)

    def panic(self, message: str) -> None:
        """The server failed while it answered."""
        status = {"metadata": {}, "status": "Failure", "message": message, "reason": "InternalError", "code": 500}
        self._event["responseStatus"] = status
        self._emit(PANIC)

    def _emit(self, stage: str) -> None:
        if stage not in self._plan.omitted:
            self._write({**self._event, "stage": stage, "stageTimestamp": micro_time(self._now())})

    def _trimmed(self, found: Object) -> Object:
        return without_managed_fields(found) if self._plan.omit_managed_fields else found


class Auditor:
    """Makes records as the policy wants; `write` takes finished events."""

    def __init__(self, policy: Policy, write: Write, now: Callable[[], float]) -> None:
        self._policy, self._write, self._now = policy, write, now

    def begin(
        self, asked: Attributes, *, uri: str, audit_id: str, source: str = "", user_agent: str = ""
    ) -> Record | None:
        """The record of a request, whose first stage is written; None when the policy does not want it."""
        plan = self._policy.plan(asked)
        if not plan.is_recorded:
            return None
        event: Object = {
            "kind": "Event",
            "apiVersion": "audit.k8s.io/v1",
            "level": plan.level,
            "auditID": audit_id,
            "requestURI": uri,
            "verb": asked.verb,
            "user": user_info(asked.user),
            "requestReceivedTimestamp": micro_time(self._now()),
        }
        if source:
            event["sourceIPs"] = [source]
        if user_agent:
            event["userAgent"] = user_agent
        if asked.is_resource:
            event["objectRef"] = object_reference(asked)
        record = Record(event, plan, self._write, self._now)
        record.received()
        return record


def object_reference(asked: Attributes) -> dict[str, str]:
    """Pure: what the request is about.

    >>> object_reference(Attributes(User("jane"), "get", "apps", "v1", "deployments", namespace="d", name="web"))
    {'resource': 'deployments', 'namespace': 'd', 'name': 'web', 'apiGroup': 'apps', 'apiVersion': 'v1'}
    """
    found = {
        "resource": asked.resource,
        "namespace": asked.namespace,
        "name": asked.name,
        "apiGroup": asked.group,
        "apiVersion": asked.version,
        "subresource": asked.subresource,
    }
    return {key: value for key, value in found.items() if value}


def without_managed_fields(found: Object) -> Object:
    """Pure: an object, or a list of them, without who set which field.

    >>> without_managed_fields({"metadata": {"name": "a", "managedFields": []}})
    {'metadata': {'name': 'a'}}
    """
    made = dict(found)
    meta: Any = found.get("metadata")
    if isinstance(meta, dict) and "managedFields" in meta:
        made["metadata"] = {key: value for key, value in meta.items() if key != "managedFields"}
    if isinstance(found.get("items"), list):
        made["items"] = [without_managed_fields(one) if isinstance(one, dict) else one for one in found["items"]]
    return made


def micro_time(seconds: float) -> str:
    """
    >>> micro_time(1.5)
    '1970-01-01T00:00:01.500000Z'
    """
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
