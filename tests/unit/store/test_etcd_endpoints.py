"""Which endpoint of an etcd is asked, and who has a say in that."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from aetcd import rpc
from grpc.aio import AioRpcError, Metadata

from corral.store import etcd_endpoints
from corral.store.etcd_endpoints import Endpoints, Stub

REFUSED = "failed to connect to all addresses; last error: Connection refused"


def failure(code: grpc.StatusCode, details: str) -> AioRpcError:
    return AioRpcError(code, Metadata(), Metadata(), details)


def away() -> AioRpcError:
    return failure(grpc.StatusCode.UNAVAILABLE, REFUSED)


def closed() -> AioRpcError:
    return failure(grpc.StatusCode.UNAVAILABLE, "Socket closed")


class Member:
    """An endpoint that answers with its name, or fails; what `meanwhile` does happens during the call."""

    def __init__(self, name: str, error: AioRpcError | None = None) -> None:
        self.name, self.error, self.calls = name, error, 0
        self.meanwhile: Callable[[], object] = lambda: None

    async def Range(self, request: Any) -> str:
        self.calls += 1
        self.meanwhile()
        if self.error:
            raise self.error
        return self.name

    Txn = Range


def ask(endpoints: Endpoints, name: str = "Range") -> str:
    async def call() -> str:
        answer: str = await getattr(Stub(endpoints, lambda member: member), name)(None)
        return answer

    return asyncio.run(call())


def test_who_is_away_is_passed_over_and_who_answers_is_asked_from_then_on() -> None:
    first, second = Member("first", away()), Member("second")
    endpoints = Endpoints([first, second])
    assert [ask(endpoints), ask(endpoints)] == ["second", "second"]
    assert first.calls == 1


def test_a_late_failure_of_another_call_does_not_hide_the_endpoint_that_answers() -> None:
    first, second = Member("first", away()), Member("second")
    endpoints = Endpoints([first, second])

    def the_stream_of_before_ends() -> None:
        endpoints.at = 1  # another call was answered there
        endpoints.note(1, closed())
        assert endpoints.at == 0

    first.meanwhile = the_stream_of_before_ends
    assert ask(endpoints) == "second"
    assert endpoints.at == 1 and first.calls == 1


def test_an_etcd_that_is_back_in_a_moment_is_waited_for() -> None:
    members = [Member(name, away()) for name in "ab"]

    def back() -> None:
        if members[1].calls == 3:
            members[1].error = None

    members[1].meanwhile = back
    assert ask(Endpoints(members)) == "b"
    assert [member.calls for member in members] == [3, 3]


def test_when_none_is_reached_for_a_while_the_asker_hears_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(etcd_endpoints, "PATIENCE", 0.1)
    members = [Member(name, away()) for name in "abc"]
    with pytest.raises(rpc.AioRpcError, match="failed to connect"):
        ask(Endpoints(members))
    assert all(member.calls for member in members)


def test_what_reads_is_asked_again_after_a_broken_connection() -> None:
    first, second = Member("first", closed()), Member("second")
    assert ask(Endpoints([first, second])) == "second"


@pytest.mark.parametrize("error", [closed(), failure(grpc.StatusCode.INVALID_ARGUMENT, "no such key")])
def test_what_may_have_been_done_is_not_done_again(error: AioRpcError) -> None:
    first, second = Member("first", error), Member("second")
    with pytest.raises(rpc.AioRpcError):
        ask(Endpoints([first, second]), "Txn")
    assert second.calls == 0
