"""What is known of a pod's containers beside what the engine shows: kept by the pod's worker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from corral.cluster.kubelet.lifecycle.view import View, Waiting
from corral.cluster.kubelet.resizing.plan import Pending

Object = dict[str, Any]


@dataclass(frozen=True)
class Facts:
    """`ready`: attempts whose readiness probe has passed, or that have none. `waiting`: why a container is not started.

    `messages`: termination messages by attempt. `images`, `image_ids`: by attempt, the image as the
    status names it, by name and by digest. `resources`: what
    an attempt is limited to now, in the words of the pod's spec. `ips` are the pod's, `host_ips` the node's.
    """

    view: View
    ready: frozenset[str] = frozenset()
    waiting: Mapping[str, Waiting] = field(default_factory=dict)
    messages: Mapping[str, str] = field(default_factory=dict)
    images: Mapping[str, str] = field(default_factory=dict)
    image_ids: Mapping[str, str] = field(default_factory=dict)
    resources: Mapping[str, Object] = field(default_factory=dict)
    ips: tuple[str, ...] = ()
    host_ips: tuple[str, ...] = ()
    over: bool = False
    failure: Waiting | None = None  # why the pod as a whole has failed: its reason and message
    pending: Pending | None = None  # a resize that the node cannot make now
    resizing: bool = False  # one that is under way
    resize_error: str = ""  # and does not get on
    disrupted: bool = False  # the node could not keep it
