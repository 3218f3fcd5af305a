"""Parsers: what the words of each instruction mean. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from corral.build.dockerfile import instructions as kinds
from corral.build.dockerfile.drafts import Draft
from corral.build.dockerfile.flags import Flags, Kind, parse_flags
from corral.build.dockerfile.healthcheck import parse_healthcheck
from corral.build.dockerfile.heredocs import Heredoc, parse_heredoc
from corral.build.dockerfile.instructions import CommandLine, Instruction
from corral.build.dockerfile.mounts import check_mount
from corral.build.dockerfile.texts import quote
from corral.build.dockerfile.words import Pair
from corral.build.request import BuildFailed

_COPY_FLAGS: dict[str, Kind] = {"chown": "text", "chmod": "text", "link": "bool", "exclude": "texts"}
_COPY_ONLY: dict[str, Kind] = {"from": "text", "parents": "bool"}
_ADD_ONLY: dict[str, Kind] = {"keep-git-dir": "bool", "checksum": "text", "unpack": "bool"}
_STAGE_NAME = re.compile(r"[a-z][a-z0-9-_.]*")
_ONBUILD = re.compile(r"\s*ONBUILD\s*", re.IGNORECASE)


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
PARSERS: dict[str, tuple[Callable[..., Instruction], _Parser]] = {
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
