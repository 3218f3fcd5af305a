"""Lease, of the group coordination.k8s.io. Pure."""

from __future__ import annotations

from corral.model.kubernetes.kind import Kind, Object
from corral.model.kubernetes.kinds.cells import AGE, at, column
from corral.model.kubernetes.kinds.checks import NOT_POSITIVE, Problems, each, listed, nonnegative, qualified_name
from corral.model.kubernetes.kinds.fields import ensure, has, number, part, text
from corral.model.kubernetes.problems import forbidden, invalid, not_supported


def _validate(obj: Object) -> Problems:
    spec = part(obj, "spec")
    seconds = number(spec, "leaseDurationSeconds")
    if has(spec, "leaseDurationSeconds") and seconds <= 0:
        yield invalid("spec.leaseDurationSeconds", seconds, NOT_POSITIVE)
    yield from nonnegative(spec, "spec", "leaseTransitions")
    if strategy := text(spec, "strategy"):
        if "/" in strategy:
            yield from each("spec.strategy", strategy, qualified_name(strategy))
        elif strategy != "OldestEmulationVersion":
            yield not_supported("spec.strategy", strategy, ("OldestEmulationVersion",))
    if text(spec, "preferredHolder") and not text(spec, "strategy"):
        yield forbidden("spec.preferredHolder", "may only be specified when `strategy` is defined")


def _default(obj: Object) -> None:
    ensure(obj, "spec")


LEASE = Kind(
    default=_default,
    validate=listed(_validate),
    has_generation=False,
    columns=(column("Holder", at("spec", "holderIdentity")), AGE),
    allow_unconditional_update=False,
    allow_create_on_update=True,
)
