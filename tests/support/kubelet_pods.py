"""Pods and attempts for the tests of decisions."""

from __future__ import annotations

from typing import Any

from corral.cluster.kubelet.naming import Attempt

Object = dict[str, Any]


def pod(*mains: Object, inits: tuple[Object, ...] = (), policy: str = "Always", **spec: Any) -> Object:
    containers = [{"image": "x", **one} for one in mains or ({"name": "a"},)]
    spec |= {
        "containers": containers,
        "initContainers": [{"image": "x", **one} for one in inits],
        "restartPolicy": policy,
    }
    return {"metadata": {"name": "web", "namespace": "shop", "uid": "u1"}, "spec": spec}


def ran(name: str, code: int = 0, number: int = 0, space: str = "s", finished: int = 0) -> Attempt:
    return Attempt(f"{name}{number}", name, number, "ended", space, code=code, started=1, finished=finished)


def runs(name: str, number: int = 0, space: str = "s", **more: Any) -> Attempt:
    return Attempt(f"{name}{number}", name, number, "running", space, started=1, **more)
