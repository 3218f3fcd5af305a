"""The controller of HorizontalPodAutoscalers: measures, asks the decisions next door, and sets the size.

Follows upstream's pkg/controller/podautoscaler. Metrics are samples, so this one looks by the clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from corral.cluster.client import meta
from corral.cluster.client.builtin import AUTOSCALERS, PODS
from corral.cluster.client.metrics import Unavailable
from corral.cluster.client.protocol import Object
from corral.cluster.client.times import to_text
from corral.cluster.controllers.autoscaling.behavior import Memory, limit, rules, stabilized
from corral.cluster.controllers.autoscaling.calculating import Tolerance
from corral.cluster.controllers.autoscaling.measuring import Measured, Target, failure_reason, measure
from corral.cluster.controllers.common import conditions
from corral.cluster.controllers.common.scales import Scales
from corral.cluster.controllers.controller import Controller
from corral.cluster.controllers.shared import Shared
from corral.model.kubernetes.selectors import BadSelector, parse
from corral.model.kubernetes.status import StatusError

PERIOD = 15.0  # seconds


class Desired(NamedTuple):
    """A size and why; `metrics` as the status shows them."""

    replicas: int
    reason: str
    metrics: list[Object]


class Told:
    """The status in the making."""

    def __init__(self, autoscaler: Object, now: str) -> None:
        self.known: Object = autoscaler.get("status") or {}
        self.conditions: list[Object] = list(self.known.get("conditions") or ())
        self._now = now

    def say(self, type: str, status: bool, reason: str, message: str) -> None:
        old = conditions.find(self.conditions, type)
        new = conditions.make(type, status, reason, message, self._now)
        if old is not None and old.get("status") == new["status"]:
            new["lastTransitionTime"] = old.get("lastTransitionTime")
        at = self.conditions.index(old) if old is not None else len(self.conditions)
        self.conditions[at : at + 1] = [new]


class AutoscalerController(Controller):
    name = "horizontal-pod-autoscaler"

    def __init__(self, shared: Shared) -> None:
        self._shared, self._client = shared, shared.client
        self._autoscalers, self._pods = shared.informers.of(AUTOSCALERS), shared.informers.of(PODS)
        super().__init__([self._autoscalers, self._pods])
        self._scales = Scales(shared.client)
        self._memories: dict[str, Memory] = {}  # by the autoscaler's uid
        self._recorder = shared.events.recorder(self.name)
        self._autoscalers.on_change(self._changed)

    def _changed(self, old: Object | None, new: Object | None) -> None:
        if new is None:
            self._memories.pop(meta.uid(old or {"metadata": {}}), None)
        elif old is None or old["spec"] != new["spec"]:  # not its own status: that would never end
            self.queue.add(meta.key(new))

    async def reconcile(self, key: str) -> float | None:
        autoscaler = self._autoscalers.get(key)
        if autoscaler is None:
            return None
        told = Told(autoscaler, to_text(self._shared.now()))
        ref, namespace = autoscaler["spec"]["scaleTargetRef"], meta.namespace(autoscaler)
        try:
            scale = await self._scales.get(ref.get("apiVersion") or "v1", ref["kind"], ref["name"], namespace)
        except StatusError as error:
            self._recorder.warning(autoscaler, "FailedGetScale", str(error))
            text = f"the HPA controller was unable to get the target's current scale: {error}"
            told.say("AbleToScale", False, "FailedGetScale", text)
            await self._tell(autoscaler, told, self._counts(autoscaler, None, None))
            return PERIOD
        told.say(
            "AbleToScale", True, "SucceededGetScale", "the HPA controller was able to get the target's current scale"
        )
        current = int((scale.get("spec") or {}).get("replicas") or 0)
        desired = await self._desired(autoscaler, scale, current, told)
        if desired is not None and desired.replicas != current:
            await self._rescale(autoscaler, ref, scale, current, desired, told)
        counts = self._counts(autoscaler, scale, desired)
        if desired is not None and desired.replicas != current:
            counts["lastScaleTime"] = to_text(self._shared.now())
        await self._tell(autoscaler, told, counts)
        return PERIOD

    # ------------------------------------------------------------------------------------------------- deciding

    async def _desired(self, autoscaler: Object, scale: Object, current: int, told: Told) -> Desired | None:
        """None: nobody can say, so nothing changes."""
        spec = autoscaler["spec"]
        raw_least = spec.get("minReplicas")
        least, most = 1 if raw_least is None else int(raw_least), int(spec["maxReplicas"])
        if current == 0 and least != 0:
            text = "scaling is disabled since the replica count of the target is zero"
            told.say("ScalingActive", False, "ScalingDisabled", text)
            return Desired(0, "", list(told.known.get("currentMetrics") or ()))
        known = list(told.known.get("currentMetrics") or ())
        if current > most:
            return Desired(most, "Current number of replicas above Spec.MaxReplicas", known)
        if current < least:
            return Desired(least, "Current number of replicas below Spec.MinReplicas", known)
        target = self._target(autoscaler, scale, current, told)
        found = None if target is None else await self._measure(autoscaler, target, told)
        if found is None:
            return None
        best, shown = found
        replicas = self._bounded(autoscaler, current, best.replicas, least, most, told)
        reason = f"{best.name} above target" if replicas > current else "All metrics below target"
        return Desired(replicas, reason, shown)

    def _target(self, autoscaler: Object, scale: Object, current: int, told: Told) -> Target | None:
        text = (scale.get("status") or {}).get("selector") or ""
        try:
            selector = parse(text)
        except BadSelector as error:
            self._fail(
                autoscaler,
                told,
                "InvalidSelector",
                f"couldn't convert selector into a corresponding internal selector object: {error}",
            )
            return None
        if not text:
            self._recorder.warning(autoscaler, "SelectorRequired", "selector is required")
            told.say("ScalingActive", False, "InvalidSelector", "the HPA target's scale is missing a selector")
            return None
        namespace, spec = meta.namespace(autoscaler), autoscaler["spec"]
        pods = [
            pod
            for pod in self._pods.all()
            if meta.namespace(pod) == namespace and selector.matches(pod["metadata"].get("labels") or {})
        ]
        down, up = rules(spec, "scaleDown").tolerance, rules(spec, "scaleUp").tolerance
        tolerance = Tolerance(0.1 if down is None else down, 0.1 if up is None else up)
        running = int((scale.get("status") or {}).get("replicas") or 0)
        return Target(namespace, selector, pods, current, running, tolerance, self._shared.now())

    def _fail(self, autoscaler: Object, told: Told, reason: str, message: str) -> None:
        self._recorder.warning(autoscaler, reason, message)
        told.say("ScalingActive", False, reason, message)

    async def _measure(self, autoscaler: Object, at: Target, told: Told) -> tuple[Measured, list[Object]] | None:
        """The greatest proposal. With a metric missing it counts only for growing: None otherwise."""
        wanted: Sequence[Object] = autoscaler["spec"].get("metrics") or ()
        found: list[Measured] = []
        failures: list[tuple[str, str]] = []
        for metric in wanted:
            try:
                found.append(await measure(metric, at, self._shared.metrics))
            except Unavailable as error:
                reason = failure_reason(metric)
                failures.append((reason, f"failed to get {_called(metric)}: {error}"))
                self._recorder.warning(autoscaler, reason, str(error))
        best = max(found, key=lambda one: one.replicas, default=None)
        if best is None or (failures and best.replicas < at.wanted):
            reason, first = failures[0] if failures else ("FailedGetResourceMetric", "no metrics")
            total = f"invalid metrics ({len(failures)} invalid out of {len(wanted)}), first error is: {first}"
            told.say("ScalingActive", False, reason, f"the HPA was unable to compute the replica count: {first}")
            self._recorder.warning(autoscaler, "FailedComputeMetricsReplicas", total)
            return None
        text = f"the HPA was able to successfully calculate a replica count from {best.name}"
        told.say("ScalingActive", True, "ValidMetricFound", text)
        return best, [one.status for one in found]

    def _bounded(self, autoscaler: Object, current: int, wanted: int, least: int, most: int, told: Told) -> int:
        now, spec = self._shared.now(), autoscaler["spec"]
        memory = self._memories.setdefault(meta.uid(autoscaler), Memory([(now, current)]))
        memory.forget(now)
        steady = stabilized(current, wanted, memory.recommended, rules(spec, "scaleUp"), rules(spec, "scaleDown"), now)
        memory.recommended.append((now, wanted))
        if steady == wanted:
            told.say("AbleToScale", True, "ReadyForNewScale", "recommended size matches current size")
        elif steady > wanted:
            text = "recent recommendations were higher than current one, applying the highest recent recommendation"
            told.say("AbleToScale", True, "ScaleDownStabilized", text)
        else:
            text = "recent recommendations were lower than current one, applying the lowest recent recommendation"
            told.say("AbleToScale", True, "ScaleUpStabilized", text)
        found = limit(current, steady, least, most, spec, memory, now)
        if not found.limited and not least <= found.replicas <= most:
            found = limit(current, least if found.replicas < least else most, least, most, spec, memory, now)
        told.say("ScalingLimited", found.limited, found.reason, found.message)
        return found.replicas

    # ------------------------------------------------------------------------------------------------- writing

    async def _rescale(
        self, autoscaler: Object, ref: Object, scale: Object, current: int, desired: Desired, told: Told
    ) -> None:
        """Raises StatusError when it could not be done, once that has been told."""
        try:
            await self._scales.set(ref.get("apiVersion") or "v1", ref["kind"], scale, desired.replicas)
        except StatusError as error:
            text = f"New size: {desired.replicas}; reason: {desired.reason}; error: {error}"
            self._recorder.warning(autoscaler, "FailedRescale", text)
            text = f"the HPA controller was unable to update the target scale: {error}"
            told.say("AbleToScale", False, "FailedUpdateScale", text)
            await self._tell(autoscaler, told, self._counts(autoscaler, scale, None))
            raise
        text = f"the HPA controller was able to update the target scale to {desired.replicas}"
        told.say("AbleToScale", True, "SucceededRescale", text)
        self._recorder.normal(
            autoscaler, "SuccessfulRescale", f"New size: {desired.replicas}; reason: {desired.reason}"
        )
        memory = self._memories.setdefault(meta.uid(autoscaler), Memory())
        memory.changes.append((self._shared.now(), desired.replicas - current))

    @staticmethod
    def _counts(autoscaler: Object, scale: Object | None, desired: Desired | None) -> dict[str, Any]:
        known = autoscaler.get("status") or {}
        current = known.get("currentReplicas", 0)
        if scale is not None:
            current = int((scale.get("status") or {}).get("replicas") or 0)
        found = {
            "observedGeneration": autoscaler["metadata"].get("generation"),
            "lastScaleTime": known.get("lastScaleTime"),
            "currentReplicas": current,
            "desiredReplicas": known.get("desiredReplicas", 0) if desired is None else desired.replicas,
            "currentMetrics": known.get("currentMetrics") if desired is None else desired.metrics,
        }
        return {key: value for key, value in found.items() if value or key == "desiredReplicas"}

    async def _tell(self, autoscaler: Object, told: Told, counts: dict[str, Any]) -> None:
        status = {**counts, "conditions": told.conditions}
        if status != (autoscaler.get("status") or {}):
            changed = {**autoscaler, "status": status}
            await self._autoscalers.seen(await self._client.update(AUTOSCALERS, changed, subresource="status"))


def _called(metric: Object) -> str:
    """What a metric is, in the message that it failed."""
    type = metric.get("type")
    if type in ("Resource", "ContainerResource"):
        part = metric.get("resource") or metric.get("containerResource") or {}
        target = part.get("target") or {}
        how = "value" if target.get("averageValue") is not None else "utilization"
        return f"{part.get('name')} {how if type == 'Resource' else f'container {how}'}"
    return {"Pods": "pods metric value", "Object": "object metric value"}.get(str(type), "external metric value")
