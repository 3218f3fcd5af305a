"""The thread in which the kernel is asked, in order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

T = TypeVar("T")


class InThread(Protocol):
    """Awaits what blocks, done in that thread."""

    async def __call__(self, work: Callable[[], T]) -> T: ...
