"""Changes to an image's configuration, in the words of a Dockerfile: what import and commit take as `changes`.

CMD ["nginx"]   ENTRYPOINT run.sh   ENV A=1 B="2 3"   EXPOSE 80 53/udp   LABEL by=me   ONBUILD RUN true
USER app   VOLUME /data   WORKDIR /srv   STOPSIGNAL SIGINT   HEALTHCHECK --interval=5s CMD true
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Callable, Sequence

from msgspec import Struct

from corral.api.docker.check_config import check_health
from corral.api.docker.parts import HealthConfig
from corral.api.docker.shellwords import expand, split_words
from corral.engine.listing import expand_ports
from corral.engine.stop import parse_stop_signal
from corral.errors import InvalidInput
from corral.kit.clock import parse_duration
from corral.model.container import HealthCheck
from corral.model.image import ImageConfig


class _Draft(Struct):
    """The configuration so far, and whether these changes themselves have set the command."""

    config: ImageConfig
    command_set: bool = False

    @property
    def variables(self) -> dict[str, str]:
        pairs = (entry.partition("=") for entry in self.config.env)
        return {name: value for name, _, value in pairs}


def apply_changes(config: ImageConfig, changes: Sequence[str]) -> ImageConfig:
    """Pure: a new configuration; the given one stays as it is. InvalidInput names the instruction that is wrong.

    >>> config = apply_changes(ImageConfig(env=["A=1"]), ["ENV B=$A", "CMD echo hi", 'ENTRYPOINT ["sh"]', "EXPOSE 80"])
    >>> config.env, config.command, config.entrypoint, config.exposed_ports
    (['A=1', 'B=1'], ['/bin/sh', '-c', 'echo hi'], ['sh'], ['80/tcp'])
    >>> apply_changes(ImageConfig(), ["RUN true"])
    Traceback (most recent call last):
        ...
    corral.errors.InvalidInput: RUN is not a valid change command
    """
    instructions = [_split(line) for line in logical_lines("\n".join(changes))]
    for word, _ in instructions:
        if word.lower() not in INSTRUCTIONS:
            raise InvalidInput(f"{word} is not a valid change command")
    draft = _Draft(_copy(config))
    for word, rest in instructions:
        if not rest:
            raise InvalidInput(f"{word.upper()} requires at least one argument")
        INSTRUCTIONS[word.lower()](draft, rest)
    return draft.config


def _copy(config: ImageConfig) -> ImageConfig:
    """Lists and dictionaries are replaced below, never changed: a shallow copy is enough."""
    return ImageConfig(**{name: getattr(config, name) for name in ImageConfig.__struct_fields__})


def logical_lines(text: str) -> list[str]:
    """Pure: without comments and empty lines, those that end in a backslash joined with the next.

    >>> logical_lines("# no\\nENV a=1 \\\\\\n  b=2\\n\\nUSER me")
    ['ENV a=1   b=2', 'USER me']
    """
    lines, kept = [], ""
    for line in text.split("\n"):
        if line.lstrip().startswith("#") or (not line.strip() and not kept):
            continue
        if line.rstrip().endswith("\\"):
            kept += line.rstrip()[:-1]
            continue
        lines.append((kept + line).strip())
        kept = ""
    return [line for line in [*lines, kept.strip()] if line]


def _split(line: str) -> tuple[str, str]:
    word, *rest = line.split(None, 1)
    return word, rest[0].strip() if rest else ""


def _list_or_none(text: str) -> list[str] | None:
    """A JSON list of strings, or None for what is to be read otherwise."""
    try:
        given = json.loads(text) if text.startswith("[") else None
    except ValueError:
        return None
    return given if isinstance(given, list) and all(isinstance(word, str) for word in given) else None


def _command_line(draft: _Draft, text: str) -> list[str]:
    words = _list_or_none(text)
    return words if words is not None else [*(draft.config.shell or ["/bin/sh", "-c"]), text]


def _cmd(draft: _Draft, text: str) -> None:
    draft.config.command = _command_line(draft, text)
    draft.command_set = True


def _entrypoint(draft: _Draft, text: str) -> None:
    """A new entrypoint drops the command that was meant for the old one."""
    draft.config.entrypoint = _command_line(draft, text)
    if not draft.command_set:
        draft.config.command = None


def _pairs(draft: _Draft, text: str, what: str) -> list[tuple[str, str]]:
    """ "a=1 b=2", or the older "a 1 2" that sets one."""
    words = split_words(text)
    if "=" not in words[0]:
        name, value = _split(text)
        if not value:
            raise InvalidInput(f"{what} must have two arguments")
        return [(expand(name, draft.variables), expand(value, draft.variables))]
    pairs = []
    for word in words:
        name, given, value = word.partition("=")
        if not given:
            raise InvalidInput(f'Syntax error - can\'t find = in "{word}". Must be of the form: name=value')
        if not name:
            raise InvalidInput(f"{what} names can not be blank")
        pairs.append((expand(name, draft.variables), expand(value, draft.variables)))
    return pairs


def _env(draft: _Draft, text: str) -> None:
    values = draft.variables | dict(_pairs(draft, text, "ENV"))
    draft.config.env = [f"{name}={value}" for name, value in values.items()]


def _label(draft: _Draft, text: str) -> None:
    draft.config.labels = draft.config.labels | dict(_pairs(draft, text, "LABEL"))


def _expose(draft: _Draft, text: str) -> None:
    ports = list(draft.config.exposed_ports)
    for word in split_words(text):
        port = expand(word, draft.variables)
        number, _, protocol = port.partition("/")
        if protocol.lower() not in ("", "tcp", "udp", "sctp"):
            raise InvalidInput(f"invalid proto: {protocol}")
        try:
            found = expand_ports(f"{number}/{protocol.lower()}")
        except ValueError:
            raise InvalidInput(f"invalid containerPort: {number}") from None
        ports += [f"{value}/{kind}" for value, kind in found]
    draft.config.exposed_ports = list(dict.fromkeys(ports))


def _user(draft: _Draft, text: str) -> None:
    draft.config.user = expand(text, draft.variables)


def _volume(draft: _Draft, text: str) -> None:
    listed = _list_or_none(text)
    places = [expand(word, draft.variables) for word in (split_words(text) if listed is None else listed)]
    if not all(places):
        raise InvalidInput("VOLUME specified can not be an empty string")
    draft.config.volumes = list(dict.fromkeys([*draft.config.volumes, *places]))


def _workdir(draft: _Draft, text: str) -> None:
    """A relative one goes on from the one before."""
    path = posixpath.join("/", draft.config.workdir, expand(text, draft.variables))
    draft.config.workdir = "/" + posixpath.normpath(path).lstrip("/")


def _stop_signal(draft: _Draft, text: str) -> None:
    signal = expand(text, draft.variables)
    parse_stop_signal(signal)
    draft.config.stop_signal = signal


def _on_build(draft: _Draft, text: str) -> None:
    word = _split(text)[0].upper()
    if word == "ONBUILD":
        raise InvalidInput("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")
    if word in ("MAINTAINER", "FROM"):
        raise InvalidInput(f"{word} isn't allowed as an ONBUILD trigger")
    draft.config.on_build = [*draft.config.on_build, text]


_FLAG = re.compile(r"--([a-z-]+)=(\S*)\s*")
_DURATIONS = ("interval", "timeout", "start-period", "start-interval")


def _healthcheck(draft: _Draft, text: str) -> None:
    flags: dict[str, str] = {}
    while found := _FLAG.match(text):
        flags[found[1]] = found[2]
        text = text[found.end() :]
    for name in flags:
        if name not in (*_DURATIONS, "retries"):
            raise InvalidInput(f"unknown flag: {name}")
    word, rest = _split(text) if text else ("", "")
    if word.upper() == "NONE":
        if rest or flags:
            raise InvalidInput("HEALTHCHECK NONE takes no arguments")
        draft.config.health = HealthCheck(["NONE"])
        return
    if word.upper() != "CMD" or not rest:
        raise InvalidInput("Missing command after HEALTHCHECK CMD" if word else "HEALTHCHECK requires CMD or NONE")
    listed = _list_or_none(rest)
    check = HealthCheck(["CMD-SHELL", rest] if listed is None else ["CMD", *listed])
    for name in _DURATIONS:
        if name in flags:
            setattr(check, name.replace("-", "_"), _duration(name, flags[name]))
    check.retries = _retries(flags.get("retries", "0"))
    draft.config.health = check


def _duration(name: str, text: str) -> int:
    try:
        value = parse_duration(text)
    except ValueError as error:
        raise InvalidInput(str(error)) from None
    if value < 0:
        raise InvalidInput(f'Interval "{name}" cannot be negative')
    check_health(HealthConfig(Interval=value))
    return value


def _retries(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,6}", text):
        raise InvalidInput(f"--retries must be at least 1 (not {text})")
    return int(text)


INSTRUCTIONS: dict[str, Callable[[_Draft, str], None]] = {
    "cmd": _cmd,
    "entrypoint": _entrypoint,
    "env": _env,
    "expose": _expose,
    "healthcheck": _healthcheck,
    "label": _label,
    "onbuild": _on_build,
    "stopsignal": _stop_signal,
    "user": _user,
    "volume": _volume,
    "workdir": _workdir,
}
