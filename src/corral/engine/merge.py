"""What a container gets from its image: the defaults that the user did not override."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from corral.errors import InvalidInput
from corral.kit.paths import join
from corral.model.container import ContainerSpec, HealthCheck
from corral.model.image import ImageConfig


def plan_merge(spec: ContainerSpec, image: ImageConfig) -> ContainerSpec:
    """Pure: `spec` with the image's configuration filled in. InvalidInput when no command is left.

    The image's command counts only if the user gave neither an entrypoint nor a command:

    >>> image = ImageConfig(entrypoint=["/run"], command=["-a"], env=["A=1", "B=2"])
    >>> merged = plan_merge(ContainerSpec("x", env=["A=9"]), image)
    >>> merged.entrypoint, merged.command, merged.env
    (['/run'], ['-a'], ['A=9', 'B=2'])
    >>> plan_merge(ContainerSpec("x", entrypoint=["sh"]), image).command
    []

    `VOLUME data` in a Dockerfile is meant from the root:

    >>> plan_merge(ContainerSpec("x", command=["sh"]), ImageConfig(volumes=["data", "/log"])).volumes
    ['/data', '/log']
    """
    entrypoint, command = _merge_command(spec, image)
    mine = {_key(e) for e in spec.env}
    return replace(
        spec,
        entrypoint=entrypoint,
        command=command,
        env=spec.env + [e for e in image.env if _key(e) not in mine],
        labels={**image.labels, **spec.labels},
        user=spec.user or image.user,
        workdir=spec.workdir or image.workdir or "",
        exposed_ports=_union(spec.exposed_ports, image.exposed_ports),
        volumes=_union(spec.volumes, [join("/", path) for path in image.volumes]),
        stop_signal=spec.stop_signal or image.stop_signal,
        shell=spec.shell or image.shell,
        health=merge_health(spec.health, image.health),
        on_build=spec.on_build,
    )


def _merge_command(spec: ContainerSpec, image: ImageConfig) -> tuple[list[str] | None, list[str]]:
    entrypoint, command = spec.entrypoint, spec.command or []
    if not entrypoint:
        command = command or image.command or []
        entrypoint = image.entrypoint if entrypoint is None else entrypoint
    if entrypoint in ([""], []):
        entrypoint = None
    if not entrypoint and not command:
        raise InvalidInput("no command specified")
    return entrypoint, list(command)


def merge_health(mine: HealthCheck | None, image: HealthCheck | None) -> HealthCheck | None:
    """Pure: each field of the health check that the user left open comes from the image."""
    if mine is None or image is None:
        return mine or image
    return HealthCheck(
        test=mine.test or image.test,
        interval=mine.interval or image.interval,
        timeout=mine.timeout or image.timeout,
        start_period=mine.start_period or image.start_period,
        start_interval=mine.start_interval or image.start_interval,
        retries=mine.retries or image.retries,
    )


def _key(entry: str) -> str:
    return entry.partition("=")[0]


def _union(first: list[str], second: list[str]) -> list[str]:
    return list(dict.fromkeys([*first, *second]))


DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def plan_environment(spec: ContainerSpec, hostname: str, home: str, links: Sequence[str] = ()) -> list[str]:
    """Pure: the environment of the first process. A name without a value removes the variable.

    What links tell wins over defaults, and what was given wins over links.

    >>> plan_environment(ContainerSpec("x", env=["A=1", "A=2"], tty=True), "h", "/root")[-2:]
    ['A=2', 'HOME=/root']
    >>> plan_environment(ContainerSpec("x", env=["HOSTNAME"]), "h", "/root")
    ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'HOME=/root']

    HOME is the user's home also where it was said to be empty.
    """
    values = {"PATH": DEFAULT_PATH, "HOSTNAME": hostname}
    if spec.tty:
        values["TERM"] = "xterm"
    for entry in (*links, *spec.env):
        name, given, value = entry.partition("=")
        if given:
            values[name] = value
        else:
            values.pop(name, None)
    values["HOME"] = values.get("HOME") or home
    return [f"{name}={value}" for name, value in values.items()]
