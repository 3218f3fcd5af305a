"""The OCI runtimes of this host: which there are, and which one a container gets."""

from __future__ import annotations

import os

from corral.engine.config import EngineConfig
from corral.errors import InvalidInput
from corral.linux.cgroups import Layout
from corral.linux.limits import Limits
from corral.runtime.choose import RuntimeChoice, choose, find_runtimes, read_unified_controllers
from corral.runtime.oci import OciRuntime
from corral.runtime.seccomp import SeccompHost, machine_arch, needless_architectures


class RuntimeSet:
    """`default` is what a container gets that asks for none."""

    def __init__(self, runtimes: dict[str, OciRuntime], choice: RuntimeChoice) -> None:
        self._runtimes = runtimes
        self.choice = choice
        self.default = runtimes[choice.name]

    @classmethod
    async def probe(cls, config: EngineConfig, state: str, layout: Layout) -> RuntimeSet:
        """Looks for runtimes. Unavailable when there is none that works here, with what to install."""
        found = await find_runtimes(config.runtimes)
        choice = choose(config.runtime, found, layout, read_unified_controllers(layout))
        runtimes = {f.name: OciRuntime(f.name, f.path, f.version, f"{state}/{f.name}") for f in found}
        return cls(runtimes, choice)

    def choose(self, wanted: str) -> OciRuntime:
        """The runtime of that name, "" is the default. InvalidInput in Docker's words where there is none."""
        if not wanted:
            return self.default
        if wanted not in self._runtimes:
            raise InvalidInput(f"unknown or invalid runtime name: {wanted}")
        return self._runtimes[wanted]

    def get(self, name: str) -> OciRuntime:
        """The runtime that a container was made with; the default where that one has been uninstalled since."""
        return self._runtimes.get(name, self.default)

    def seccomp_host(self, name: str, limits: Limits) -> SeccompHost:
        """What the filters of a container with this runtime depend on."""
        runtime = self.get(name)
        return SeccompHost(
            machine_arch(os.uname().machine), limits.kernel, needless_architectures(runtime.name), limits.seccomp
        )

    def versions(self) -> dict[str, list[str]]:
        return {name: [runtime.path, runtime.version] for name, runtime in self._runtimes.items()}
