"""Parse: a Dockerfile's text into instructions. Pure.

Errors carry the lines they are about; `corral.build.excerpt` shows them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from corral.build.dockerfile import instructions as kinds
from corral.build.dockerfile.directives import Directives, parse_directives
from corral.build.dockerfile.drafts import Draft, read_draft
from corral.build.dockerfile.flags import Flags, Kind, parse_flags
from corral.build.dockerfile.healthcheck import parse_healthcheck
from corral.build.dockerfile.heredocs import Heredoc, parse_heredoc
from corral.build.dockerfile.instructions import CommandLine, Instruction
from corral.build.dockerfile.lines import join_lines, split_lines
from corral.build.dockerfile.mounts import check_mount
from corral.build.dockerfile.suggest import did_you_mean
from corral.build.dockerfile.texts import quote
from corral.build.dockerfile.words import Pair
from corral.build.ops import Span
from corral.build.request import BuildFailed
from corral.model.container import Struct

_COPY_FLAGS: dict[str, Kind] = {"chown": "text", "chmod": "text", "link": "bool", "exclude": "texts"}
_COPY_ONLY: dict[str, Kind] = {"from": "text", "parents": "bool"}
_ADD_ONLY: dict[str, Kind] = {"keep-git-dir": "bool", "checksum": "text", "unpack": "bool"}
_STAGE_NAME = re.compile(r"[a-z][a-z0-9-_.]*")
_ONBUILD = re.compile(r"\s*ONBUILD\s*", re.IGNORECASE)


class Parsed(Struct):
    """`empty_continuations` are the last lines of instructions that have blank lines inside."""

    instructions: list[Instruction]
    directives: Directives
    empty_continuations: list[int] = []


def parse(text: str) -> Parsed:
    """
    >>> [i.name for i in parse("# syntax=docker/dockerfile:1\\nFROM busybox\\nRUN make\\n").instructions]
    ['FROM', 'RUN']
    >>> parse("FROM busybox\\nRUNN make\\n")
    Traceback (most recent call last):
    corral.build.request.BuildFailed: dockerfile parse error on line 2: unknown instruction: RUNN (did you mean RUN?)
    """
    if not text:
        raise BuildFailed("the Dockerfile cannot be empty")
    lines = split_lines(text)
    directives = parse_directives(lines)
    joined = join_lines(lines, directives.escape, directives.count)
    if not joined.found:
        raise BuildFailed("file with no instructions", span=Span(len(lines), len(lines)))
    drafts = [read_draft(line, directives.escape) for line in joined.found]
    return Parsed([_parse(draft) for draft in drafts], directives, joined.empty_continuations)


def parse_trigger(expression: str, span: Span) -> Instruction:
    """An ONBUILD of the base, which is carried out where FROM stands (`span`)."""
    try:
        joined = join_lines(split_lines(expression), "\\", 0)
        if len(joined.found) != 1:
            raise BuildFailed("onbuild trigger should be a single expression")
        found = _instruction(read_draft(joined.found[0], "\\"))
        if isinstance(found, kinds.From):
            raise BuildFailed("FROM isn't allowed as an ONBUILD trigger")
    except BuildFailed as error:
        error.span = span
        raise
    found.span, found.trigger = span, True
    return found


def _parse(draft: Draft) -> Instruction:
    try:
        return _instruction(draft)
    except BuildFailed as error:
        span = draft.line.span
        raise BuildFailed(f"dockerfile parse error on line {span.first}: {error.message}", span=span) from None


def _instruction(draft: Draft) -> Instruction:
    found = _PARSERS.get(draft.kind)
    if found is None:
        names = did_you_mean(draft.name, kinds.NAMES, any_case=True)
        raise BuildFailed(f"unknown instruction: {draft.name}{names}")
    kind, parser = found
    line = draft.line
    head = {"name": draft.name, "text": line.text.strip(), "span": line.span, "comments": line.comments}
    made: Instruction = kind(**head, **parser(draft))
    return made


def _no_flags(draft: Draft) -> None:
    parse_flags(draft.flags, {})


def _one(draft: Draft) -> str:
    if len(draft.words) != 1:
        raise BuildFailed(f"{draft.kind} requires exactly one argument")
    _no_flags(draft)
    return draft.words[0]


def _some(draft: Draft) -> list[str]:
    if not draft.words:
        raise BuildFailed(f"{draft.kind} requires at least one argument")
    _no_flags(draft)
    return draft.words


def _from(draft: Draft) -> dict[str, Any]:
    words = draft.words
    stage = ""
    if len(words) == 3 and words[1].lower() == "as":
        stage = words[2].lower()
        if not _STAGE_NAME.fullmatch(stage):
            raise BuildFailed(
                f"invalid name for build stage: {quote(words[2])}, name can't start with a number or contain symbols"
            )
    elif len(words) != 1:
        raise BuildFailed("FROM requires either one or three arguments")
    platform = parse_flags(draft.flags, {"platform": "text"}).text("platform")
    keyword, written = words[1:] or ("", "")
    return {"base": words[0], "stage": stage, "platform": platform, "keyword": keyword, "written": written}


def _arg(draft: Draft) -> dict[str, Any]:
    if not draft.words:
        raise BuildFailed("ARG requires at least one argument")
    names: list[tuple[str, str | None]] = []
    for word in draft.words:
        key, equals, value = word.partition("=")
        if not key:
            raise BuildFailed("ARG names can not be blank")
        names.append((key, value if equals else None))
    return {"names": names}


def _pairs(draft: Draft) -> dict[str, list[Pair]]:
    _no_flags(draft)
    if not draft.pairs:
        raise BuildFailed(f"{draft.kind} requires at least one argument")
    if not all(pair.key for pair in draft.pairs):
        raise BuildFailed(f"{draft.kind} names can not be blank")
    return {"pairs": draft.pairs}


def _command(draft: Draft) -> CommandLine:
    return CommandLine(draft.words, not draft.json)


def _run(draft: Draft) -> dict[str, Any]:
    flags = parse_flags(draft.flags, {"mount": "texts", "network": "text", "security": "text", "device": "texts"})
    if "device" in flags:
        raise BuildFailed("RUN --device is not supported: builds have no CDI devices")
    for mount in flags.texts("mount"):
        check_mount(mount)
    network, security = flags.text("network", "default"), flags.text("security", "sandbox")
    if network not in ("default", "none", "host"):
        raise BuildFailed(f"invalid network mode {quote(network)}")
    if security not in ("sandbox", "insecure"):
        raise BuildFailed(f"security {quote(security)} is not valid")
    return {
        "command": _command(draft), "heredocs": draft.line.heredocs, "mounts": flags.texts("mount"),
        "network": network, "security": security,
    }  # fmt: skip


def _cmd(draft: Draft) -> dict[str, CommandLine]:
    _no_flags(draft)
    return {"command": _command(draft)}


def _copy(draft: Draft) -> dict[str, Any]:
    add = draft.kind == "ADD"
    if len(draft.words) < 2:
        raise BuildFailed(
            f"{draft.kind} requires at least two arguments, but only one was provided. "
            "Destination could not be determined"
        )
    flags = parse_flags(draft.flags, _COPY_FLAGS | (_ADD_ONLY if add else _COPY_ONLY))
    sources, heredocs = _sources(draft)
    return {
        "sources": sources, "target": draft.words[-1], "add": add, "origin": flags.text("from"), "heredocs": heredocs,
        **_owner(flags), "link": flags.true("link"), "parents": flags.true("parents"),
        "exclude": flags.texts("exclude"), "checksum": flags.text("checksum"),
        "keep_git_dir": flags.maybe("keep-git-dir"), "unpack": flags.maybe("unpack"),
    }  # fmt: skip


def _owner(flags: Flags) -> dict[str, str]:
    return {"chown": flags.text("chown"), "chmod": flags.text("chmod")}


def _sources(draft: Draft) -> tuple[list[str], list[Heredoc]]:
    """Paths, and here-documents with their content."""
    if parse_heredoc(draft.words[-1]):
        raise BuildFailed(f"{draft.kind} cannot accept a heredoc as a destination")
    contents = {heredoc.name: heredoc.content for heredoc in draft.line.heredocs}
    paths: list[str] = []
    heredocs: list[Heredoc] = []
    for word in draft.words[:-1]:
        if heredoc := parse_heredoc(word):
            heredocs.append(heredoc._replace(content=contents.get(heredoc.name, "")))
        else:
            paths.append(word)
    return paths, heredocs


def _volume(draft: Draft) -> dict[str, list[str]]:
    paths = [path.strip() for path in _some(draft)]
    if not all(paths):
        raise BuildFailed("VOLUME specified can not be an empty string")
    return {"paths": paths}


def _shell(draft: Draft) -> dict[str, list[str]]:
    _no_flags(draft)
    if not draft.words:
        raise BuildFailed("SHELL requires at least one argument")
    if not draft.json:
        raise BuildFailed("SHELL requires the arguments to be in JSON form")
    return {"words": draft.words}


def _stop_signal(draft: Draft) -> dict[str, str]:
    if len(draft.words) != 1:
        raise BuildFailed("STOPSIGNAL requires exactly one argument")
    return {"signal": draft.words[0]}


def _on_build(draft: Draft) -> dict[str, str]:
    first = _some(draft)[0].upper()
    if first == "ONBUILD":
        raise BuildFailed("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")
    if first in ("MAINTAINER", "FROM"):
        raise BuildFailed(f"{first} isn't allowed as an ONBUILD trigger")
    expression = _ONBUILD.sub("", draft.line.text, count=1)
    return {"expression": expression + "".join(f"\n{h.content}{h.name}" for h in draft.line.heredocs)}


_Parser = Callable[[Draft], dict[str, Any]]
_PARSERS: dict[str, tuple[Callable[..., Instruction], _Parser]] = {
    "FROM": (kinds.From, _from),
    "ARG": (kinds.Arg, _arg),
    "ENV": (kinds.Env, _pairs),
    "LABEL": (kinds.Label, _pairs),
    "RUN": (kinds.Run, _run),
    "CMD": (kinds.Cmd, _cmd),
    "ENTRYPOINT": (kinds.Entrypoint, _cmd),
    "COPY": (kinds.Copy, _copy),
    "ADD": (kinds.Copy, _copy),
    "WORKDIR": (kinds.Workdir, lambda draft: {"path": _one(draft)}),
    "USER": (kinds.User, lambda draft: {"user": _one(draft)}),
    "EXPOSE": (kinds.Expose, lambda draft: {"ports": sorted(_some(draft))}),
    "VOLUME": (kinds.Volume, _volume),
    "STOPSIGNAL": (kinds.StopSignal, _stop_signal),
    "HEALTHCHECK": (kinds.Healthcheck, lambda draft: {"check": parse_healthcheck(draft)}),
    "SHELL": (kinds.Shell, _shell),
    "ONBUILD": (kinds.OnBuild, _on_build),
    "MAINTAINER": (kinds.Maintainer, lambda draft: {"author": _one(draft)}),
}
