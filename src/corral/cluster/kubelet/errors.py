"""Why a container of a pod cannot be started, with the word that its status shows."""

from __future__ import annotations

from corral.errors import CorralError


class CannotStart(CorralError):
    """`reason` is a container's waiting reason. `told`: its event has been told already."""

    def __init__(self, reason: str, message: str, *, told: bool = False) -> None:
        super().__init__(message)
        self.reason, self.told = reason, told


class BadConfig(CannotStart):
    """What the pod refers to is not there or makes no sense: CreateContainerConfigError."""

    def __init__(self, message: str) -> None:
        super().__init__("CreateContainerConfigError", message)


class NotMounted(CorralError):
    """A volume cannot be made available; it is tried again."""


class NotAdmitted(CorralError):
    """The node does not take the pod, which fails for good. `reason` is the pod's."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
