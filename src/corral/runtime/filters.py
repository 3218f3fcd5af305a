"""Compiled filters: crun makes a program for the kernel of each container's seccomp rules, some 10 ms of everybody's
start. What it made of the same rules before it takes as an annotation of the bundle, and keeps it for execs as its own.

Kept in memory only: another release of crun or of its library makes programs of its own, in a daemon's next life.
"""

from __future__ import annotations

import base64
import os
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from corral.runtime.oci import OciRuntime

ANNOTATION = "run.oci.seccomp_bpf_data"
_OWN = "run.oci."  # annotations that crun itself understands, and that may change what it makes of the rules
_ROOM, _LARGEST = 32, 1 << 18  # filters; bytes of one (a kernel takes 32 KiB)


@dataclass(frozen=True)
class Rules:
    """A filter before it is compiled: whose work it will be, and the rules as JSON."""

    runtime: str
    text: bytes


def plan_rules(runtime: OciRuntime, config: Mapping[str, Any]) -> Rules | None:
    """Pure: the rules of a bundle whose compiled form can be kept; None where there are none, or who asked for the
    container speaks to the runtime about them.

    >>> crun, rules = OciRuntime("crun", "/usr/bin/crun", "1.8.1", "/run/crun"), {"defaultAction": "SCMP_ACT_ALLOW"}
    >>> plan_rules(crun, {"linux": {"seccomp": rules}}).text
    b'{"defaultAction":"SCMP_ACT_ALLOW"}'
    >>> plan_rules(crun, {"linux": {"seccomp": rules}, "annotations": {"run.oci.seccomp.receiver": "/x"}})
    >>> plan_rules(OciRuntime("runc", "/usr/bin/runc", "1.1.5", "/run/runc"), {"linux": {"seccomp": rules}})
    """
    seccomp = config["linux"].get("seccomp")
    told = any(name.startswith(_OWN) for name in config.get("annotations", ()))
    if not seccomp or told or runtime.name != "crun" or not runtime.version.startswith("1."):
        return None
    return Rules(f"{runtime.path} {runtime.version}", msgspec.json.encode(seccomp))


class Filters:
    """The compiled filters of those rules that were used last."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Rules, str] = OrderedDict()

    def apply(self, rules: Rules | None, config: dict[str, Any]) -> Rules | None:
        """Puts the compiled form into a bundle's config. Returns rules that the runtime is to compile, for `learn`."""
        if rules is None or rules not in self._kept:
            return rules
        self._kept.move_to_end(rules)
        config["annotations"] = {**config.get("annotations", {}), ANNOTATION: self._kept[rules]}
        return None

    def learn(self, rules: Rules, state: str) -> None:
        """From the state that the runtime keeps of a container that was made, and whose program has not run yet."""
        try:
            with open(os.path.join(state, "seccomp.bpf"), "rb") as file:
                program = file.read(_LARGEST + 1)
        except OSError:  # a release that keeps none
            return
        if program and len(program) <= _LARGEST and len(program) % 8 == 0:  # whole instructions
            self._kept[rules] = base64.b64encode(program).decode()
            while len(self._kept) > _ROOM:
                self._kept.popitem(last=False)
