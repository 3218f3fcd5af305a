"""The life of containers, through the Docker socket, on the real kernel."""

from __future__ import annotations

import json
import threading
import time

import pytest

from corral.kit.clock import from_rfc3339
from tests.support.endpoint import BUSYBOX, Endpoint
from tests.support.wait import PATIENCE, eventually

pytestmark = [pytest.mark.root, pytest.mark.timeout(120)]

POLITE = ("sh", "-c", "trap 'exit 0' TERM; echo up; while :; do sleep 0.05; done")
STUBBORN = ("sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.05; done")

# For whom a signal is enough: on a busy machine the second that other tests give is soon over.
GRACE = {"t": 60}


def _up(engine: Endpoint, identity: str) -> None:
    eventually(lambda: "up" in engine.output(identity), "the container said that it is up")


def test_create_start_wait_inspect_remove(engine: Endpoint) -> None:
    identity = engine.create("sh", "-c", "exit 5", name="one", Labels={"a": "b"})
    state = engine.inspect("one")["State"]
    assert (state["Status"], state["Running"], state["Pid"], state["ExitCode"]) == ("created", False, 0, 0)
    assert engine.post("/containers/one/start").status == 204
    assert engine.wait("one") == 5
    found = engine.inspect(identity[:10])
    assert found["Id"] == identity and found["Name"] == "/one" and found["Config"]["Labels"] == {"a": "b"}
    assert found["State"]["Status"] == "exited" and found["State"]["ExitCode"] == 5
    assert from_rfc3339(found["State"]["StartedAt"]) < from_rfc3339(found["State"]["FinishedAt"])
    assert engine.delete("/containers/one").status == 204
    assert engine.get("/containers/one/json").status == 404


def test_start_twice_and_stop_twice_change_nothing(engine: Endpoint) -> None:
    identity = engine.run(*POLITE)
    _up(engine, identity)
    assert engine.post(f"/containers/{identity}/start").status == 304
    assert engine.post(f"/containers/{identity}/stop", query=GRACE).status == 204
    assert engine.post(f"/containers/{identity}/stop").status == 304
    assert engine.inspect(identity)["State"]["ExitCode"] == 0


def test_stop_kills_after_its_grace(engine: Endpoint) -> None:
    identity = engine.run(*STUBBORN, StopTimeout=600)  # longer than anybody waits for the answer
    _up(engine, identity)
    begun = time.monotonic()
    assert engine.post(f"/containers/{identity}/stop", query={"t": 1}).status == 204
    assert 0.9 < time.monotonic() - begun < 8 * PATIENCE
    assert engine.inspect(identity)["State"]["ExitCode"] == 137


def test_a_stop_signal_of_its_own(engine: Endpoint) -> None:
    script = "trap 'exit 31' USR1; echo up; while :; do sleep 0.05; done"
    identity = engine.run("sh", "-c", script, StopSignal="SIGUSR1")
    _up(engine, identity)
    assert engine.post(f"/containers/{identity}/stop", query=GRACE).status == 204
    assert engine.wait(identity) == 31


def test_restart_runs_it_again(engine: Endpoint) -> None:
    identity = engine.run("sh", "-c", "echo up; sleep 100")
    _up(engine, identity)
    first = engine.inspect(identity)["State"]
    assert engine.post(f"/containers/{identity}/restart", query={"t": 0}).status == 204
    second = engine.inspect(identity)["State"]
    assert second["Running"] and second["Pid"] != first["Pid"]
    assert from_rfc3339(second["StartedAt"]) > from_rfc3339(first["StartedAt"])
    eventually(lambda: engine.output(identity).count("up") == 2, "it ran twice into one log")


def test_pause_and_unpause(engine: Endpoint) -> None:
    identity = engine.run("sh", "-c", "i=0; while :; do i=$((i+1)); echo $i > /n; done")
    assert engine.post(f"/containers/{identity}/pause").status == 204
    state = engine.inspect(identity)["State"]
    assert (state["Status"], state["Paused"], state["Running"]) == ("paused", True, True)
    assert engine.post(f"/containers/{identity}/pause").status == 409
    assert engine.post(f"/containers/{identity}/unpause").status == 204
    assert engine.inspect(identity)["State"]["Status"] == "running"
    assert engine.post(f"/containers/{identity}/unpause").status in (409, 500)


