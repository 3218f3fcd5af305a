"""Which endpoint of an etcd is asked, and who has a say in that."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from aetcd import rpc
from grpc.aio import AioRpcError, Metadata

from corral.store.etcd_endpoints import Endpoints, Stub

REFUSED = "failed to connect to all addresses; last error: Connection refused"


def failure(code: grpc.StatusCode, details: str) -> AioRpcError:
    return AioRpcError(code, Metadata(), Metadata(), details)


def away() -> AioRpcError:
    return failure(grpc.StatusCode.UNAVAILABLE, REFUSED)


class Member:
    """An endpoint that answers with its name, or fails; what `meanwhile` does happens during the call."""

    def __init__(self, name: str, error: AioRpcError | None = None) -> None:
        self.name, self.error, self.calls = name, error, 0
        self.meanwhile = lambda: None

    async def Range(self, request: Any) -> str:
        self.calls += 1
        self.meanwhile()
        if self.error:
            raise self.error
        return self.name


def ask(endpoints: Endpoints) -> str:
    answer: str = asyncio.run(Stub(endpoints, lambda member: member).Range(None))  # type: ignore[arg-type]
    return answer


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
        endpoints.note(1, failure(grpc.StatusCode.UNAVAILABLE, "Socket closed"))
        assert endpoints.at == 0

    first.meanwhile = the_stream_of_before_ends
    assert ask(endpoints) == "second"
    assert endpoints.at == 1 and first.calls == 1


def test_when_none_is_reached_each_was_tried_once() -> None:
    members = [Member(name, away()) for name in "abc"]
    with pytest.raises(rpc.AioRpcError, match="failed to connect"):
        ask(Endpoints(members))
    assert [member.calls for member in members] == [1, 1, 1]


@pytest.mark.parametrize(
    "error",
    [failure(grpc.StatusCode.UNAVAILABLE, "Socket closed"), failure(grpc.StatusCode.INVALID_ARGUMENT, "no such key")],
)
def test_what_may_have_been_done_is_not_done_again(error: AioRpcError) -> None:
    first, second = Member("first", error), Member("second")
    with pytest.raises(rpc.AioRpcError):
        ask(Endpoints([first, second]))
    assert second.calls == 0
