"""What `run` and `create` ask the daemon for, made of the command line. The decision is `plan_create`."""

from __future__ import annotations

import os

from corral.cli.create_options import FLAGS, HOST, MANY, ONE
from corral.cli.fail import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from corral.cli.options import Parsed

    Read = Callable[[str], str]


def put(body: dict[str, Any], place: str, value: object) -> None:
    """
    >>> b = {}; put(b, "HostConfig.LogConfig.Type", "none"); b
    {'HostConfig': {'LogConfig': {'Type': 'none'}}}
    """
    *folders, last = place.split(".")
    for folder in folders:
        body = body.setdefault(folder, {})
    body[last] = value


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
        body["Labels"] = {k: v for k, _, v in (word.partition("=") for word in labels)}
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


def port_range(words: str, whole: str) -> tuple[int, int]:
    first, _, last = words.partition("-")
    if not first.isdigit() or not (last or first).isdigit() or not 0 <= int(first) <= int(last or first) <= 65535:
        raise Failure(f"invalid containerPort: {whole}", 125)
    return int(first), int(last or first)


def parse_port(words: str) -> list[tuple[str, dict[str, str]]]:
    """One `--publish`: (port/protocol, binding) for each port of its range. Pure.

    >>> parse_port("127.0.0.1:8080:80")
    [('80/tcp', {'HostIp': '127.0.0.1', 'HostPort': '8080'})]
    >>> [key for key, _ in parse_port("53-54/udp")]
    ['53/udp', '54/udp']
    >>> parse_port("[::1]::80")[0][1], parse_port("9000-9001:80")[0][1]
    ({'HostIp': '::1', 'HostPort': ''}, {'HostIp': '', 'HostPort': '9000-9001'})
    """
    rest, _, protocol = words.partition("/")
    rest, _, inside = rest.rpartition(":")
    address, _, outside = rest.rpartition(":") if "]" not in rest or rest[-1] != "]" else (rest, "", "")
    first, last = port_range(inside, words)
    host_first, host_last = port_range(outside, words) if outside else (0, 0)
    count = last - first + 1
    if outside and count > 1 and host_last - host_first + 1 != count:
        raise Failure(f"invalid ranges specified for container and host Ports: {inside} and {outside}", 125)
    found = []
    for n in range(count):
        host = outside if count == 1 else str(host_first + n) if outside else ""
        found.append((f"{first + n}/{protocol or 'tcp'}", {"HostIp": address.strip("[]"), "HostPort": host}))
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


MOUNT_KEYS: dict[str, str] = {
    "type": "Type",
    "source": "Source",
    "src": "Source",
    "target": "Target",
    "dst": "Target",
    "destination": "Target",
    "consistency": "Consistency",
    "bind-propagation": "BindOptions.Propagation",
    "volume-driver": "VolumeOptions.DriverConfig.Name",
    "volume-subpath": "VolumeOptions.Subpath",
    "image-subpath": "ImageOptions.Subpath",
}


def parse_mount(words: str) -> dict[str, Any]:
    """One `--mount`. Pure.

    >>> parse_mount("type=bind,src=/a,dst=/b,readonly")
    {'Type': 'bind', 'Source': '/a', 'Target': '/b', 'ReadOnly': True}
    """
    from corral.cli.render import parse_size

    mount: dict[str, Any] = {"Type": "volume"}
    for word in words.split(","):
        key, equals, value = word.partition("=")
        key = key.strip().lower()
        if key in ("readonly", "ro"):
            mount["ReadOnly"] = value.lower() in ("", "true", "1")
        elif key == "volume-nocopy":
            put(mount, "VolumeOptions.NoCopy", value.lower() in ("", "true", "1"))
        elif key in ("volume-label", "volume-opt"):
            name, _, content = value.partition("=")
            place = "Labels" if key == "volume-label" else "DriverConfig"
            options = mount.setdefault("VolumeOptions", {}).setdefault(place, {})
            (options if key == "volume-label" else options.setdefault("Options", {}))[name] = content
        elif key == "bind-recursive":
            put(mount, "BindOptions.NonRecursive", value == "disabled")
            put(mount, "BindOptions.ReadOnlyNonRecursive", value == "writable")
            put(mount, "BindOptions.ReadOnlyForceRecursive", value == "readonly")
        elif key == "tmpfs-size":
            put(mount, "TmpfsOptions.SizeBytes", parse_size(value))
        elif key == "tmpfs-mode":
            put(mount, "TmpfsOptions.Mode", int(value, 8))
        elif equals and key in MOUNT_KEYS:
            put(mount, MOUNT_KEYS[key], value)
        else:
            raise Failure(f"invalid argument \"{words}\" for \"--mount\" flag: unexpected key '{key}' in '{word}'", 125)
    if mount["Type"] == "bind" and mount.get("Source", "").startswith("."):
        mount["Source"] = os.path.abspath(mount["Source"])
    return mount


def restart_policy(words: str) -> dict[str, Any]:
    """
    >>> restart_policy("on-failure:3")
    {'Name': 'on-failure', 'MaximumRetryCount': 3}
    """
    name, colon, count = words.partition(":")
    if colon and not count.isdigit():
        raise Failure("invalid restart policy format: maximum retry count must be an integer", 125)
    return {"Name": name, "MaximumRetryCount": int(count or 0)}


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
