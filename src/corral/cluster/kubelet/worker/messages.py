"""What an ended container left to say: its termination message."""

from __future__ import annotations

from typing import Any, Final

from corral.cluster.kubelet.naming import MESSAGE, POLICY
from corral.cluster.kubelet.shared import Shared
from corral.errors import CorralError
from corral.model.process import LogQuery

Object = dict[str, Any]

MOST: Final = 4096  # bytes
MOST_LOG: Final = 2048
LINES: Final = 80


async def termination_message(shared: Shared, id: str) -> str:
    """From its file; where that is empty, it failed and asked for it, the end of its log."""
    record = shared.engine.containers.get(id)
    labels = record.spec.labels
    path = next((one.source for one in record.mount_points if one.target == labels.get(MESSAGE)), "")
    text = _read(path)
    if text or labels.get(POLICY) != "FallbackToLogsOnError" or record.state.exit_code == 0:
        return text
    found = b""
    try:
        async for entry in shared.engine.containers.logs(id, LogQuery(tail=LINES)):
            found += entry.data
    except CorralError:
        return ""
    return found[-MOST_LOG:].decode(errors="replace")


def _read(path: str) -> str:
    if not path:
        return ""
    try:
        with open(path, "rb") as file:
            return file.read(MOST).decode(errors="replace")
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"Error on reading termination log {path}: {error.strerror}"
