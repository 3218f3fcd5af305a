"""The OCI runtimes of this host: which there are, and which one a container gets."""

from __future__ import annotations

import os
from collections.abc import Sequence

from corral.engine.config import EngineConfig
from corral.errors import InvalidInput, Unavailable, Unsupported
from corral.linux.cgroups import Layout
from corral.linux.limits import Limits
from corral.model.container import Ulimit
from corral.runtime.choose import RuntimeChoice, choose_here, find_runtimes
from corral.runtime.nothing import gives_away, nothing_for
from corral.runtime.oci import OciRuntime
from corral.runtime.rlimits import lacks_files
from corral.runtime.sealed import seal
from corral.runtime.seccomp import SeccompHost, machine_arch, needless_architectures


class RuntimeSet:
    """`default` is what a container gets that asks for none. `state`: in its directories runtimes keep theirs."""

    def __init__(self, runtimes: dict[str, OciRuntime], choice: RuntimeChoice, state: str = "") -> None:
        self._runtimes = runtimes
        self.choice = choice
        self.state = state
        self.default = self.of(choice.name)

    @classmethod
    async def probe(cls, config: EngineConfig, state: str, layout: Layout, *, needed: bool = True) -> RuntimeSet:
        """Looks for runtimes. Unavailable when there is none that works here, with what to install; unless nothing is
        to be started, for which none is `needed`."""
        found = await find_runtimes(config.runtimes)
        try:
            choice = await choose_here(config.runtime, found, layout)
        except Unavailable as error:
            if needed:
                raise
            choice = RuntimeChoice(config.runtime, error.message)
        crun = next((f for f in found if f.name == "crun"), None)
        covers, sealed = {"crun": choice.cover}, {"crun": await seal(crun.path) if crun else None}
        runtimes = {
            f.name: OciRuntime(
                f.name,
                f.path,
                f.version,
                f"{state}/{f.name}",
                covers.get(f.name),
                sealed.get(f.name),
                nothing_for(f.name, f.version),
            )
            for f in found
        }
        return cls(runtimes, choice, state)

    def choose(
        self, wanted: str, binds: Sequence[str] = (), *, devices: bool = False, ulimits: Sequence[Ulimit] = ()
    ) -> OciRuntime:
        """The runtime of that name, "" is the default, for a container that is shown these paths of the host.
        `devices`: its /dev/null is the host's, which crun would give away (see `runtime/nothing.py`). With few open
        files crun cannot make a container (see `runtime/rlimits.py`).

        InvalidInput in Docker's words where there is none; Unsupported where it cannot show one of them.
        """
        if wanted and wanted not in self._runtimes:
            raise InvalidInput(f"unknown or invalid runtime name: {wanted}")
        runtime = self._runtimes[wanted] if wanted else self.default
        shown = runtime.cover.shown_by(map(os.path.realpath, binds)) if runtime.cover else ""
        given_away = devices and gives_away(runtime.name, runtime.version)
        if not shown and not given_away and not lacks_files(runtime.name, ulimits):
            return runtime
        if not wanted and "runc" in self._runtimes:
            return self._runtimes["runc"]
        if not shown:
            return runtime
        raise Unsupported(
            f"{shown} cannot be mounted by {runtime.name} on this host, where cgroup.controllers is hidden from it: "
            "install the package runc, and use it (--runtime runc)"
        )

    def get(self, name: str) -> OciRuntime:
        """The runtime that a container is started with; the default where its own has been uninstalled since."""
        return self._runtimes.get(name, self.default)

    def of(self, name: str) -> OciRuntime:
        """The runtime that has made what runs of a container, though it may be `gone` by now."""
        return self._runtimes.get(name) or OciRuntime(name, "", "", f"{self.state}/{name}")

    def seccomp_host(self, name: str, limits: Limits) -> SeccompHost:
        """What the filters of a container with this runtime depend on."""
        runtime = self.get(name)
        return SeccompHost(
            machine_arch(os.uname().machine), limits.kernel, needless_architectures(runtime.name), limits.seccomp
        )

    def versions(self) -> dict[str, list[str]]:
        return {name: [runtime.path, runtime.version] for name, runtime in self._runtimes.items()}
