"""Questions: what a client asks about a Dockerfile instead of building it (`docker build --call`, `--check`)."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from corral.api.buildkit.asked import Asked
from corral.api.buildkit.asking import Asking
from corral.api.buildkit.failure import grpc_error, unsupported_question
from corral.api.buildkit.progress import Progress, place
from corral.build.dockerfile import parse
from corral.build.dockerfile.instructions import From
from corral.build.dockerfile.lint import Violation
from corral.build.events import Telling
from corral.build.frontend import Source
from corral.build.ops import Warning
from corral.build.request import BuildFailed, Warned
from corral.errors import CorralError

if TYPE_CHECKING:
    from corral.api.buildkit.serving import BuildKit
    from corral.api.buildkit.solving import Solve

DESCRIBE: Final = "frontend.subrequests.describe"
LINT: Final = "frontend.lint"
TARGETS: Final = "frontend.targets"
KNOWN: Final = {
    TARGETS: "List all targets current build supports",
    LINT: "Lint a Dockerfile",
    DESCRIBE: "List available subrequest types",
}
VERSION: Final = "1.0.0"


async def answer(kit: BuildKit, solve: Solve, asked: Asked) -> dict[str, bytes]:
    """The result's metadata. GrpcError for a question that is not known, CorralError."""
    if asked.question == DESCRIBE:
        return describe()
    if asked.question == LINT:
        return await _lint(kit, solve, asked)
    if asked.question == TARGETS:
        return await _targets(kit, solve, asked)
    raise unsupported_question(asked.question)


def describe() -> dict[str, bytes]:
    """Pure: which questions are answered.

    >>> print(describe()["result.txt"].decode(), end="")
    NAME                 VERSION DESCRIPTION
    targets              1.0.0   List all targets current build supports
    lint                 1.0.0   Lint a Dockerfile
    subrequests.describe 1.0.0   List available subrequest types
    """
    rows = [(name.removeprefix("frontend."), VERSION, text) for name, text in KNOWN.items()]
    text = table([("NAME", "VERSION", "DESCRIPTION"), *rows])
    results = [{"name": "result.json"}, {"name": "result.txt"}]
    found = [
        {"name": name, "version": VERSION, "type": "rpc", "description": what, "opts": [], "metadata": results}
        for name, what in KNOWN.items()
    ]
    return {"result.json": _json(found), "result.txt": text.encode(), "version": VERSION.encode()}


def table(rows: Sequence[Sequence[str]]) -> str:
    """Pure: columns, a blank between them.

    >>> table([("A", "B"), ("long", "x")])
    'A    B\\nlong x\\n'
    """
    widths = [max(map(len, column)) for column in list(zip(*rows, strict=True))[:-1]]
    return "".join(
        "".join(f"{word:{width}} " for word, width in zip(row, widths, strict=False)) + row[-1] + "\n" for row in rows
    )


async def _targets(kit: BuildKit, solve: Solve, asked: Asked) -> dict[str, bytes]:
    async with Asking(kit, await solve.session(), asked) as client:
        try:
            return plan_targets(await client.dockerfile(Telling()))
        except CorralError as failed:
            raise grpc_error(failed, client.source) from failed


def plan_targets(source: Source) -> dict[str, bytes]:
    """Pure: the stages, in BuildKit's form, each described by a comment above it that begins with its name.

    >>> found = plan_targets(Source("Dockerfile", "# b runs it\\nFROM a AS b\\n"))
    >>> print(found["result.txt"].decode(), end="")
    TARGET      DESCRIPTION
    b (default) runs it
    """
    heads = [one for one in parse(source.text).instructions if isinstance(one, From)]
    targets = [_target(one, one is heads[-1]) for one in heads]
    rows = [(_shown(one), str(one.get("description", ""))) for one in targets]
    data = base64.b64encode(source.text.encode(errors="replace")).decode()
    return {
        "result.json": _json({"targets": targets, "sources": [data]}),
        "result.txt": table([("TARGET", "DESCRIPTION"), *rows]).encode(),
        "version": VERSION.encode(),
    }


def _target(head: From, last: bool) -> dict[str, Any]:
    words = (comment.lstrip("# ") for comment in head.comments)
    about = next(
        (word[len(head.stage) + 1 :] for word in words if head.stage and word.startswith(f"{head.stage} ")), ""
    )
    found = {"name": head.stage, "default": last, "description": about, "base": head.base, "platform": head.platform}
    return {name: value for name, value in found.items() if value} | {"location": {"ranges": [place(head.span)]}}


def _shown(target: dict[str, Any]) -> str:
    return " ".join(filter(None, (target.get("name", ""), "(default)" if target.get("default") else "")))


async def _lint(kit: BuildKit, solve: Solve, asked: Asked) -> dict[str, bytes]:
    """What the rules say, and what would keep it from being built."""
    wanted = replace(asked.request, check_only=True)
    progress, warnings = Progress(f"{solve.ref} lint", []), []
    error: BuildFailed | None = None
    async with Asking(kit, await solve.session(), asked) as client:
        try:
            async with aclosing(kit.builder.build(wanted, client)) as events:
                async for event in events:
                    if isinstance(event, Warned):
                        warnings.append(event.warning)
                    elif (shown := progress.take(event, kit.now())) is not None:
                        solve.feed.put(shown)
        except BuildFailed as failed:
            if failed.span is None and not isinstance(failed, Violation):
                raise grpc_error(failed, client.source) from failed
            error = failed
        except CorralError as failed:
            raise grpc_error(failed, client.source) from failed
    return plan_lint(client.source, warnings, error)


def plan_lint(source: Source, warnings: Sequence[Warning], error: BuildFailed | None = None) -> dict[str, bytes]:
    """Pure: in BuildKit's form.

    >>> from corral.build.ops import Span
    >>> warning = Warning("Rule", "why", "u", "what", Span(1, 1), "Dockerfile:1")
    >>> found = plan_lint(Source("Dockerfile", "FROM a"), [warning])
    >>> found["result.statuscode"], found["result.txt"].decode()
    (b'1', '\\nWARNING: Rule - u\\nwhat\\nDockerfile:1')
    """
    told = [one for one in warnings if one.rule]
    info = {
        "filename": source.name,
        "data": base64.b64encode(source.text.encode(errors="replace")).decode(),
        "language": "Dockerfile",
    }
    found: dict[str, Any] = {"warnings": [_warning(one) for one in told] or None, "sources": [info]}
    if error is not None:
        where = {"location": {"ranges": [place(error.span)]}} if error.span is not None else {}
        found["buildError"] = {"message": error.message} | where
    ordered = sorted(told, key=lambda one: one.span.first)
    return {
        "result.json": _json(found),
        "result.txt": "".join(map(_text, ordered)).encode(),
        "result.statuscode": b"1" if told or error else b"0",
        "version": VERSION.encode(),
    }


def _warning(one: Warning) -> dict[str, Any]:
    return {
        "ruleName": one.rule,
        "description": one.description,
        "url": one.url,
        "detail": one.detail,
        "location": {"ranges": [place(one.span)]},
    }


def _text(one: Warning) -> str:
    return f"\nWARNING: {one.rule}{f' - {one.url}' if one.url else ''}\n{one.detail}\n{one.text}"


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=2).encode()
