"""A pod's phase: the one word for how it stands. Pure."""

from __future__ import annotations

from typing import Any

from corral.cluster.kubelet.lifecycle.view import View
from corral.cluster.kubelet.pods import members

Object = dict[str, Any]


def plan_phase(pod: Object, view: View, *, over: bool) -> str:
    """`over`: nothing runs, and nothing will be started any more; before that no phase is final.

    >>> from corral.cluster.kubelet.naming import Attempt
    >>> pod = {"spec": {"containers": [{"name": "a"}], "restartPolicy": "Never"}}
    >>> runs = Attempt("1", "a", 0, "running", "s")
    >>> plan_phase(pod, View(0), over=False), plan_phase(pod, View(0, "s", {"a": [runs]}), over=False)
    ('Pending', 'Running')
    >>> plan_phase(pod, View(0, "s", {"a": [runs._replace(state="ended", code=1)]}), over=True)
    'Failed'
    """
    everybody = [one for one in members(pod) if one.kind in ("init", "main")]
    if over:
        ends = [(one, view.last(one.name)) for one in everybody]
        bad = any(one.kind == "init" and (last is None or last.code != 0) and last is not None for one, last in ends)
        mains = [last for one, last in ends if one.kind == "main"]
        good = not bad and all(last is not None and last.ended and last.code == 0 for last in mains)
        return "Succeeded" if good else "Failed"
    lasts = [(one, view.last(one.name)) for one in everybody if one.kind == "main"]
    begun = [last for _, last in lasts if last is not None and last.state != "made"]
    if not begun or len(begun) < len(lasts):
        return "Pending"
    return "Running"
