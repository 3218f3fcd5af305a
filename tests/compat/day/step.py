"""One step of the day: what is typed, what must come of it; and how two daemons' answers become comparable."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO

from tests.support.endpoint import Endpoint, docker_cli
from tests.support.terminal import Terminal
from tests.support.wait import eventually


@dataclass(frozen=True)
class Outcome:
    """What came of a step: exit code, what was printed."""

    code: int
    out: str
    err: str = ""


class Day:
    """One client's day with one daemon. `folder` is the place for files that the steps make."""

    def __init__(self, endpoint: Endpoint, cli: str, folder: str) -> None:
        self.endpoint = endpoint
        self.cli = cli or docker_cli()
        self.folder = folder

    def docker(self, *args: str, input: str = "", timeout: float = 60) -> Outcome:
        try:
            done = self.endpoint.docker(*args, input=input, timeout=timeout, cli=self.cli)
        except subprocess.TimeoutExpired as error:
            return Outcome(-1, (error.stdout or b"").decode(), f"{(error.stderr or b'').decode()}\nstill running")
        return Outcome(done.returncode, done.stdout, done.stderr)

    def terminal(self, *args: str) -> Terminal:
        return Terminal([self.cli, *args], self.endpoint.env())

    def following(
        self, *args: str, begun: str = "", during: Callable[[], object] | None = None, until: str = ""
    ) -> Outcome:
        """Start a command that follows something, do `during` once it has printed `begun`, and end it by SIGINT once it
        has printed `until`; without that it ends by itself. Both are regular expressions."""
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            process = subprocess.Popen(
                [self.cli, *args], env=self.endpoint.env(), stdin=subprocess.DEVNULL, stdout=out, stderr=err
            )

            def printed(file: IO[str]) -> str:
                return os.pread(file.fileno(), 1 << 20, 0).decode(errors="replace")

            def told(pattern: str) -> bool:
                return bool(re.search(pattern, printed(out))) or process.poll() is not None

            try:
                eventually(lambda: told(begun), "the command has begun", seconds=30)
                if during is not None:
                    during()
                if until:
                    eventually(lambda: told(until), lambda: f"{until!r} in {printed(out)!r}", seconds=30)
                    process.send_signal(signal.SIGINT)
                process.wait(3 if until else 30)
            except subprocess.TimeoutExpired:  # some clients want to be asked three times
                pass
            finally:
                process.kill()
                process.wait()
            return Outcome(process.returncode, printed(out), printed(err))


Action = Callable[[Day], Outcome]


@dataclass(frozen=True)
class Step:
    """`does` is the docker command's words as typed in a shell, or a function for what needs hands.

    `code` is the exit code (or those allowed); `out` and `err` are regular expressions to be found in what was printed.
    `compare` names what is compared with the peer: "c"ode, "o"ut, "e"rr. `why` says why something is left out.
    """

    name: str
    does: str | Action
    code: int | tuple[int, ...] = 0
    out: str = ""
    err: str = ""
    compare: str = "coe"
    why: str = ""
    stdin: str = ""
    unordered: bool = False

    def misses(self, answer: Outcome) -> str:
        """How the answer differs from what the script says; empty when it does not. Pure."""
        codes = self.code if isinstance(self.code, tuple) else (self.code,)
        found = [] if answer.code in codes else [f"exit {answer.code}, not {self.code}"]
        for wanted, text, where in ((self.out, answer.out, "stdout"), (self.err, answer.err, "stderr")):
            if not re.search(wanted, text):
                found.append(f"no {wanted!r} on {where}")
        return "; ".join(found)

    def run(self, day: Day) -> Outcome:
        if callable(self.does):
            return self.does(day)
        words = [word.replace("{folder}", day.folder) for word in shlex.split(self.does)]
        return day.docker(*words, input=self.stdin)


# -- making answers comparable ---------------------------------------------------------------------------------

# In this order. Each replaces what must differ between two daemons or two runs.
SAME: list[tuple[str, str]] = [
    (r"\x1b\[[0-9;?]*[A-Za-z]", ""),
    (r"\r\n", "\n"),
    (r"\b(sha256:)?[0-9a-f]{64}\b", "<id>"),
    (r"\bsha256:[0-9a-f]{12}\b", "<id>"),
    (r"\b(?=[0-9a-f]*[0-9])[0-9a-f]{12}\b", "<id>"),  # once in 280 it has no letter
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?( ?Z| ?[+-]\d\d:?\d\d( [A-Z]{3,4})?)?", "<time>"),
    (r"\b(About an?|Less than an?|\d+(\.\d+)?) (second|minute|hour)s?( ago)?", "<ago>"),
    (r"\b([0-9a-f]{2}:){5}[0-9a-f]{2}\b", "<mac>"),
    (r"\b(10|172)\.\d+\.\d+\.\d+\b", "<ip>"),
    (r"\b\d+(\.\d+)?( ?[kKMGT]i?B|B)\b", "<size>"),
    (r"\b\d+\.\d+%", "<percent>"),
    (r":(49|3[2-9]|[4-6]\d)\d{3}\b", ":<port>"),
    (r" {2,}", "  "),
    (r"[ \t]+$", ""),
]


def normal(text: str, *, unordered: bool = False) -> str:
    """The text without ids, times, sizes, addresses and column widths. Pure.

    >>> normal("Up 3 seconds   0.0.0.0:49153->80/tcp")
    'Up <ago>  0.0.0.0:<port>->80/tcp'
    >>> normal("b\\na\\n", unordered=True)
    'a\\nb'
    """
    for pattern, replacement in SAME:
        text = re.sub(pattern, replacement, text, flags=re.MULTILINE)
    text = text.strip("\n")
    return "\n".join(sorted(text.split("\n"))) if unordered else text


def pause(seconds: float) -> None:
    """Time that must pass for the thing under test itself (a log's timestamps, an exit's second)."""
    time.sleep(seconds)
