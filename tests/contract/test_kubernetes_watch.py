"""Watches of the Kubernetes API: nothing is missed, nothing comes twice, and what cannot be told is said."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest

from corral.cluster.apiserver.caching import log as window
from corral.store.sqlite import open_sqlite
from tests.support.kubernetes import PARTIAL, TABLE, LiveKubernetes, Namespace

BOOKMARKS = "allowWatchBookmarks=true"
INITIAL = f"sendInitialEvents=true&resourceVersionMatch=NotOlderThan&{BOOKMARKS}"


def test_what_is_there_and_then_what_happens(ns: Namespace) -> None:
    ns.config("a")
    stream = ns.admin.watch(ns.path("configmaps") + "?watch=true")
    assert stream.told() == ("ADDED", "a")
    made = ns.config("b")
    event = stream.next()
    assert (event["type"], event["object"]) == ("ADDED", made)
    changed = ns.admin.patch(ns.path("configmaps", "b"), {"data": {"k": "v"}}).json
    event = stream.next()
    assert (event["type"], event["object"]) == ("MODIFIED", changed)
    ns.admin.ok("DELETE", ns.path("configmaps", "b"))
    event = stream.next()
    assert event["type"] == "DELETED" and event["object"]["data"] == {"k": "v"}
    assert int(event["object"]["metadata"]["resourceVersion"]) > int(changed["metadata"]["resourceVersion"])
    stream.close()


def test_from_a_revision_on(ns: Namespace) -> None:
    first = ns.config("a")
    ns.config("b")
    ns.admin.ok("DELETE", ns.path("configmaps", "a"))
    path = f"{ns.path('configmaps')}?watch=1&resourceVersion={first['metadata']['resourceVersion']}"
    stream = ns.admin.watch(path)
    assert [stream.told(), stream.told()] == [("ADDED", "b"), ("DELETED", "a")]
    stream.close()


def test_a_list_and_its_watch_leave_no_gap(ns: Namespace) -> None:
    listed = ns.admin.get(ns.path("configmaps"))
    made = [ns.config(f"c{number}")["metadata"]["resourceVersion"] for number in range(20)]
    path = f"{ns.path('configmaps')}?watch=1&resourceVersion={listed['metadata']['resourceVersion']}"
    stream = ns.admin.watch(path)
    assert [stream.next()["object"]["metadata"]["resourceVersion"] for _ in made] == made
    stream.close()


def test_objects_enter_and_leave_a_selection(ns: Namespace) -> None:
    stream = ns.admin.watch(ns.path("configmaps") + "?watch=1&labelSelector=app%3Dweb")
    ns.config("other", labels={"app": "db"})
    ns.config("a", labels={"app": "web"})
    assert stream.told() == ("ADDED", "a")
    left = ns.admin.patch(ns.path("configmaps", "a"), {"metadata": {"labels": {"app": "db"}}}).json
    event = stream.next()
    assert event["type"] == "DELETED" and event["object"]["metadata"]["labels"] == {"app": "web"}
    assert event["object"]["metadata"]["resourceVersion"] == left["metadata"]["resourceVersion"]
    ns.admin.patch(ns.path("configmaps", "a"), {"metadata": {"labels": {"app": "web"}}})
    assert stream.told() == ("ADDED", "a")
    stream.close()


def test_one_object_by_its_name(ns: Namespace) -> None:
    ns.config("a")
    for path in (
        f"{ns.path('configmaps')}?watch=1&fieldSelector={quote('metadata.name=a')}",
        f"/api/v1/watch/namespaces/{ns.name}/configmaps/a",
    ):
        stream = ns.admin.watch(path)
        assert stream.told() == ("ADDED", "a")
        ns.config(f"b-{len(path)}")
        ns.admin.patch(ns.path("configmaps", "a"), {"data": {"at": str(len(path))}})
        assert stream.told() == ("MODIFIED", "a")
        stream.close()


def test_initial_events_and_their_end(ns: Namespace) -> None:
    ns.config("a")
    ns.config("b")
    stream = ns.admin.watch(f"{ns.path('configmaps')}?watch=1&{INITIAL}")
    assert [stream.told(), stream.told()] == [("ADDED", "a"), ("ADDED", "b")]
    end = stream.next()
    assert (end["type"], end["object"]["kind"]) == ("BOOKMARK", "ConfigMap")
    assert end["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    later = ns.config("c")
    assert int(end["object"]["metadata"]["resourceVersion"]) < int(later["metadata"]["resourceVersion"])
    assert stream.told() == ("ADDED", "c")
    stream.close()


def test_the_time_of_a_watch_and_its_last_bookmark(ns: Namespace) -> None:
    made = ns.config("a")
    stream = ns.admin.watch(f"{ns.path('configmaps')}?watch=1&timeoutSeconds=1&{BOOKMARKS}")
    events = stream.rest()
    assert [event["type"] for event in events] == ["ADDED", "BOOKMARK"]
    assert int(events[1]["object"]["metadata"]["resourceVersion"]) >= int(made["metadata"]["resourceVersion"])
    quiet = ns.admin.watch(f"{ns.path('configmaps')}?watch=1&timeoutSeconds=1")
    assert [event["type"] for event in quiet.rest()] == ["ADDED"]


def test_no_initial_events_when_none_are_wanted(ns: Namespace) -> None:
    ns.config("a")
    query = f"watch=1&sendInitialEvents=false&resourceVersionMatch=NotOlderThan&{BOOKMARKS}"
    stream = ns.admin.watch(f"{ns.path('configmaps')}?{query}")
    ns.config("b")
    assert stream.told() == ("ADDED", "b")
    stream.close()


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("sendInitialEvents=true", "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"),
        ("resourceVersionMatch=NotOlderThan", "resourceVersionMatch is forbidden for watch unless sendInitialEvents"),
        ("sendInitialEvents=true&resourceVersionMatch=Exact", "resourceVersionMatch: Unsupported value"),
    ],
)
def test_watches_that_make_no_sense(ns: Namespace, query: str, message: str) -> None:
    code, reason, told = ns.admin.ask("GET", f"{ns.path('configmaps')}?watch=1&{query}").told
    assert (code, reason) == (422, "Invalid") and message in told


def test_rows_of_a_table(ns: Namespace) -> None:
    ns.config("a", {"k": "v"})
    stream = ns.admin.watch(ns.path("configmaps") + "?watch=1", accept=TABLE)
    first = stream.next()["object"]
    assert first["kind"] == "Table" and first["rows"][0]["cells"][:2] == ["a", 1] and first["columnDefinitions"]
    ns.config("b")
    second = stream.next()["object"]
    assert second["rows"][0]["cells"][0] == "b" and not second["columnDefinitions"]
    stream.close()


def test_metadata_alone(ns: Namespace) -> None:
    made = ns.config("a", {"k": "v"})
    stream = ns.admin.watch(ns.path("configmaps") + "?watch=1", accept=PARTIAL)
    found = stream.next()["object"]
    assert (found["kind"], found["metadata"]) == ("PartialObjectMetadata", made["metadata"])
    stream.close()


def test_a_revision_that_is_too_old_is_said_in_the_stream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window, "WINDOW", 5)
    with LiveKubernetes(tmp_path) as cluster:
        ns = Namespace(cluster, "own")
        first = ns.config("c")["metadata"]["resourceVersion"]
        for number in range(10):
            ns.admin.patch(ns.path("configmaps", "c"), {"data": {"n": str(number)}})
        events = ns.admin.watch(f"{ns.path('configmaps')}?watch=1&resourceVersion={first}").rest()
        assert [event["type"] for event in events] == ["ERROR"]
        status = events[0]["object"]
        assert (status["code"], status["reason"]) == (410, "Expired")
        assert status["message"].startswith(f"too old resource version: {first} (")


def test_watches_go_on_after_a_restart(tmp_path: Path) -> None:
    path = str(tmp_path / "cluster.db")
    with LiveKubernetes(tmp_path, open_sqlite(path, history=True)) as cluster:
        ns = Namespace(cluster, "own")
        first = ns.config("a")["metadata"]["resourceVersion"]
        ns.config("b")
        ns.admin.ok("DELETE", ns.path("configmaps", "a"))
    with LiveKubernetes(tmp_path, open_sqlite(path, history=True)) as cluster:
        stream = cluster.admin.watch(f"/api/v1/namespaces/own/configmaps?watch=1&resourceVersion={first}")
        assert [stream.told(), stream.told()] == [("ADDED", "b"), ("DELETED", "a")]
        stream.close()


def test_the_end_of_the_server_ends_watches(tmp_path: Path) -> None:
    with LiveKubernetes(tmp_path) as cluster:
        stream = cluster.admin.watch("/api/v1/namespaces?watch=1&fieldSelector=metadata.name%3Ddefault")
        assert stream.told() == ("ADDED", "default")
    assert stream.rest() == []
