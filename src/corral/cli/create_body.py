"""What `run` and `create` ask the daemon for, made of the command line. The decision is `plan_create`."""

from __future__ import annotations

import os

from corral.cli.create_options import FLAGS, HOST, MANY, ONE
from corral.cli.create_words import parse_mount, parse_port, port_range, put, restart_policy
from corral.cli.fail import Failure
from corral.cli.things import label_pairs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from corral.cli.options import Parsed

    Read = Callable[[str], str]


def plan_create(options: Parsed, environ: Mapping[str, str], read: Read) -> dict[str, Any]:
    """The body of POST /containers/create. Pure but for `read`, which reads a file named on the command line.

    `run -e A=1 -m 512m box sleep 9` is {"Image": "box", "Cmd": ["sleep", "9"], "Env": ["A=1"],
    "HostConfig": {"Memory": 536870912}, …}. Raises Failure with code 125.
    """
    body: dict[str, Any] = {"Image": options.args[0], HOST.rstrip("."): {}}
    if options.args[1:]:
        body["Cmd"] = options.args[1:]
    _plain(options, body)
    env = environment(options, environ, read)
    if env:
        body["Env"] = env
    labels = [line for path in options.list("label-file") for line in _lines(read(path))] + options.list("label")
    if labels:
        body["Labels"] = label_pairs(labels)
    if options.has("entrypoint"):
        body["Entrypoint"] = [options.text("entrypoint")]
    _ports(options, body)
    _network(options, body)
    _health(options, body)
    if options.has("mount"):
        put(body, HOST + "Mounts", [parse_mount(word) for word in options.list("mount")])
    _volumes(body)
    if options.has("restart"):
        put(body, HOST + "RestartPolicy", restart_policy(options.text("restart")))
    if options.has("security-opt"):
        put(body, HOST + "SecurityOpt", [security_option(word, read) for word in options.list("security-opt")])
    return body


def _plain(options: Parsed, body: dict[str, Any]) -> None:
    for key in options.values:
        if key in FLAGS:
            put(body, FLAGS[key][1], options.on(key))
            continue
        words: Any = options.text(key) if key in ONE else options.list(key)
        entry: Any = ONE.get(key) or MANY.get(key)
        if entry is None:
            continue
        try:
            put(body, entry[1], entry[2](words))
        except ValueError:
            raise Failure(f'invalid argument "{words if key in ONE else words[-1]}" for "--{key}" flag', 125) from None


def _lines(content: str) -> list[str]:
    return [line.lstrip() for line in content.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def environment(options: Parsed, environ: Mapping[str, str], read: Read) -> list[str]:
    """Files first, then options; a bare name takes its value from `environ`, and is left out if it has none."""
    words = [line for path in options.list("env-file") for line in _lines(read(path))] + options.list("env")
    found = []
    for word in words:
        if word.startswith("=") or not word:
            raise Failure(f"invalid environment variable: {word}", 125)
        if "=" in word:
            found.append(word)
        elif word in environ:
            found.append(f"{word}={environ[word]}")
    return found


def _ports(options: Parsed, body: dict[str, Any]) -> None:
    bindings: dict[str, list[dict[str, str]]] = {}
    for words in options.list("publish"):
        for key, binding in parse_port(words):
            bindings.setdefault(key, []).append(binding)
    exposed = dict.fromkeys(bindings)
    for words in options.list("expose"):
        ports, _, protocol = words.partition("/")
        first, last = port_range(ports, words)
        exposed.update(dict.fromkeys(f"{n}/{protocol or 'tcp'}" for n in range(first, last + 1)))
    if exposed:
        body["ExposedPorts"] = {key: {} for key in exposed}
    if bindings:
        put(body, HOST + "PortBindings", bindings)


def _network(options: Parsed, body: dict[str, Any]) -> None:
    names = options.list("network") + options.list("net")
    endpoint: dict[str, Any] = {}
    for key, place in (("ip", "IPv4Address"), ("ip6", "IPv6Address")):
        if options.has(key):
            endpoint.setdefault("IPAMConfig", {})[place] = options.text(key)
    if options.has("network-alias"):
        endpoint["Aliases"] = options.list("network-alias")
    if options.has("mac-address"):
        body["MacAddress"] = endpoint["MacAddress"] = options.text("mac-address")
    if names:
        put(body, HOST + "NetworkMode", names[0])
    if endpoint or len(names) > 1:
        first, *others = names or ["default"]
        body["NetworkingConfig"] = {"EndpointsConfig": {first: endpoint, **{name: {} for name in others}}}


def _health(options: Parsed, body: dict[str, Any]) -> None:
    if options.on("no-healthcheck"):
        if "Healthcheck" in body or options.has("health-cmd"):
            raise Failure("--no-healthcheck conflicts with --health-* options", 125)
        body["Healthcheck"] = {"Test": ["NONE"]}
    elif options.has("health-cmd"):
        put(body, "Healthcheck.Test", ["CMD-SHELL", options.text("health-cmd")])


def _volumes(body: dict[str, Any]) -> None:
    """`-v TARGET` alone is an anonymous volume; a relative source is a directory below the current one."""
    binds = body[HOST.rstrip(".")].get("Binds", [])
    named = [word for word in binds if ":" in word]
    if len(named) < len(binds):
        body["Volumes"] = {word: {} for word in binds if ":" not in word}
    if binds:
        put(body, HOST + "Binds", [_absolute(word) for word in named])


def _absolute(bind: str) -> str:
    source, _, rest = bind.partition(":")
    if source in (".", "..") or source.startswith(("./", "../")):
        return f"{os.path.abspath(source)}:{rest}"
    if source.startswith("~/"):
        return f"{os.path.expanduser(source)}:{rest}"
    return bind


def security_option(word: str, read: Read) -> str:
    """A seccomp profile is sent as its text: the daemon does not read the caller's files."""
    name, equals, value = word.partition("=")
    if name == "seccomp" and equals and value not in ("unconfined", "builtin"):
        return f"seccomp={read(value)}"
    return word


def read_file(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"open {path}: {getattr(error, 'strerror', '') or error}".lower(), 125) from None
