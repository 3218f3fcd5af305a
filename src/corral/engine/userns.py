"""User namespaces of containers: who gets one, what that rules out, and whose it is."""

from __future__ import annotations

from corral.engine.parts import Parts
from corral.engine.registry import Live
from corral.engine.remap import Remap, maps_of
from corral.engine.space_users import space_remap
from corral.engine.spaces import need_space, space_id
from corral.errors import Conflict, InvalidInput
from corral.model.container import ContainerSpec


def remap_of(parts: Parts, spec: ContainerSpec) -> Remap | None:
    """How a container's users are mapped: None where they are the host's."""
    if spec.namespaces.user.startswith("space:"):
        return space_remap(parts, need_space(parts, space_id(spec.namespaces.user)))
    return None if spec.namespaces.user == "host" else parts.remap


def check_remapped(spec: ContainerSpec) -> None:
    """Pure: what a container in a user namespace of its own cannot have. InvalidInput in dockerd's words.

    >>> check_remapped(ContainerSpec("x"))
    """
    if spec.security.privileged:
        raise InvalidInput(
            "privileged mode is incompatible with user namespaces.  You must run the container in the host namespace "
            "when running privileged mode"
        )
    if spec.security.writable_cgroups is not None:
        raise InvalidInput("option WritableCgroups conflicts with user namespaces and rootless mode")
    if spec.network.mode == "host":
        raise InvalidInput("cannot share the host's network namespace when user namespaces are enabled")
    if spec.namespaces.pid == "host":
        raise InvalidInput("cannot share the host PID namespace when user namespaces are enabled")


def shared_with(spec: ContainerSpec) -> str:
    """Pure: the id of the container whose user namespace is joined, for who shares another namespace must share that
    too; "" for one of its own. InvalidInput for two of them.

    >>> from corral.model.container import Namespaces, NetworkSpec
    >>> shared_with(ContainerSpec("x", network=NetworkSpec(mode="container:f00")))
    'f00'
    >>> shared_with(ContainerSpec("x", namespaces=Namespaces(ipc="container:a", pid="container:b")))
    Traceback (most recent call last):
    corral.errors.InvalidInput: cannot share namespaces of more than one container when user namespaces are enabled
    """
    modes = (spec.network.mode, spec.namespaces.ipc, spec.namespaces.pid)
    peers = {mode.removeprefix("container:") for mode in modes if mode.startswith("container:")}
    if len(peers) > 1:
        raise InvalidInput("cannot share namespaces of more than one container when user namespaces are enabled")
    return peers.pop() if peers else ""


def user_namespace(parts: Parts, remap: Remap, spec: ContainerSpec) -> str:
    """The path of the user namespace to join, "" for a new one. Conflict where the other's ids are not the same."""
    if space_id(spec.namespaces.user):
        return f"{parts.paths.space(space_id(spec.namespaces.user))}/user"
    id = shared_with(spec)
    if not id:
        return ""
    peer: Live = parts.registry.get(id)
    if maps_of(parts.paths.bundle(peer.id)) != remap.maps:
        raise Conflict(
            f"cannot share namespaces of container {peer.name}: it runs in another user namespace than this one would; "
            "one in the host's is joined with --userns=host"
        )
    return f"/proc/{peer.record.state.pid}/ns/user"
