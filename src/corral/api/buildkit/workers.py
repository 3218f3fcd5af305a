"""Workers: what clients are told of who builds here, and of what it can do. Pure.

Like Docker's own builder without containerd's store: images stay in the engine's store, and a client that wants more
(several platforms, attestations, an OCI archive from an image's exporter) says itself that this builder has it not.
"""

from __future__ import annotations

from typing import Any, Final

from corral.api.buildkit.schema import message

VERSION: Final = "v0.25.2"  # the BuildKit in the Docker whose API is spoken (see docker/system)
BRIDGE_CAPS: Final = (
    *("solve.base", "solve.inlinereturn", "resolveimage", "resolveimage.resolvemode", "return", "returnmap"),
    *("statfile", "importcaches", "proto.refarray", "frontend.inputs", "gateway.solve.metadata", "frontend.caps"),
    *("gateway.solve.evaluate", "gateway.evaluate", "gateway.warnings", "reference.output"),
)
# What Dockerfiles and their contexts need of a solver: asked by clients, though it is the builder that has them
SOLVER_CAPS: Final = (
    *("source.image", "source.image.resolvemode", "source.local", "source.local.unique", "source.local.sessionid"),
    *("source.local.includepatterns", "source.local.followpaths", "source.local.excludepatterns"),
    *("source.local.sharedkeyhint", "source.git", "source.git.keepgitdir", "source.git.fullurl", "source.http"),
    *("source.http.checksum", "source.http.perm", "source.http.uidgid", "build.llbfilename", "exec.meta.base"),
    *("exec.meta.proxy", "exec.meta.network", "exec.meta.ulimit", "exec.mount.bind", "exec.mount.cache"),
    *("exec.mount.cache.sharing", "exec.mount.selector", "exec.mount.tmpfs", "exec.mount.secret", "exec.mount.ssh"),
    *("file.base", "constraints", "platform", "meta.ignorecache", "meta.description", "meta.exportcache"),
    *("exporter.image", "exporter.multiple"),
)


def worker(id: str, architecture: str, gateway: str, limit: int) -> dict[str, Any]:
    """The one worker. `limit` is how many bytes it keeps for later builds, 0 where there is none."""
    labels = {"org.mobyproject.buildkit.worker.moby.host-gateway-ip": gateway} if gateway else {}
    policies = [{"all": True, "reservedSpace": limit}] if limit else []
    return {
        "ID": id,
        "Labels": labels,
        "platforms": [{"Architecture": architecture, "OS": "linux", "Variant": "v7" if architecture == "arm" else ""}],
        "GCPolicy": policies,
        "BuildkitVersion": version(),
    }


def version() -> dict[str, str]:
    return {"package": "github.com/moby/buildkit", "version": f"{VERSION}-moby", "revision": ""}


def pong(one: dict[str, Any]) -> Any:
    """What a client may ask the bridge for."""
    frontend = [{"ID": cap, "Enabled": True} for cap in BRIDGE_CAPS]
    solver = [{"ID": cap, "Enabled": True} for cap in SOLVER_CAPS]
    return message("PongResponse", FrontendAPICaps=frontend, LLBCaps=solver, Workers=[one])
