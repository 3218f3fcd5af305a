"""What is said when a build has ended: where it failed, or which rules its Dockerfile breaks."""

from __future__ import annotations

from corral.cli.progress.paint import clean
from corral.cli.progress.plain import stamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from corral.cli.progress.work import Event, Work

SHOWN = 20  # lines of a failed step's output


def failure_report(work: Work | None, message: str, excerpt: str) -> str:
    """Pure: the failed step's last output, the place in the Dockerfile, the error.

    >>> from corral.cli.progress.work import Work
    >>> work = Work(1, "[2/2] RUN x", 0.0)
    >>> work.log.append((0.25, "sh: x: not found"))
    >>> print(failure_report(work, "process failed", "Dockerfile:2\\n   2 | >>> RUN x\\n"))
    ------
     > [2/2] RUN x:
    0.250 sh: x: not found
    ------
    Dockerfile:2
       2 | >>> RUN x
    <BLANKLINE>
    ERROR: failed to build: failed to solve: process failed
    """
    lines = []
    if work is not None and work.log:
        lines += ["------", f" > {clean(work.name)}:"]
        lines += [f"{stamp(at)} {clean(line)}" for at, line in work.log[-SHOWN:]]
        lines.append("------")
    if excerpt:
        lines += [excerpt.rstrip("\n"), ""]
    return "\n".join([*lines, f"ERROR: failed to build: failed to solve: {message}"])


def brief_warnings(warnings: Sequence[Event], check: str) -> str:
    """Pure: what a build says at its end of rules that were broken; `check` is what to type to see more.

    >>> print(brief_warnings([{"rule": "X", "detail": "y", "span": {"first": 3, "last": 3}}], "corral build --check"))
    <BLANKLINE>
     1 warning found (corral build --check says more):
     - X: y (line 3)
    >>> print(brief_warnings([{"rule": "", "detail": "[Warning] z"}], "corral build --check"))
    <BLANKLINE>
     1 warning found:
     - [Warning] z
    """
    if not warnings:
        return ""
    count = f"{len(warnings)} warning{'s' * (len(warnings) != 1)}"
    lines = [
        f" - {one['rule']}: {one['detail']} (line {one['span']['first']})" if one["rule"] else f" - {one['detail']}"
        for one in warnings
    ]
    more = f" ({check} says more)" if any(one["rule"] for one in warnings) else ""
    return "\n".join(["", f" {count} found{more}:", *lines])


def check_report(warnings: Sequence[Event]) -> str:
    """Pure: what `--check` prints.

    >>> print(check_report([]))
    Check complete, no warnings found.
    """
    if not warnings:
        return "Check complete, no warnings found."
    lines = []
    for one in warnings:
        lines += ["", f"WARNING: {one['rule']}{' - ' + one['url'] if one.get('url') else ''}", one["detail"]]
        lines += [one["text"].rstrip("\n")] if one.get("text") else []
    some = "1 warning has" if len(warnings) == 1 else f"{len(warnings)} warnings have"
    return "\n".join([f"Check complete, {some} been found!", *lines])
