"""Metadata: what ARG, ENV, LABEL, USER, CMD and their like make of a stage. They change no files. Pure."""

from __future__ import annotations

from corral.build.dockerfile import instructions as kinds
from corral.build.dockerfile.arguments import NOT_IN_ENVIRONMENT
from corral.build.dockerfile.instructions import CommandLine
from corral.build.dockerfile.lint import is_secret
from corral.build.dockerfile.texts import health, plain_list, quote, quoted_list
from corral.build.dockerfile.turn import Evaluated, Turn, set_variable
from corral.build.ops import WorkdirOp
from corral.build.request import BuildFailed
from corral.engine.stop import parse_stop_signal
from corral.errors import InvalidInput
from corral.kit.paths import clean, join

DEFAULT_SHELL = ("/bin/sh", "-c")


def arg(turn: Turn, found: kinds.Arg) -> Evaluated:
    shown = [_argument(turn, name, default) for name, default in found.names]
    return turn.done(f"ARG {' '.join(shown)}")


def _argument(turn: Turn, name: str, default: str | None) -> str:
    """What was given beats the default, and only without both the global scope is asked."""
    if is_secret(name):
        turn.warn("SecretsUsedInArgOrEnv", "ARG", quote(name))
    plan = turn.plan
    if name in plan.given:
        value: str | None = plan.given[name]
    elif default is not None:
        value = turn.expand(default)
    else:
        value = plan.arguments.get(name)
    if value is not None and name not in NOT_IN_ENVIRONMENT:
        turn.note(environment=turn.state.environment | {name: value})
    turn.note(arguments=turn.state.arguments | {name: value})
    return name if value is None else f"{name}={value}"


def env(turn: Turn, found: kinds.Env) -> Evaluated:
    """All values are filled in before any of the line counts."""
    pairs = [(turn.expand(pair.key), turn.expand(pair.value)) for pair in found.pairs]
    environment = turn.config.env
    for pair, (name, value) in zip(found.pairs, pairs, strict=True):
        if pair.legacy:
            turn.warn("LegacyKeyValueFormat", found.name)
        if is_secret(name):
            turn.warn("SecretsUsedInArgOrEnv", "ENV", quote(name))
        environment = set_variable(environment, name, value)
    turn.change(env=environment)
    turn.note(environment=turn.state.environment | dict(pairs))
    return turn.done("ENV " + " ".join(f"{name}={value}" for name, value in pairs))


def label(turn: Turn, found: kinds.Label) -> Evaluated:
    pairs = [(turn.expand(pair.key), turn.expand(pair.value)) for pair in found.pairs]
    for pair in found.pairs:
        if pair.legacy:
            turn.warn("LegacyKeyValueFormat", found.name)
    turn.change(labels=turn.config.labels | dict(pairs))
    return turn.done("LABEL " + " ".join(f"{name}={value}" for name, value in pairs))


def maintainer(turn: Turn, found: kinds.Maintainer) -> Evaluated:
    turn.note(author=found.author)
    return turn.done(f"MAINTAINER {found.author}")


def user(turn: Turn, found: kinds.User) -> Evaluated:
    name = turn.expand(found.user)
    turn.change(user=name)
    return turn.done(f"USER {name}")


def volume(turn: Turn, found: kinds.Volume) -> Evaluated:
    paths = [turn.expand(path) for path in found.paths]
    if not all(paths):
        raise BuildFailed("VOLUME specified can not be an empty string")
    turn.change(volumes=sorted({*turn.config.volumes, *paths}))
    return turn.done(f"VOLUME {plain_list(paths)}")


def stop_signal(turn: Turn, found: kinds.StopSignal) -> Evaluated:
    name = turn.expand(found.signal)
    try:
        parse_stop_signal(name)
    except InvalidInput as error:
        raise BuildFailed(error.message) from None
    turn.change(stop_signal=name)
    return turn.done(f"STOPSIGNAL {name}")


def shell(turn: Turn, found: kinds.Shell) -> Evaluated:
    turn.change(shell=found.words)
    return turn.done(f"SHELL {plain_list(found.words)}")


def on_build(turn: Turn, found: kinds.OnBuild) -> Evaluated:
    """Leaves no trace in the history."""
    turn.change(on_build=[*turn.config.on_build, found.expression])
    return turn.done("")


def healthcheck(turn: Turn, found: kinds.Healthcheck) -> Evaluated:
    if turn.state.health:
        turn.warn("MultipleInstructionsDisallowed", found.name, span=turn.state.health)
    turn.note(health=found.span)
    turn.change(health=found.check)
    return turn.done(f"HEALTHCHECK {health(found.check)}")


def cmd(turn: Turn, found: kinds.Cmd) -> Evaluated:
    if turn.state.cmd:
        turn.warn("MultipleInstructionsDisallowed", found.name, span=turn.state.cmd)
    turn.note(cmd=found.span)
    words = _words(turn, found.command)
    turn.change(command=words, args_escaped=True)
    return turn.done(f"CMD {quoted_list(words)}")


def entrypoint(turn: Turn, found: kinds.Entrypoint) -> Evaluated:
    """A new entry point drops the base's command, but not one of this stage. `ENTRYPOINT []` is none."""
    if turn.state.entrypoint:
        turn.warn("MultipleInstructionsDisallowed", found.name, span=turn.state.entrypoint)
    turn.note(entrypoint=found.span)
    words = _words(turn, found.command)
    turn.change(entrypoint=words or None)
    if not turn.state.cmd:
        turn.change(command=None)
    return turn.done(f"ENTRYPOINT {quoted_list(words)}")


def _words(turn: Turn, command: CommandLine) -> list[str]:
    if command.shell and not turn.config.shell:
        turn.warn("JSONArgsRecommended", turn.instruction.name)
    return in_shell(turn, command.words) if command.shell else command.words


def in_shell(turn: Turn, words: list[str]) -> list[str]:
    return [*(turn.config.shell or DEFAULT_SHELL), " ".join(words)]


def workdir(turn: Turn, found: kinds.Workdir) -> Evaluated:
    path = turn.expand(found.path)
    if not turn.state.workdir and not path.startswith("/"):
        turn.warn("WorkdirRelativePath", quote(path))
    shown = turn.shown()
    path = path if path.startswith("/") else join("/", turn.config.workdir, path)
    turn.note(workdir=True)
    turn.change(workdir=path)
    op = None if clean(path) == "/" else WorkdirOp(clean(path), turn.config.user)
    return turn.done(f"WORKDIR {path}", op, shown)
