"""Numbers of pods, plain or in per cent, as updates are paced by them; and what all workloads of apps share. Pure."""

from __future__ import annotations

from typing import Any

from corral.model.kubernetes import names
from corral.model.kubernetes.intstr import percentage
from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.kinds.checks import NEGATIVE, Problems, each, label_selector, read_selector
from corral.model.kubernetes.kinds.core.pod_spec.validation import check_pod_template, check_restart_policy
from corral.model.kubernetes.kinds.core.pod_spec.warnings import warn
from corral.model.kubernetes.kinds.fields import has, part
from corral.model.kubernetes.problems import forbidden, invalid, required


def count_or_percent(value: Any, path: str) -> Problems:
    """
    >>> [str(one) for one in count_or_percent(-1, "maxSurge")]
    ['maxSurge: Invalid value: -1: must be greater than or equal to 0']
    """
    if isinstance(value, str):
        yield from each(path, value, names.percent(value))
    elif isinstance(value, int) and value < 0:
        yield invalid(path, value, NEGATIVE)


def not_above_all(value: Any, path: str) -> Problems:
    share = percentage(value) if isinstance(value, str) else None
    if share is not None and share > 100:
        yield invalid(path, value, "must not be greater than 100%")


def is_zero(value: Any) -> bool:
    """Of a number or a percentage; one that is missing is zero.

    >>> is_zero("0%"), is_zero(0), is_zero("10%")
    (True, True, False)
    """
    return (percentage(value) if isinstance(value, str) else value) in (None, 0)


def check_selector(spec: Object, empty: str, *, required_detail: str = "") -> Problems:
    """A workload's own selector; `empty`: how it is said that it must not select everything."""
    selector = spec.get("selector")
    if not isinstance(selector, dict):
        yield required("spec.selector", required_detail)
        return
    yield from label_selector(spec, "selector", "spec.selector")
    if not selector.get("matchLabels") and not selector.get("matchExpressions"):
        yield invalid("spec.selector", selector, empty)


def check_template(spec: Object, kind: str) -> Problems:
    """The template, which the selector must select."""
    template, selector = part(spec, "template"), read_selector(spec.get("selector"))
    if selector is None:
        yield invalid("spec.selector", spec.get("selector"), "invalid label selector")
        return
    labels = part(template, "metadata", "labels")
    if not selector.empty and not selector.matches(labels):
        yield invalid("spec.template.metadata.labels", labels, "`selector` does not match template `labels`")
    yield from check_pod_template(template, "spec.template")
    yield from check_restart_policy(template, "spec.template", ("Always",))
    if has(part(template, "spec"), "activeDeadlineSeconds"):
        detail = f"activeDeadlineSeconds in {kind} is not Supported"
        yield forbidden("spec.template.spec.activeDeadlineSeconds", detail)


def template_warnings(new: Object, old: Object | None) -> list[str]:
    """Warnings for the template, where it is new."""
    if old is not None and part(new, "spec", "template") == part(old, "spec", "template"):
        return []
    return list(warn(part(new, "spec", "template"), "spec.template"))
