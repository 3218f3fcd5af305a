"""Creating a container: from the body that a client sends to what the engine is asked for.

    body --decode--> CreateRequest --adapt--> (as of today's API) --check--> warnings --translate--> ContainerSpec

All of it is pure but for a look whether the sources of bind mounts exist, which is passed in. Every refusal is an
InvalidInput (or Unsupported) with dockerd's words.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from msgspec import Struct

from corral.api.docker.adapt import adapt
from corral.api.docker.bodies import CreateRequest
from corral.api.docker.check_config import check_config
from corral.api.docker.check_host import check_host
from corral.api.docker.facts import Facts
from corral.api.docker.gojson import decode
from corral.api.docker.mounts import mounts_of, tmpfs_of
from corral.api.docker.netspec import exposed_ports, network_of
from corral.api.docker.process import health_of, log_of, restart_of
from corral.api.docker.resources import check_resources, devices_of, resources_of, ulimits_of
from corral.api.docker.security import namespaces_of, security_of
from corral.api.docker.settings import Config, HostConfig, NetworkingConfig
from corral.errors import InvalidInput, Unsupported
from corral.model.container import ContainerSpec

NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+\Z")


class NewContainer(Struct):
    """What is to be made; `name` is "" where the engine shall invent one."""

    name: str
    spec: ContainerSpec
    warnings: list[str]


def parse_create(
    body: bytes, name: str, platform: str, version: tuple[int, int], facts: Facts, exists: Callable[[str], bool]
) -> NewContainer:
    """The whole way from a request. `version` is the API's; `exists` tells whether a host path is there.

    >>> new = parse_create(b'{"Image": "busybox", "Cmd": "ls"}', "/box", "", (1, 51), Facts(), lambda path: True)
    >>> new.name, new.spec.image, new.spec.command, new.warnings
    ('box', 'busybox', ['ls'], [])
    """
    request, unknown = decode(body, CreateRequest)
    host, networking = request.HostConfig or HostConfig(), request.NetworkingConfig or NetworkingConfig()
    host.Runtime = host.Runtime or request.Runtime
    _require_config(request)
    warnings = adapt(request, host, networking, version)
    warnings += check_config(request) + check_host(request, host, facts, exists)
    warnings += check_resources(host, facts, update=False)
    spec = _translate(request, host, networking, facts)
    spec.mounts = mounts_of(host, shallow=version < (1, 44))
    spec.platform = platform
    return NewContainer(clean_name(name), spec, warnings + unknown_warnings(unknown))


def unknown_warnings(unknown: list[str]) -> list[str]:
    """Unknown fields are accepted, as dockerd does, but not in silence.

    >>> unknown_warnings(["HostConfig.Speed"])
    ['Unknown field "HostConfig.Speed" was ignored']
    """
    return [f'Unknown field "{path}" was ignored' for path in unknown]


def clean_name(name: str) -> str:
    """A container's name without the slash that the API puts before it. InvalidInput if it is none.

    >>> clean_name("/web.1")
    'web.1'
    """
    bare = name.removeprefix("/")
    if name and not NAME.match(bare):
        raise InvalidInput(f"Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed")
    return bare


def _require_config(request: CreateRequest) -> None:
    if all(getattr(request, name) == default for name, default in vars(_Defaults).items() if name[0].isupper()):
        raise InvalidInput("config cannot be empty in order to create a container")
    if not request.Image:
        raise Unsupported("no image specified: a container without an image is not offered")


class _Defaults:
    """What makes a config empty: nothing of what it could say is said."""

    Image = ""
    Cmd = None
    Entrypoint = None
    Hostname = ""
    Env: list[str] = []
    User = ""
    Labels: dict[str, str] = {}


def _translate(config: Config, host: HostConfig, networking: NetworkingConfig, facts: Facts) -> ContainerSpec:
    return ContainerSpec(
        image=config.Image,
        entrypoint=config.Entrypoint,
        command=config.Cmd,
        env=config.Env,
        workdir=config.WorkingDir,
        user=config.User,
        groups=host.GroupAdd,
        tty=config.Tty,
        stdin_open=config.OpenStdin,
        stdin_once=config.StdinOnce,
        attach_stdin=config.AttachStdin,
        attach_stdout=config.AttachStdout,
        attach_stderr=config.AttachStderr,
        args_escaped=config.ArgsEscaped,
        shell=config.Shell,
        on_build=config.OnBuild,
        init=host.Init,
        console_size=host.ConsoleSize if any(host.ConsoleSize) else [],
        hostname=config.Hostname,
        domainname=config.Domainname,
        labels=config.Labels,
        annotations=host.Annotations,
        stop_signal=config.StopSignal,
        stop_timeout=config.StopTimeout,
        health=health_of(config.Healthcheck),
        restart=restart_of(host.RestartPolicy),
        auto_remove=host.AutoRemove,
        security=security_of(host),
        namespaces=namespaces_of(host, facts),
        sysctls=host.Sysctls,
        runtime=facts.runtime_name(host.Runtime),
        resources=resources_of(host),
        ulimits=ulimits_of(host.Ulimits),
        oom_score_adj=host.OomScoreAdj,
        shm_size=host.ShmSize,
        devices=devices_of(host.Devices),
        device_rules=host.DeviceCgroupRules,
        cgroup_parent=host.CgroupParent,
        tmpfs=tmpfs_of(host),
        volumes=config.Volumes,
        volumes_from=host.VolumesFrom,
        volume_driver=host.VolumeDriver,
        isolation=host.Isolation,
        exposed_ports=exposed_ports(config.ExposedPorts),
        network=network_of(config, host, networking),
        log=log_of(host.LogConfig),
        cid_file=host.ContainerIDFile,
    )
