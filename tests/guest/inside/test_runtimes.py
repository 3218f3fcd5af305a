"""Inside the guest: both runtimes, each asked for by name, on pure cgroup v2 (crun is chosen by default)."""

from __future__ import annotations

import pytest

from tests.support.cgroups import value
from tests.support.endpoint import Endpoint
from tests.support.wait import eventually

pytestmark = [pytest.mark.root, pytest.mark.in_guest, pytest.mark.timeout(120)]


@pytest.mark.parametrize("runtime", ["crun", "runc"])
def test_a_life(engine: Endpoint, runtime: str) -> None:
    limits = {"Memory": 64 << 20, "NanoCpus": 500_000_000}
    script = 'trap "echo bye; exit 7" TERM; echo hello; while :; do sleep 0.1; done'
    identity = engine.run("sh", "-c", script, HostConfig={"Runtime": runtime, **limits})
    inspected = engine.inspect(identity)
    pid = inspected["State"]["Pid"]
    assert inspected["HostConfig"]["Runtime"] == runtime
    assert value(pid, "memory", v1="memory.limit_in_bytes", v2="memory.max") == str(64 << 20)
    assert engine.execute(identity, "sh", "-c", "echo $0; exit 3") == (3, "sh\n")
    stats = engine.get(f"/containers/{identity}/stats", query={"stream": 0, "one-shot": 1}).json
    assert stats["memory_stats"]["limit"] == 64 << 20 and stats["memory_stats"]["usage"] > 0
    assert engine.post(f"/containers/{identity}/pause").status == 204
    assert engine.post(f"/containers/{identity}/unpause").status == 204
    assert engine.post(f"/containers/{identity}/update", {"Memory": 96 << 20, "MemorySwap": 192 << 20}).status == 200
    assert value(pid, "memory", v1="memory.limit_in_bytes", v2="memory.max") == str(96 << 20)
    eventually(lambda: engine.output(identity) == "hello\n", "the first word")
    assert engine.post(f"/containers/{identity}/stop", query={"t": 60}).status == 204
    assert (engine.wait(identity), engine.output(identity)) == (7, "hello\nbye\n")


@pytest.mark.parametrize("runtime", ["crun", "runc"])
def test_what_cannot_run(engine: Endpoint, runtime: str) -> None:
    identity = engine.create("/nope", HostConfig={"Runtime": runtime})
    answer = engine.post(f"/containers/{identity}/start")
    assert answer.status == 400 and "no such file or directory" in answer.message, answer
    assert engine.inspect(identity)["State"]["ExitCode"] == 127


@pytest.mark.parametrize("runtime", ["crun", "runc"])
def test_out_of_memory(engine: Endpoint, runtime: str) -> None:
    limits = {"Memory": 16 << 20, "MemorySwap": 16 << 20}
    identity = engine.run("sh", "-c", "tail /dev/zero", HostConfig={"Runtime": runtime, **limits})
    assert engine.wait(identity) != 0
    assert engine.inspect(identity)["State"]["OOMKilled"]
