"""Capabilities: which of root's powers a container has."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from corral.errors import InvalidInput
from corral.linux.limits import CAPABILITIES

ALL = "ALL"

DEFAULT = tuple(
    "CAP_" + name
    for name in (
        "CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT "
        "KILL AUDIT_WRITE"
    ).split()
)


def plan_capabilities(
    add: Sequence[str], drop: Sequence[str], *, privileged: bool = False, available: Collection[str] = CAPABILITIES
) -> list[str]:
    """Pure: the capabilities of a container. `available` is what the host can give (its bounding set).

    Privileged is all of them; "ALL" added is all but those dropped; "ALL" dropped is only those added.
    InvalidInput for an unknown one, or one added that the host cannot give.

    >>> plan_capabilities(["net_admin"], ["ALL"])
    ['CAP_NET_ADMIN']
    >>> "CAP_MKNOD" in plan_capabilities([], ["MKNOD"]), len(plan_capabilities(["ALL"], []))
    (False, 41)
    """
    added, dropped = normalise(add, available, "CapAdd"), normalise(drop, CAPABILITIES, "CapDrop")
    everything = [name for name in CAPABILITIES if name in available]
    if privileged:
        return everything
    if ALL in added:
        return [name for name in everything if name not in dropped]
    basis = [] if ALL in dropped else [name for name in DEFAULT if name not in dropped and name in available]
    return list(dict.fromkeys([*basis, *added]))


def normalise(names: Sequence[str], available: Collection[str], option: str) -> list[str]:
    """Pure: upper case with CAP_ in front. InvalidInput names the option and the capability.

    >>> normalise(["all", "cap_chown", "KILL"], CAPABILITIES, "CapAdd")
    ['ALL', 'CAP_CHOWN', 'CAP_KILL']
    >>> normalise(["CAP_FOO"], CAPABILITIES, "CapAdd")
    Traceback (most recent call last):
    corral.errors.InvalidInput: invalid CapAdd: unknown capability: "CAP_FOO"
    """
    found = []
    for name in names:
        upper = name.upper()
        if upper != ALL:
            upper = upper if upper.startswith("CAP_") else f"CAP_{upper}"
            if upper not in CAPABILITIES:
                raise InvalidInput(f'invalid {option}: unknown capability: "{upper}"')
            if upper not in available:
                raise InvalidInput(
                    f"invalid {option}: capability not supported by your kernel or not available in the current "
                    f'environment: "{upper}"'
                )
        found.append(upper)
    return found


def plan_sets(capabilities: Sequence[str], uid: int) -> dict[str, list[str]]:
    """Pure: OCI's sets. Another user than root gets only the bound, as an execve would leave it.

    >>> plan_sets(["CAP_KILL"], 1000)
    {'bounding': ['CAP_KILL']}
    """
    names = list(capabilities)
    return {"bounding": names, "effective": names, "permitted": names} if uid == 0 else {"bounding": names}
