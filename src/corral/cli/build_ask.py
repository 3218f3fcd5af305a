"""What `corral build` asks the daemon for: the command line as the request of `POST /corral/build`."""

from __future__ import annotations

import os

from corral.cli import accounts, build_words
from corral.cli.fail import Failure
from corral.cli.options import FALSE
from corral.cli.render import parse_size
from corral.cli.things import label_pairs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from corral.cli.context import Source
    from corral.cli.options import Parsed

    Json = dict[str, Any]

RIGHTS = ("security.insecure", "network.host")


def plan_request(options: Parsed, source: Source, environment: Mapping[str, str] = os.environ) -> Json:
    """The builder's request, without credentials; fields that say nothing are left out. Failure.

    >>> from corral.cli.context import Source
    >>> from corral.cli.options import Parsed
    >>> options = Parsed()
    >>> options.values = {"tag": ["a"], "build-arg": ["X=1"], "no-cache": ["true"]}
    >>> plan_request(options, Source(), {})
    {'dockerfile': 'Dockerfile', 'tags': ['a'], 'build_args': {'X': '1'}, 'no_cache': True}
    """
    refuse(options)
    given: Json = {
        "dockerfile": source.dockerfile,
        "dockerfile_text": source.text,
        "tags": options.list("tag"),
        "target": options.text("target"),
        "platform": options.text("platform"),
        "build_args": build_words.arguments(options.list("build-arg"), environment),
        "labels": label_pairs(options.list("label")),
        "annotations": {key: value or "" for key, value in build_words.values(options.list("annotation"), {}).items()},
        "no_cache": options.on("no-cache"),
        "no_cache_stages": [name for word in options.list("no-cache-filter") for name in word.split(",")],
        "pull": options.on("pull"),
        "network": "" if options.text("network") in ("default", "bridge") else options.text("network"),
        "extra_hosts": [build_words.extra_host(word) for word in options.list("add-host")],
        "resources": plan_resources(options),
        "ulimits": plan_ulimits(options.list("ulimit")),
        "shm_size": parse_size(options.text("shm-size")) if options.has("shm-size") else 0,
        "secrets": dict(build_words.secret(word, environment) for word in options.list("secret")),
        "ssh": dict(build_words.agent(word, environment) for word in options.list("ssh")),
        "cache_from": [build_words.cache(word, "--cache-from") for word in options.list("cache-from")],
        "cache_to": [build_words.cache(word, "--cache-to") for word in options.list("cache-to")],
        "squash": options.on("squash"),
        "allow_insecure": "security.insecure" in options.list("allow"),
        "allow_host_network": "network.host" in options.list("allow"),
        "check_only": wants_check(options),
    }
    return {key: value for key, value in given.items() if value not in ("", None, False, 0, [], {})}


def refuse(options: Parsed) -> None:
    """What is known by name and not offered."""
    for name in ("provenance", "sbom"):
        if options.has(name) and options.text(name) not in FALSE:
            raise Failure(f"--{name}: attestations are not offered; leave it out, or say --{name}=false", 125)
    for right in options.list("allow"):
        if right not in RIGHTS:
            raise Failure(f"--allow {right}: only {' and '.join(RIGHTS)} are known", 125)
    if options.text("call") not in ("", "build", "check"):
        raise Failure(f"--call {options.text('call')} is not offered; build and check are", 125)


def wants_check(options: Parsed) -> bool:
    return options.on("check") or options.text("call") == "check"


def plan_resources(options: Parsed) -> Json:
    """Pure: what RUN may use.

    >>> from corral.cli.options import Parsed
    >>> options = Parsed()
    >>> options.values = {"memory": ["64m"], "memory-swap": ["-1"], "cpuset-cpus": ["0"]}
    >>> plan_resources(options)
    {'memory': 67108864, 'memory_swap': -1, 'cpuset_cpus': '0'}
    """
    found: Json = {}
    for name in ("memory", "memory-swap"):
        if options.has(name):
            word = options.text(name)
            found[name.replace("-", "_")] = -1 if word == "-1" else parse_size(word)
    for name in ("cpu-shares", "cpu-period", "cpu-quota"):
        if options.has(name):
            found[name.replace("-", "_")] = options.number(name)
    for name in ("cpuset-cpus", "cpuset-mems"):
        if options.has(name):
            found[name.replace("-", "_")] = options.text(name)
    return found


def plan_ulimits(words: list[str]) -> list[Json]:
    """Pure.

    >>> plan_ulimits(["nofile=1024:2048"])
    [{'name': 'nofile', 'soft': 1024, 'hard': 2048}]
    """
    if not words:
        return []
    from corral.cli.create_options import parse_ulimits

    return [{"name": one["Name"], "soft": one["Soft"], "hard": one["Hard"]} for one in parse_ulimits(words)]


def plan_outputs(options: Parsed) -> list[Json]:
    """Pure: where the result goes; at most one of them is a tar for us. Failure.

    >>> from corral.cli.options import Parsed
    >>> plan_outputs(Parsed())
    [{'kind': 'image', 'dest': '', 'options': {}}]
    """
    outputs = [build_words.output(word) for word in options.list("output")]
    if options.on("push"):
        outputs.append({"kind": "image", "dest": "", "options": {"push": "true"}})
    elif options.on("load") and not any(one["kind"] == "image" for one in outputs):
        outputs.append({"kind": "image", "dest": "", "options": {}})
    if sum(1 for one in outputs if one["dest"]) > 1:
        raise Failure("only one of the outputs may be a directory or a tar", 125)
    return outputs or [{"kind": "image", "dest": "", "options": {}}]


def wants_push(output: Json) -> bool:
    return output["options"].get("push", "false") not in FALSE


def for_the_daemon(outputs: list[Json]) -> list[Json]:
    """Pure: outputs as the builder knows them. Pushing is not its work: it is asked for when the image is there.

    >>> for_the_daemon([{"kind": "image", "dest": "", "options": {"push": "true", "name": "a"}}])
    [{'kind': 'image', 'options': {'name': 'a'}}]
    """
    return [
        {"kind": one["kind"], "options": {key: value for key, value in one["options"].items() if key != "push"}}
        for one in outputs
    ]


def credentials(warn: Callable[[str], None], path: str = "") -> Json:
    """All accounts that are known here, by registry, in the daemon's words."""
    words = {"identitytoken": "identity_token", "registrytoken": "registry_token", "serveraddress": "server"}
    return {
        server: {words.get(key, key): value for key, value in found.items()}
        for server, found in accounts.everything(warn, path).items()
    }
