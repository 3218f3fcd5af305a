"""A container as `inspect` shows it: every field there, in Docker's order, null where dockerd has null."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from corral.api.docker.render_host import host_config
from corral.api.docker.render_network import network_settings
from corral.kit.clock import to_rfc3339
from corral.model.container import Container, ContainerSpec, Health, HealthCheck, MountPoint, State

Json = dict[str, Any]


class Surroundings(Struct):
    """What an inspection shows besides the record. Sizes are None unless they were asked for."""

    cgroup_version: int = 2
    default_runtime: str = ""
    log_path: str = ""
    files: str = ""  # the directory of hostname, hosts and resolv.conf
    apparmor: str = ""  # the profile in force
    exec_ids: list[str] = []
    graph: dict[str, str] = {}
    network_ids: dict[str, str] = {}
    links: list[str] = []
    size_rw: int | None = None
    size_root_fs: int | None = None


def inspect(container: Container, around: Surroundings, version: tuple[int, int]) -> Json:
    """Pure: the whole answer, for an API version."""
    spec, files = container.spec, around.files if container.state.started_at else ""
    shown: Json = {
        "Id": container.id,
        "Created": to_rfc3339(container.created),
        "Path": container.path,
        "Args": container.args,
        "State": state(container.state),
        "Image": container.image_id,
        "ResolvConfPath": f"{files}/resolv.conf" if files else "",
        "HostnamePath": f"{files}/hostname" if files else "",
        "HostsPath": f"{files}/hosts" if files else "",
        "LogPath": around.log_path if spec.log.driver != "none" else "",
        "Name": f"/{container.name}",
        "RestartCount": container.state.restart_count,
        "Driver": "overlay2",
        "Platform": "linux",
        "MountLabel": "",
        "ProcessLabel": "",
        "AppArmorProfile": around.apparmor,
        "ExecIDs": around.exec_ids or None,
        "HostConfig": host_config(container, around.cgroup_version, around.default_runtime, around.links),
        "GraphDriver": {"Data": around.graph or None, "Name": "overlay2"},
    }
    if around.size_rw is not None:
        shown |= {"SizeRw": around.size_rw, "SizeRootFs": around.size_root_fs}
    return shown | {
        "Mounts": [mount_point(point) for point in container.mount_points],
        "Config": config(spec),
        "NetworkSettings": network_settings(container, around.network_ids, version),
    }


def state(state: State) -> Json:
    """Docker counts a paused or restarting container as running, and says so twice."""
    shown: Json = {
        "Status": state.status,
        "Running": state.running,
        "Paused": state.status == "paused",
        "Restarting": state.status == "restarting",
        "OOMKilled": state.oom_killed,
        "Dead": state.status == "dead",
        "Pid": state.pid if state.status in ("running", "paused") else 0,
        "ExitCode": state.exit_code,
        "Error": state.error,
        "StartedAt": to_rfc3339(state.started_at),
        "FinishedAt": to_rfc3339(state.finished_at),
    }
    return shown | {"Health": health(state.health)} if state.health else shown


def health(health: Health) -> Json:
    return {
        "Status": health.status,
        "FailingStreak": health.failing_streak,
        "Log": [
            {
                "Start": to_rfc3339(result.start),
                "End": to_rfc3339(result.end),
                "ExitCode": result.exit_code,
                "Output": result.output,
            }
            for result in health.log
        ],
    }


def mount_point(point: MountPoint) -> Json:
    """A mount as both inspect and lists show it.

    >>> mount_point(MountPoint("bind", "/srv", "/data", mode="ro", read_write=False, propagation="rprivate"))["RW"]
    False
    """
    shown: Json = {"Type": point.type}
    if point.name:
        shown["Name"] = point.name
    shown |= {"Source": point.source, "Destination": point.target}
    if point.driver:
        shown["Driver"] = point.driver
    return shown | {"Mode": point.mode, "RW": point.read_write, "Propagation": point.propagation}


def config(spec: ContainerSpec) -> Json:
    """What runs inside. Optional fields are left out as dockerd leaves them out."""
    optional: list[tuple[str, object]] = [
        ("ExposedPorts", {port: {} for port in spec.exposed_ports}),
        ("Healthcheck", health_check(spec.health) if spec.health else None),
        ("ArgsEscaped", spec.args_escaped),
        ("NetworkDisabled", spec.network.disabled),
        ("MacAddress", _mac(spec)),
        ("StopSignal", spec.stop_signal),
        ("Shell", spec.shell),
    ]
    present = {name: value for name, value in optional if value}
    if spec.stop_timeout is not None:
        present["StopTimeout"] = spec.stop_timeout
    always: Json = {
        "Hostname": spec.hostname,
        "Domainname": spec.domainname,
        "User": spec.user,
        "AttachStdin": spec.attach_stdin,
        "AttachStdout": spec.attach_stdout,
        "AttachStderr": spec.attach_stderr,
        "ExposedPorts": None,
        "Tty": spec.tty,
        "OpenStdin": spec.stdin_open,
        "StdinOnce": spec.stdin_once,
        "Env": spec.env or None,
        "Cmd": spec.command or None,
        "Healthcheck": None,
        "ArgsEscaped": None,
        "Image": spec.image,
        "Volumes": {target: {} for target in spec.volumes} or None,
        "WorkingDir": spec.workdir,
        "Entrypoint": spec.entrypoint or None,
        "NetworkDisabled": None,
        "MacAddress": None,
        "OnBuild": spec.on_build or None,
        "Labels": spec.labels,
        "StopSignal": None,
        "StopTimeout": None,
        "Shell": None,
    }
    return fill(always, present, (*(name for name, _ in optional), "StopTimeout"))


def fill(always: Json, present: Mapping[str, Any], optional: tuple[str, ...]) -> Json:
    """Pure: optional fields at their places, and those that are absent left out.

    >>> fill({"a": 1, "b": None, "c": None}, {"c": 3}, ("b", "c"))
    {'a': 1, 'c': 3}
    """
    return {name: present.get(name, value) for name, value in always.items() if name not in optional or name in present}


def _mac(spec: ContainerSpec) -> str:
    endpoint = spec.network.endpoints.get("bridge" if spec.network.mode == "default" else spec.network.mode)
    return endpoint.mac if endpoint else ""


def health_check(check: HealthCheck) -> Json:
    """Zero and empty fields are left out."""
    shown = {
        "Test": check.test,
        "Interval": check.interval,
        "Timeout": check.timeout,
        "StartPeriod": check.start_period,
        "StartInterval": check.start_interval,
        "Retries": check.retries,
    }
    return {name: value for name, value in shown.items() if value}
