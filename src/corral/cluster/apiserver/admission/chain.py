"""The chain of admission plugins: first all that change the object, then all that only judge it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from corral.cluster.apiserver.attributes import Admission


class Plugin(Protocol):
    """One rule. Both raise StatusError to refuse; `admit` may change `admission.object`, in place or by another."""

    async def admit(self, admission: Admission) -> None: ...

    async def validate(self, admission: Admission) -> None: ...


class Chain:
    """Is a plugin itself. The list may be changed while the server runs: each request sees it as it is."""

    def __init__(self, plugins: Sequence[Plugin] = ()) -> None:
        self.plugins: list[Plugin] = list(plugins)

    async def admit(self, admission: Admission) -> None:
        for plugin in tuple(self.plugins):
            await plugin.admit(admission)

    async def validate(self, admission: Admission) -> None:
        for plugin in tuple(self.plugins):
            await plugin.validate(admission)
