"""The operations that say who answers: ping, version, auth."""

from __future__ import annotations

import platform
import sys
from typing import TYPE_CHECKING, Any, Final

from corral import __version__
from corral.api.docker.answers import reply
from corral.api.docker.versions import NEWEST, OLDEST, show
from corral.http.message import Request, Response

if TYPE_CHECKING:
    from corral.api.docker.app import DockerApi
    from corral.engine.host import HostInfo

Json = dict[str, Any]

# Tools compare the engine's version with those of Docker: this is the one whose API is spoken.
SERVER_VERSION: Final = f"28.5.2+corral.{__version__}"
GO_ARCH: Final = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "armv7l": "arm",
    "armv6l": "arm",
    "i686": "386",
    "ppc64le": "ppc64le",
    "s390x": "s390x",
    "riscv64": "riscv64",
}
HEADERS: Final = {
    "Api-Version": show(NEWEST),
    "Docker-Experimental": "false",
    "Ostype": "linux",
    "Server": f"Docker/{SERVER_VERSION} (linux)",
}
PING: Final = {
    "Builder-Version": "1",  # the classic builder: not BuildKit
    "Cache-Control": "no-cache, no-store, must-revalidate",
    "Pragma": "no-cache",
    "Swarm": "inactive",
    "Content-Type": "text/plain; charset=utf-8",
}


async def ping(api: DockerApi, request: Request) -> Response:
    return Response(200, PING, b"" if request.method == "HEAD" else b"OK")


async def options(api: DockerApi, request: Request) -> Response:
    return Response(200)


async def version(api: DockerApi, request: Request) -> Response:
    return reply(version_json(api.engine.host))


def version_json(host: HostInfo) -> Json:
    """Pure: the parts and their versions, and the same once more in the form that old clients read."""
    arch = GO_ARCH.get(host.architecture, host.architecture)
    python = f"python{platform.python_version()}"
    details = {
        "ApiVersion": show(NEWEST),
        "Arch": arch,
        "BuildTime": "",
        "Experimental": "false",
        "GitCommit": "",
        "GoVersion": python,
        "KernelVersion": host.kernel,
        "MinAPIVersion": show(OLDEST),
        "Os": sys.platform,
    }
    runtimes = [
        {"Name": name, "Version": found[1], "Details": {"Path": found[0]}} for name, found in host.runtimes.items()
    ]
    return {
        "Platform": {"Name": f"Corral {__version__}"},
        "Components": [{"Name": "Engine", "Version": SERVER_VERSION, "Details": details}, *runtimes],
        "Version": SERVER_VERSION,
        "ApiVersion": show(NEWEST),
        "MinAPIVersion": show(OLDEST),
        "GitCommit": "",
        "GoVersion": python,
        "Os": sys.platform,
        "Arch": arch,
        "KernelVersion": host.kernel,
        "BuildTime": "",
    }