def test_kill_and_stop_reach_a_paused_one(engine: Endpoint) -> None:
    identity = engine.run("sleep", "100")
    engine.post(f"/containers/{identity}/pause")
    assert engine.post(f"/containers/{identity}/stop", query={"t": 1}).status == 204
    assert not engine.inspect(identity)["State"]["Running"]


def test_kill_with_a_signal(engine: Endpoint) -> None:
    identity = engine.run("sh", "-c", "trap 'exit 17' HUP; echo up; while :; do sleep 0.05; done")
    _up(engine, identity)
    assert engine.post(f"/containers/{identity}/kill", query={"signal": "HUP"}).status == 204
    assert engine.wait(identity) == 17
    refused = engine.post(f"/containers/{identity}/kill")
    assert refused.status == 409 and "is not running" in refused.message


@pytest.mark.parametrize("condition", ["next-exit", "removed", "not-running"])
def test_wait_answers_its_headers_at_once(engine: Endpoint, condition: str) -> None:
    """`docker run` waits before it starts: headers must come while nothing has happened yet."""
    identity = engine.create("sh", "-c", "exit 3", HostConfig={"AutoRemove": condition == "removed"})
    if condition == "not-running":
        assert engine.wait(identity) == 0  # a created one does not run
        return
    connection = engine.connection()
    connection.request("POST", f"/v1.41/containers/{identity}/wait?condition={condition}")
    response = connection.getresponse()
    assert response.status == 200
    engine.post(f"/containers/{identity}/start")
    assert json.loads(response.read())["StatusCode"] == 3
    connection.close()


def test_auto_remove_removes(engine: Endpoint) -> None:
    identity = engine.run("true", HostConfig={"AutoRemove": True}, Volumes={"/data": {}})
    eventually(lambda: engine.get(f"/containers/{identity}/json").status == 404, "it removed itself")
    eventually(lambda: not engine.get("/volumes").json["Volumes"], "and its anonymous volume")


def test_remove_refuses_a_running_one_unless_forced(engine: Endpoint) -> None:
    identity = engine.run("sleep", "100")
    refused = engine.delete(f"/containers/{identity}")
    assert refused.status == 409 and "running" in refused.message
    assert engine.delete(f"/containers/{identity}", query={"force": 1}).status == 204


def test_rename(engine: Endpoint) -> None:
    first = engine.create("true", name="first")
    engine.create("true", name="second")
    taken = engine.post(f"/containers/{first}/rename", query={"name": "second"})
    assert taken.status == 409 and 'The container name "/second" is already in use' in taken.message
    assert engine.post("/containers/first/rename", query={"name": "third"}).status == 204
    assert engine.inspect("third")["Id"] == first
    assert engine.get("/containers/first/json").status == 404


