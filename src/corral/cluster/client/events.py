"""Events: what components tell people about objects (`kubectl describe` shows them).

Follows client-go's tools/record: the same event again is counted and not written anew; many alike that differ only in
their message are combined; an object that never stops is cut off. Telling never blocks and never fails.

    events = Events(client); recorder = events.recorder("deployment-controller")
    recorder.normal(deployment, "ScalingReplicaSet", "Scaled up replica set web-1 from 0 to 3")
    await events.run()
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple, TypeVar

from corral.cluster.client import meta
from corral.cluster.client.builtin import EVENTS
from corral.cluster.client.protocol import STRATEGIC_MERGE_PATCH, Client, Object
from corral.cluster.client.times import Now, to_micro, to_text, utc_now
from corral.model.kubernetes.status import StatusError

log = logging.getLogger("corral.cluster")

MOST_WAITING: Final = 1000  # events; the newest are dropped beyond
MOST_REMEMBERED: Final = 4096
MOST_ALIKE: Final = 10  # messages that differ, within ALIKE_SECONDS; then they are combined
ALIKE_SECONDS: Final = 600
BURST: Final = 25  # events of one object, then one each REFILL_SECONDS
REFILL_SECONDS: Final = 300
LONGEST_NOTE: Final = 1024  # bytes of a message

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Told(NamedTuple):
    """One event as a component told it. `about` is an object reference."""

    component: str
    host: str
    about: Object
    type: str
    reason: str
    message: str
    when: datetime
    action: str = ""
    related: Object | None = None


class Recorder:
    """How one component tells. `host` is the node it runs on, for a kubelet."""

    def __init__(self, events: Events, component: str, host: str = "") -> None:
        self._events, self.component, self._host = events, component, host

    def named(self, component: str) -> Recorder:
        """The same for another component of this process: a scheduler has a name for each profile."""
        return self if component == self.component else Recorder(self._events, component, self._host)

    def normal(self, about: Object, reason: str, message: str, **more: Any) -> None:
        self.record(about, "Normal", reason, message, **more)

    def warning(self, about: Object, reason: str, message: str, **more: Any) -> None:
        self.record(about, "Warning", reason, message, **more)

    def record(
        self,
        about: Object,
        type: str,
        reason: str,
        message: str,
        *,
        field_path: str = "",
        action: str = "",
        related: Object | None = None,
    ) -> None:
        """`about`, `related`: whole objects. `field_path`: a part of it, like `spec.containers{web}`. With an
        `action` the event is one of events.k8s.io's new kind, as upstream's scheduler writes them."""
        self._events.put(
            Told(
                self.component,
                self._host,
                reference(about, field_path),
                type,
                reason,
                message,
                self._events.now(),
                action,
                None if related is None else reference(related),
            )
        )


class Events:
    """Takes what recorders tell, and writes it while `run` is at work."""

    def __init__(self, client: Client, now: Now = utc_now) -> None:
        self.now = now
        self._client = client
        self._waiting: asyncio.Queue[Told] = asyncio.Queue(MOST_WAITING)
        self._memory = Memory()
        self._dropped = 0

    def recorder(self, component: str, host: str = "") -> Recorder:
        return Recorder(self, component, host)

    def put(self, told: Told) -> None:
        """Where too many wait it is dropped: a burst of changes must not become one of logs, too."""
        try:
            self._waiting.put_nowait(told)
        except asyncio.QueueFull:
            if not self._dropped:
                log.warning("events are dropped, too many wait; the first: %s %s", told.reason, told.message)
            self._dropped += 1

    async def drained(self) -> None:
        """Returns when all that was told so far is written."""
        await self._waiting.join()

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            told = await self._waiting.get()
            try:
                await self._write(told)
            except (StatusError, OSError) as error:
                log.warning("event %s of %s not written: %s", told.reason, told.about.get("name"), error)
            finally:
                self._waiting.task_done()
            if self._dropped and self._waiting.empty():
                log.warning("events are written again; %d were dropped", self._dropped)
                self._dropped = 0

    async def _write(self, told: Told) -> None:
        plan = self._memory.plan(told)
        if plan is None:
            return
        if plan.again:
            try:
                await self._client.patch(
                    EVENTS, plan.name, plan.namespace, patch=plan.changes, type=STRATEGIC_MERGE_PATCH
                )
                return
            except StatusError as error:
                if error.reason != "NotFound":  # expired meanwhile: begin again
                    raise
        await self._client.create(EVENTS, plan.event, plan.namespace)


@dataclass(slots=True)
class _Bucket:
    """Tokens left, as of a time in seconds."""

    tokens: float
    at: float

    def take(self, now: float) -> bool:
        self.tokens = min(BURST, self.tokens + (now - self.at) / REFILL_SECONDS)
        self.at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


@dataclass(slots=True)
class _Alike:
    messages: set[str]
    last: float


@dataclass(slots=True)
class _Written:
    name: str
    count: int
    first: str


class Plan(NamedTuple):
    """Write `event`, or if it was written before (`again`), only what changes of it."""

    again: bool
    event: Object

    @property
    def name(self) -> str:
        return meta.name(self.event)

    @property
    def namespace(self) -> str:
        return meta.namespace(self.event)

    @property
    def changes(self) -> Object:
        changed = ("count", "lastTimestamp", "message", "series")
        return {key: self.event[key] for key in changed if key in self.event}


@dataclass(slots=True)
class Memory:
    """What was told lately, and so what becomes of the next event. No I/O; each part forgets its oldest."""

    written: OrderedDict[Hashable, _Written] = field(default_factory=OrderedDict)
    alike: OrderedDict[Hashable, _Alike] = field(default_factory=OrderedDict)
    buckets: OrderedDict[Hashable, _Bucket] = field(default_factory=OrderedDict)

    def plan(self, told: Told) -> Plan | None:
        """None: this object has told too much.

        >>> from datetime import UTC
        >>> about = {"kind": "Pod", "namespace": "d", "name": "web", "uid": "u"}
        >>> told = Told("kubelet", "n1", about, "Normal", "Pulled", "text", datetime(2026, 1, 2, tzinfo=UTC))
        >>> memory = Memory()
        >>> [(plan.again, plan.event["count"]) for plan in (memory.plan(told), memory.plan(told))]
        [(False, 1), (True, 2)]
        """
        now = told.when.timestamp()
        source = (told.component, told.host, told.about.get("uid"), told.about.get("name"), told.about.get("fieldPath"))
        group = (*source, told.type, told.reason, told.action)
        alike = _recall(self.alike, group, _Alike(set(), now))
        if now - alike.last > ALIKE_SECONDS:
            alike.messages.clear()
        alike.messages.add(told.message)
        alike.last = now
        combined = len(alike.messages) > MOST_ALIKE
        key = group if combined else (*group, told.message)
        message = f"(combined from similar events): {told.message}" if combined else told.message
        if not _recall(self.buckets, source, _Bucket(BURST, now)).take(now):
            return None
        known = _recall(self.written, key, _Written(event_name(told), 0, to_text(told.when)))
        known.count += 1
        return Plan(known.count > 1, event_object(told, known.name, cut(message), known.count, known.first))


def _recall(known: OrderedDict[Hashable, V], key: Hashable, new: V) -> V:
    found = known.setdefault(key, new)
    known.move_to_end(key)
    if len(known) > MOST_REMEMBERED:
        known.popitem(last=False)
    return found


def reference(obj: Object, field_path: str = "") -> Object:
    """Pure: the ObjectReference to an object."""
    metadata = obj["metadata"]
    found = {
        "kind": obj["kind"],
        "namespace": metadata.get("namespace", ""),
        "name": metadata["name"],
        "uid": metadata.get("uid", ""),
        "apiVersion": obj["apiVersion"],
        "resourceVersion": metadata.get("resourceVersion", ""),
        "fieldPath": field_path,
    }
    return {key: value for key, value in found.items() if value}


def event_name(told: Told) -> str:
    """Pure: the object's name and the time in hexadecimal nanoseconds.

    >>> from datetime import UTC
    >>> event_name(Told("c", "", {"name": "web"}, "Normal", "r", "m", datetime(2026, 1, 2, tzinfo=UTC)))
    'web.1886c0e67f490000'
    """
    return f"{told.about['name']}.{round(told.when.timestamp() * 1_000_000) * 1000:x}"


def cut(message: str) -> str:
    """Pure: what the API takes of a message.

    >>> cut("short"), len(cut("é" * 1000).encode())
    ('short', 1024)
    """
    return message.encode()[:LONGEST_NOTE].decode(errors="ignore")


def event_object(told: Told, name: str, message: str, count: int, first: str) -> Object:
    """Pure: the core/v1 Event. Events of what has no namespace go to `default`."""
    namespace = told.about.get("namespace") or "default"
    event: Object = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": namespace},
        "involvedObject": told.about,
        "reason": told.reason,
        "message": message,
        "type": told.type,
        "reportingComponent": told.component,
        "reportingInstance": told.host,
    }
    if told.related is not None:
        event["related"] = told.related
    if not told.action:
        source = {"component": told.component} | ({"host": told.host} if told.host else {})
        return event | {
            "source": source,
            "firstTimestamp": first,
            "lastTimestamp": to_text(told.when),
            "count": count,
        }
    event |= {"action": told.action, "eventTime": to_micro(told.when), "count": count}
    event["reportingInstance"] = told.host or told.component
    if count > 1:
        event["series"] = {"count": count, "lastObservedTime": to_micro(told.when)}
    return event
