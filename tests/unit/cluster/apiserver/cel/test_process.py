"""The evaluator of expressions as a process: it may die or hang, whoever asks goes on."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from corral.cluster.apiserver.cel import messages as m
from corral.cluster.apiserver.cel.errors import EvaluationError
from corral.cluster.apiserver.cel.process import Expressions
from corral.cluster.apiserver.cel.schemas import RULES
from corral.cluster.apiserver.cel.things import authorizer

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, RULES: [{"rule": "self.a > 1"}]}
# An evaluator that does as it is told by expressions that are no expressions.
BAD = """
import ctypes, os, signal
from corral.cluster.apiserver.cel import jobs, worker
evaluate = jobs.evaluate
def act(names, values, part):
    match part.items[0].expression:
        case "SPIN":
            while True: pass
        case "CRASH": ctypes.string_at(0)
        case "EXIT": os._exit(3)
        case "MEMORY": return len(b"x" * (2 << 30))
        case "NOISE": os.write(1, b"noise"); print("noise")
    return evaluate(names, values, part)
jobs.evaluate = act
worker.main()
"""


@asynccontextmanager
async def opened(program: str = "") -> AsyncIterator[Expressions]:
    found = Expressions((sys.executable, "-P", "-c", program)) if program else Expressions()
    try:
        yield found
    finally:
        await found.close()
        assert found.pid is None


async def value(expressions: Expressions, expression: str, **values: Any) -> Any:
    answer = await expressions.evaluate(sorted(values), values, [m.Part([m.Item(expression)])])
    if answer[0].found[0].error:
        raise EvaluationError(answer[0].found[0].error)
    return answer[0].found[0].value


async def test_it_starts_when_it_is_needed_and_ends_with_us() -> None:
    async with opened() as expressions:
        assert expressions.pid is None
        assert await expressions.compile_problems(["a"], [("", ""), (" ", "BOOL")]) == ["", ""]
        assert expressions.pid is None
        assert await value(expressions, "a + 1", a=1) == 2
        pid = expressions.pid
        assert pid is not None and await value(expressions, "a + 2", a=1) == 3 and expressions.pid == pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_many_ask_at_once() -> None:
    async with opened() as expressions:
        found = await asyncio.gather(*(value(expressions, "a * 2", a=n) for n in range(50)))
        assert found == [n * 2 for n in range(50)]


@pytest.mark.parametrize(
    ("what", "cause"),
    [
        ("SPIN", "operation cancelled: actual cost limit exceeded"),
        ("CRASH", "the evaluator of expressions ended by signal SIGSEGV"),
        ("EXIT", "the evaluator of expressions ended with exit code 3"),
        ("MEMORY", "the evaluator of expressions ended with exit code 1"),
    ],
)
async def test_whatever_an_expression_does_to_it_the_next_one_is_answered(what: str, cause: str) -> None:
    async with opened(BAD) as expressions:
        assert await value(expressions, "a", a=1) == 1
        first = expressions.pid
        with pytest.raises(EvaluationError) as error:
            await value(expressions, what, a=1)
        assert error.value.message == cause
        assert await value(expressions, "a", a=2) == 2 and expressions.pid != first


async def test_what_is_printed_does_not_get_among_the_answers() -> None:
    async with opened(BAD) as expressions:
        with pytest.raises(EvaluationError, match="undeclared reference"):
            await value(expressions, "NOISE", a=1)
        assert await value(expressions, "a", a=1) == 1


async def test_one_that_was_killed_is_replaced_without_a_word() -> None:
    async with opened() as expressions:
        await value(expressions, "a", a=1)
        assert expressions.pid is not None
        os.kill(expressions.pid, signal.SIGKILL)
        assert await value(expressions, "a", a=2) == 2


async def test_one_that_does_not_start_is_an_error() -> None:
    async with opened("raise SystemExit(7)") as expressions:
        with pytest.raises(EvaluationError, match="ended with exit code 7"):
            await value(expressions, "a", a=1)
        found = await expressions.compile_problems([], [("1", "")])
        assert found == ["compilation failed: the evaluator of expressions ended with exit code 7"]


async def test_who_gives_up_waiting_leaves_nothing_in_the_pipe() -> None:
    async with opened(BAD) as expressions:
        await value(expressions, "a", a=1)
        task = asyncio.ensure_future(value(expressions, "SPIN", a=1))
        await asyncio.wait([task], timeout=0.05)  # it is under way now, or soon
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await value(expressions, "a", a=3) == 3


async def test_schemas_are_sent_once_to_each_evaluator() -> None:
    async with opened() as expressions:
        assert [str(one) for one in (await expressions.judge("k", SCHEMA, {"a": 1}, None))[0]] == [
            '<nil>: Invalid value: "object": failed rule: self.a > 1'
        ]
        assert await expressions.judge("k", None, {"a": 2}, {"a": 1}) == ([], [])
        assert expressions.pid is not None
        os.kill(expressions.pid, signal.SIGKILL)
        assert len((await expressions.judge("k", SCHEMA, {"a": 0}, {"a": 2}))[0]) == 1
        found = await expressions.check_schemas([("s", {**SCHEMA, RULES: [{"rule": "self.b"}]})])
        assert found[0].field == f"s.{RULES}[0].rule"


async def test_the_authorizer_is_asked_through_the_pipe() -> None:
    asked = []

    def decide(thing: Any, verb: str) -> tuple[bool, str]:
        asked.append((thing["resource"], verb))
        return verb == "get", "why"

    check = "authorizer.group('').resource('pods').check('{}').allowed()"
    items = [m.Item(check.format(verb)) for verb in ("get", "list")]
    async with opened() as expressions:
        answer = await expressions.evaluate(["authorizer"], {"authorizer": authorizer()}, [m.Part(items)], decide)
    assert [one.value for one in answer[0].found] == [True, False]
    assert asked == [("pods", "get"), ("pods", "list")]


async def test_numbers_that_do_not_travel() -> None:
    async with opened() as expressions:
        with pytest.raises(EvaluationError, match="cannot be shown to expressions"):
            await value(expressions, "a", a=1 << 80)
        assert await value(expressions, "a", a=(1 << 63) - 1) == (1 << 63) - 1
