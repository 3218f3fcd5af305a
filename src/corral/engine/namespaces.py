"""Which namespaces a container gets: its own, the host's, or another container's."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from corral.engine.registry import Live, Registry
from corral.errors import Conflict, HostError, InvalidInput, NotFound
from corral.linux.proc import start_time
from corral.model.container import Container, ContainerSpec

BORROWED = ("container:", "space:")
KINDS = {"pid": "PID", "ipc": "IPC", "network": "network"}


def plan_namespaces(
    spec: ContainerSpec,
    cgroup_version: int,
    netns: str | None,
    peer: Callable[[str, str], str | None],
    user: str | None = None,
) -> dict[str, str]:
    """Pure but for `peer`: namespace kind -> "" (a new one) or the path of one to join; a missing kind is the host's.

    `netns` is the path of the network namespace made for it, None with the host's or another container's.
    `peer(mode, kind)` gives the path of another's namespace,
    None where that has the host's. `user` is that of the user namespace, "" for
    a new one, None for the host's; its owner's network is made by the runtime, inside of it.

    >>> plan_namespaces(ContainerSpec("x"), 2, "/proc/1/fd/9", lambda mode, kind: None)
    {'mount': '', 'pid': '', 'ipc': '', 'uts': '', 'cgroup': '', 'network': '/proc/1/fd/9'}
    """
    modes = spec.namespaces
    spaces = {"mount": ""}
    for kind, mode in (("pid", modes.pid), ("ipc", modes.ipc), ("uts", modes.uts)):
        if mode.startswith(BORROWED):
            _join(spaces, kind, peer(mode, kind))
        elif mode != "host":
            spaces[kind] = ""
    if (modes.cgroup or ("private" if cgroup_version == 2 else "host")) == "private":
        spaces["cgroup"] = ""
    if spec.network.mode.startswith(BORROWED):
        _join(spaces, "network", peer(spec.network.mode, "net"))
    elif netns is not None:
        spaces["network"] = netns
    if user is not None:
        spaces["user"] = user
        spaces.setdefault("network", "")
    return spaces


def donor_of(mode: str) -> str:
    """Pure: whose network a mode shares, "" for another mode.

    >>> donor_of("container:db"), donor_of("bridge")
    ('db', '')
    """
    kind, _, ref = mode.partition(":")
    return ref if kind == "container" else ""


def settle_network(registry: Registry, record: Container) -> ContainerSpec:
    """Before a start: the container whose network is shared by its id, and its host name. HostError where there is
    none, as dockerd has it: it may come later."""
    spec = record.spec
    donor = donor_of(spec.network.mode)
    if not donor:
        return spec
    try:
        peer = registry.get(donor)
    except NotFound as error:
        raise HostError(f"joining network namespace of container: {error.message}") from error
    if peer.id == record.id:
        raise HostError("cannot join own network namespace")
    if peer.id == donor:
        return spec
    network = replace(spec.network, mode=f"container:{peer.id}")
    return replace(spec, network=network, hostname=peer.record.spec.hostname)


def _join(spaces: dict[str, str], kind: str, path: str | None) -> None:
    if path is not None:
        spaces[kind] = path


def joinable(live: Live, kind: str) -> str:
    """The path of a running container's namespace. Conflict, HostError or InvalidInput: it does not run or share it."""
    state, spec = live.record.state, live.record.spec
    name = KINDS.get("network" if kind == "net" else kind, kind)
    ended = state.status in ("running", "paused") and start_time(state.pid) != state.pid_start  # not recorded yet
    if ended or state.status not in ("running", "paused"):
        if kind == "net":
            how = "exited" if ended else state.status
            raise Conflict(f"cannot join network namespace of a non running container: container {live.name} is {how}")
        message = f"failed to join {name} namespace: container {live.id} is not running"
        raise Conflict(message) if kind == "ipc" else HostError(message)  # 409 and 500, as dockerd's
    if kind == "ipc" and spec.namespaces.ipc not in ("shareable", "host") and not spec.namespaces.ipc.startswith("c"):
        raise InvalidInput(
            f"failed to join IPC namespace: container {live.id}: "
            "non-shareable IPC (hint: use IpcMode:shareable for the donor container)"
        )
    return f"/proc/{state.pid}/ns/{kind}"
