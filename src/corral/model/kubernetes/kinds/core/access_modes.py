"""Access modes of volumes in short."""

from __future__ import annotations

from collections.abc import Sequence

_SHORT = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}


def short_modes(modes: Sequence[str]) -> str:
    """
    >>> short_modes(["ReadWriteMany", "ReadWriteOnce", "ReadWriteOnce"])
    'RWO,RWX'
    """
    return ",".join(short for mode, short in _SHORT.items() if mode in modes)
