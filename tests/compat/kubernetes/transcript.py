"""Transcripts: commands as typed in a shell, and below each what it says. A test runs them and compares.

::

    # a remark
    $ kubectl get configmap a -o name
    configmap/a
    $ kubectl get configmap b
    Error from server (NotFound): configmaps "b" not found
    [1]

Standard output and standard error are one. A command goes on in lines that begin with "> ". In what is expected, "…"
stands for anything within the line, a line "..." for any lines, "[1]" is the exit code where it is not 0, and a line
after "1.32| " is expected of that client alone. How wide columns are depends on ages and addresses, so that two
spaces are as good as many.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

LONGEST = 70.0  # seconds of one command


@dataclass
class Command:
    """What is typed, and what is to come of it. `line` is where, for messages."""

    text: str
    line: int
    expected: list[str] = field(default_factory=list)
    code: int = 0


def parse(text: str) -> list[Command]:
    """Pure. ValueError: output before the first command.

    >>> parse("# one\\n$ cat <<E\\n> x\\n> E\\nx\\n$ false\\n[1]\\n")  # doctest: +NORMALIZE_WHITESPACE
    [Command(text='cat <<E\\nx\\nE', line=2, expected=['x'], code=0),
     Command(text='false', line=6, expected=[], code=1)]
    """
    found: list[Command] = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("# ") or (not line and not (found and found[-1].expected)):
            continue
        if line.startswith("$ "):
            found.append(Command(line[2:], number))
        elif not found:
            raise ValueError(f"line {number}: output of no command")
        elif line.startswith("> ") or line == ">":
            found[-1].text += "\n" + line[2:]
        elif code := re.fullmatch(r"\[(\d+)\]", line):
            found[-1].code = int(code[1])
        else:
            found[-1].expected.append(line)
    for command in found:
        while command.expected and not command.expected[-1]:
            command.expected.pop()
    return found


def pattern(lines: Sequence[str], client: str) -> str:
    """Pure: the expected lines as a regular expression for the whole output.

    >>> bool(re.fullmatch(pattern(["a … c", "...", "1.32| old", "1.37| new"], "1.37"), "a bb c\\nx\\ny\\nnew\\n"))
    True
    >>> bool(re.fullmatch(pattern(["a", "..."], "1.37"), "a\\n")), bool(re.fullmatch(pattern(["a.c"], ""), "abc\\n"))
    (True, False)
    """
    parts = []
    for line in lines:
        only = re.match(r"(\d+(?:\.\d+)?)\| ?", line)
        if only and only[1] != client:
            continue
        wanted = narrow(line[only.end() :] if only else line)
        if wanted == "...":
            parts.append(r"(?:[^\n]*\n)*?")
        else:
            parts.append("[^\n]*".join(re.escape(part) for part in wanted.split("…")) + "\n")
    return "".join(parts)


def narrow(line: str) -> str:
    """Pure: columns two spaces apart, and none at the end; the indentation stays.

    >>> narrow("  NAME     AGE   ")
    '  NAME  AGE'
    """
    return re.sub(r"(?<=\S) {3,}", "  ", line.rstrip())


def shown(command: Command, output: str, code: int) -> str:
    """Pure: what was typed and said, for messages."""
    said = "\n".join(command.expected)
    return (
        f"line {command.line}: $ {command.text}\n--- expected, exit {command.code}\n{said}\n--- exit {code}\n{output}"
    )


def run(command: Command, client: str, folder: Path, env: Mapping[str, str]) -> str:
    """Type it: "" when what it says is what is expected, else how the two differ."""
    done = subprocess.run(
        ["bash", "-c", command.text],
        cwd=folder,
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LONGEST,
    )
    output = "\n".join(map(narrow, done.stdout.splitlines()))
    output += "\n" if output else ""
    fits = done.returncode == command.code and re.fullmatch(pattern(command.expected, client), output)
    return "" if fits else shown(command, output, done.returncode)


def run_all(text: str, client: str, folder: Path, env: Mapping[str, str]) -> list[str]:
    """What of a transcript did not come as expected; all of it is typed in any case."""
    return [found for command in parse(text) if (found := run(command, client, folder, env))]
