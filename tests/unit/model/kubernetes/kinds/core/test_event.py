from __future__ import annotations

from corral.model.kubernetes.kinds import CONVERSIONS
from tests.support.kinds import changed, judged, row

EVENT = {
    "metadata": {"name": "web.1", "namespace": "default"},
    "involvedObject": {"kind": "Pod", "name": "web", "namespace": "default", "fieldPath": "spec.containers{a}"},
    "reason": "Pulled",
    "message": " pulled\n",
    "type": "Normal",
    "source": {"component": "kubelet", "host": "n"},
    "lastTimestamp": "2026-01-02T03:03:05Z",
    "firstTimestamp": "2026-01-02T03:02:05Z",
    "count": 2,
}
NEW = {
    "metadata": {"namespace": "default"},
    "involvedObject": {"namespace": "default"},
    "eventTime": "2026-01-02T03:03:05.000000Z",
    "reportingComponent": "kubelet",
    "reportingInstance": "n",
    "action": "Pull",
    "reason": "Pulled",
    "type": "Normal",
}


def test_rules() -> None:
    assert judged("", "Event", EVENT) == []
    assert judged("", "Event", {**EVENT, "involvedObject": {"namespace": "other"}}) == [
        'involvedObject.namespace: Invalid value: "other": does not match event.namespace'
    ]
    assert judged("", "Event", NEW) == []
    assert judged("", "Event", {**NEW, "action": "", "message": "x" * 1025}) == [
        "action: Required value",
        'message: Invalid value: "": can have at most 1024 characters',
    ]


def test_rules_of_the_newer_group() -> None:
    assert judged("events.k8s.io", "Event", NEW) == []
    odd = {**NEW, "reportingComponent": "", "count": 1, "type": "Odd", "series": {"count": 1}}
    assert judged("events.k8s.io", "Event", odd) == [
        *(one.replace("reportingComponent", "reportingController") for one in judged("", "Event", odd)),
        'series.count: Invalid value: "": should be at least 2',
        "series.lastObservedTime: Required value",
        'type: Invalid value: "": has invalid value: Odd',
        'count: Invalid value: "": needs to be unset',
    ]
    assert judged("events.k8s.io", "Event", EVENT)[0] == "eventTime: Required value"
    assert changed("events.k8s.io", "Event", NEW, reason="Other", reportingComponent="x") == [
        'reason: Invalid value: "Other": field is immutable',
        'reportingController: Invalid value: "x": field is immutable',
    ]
    series = {"count": 2, "lastObservedTime": "2026-01-02T03:04:05.000000Z"}
    assert changed("events.k8s.io", "Event", NEW, series=series) == []
    stored = {**EVENT, "metadata": {**EVENT["metadata"], "resourceVersion": "1"}}
    assert judged("events.k8s.io", "Event", stored) == []


def test_two_groups() -> None:
    conversion = CONVERSIONS["events.k8s.io", "v1", "Event"]
    shown = conversion.from_stored({"apiVersion": "v1", "kind": "Event", **EVENT})
    assert shown["note"] == " pulled\n" and shown["regarding"]["name"] == "web"
    assert shown["deprecatedCount"] == 2 and shown["deprecatedSource"]["host"] == "n"
    assert conversion.to_stored(shown) == {"apiVersion": "v1", "kind": "Event", **EVENT}


def test_columns() -> None:
    assert row("", "Event", EVENT, wide=True) == {
        "Last Seen": "60s",
        "Type": "Normal",
        "Reason": "Pulled",
        "Object": "pod/web",
        "Subobject": "spec.containers{a}",
        "Source": "kubelet, n",
        "Message": "pulled",
        "First Seen": "2m",
        "Count": "2",
        "Name": "web.1",
    }
    assert row("", "Event", NEW, wide=True)["Last Seen"] == "60s"