def test_update_while_it_runs(engine: Endpoint) -> None:
    identity = engine.run("sleep", "100", HostConfig={"Memory": 32 << 20})
    body = {"Memory": 64 << 20, "MemorySwap": 64 << 20, "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3}}
    assert engine.post(f"/containers/{identity}/update", body).status == 200
    host = engine.inspect(identity)["HostConfig"]
    assert host["Memory"] == 64 << 20
    assert host["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 3}


def test_changes_export_commit(engine: Endpoint) -> None:
    identity = engine.run("sh", "-c", "echo x > /new; rm /bin/wget; echo y >> /etc/passwd")
    engine.wait(identity)
    changes = {(change["Kind"], change["Path"]) for change in engine.get(f"/containers/{identity}/changes").json}
    assert {(1, "/new"), (2, "/bin/wget"), (0, "/etc/passwd"), (0, "/etc")} <= changes
    exported = engine.get(f"/containers/{identity}/export").body
    assert b"new" in exported and len(exported) % 512 == 0
    made = engine.post("/commit", {"Cmd": ["cat", "/new"]}, query={"container": identity, "repo": "kept", "tag": "1"})
    assert made.status == 201
    assert engine.inspect_image("kept:1")["Config"]["Cmd"] == ["cat", "/new"]
    assert engine.result("cat", "/new", image="kept:1") == (0, "x\n")
    assert engine.result("ls", "/bin/wget", image="kept:1")[0] == 1
    assert engine.delete("/images/kept:1").status == 200


def test_list_filters(engine: Endpoint) -> None:
    running = engine.run("sleep", "100", name="runs", Labels={"tier": "front"})
    engine.wait(engine.run("sh", "-c", "exit 4", name="ended"))

    def names(**filters: list[str]) -> list[str]:
        answer = engine.get("/containers/json", query={"all": 1, "filters": filters})
        assert answer.status == 200, answer
        return sorted(container["Names"][0] for container in answer.json)

    assert names() == ["/ended", "/runs"]
    assert names(status=["exited"]) == ["/ended"] == names(exited=["4"])
    assert names(label=["tier=front"]) == ["/runs"] == names(id=[running[:12]])
    assert names(name=["^run"]) == ["/runs"]
    assert names(ancestor=["busybox"]) == ["/ended", "/runs"]
    assert names(since=["runs"]) == ["/ended"]
    assert names(before=["ended"]) == ["/runs"]
    assert engine.get("/containers/json", query={"filters": {"nonsense": ["x"]}}).status == 400


def test_top_and_stats(engine: Endpoint) -> None:
    identity = engine.run("sleep", "100")

    def shown() -> bool:  # what waited for the start has a name, and threads, of its own
        top = engine.get(f"/containers/{identity}/top").json
        return "PID" in top["Titles"] and any("sleep" in " ".join(row) for row in top["Processes"])

    eventually(shown, "it is the program that was asked for")
    stats = engine.get(f"/containers/{identity}/stats", query={"stream": 0}).json
    assert stats["id"] == identity and stats["cpu_stats"]["cpu_usage"]["total_usage"] > 0
    assert stats["memory_stats"]["usage"] > 0 and stats["pids_stats"]["current"] == 1
    assert "eth0" in stats["networks"]


def test_stats_stream_until_it_ends(engine: Endpoint) -> None:
    identity = engine.run("sleep", "1000")
    connection = engine.connection()
    connection.request("GET", f"/v1.41/containers/{identity}/stats?stream=1")
    response = connection.getresponse()
    assert json.loads(response.readline())["id"] == identity
    assert json.loads(response.readline())["precpu_stats"]["cpu_usage"]["total_usage"] > 0
    engine.remove(identity)
    rest = response.read().splitlines()
    assert all(json.loads(line)["id"] == identity for line in rest), "and then it ends"
    connection.close()


def test_events_in_dockers_order(engine: Endpoint) -> None:
    begun = str(int(time.time()))
    identity = engine.create("sh", "-c", "sleep 0.1")
    engine.post(f"/containers/{identity}/start")
    engine.wait(identity)
    engine.remove(identity)
    time.sleep(1.1)  # `until` is in whole seconds
    filters = {"container": [identity]}
    answer = engine.get("/events", query={"since": begun, "until": str(int(time.time())), "filters": filters})
    events = [json.loads(line) for line in answer.body.splitlines()]
    assert [event["Action"] for event in events if event["Type"] == "container"] == [
        "create",
        "start",
        "die",
        "destroy",
    ]
    died = next(event for event in events if event["Action"] == "die")
    assert died["Actor"]["Attributes"]["exitCode"] == "0" and died["Actor"]["Attributes"]["image"] == BUSYBOX


def test_live_events(engine: Endpoint) -> None:
    connection = engine.connection()
    connection.request("GET", '/v1.41/events?filters={"event":["die"],"type":["container"]}')
    response = connection.getresponse()
    identity = engine.run("sh", "-c", "exit 6")
    event = json.loads(response.readline())
    assert event["Actor"]["ID"] == identity and event["Actor"]["Attributes"]["exitCode"] == "6"
    connection.close()


def test_prune_takes_only_what_ended(engine: Endpoint) -> None:
    running = engine.run("sleep", "100")
    ended = engine.run("true")
    engine.wait(ended)
    pruned = engine.post("/containers/prune").json
    assert pruned["ContainersDeleted"] == [ended]
    assert engine.inspect(running)["State"]["Running"]


def test_many_at_once(engine: Endpoint) -> None:
    """Twelve containers from six threads: each exit code is its own."""
    codes: dict[int, int] = {}

    def one(number: int) -> None:
        for turn in (number, number + 6):
            codes[turn], _ = engine.result("sh", "-c", f"exit {turn}")

    threads = [threading.Thread(target=one, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == {number: number for number in range(12)}


def test_the_same_name_from_many_threads_is_given_once(engine: Endpoint) -> None:
    statuses: list[int] = []

    def one() -> None:
        answer = engine.post("/containers/create", {"Image": BUSYBOX, "Cmd": ["true"]}, query={"name": "only"})
        statuses.append(answer.status)

    threads = [threading.Thread(target=one) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [201] + [409] * 7
