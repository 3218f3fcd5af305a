"""Ending one container of a pod: its hook, its signal, its grace."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

from corral.cluster.kubelet.lifecycle.ending import LEAST
from corral.cluster.kubelet.naming import Attempt
from corral.cluster.kubelet.pods import member
from corral.cluster.kubelet.probes.asking import ask
from corral.cluster.kubelet.shared import Shared
from corral.errors import NotFound, Unchanged

Object = dict[str, Any]


async def end(shared: Shared, pod: Object, attempt: Attempt, ip: str, message: str, grace: int) -> None:
    """Returns when it has ended. `grace` in seconds, of which its preStop hook takes its part; 0: at once."""
    one = member(pod, attempt.container)
    path = one.field_path if one else f"spec.containers{{{attempt.container}}}"
    shared.events.normal(pod, "Killing", message or f"Stopping container {attempt.container}", field_path=path)
    begun = time.monotonic()
    hook = ((one.spec.get("lifecycle") or {}) if one else {}).get("preStop")
    if hook and one and grace > 0:
        answer = await ask(shared.engine, attempt.id, one.spec, ip, hook, float(grace))
        if not answer.good:
            shared.events.warning(pod, "FailedPreStopHook", "PreStopHook failed", field_path=path)
    left = max(LEAST, grace - int(time.monotonic() - begun)) if grace > 0 else 0
    with suppress(Unchanged, NotFound):  # it has ended by itself meanwhile
        await shared.engine.containers.stop(attempt.id, left)
