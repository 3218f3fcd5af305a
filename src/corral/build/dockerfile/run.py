"""Run: what RUN comes to: its process, mounts, here-documents. Pure."""

from __future__ import annotations

import posixpath

from corral.build.dockerfile.heredocs import file_name, parse_heredoc
from corral.build.dockerfile.instructions import Run
from corral.build.dockerfile.metadata import in_shell
from corral.build.dockerfile.mounts import MountFlag, parse_mount
from corral.build.dockerfile.origins import mount_origin, stage_number
from corral.build.dockerfile.texts import plain_list, quote
from corral.build.dockerfile.turn import Evaluated, StageState, Turn, environment_list, visible
from corral.build.ops import InlineFile, RunMount, RunOp
from corral.build.request import BuildFailed
from corral.kit.paths import clean, join

_PIPES = "/dev/pipes/"


def run(turn: Turn, found: Run) -> Evaluated:
    mounts = [_mount(turn, parse_mount(text, turn.expand)) for text in found.mounts]
    words, files = _script(found)
    argv = in_shell(turn, words) if found.command.shell else words
    environment = turn.state.environment
    sockets = [mount for mount in mounts if mount.kind == "ssh"]
    for number, mount in enumerate(sockets):
        mount.target = mount.target or f"/run/buildkit/ssh_agent.{number}"
    if sockets and "SSH_AUTH_SOCK" not in environment:
        environment = environment | {"SSH_AUTH_SOCK": sockets[0].target}
    op = RunOp(
        argv=argv,
        environment=environment_list(environment),
        arguments=[name for name in turn.state.arguments if name in turn.state.environment],
        proxies=[entry for entry in turn.plan.proxies if entry.partition("=")[0] not in environment],
        user=turn.config.user,
        workdir=turn.config.workdir or "/",
        mounts=mounts,
        network=found.network,
        insecure=found.security == "insecure",
        hostname=turn.plan.given.get("BUILDKIT_SANDBOX_HOSTNAME", ""),
        files=files,
    )
    return turn.done(f"RUN {_history(argv, turn.state)} # buildkit", op, _shown(turn, found, mounts))


def _script(found: Run) -> tuple[list[str], list[InlineFile]]:
    """The words, and the files beside them.

    An instruction that is one here-document is a script: for the shell, or, if it says `#!`, a program of its own.
    One that begins with a command goes to the shell with all its here-documents.
    """
    words = found.command.words
    if not found.heredocs:
        return words, []
    if len(words) != 1 or not found.command.shell:
        raise BuildFailed(f"parsing produced an invalid run command: {plain_list(words)}")
    first = found.heredocs[0]
    if not parse_heredoc(words[0]):
        return [words[0] + "".join(f"\n{heredoc.content}{heredoc.name}" for heredoc in found.heredocs)], []
    if first.text.startswith("#!"):
        name = file_name(first.name)
        return [_PIPES + name], [InlineFile(name, first.text)]
    return [first.text], []


def _history(argv: list[str], state: StageState) -> str:
    """
    >>> _history(["/bin/sh", "-c", "make"], StageState(arguments={"a": "1"}, environment={"a": "2"}))
    '|1 a=2 /bin/sh -c make'
    """
    arguments = [f"{name}={state.environment.get(name, value or '')}" for name, value in state.arguments.items()]
    return " ".join([f"|{len(arguments)}", *arguments, *argv] if arguments else argv)


def _shown(turn: Turn, found: Run, mounts: list[RunMount]) -> str:
    """Secrets in the environment show as stars, here-documents with their first line."""
    text = found.text
    if found.heredocs and parse_heredoc(found.command.words[0]):
        lines = found.heredocs[0].content.strip().splitlines() or [""]
        text += f" ({lines[0]}{'...' if len(lines) > 1 else ''})"
    masked = {mount.env: "****" for mount in mounts if mount.env}
    rules = turn.plan.rules._replace(raw_quotes=True, keep_unset=True)
    return visible(text, turn.state.environment | masked, rules)


def _mount(turn: Turn, flag: MountFlag) -> RunMount:
    found = RunMount(
        kind=flag.kind,
        target=flag.target,
        source=flag.source,
        id=flag.id,
        read_only=bool(flag.read_only),
        required=flag.required,
        sharing=flag.sharing or "shared",
        mode=flag.mode,
        uid=flag.uid or 0,
        gid=flag.gid or 0,
        size=flag.size,
    )
    if flag.kind == "secret":
        _secret(turn, flag, found)
    elif flag.kind == "ssh":
        _ssh(turn, flag, found)
    else:
        _files(turn, flag, found)
    return found


def _secret(turn: Turn, flag: MountFlag, found: RunMount) -> None:
    """As a file below /run/secrets, unless it says where, or that it is a variable."""
    found.id = flag.source or flag.id or posixpath.basename(clean(flag.target))
    found.source = ""
    if flag.env is not None:
        found.env = flag.env or found.id
    elif not flag.target:
        found.target = f"/run/secrets/{posixpath.basename(clean(found.id))}"
    found.target = found.target and _absolute(turn, found.target)


def _ssh(turn: Turn, flag: MountFlag, found: RunMount) -> None:
    if flag.source:
        raise BuildFailed("ssh does not support source")
    found.id = flag.id or "default"
    found.target = flag.target and _absolute(turn, flag.target)


def _files(turn: Turn, flag: MountFlag, found: RunMount) -> None:
    if flag.origin and flag.kind != "tmpfs":
        found.origin = mount_origin(turn.plan.names, flag.origin)
        number = stage_number(found.origin)
        if number is not None and number >= turn.state.number:
            raise BuildFailed(
                f"cannot mount from stage {quote(flag.origin)} to {quote(flag.target)}, stage needs to be defined "
                "before current command"
            )
    if flag.kind == "cache":
        space = turn.plan.given.get("BUILDKIT_CACHE_MOUNT_NS", "")
        found.id = (f"{space}/" if space else "") + (flag.id or clean(flag.target))
    found.target = _absolute(turn, flag.target)
    if found.target == "/":
        raise BuildFailed(f"invalid mount target {quote(found.target)}")


def _absolute(turn: Turn, path: str) -> str:
    return clean(path) if path.startswith("/") else join("/", turn.config.workdir, path)
