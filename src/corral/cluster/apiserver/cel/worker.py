"""The evaluator of expressions: a process of its own, so that an expression can take nothing but it down.

Jobs come on stdin, answers go to stdout. It ends with its input, when a job takes too much of the processor (SIGPROF),
or memory runs out. Nobody but the daemon starts it (`process`).
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from typing import Any, Final

from corral.cluster.apiserver.cel import messages as m
from corral.cluster.apiserver.cel.functions import deciding
from corral.cluster.apiserver.cel.jobs import Evaluator
from corral.cluster.apiserver.cel.things import Thing

SECONDS: Final = 2.0  # of the processor for one job; rules of objects end by themselves before
MEMORY: Final = 1024 * 1024 * 1024


def main() -> None:
    _limit()
    answers = os.dup(1)
    os.dup2(2, 1)  # what a library prints must not get among the answers
    deciding.set(lambda thing, verb: _ask(answers, thing, verb))
    evaluator = Evaluator()
    _write(answers, m.Ready())
    while (job := _read()) is not None:
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        try:
            done: Any = evaluator.answer(job)
            data = m.frame(done)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        _send(answers, data)


def _limit() -> None:
    """SIGPROF ends a process that has not asked for it; a core of this one is of no use to anybody."""
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    most = resource.getrlimit(resource.RLIMIT_AS)[1]
    wanted = MEMORY if most == resource.RLIM_INFINITY else min(MEMORY, most)
    resource.setrlimit(resource.RLIMIT_AS, (wanted, most))


def _ask(answers: int, thing: Thing, verb: str) -> tuple[bool, str]:
    _write(answers, m.Ask(thing, verb))
    reply = _read()
    return (reply.allowed, reply.reason) if isinstance(reply, m.Allowed) else (False, "")


def _read() -> Any:
    """The next message; None at the end."""
    source = sys.stdin.buffer
    head = source.read(m.HEAD)
    if len(head) < m.HEAD:
        return None
    size = int.from_bytes(head, "big")
    body = source.read(size)
    return m.to_evaluator.decode(body) if len(body) == size else None


def _write(target: int, message: Any) -> None:
    _send(target, m.frame(message))


def _send(target: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(target, view) :]


if __name__ == "__main__":
    main()
