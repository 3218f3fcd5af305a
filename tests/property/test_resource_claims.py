"""However many claims a pod asks for: each is made once, and named in its status."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from corral.cluster.controllers.resourceclaim.claims import plan_claim, plan_missing, plan_statuses
from corral.cluster.scheduler.devices.pod_claims import find_claims

Object = dict[str, Any]

ASKED = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(["template", "claim"]), max_size=6)


@given(ASKED, st.sets(st.sampled_from("abcdef")))
def test_each_is_made_once(asked: dict[str, str], there: set[str]) -> None:
    keys = {"template": "resourceClaimTemplateName", "claim": "resourceClaimName"}
    spec = {"resourceClaims": [{"name": name, keys[kind]: "x"} for name, kind in asked.items()]}
    pod = {"metadata": {"name": "p", "namespace": "d", "uid": "u"}, "spec": spec}

    def made(name: str) -> Object:
        claim = plan_claim(pod, name, {"spec": {"spec": {}}})
        return {**claim, "metadata": {**claim["metadata"], "name": f"p-{name}-1"}}

    owned = [made(name) for name in sorted(there)]
    have, missing = plan_missing(pod, owned)
    owned += [made(name) for name in missing]
    have, missing = plan_missing(pod, owned)
    assert not missing
    assert set(have) == {name for name, kind in asked.items() if kind == "template"}
    claims = {f"d/{one['metadata']['name']}": one for one in owned} | {"d/x": {"metadata": {"name": "x"}}}
    found = find_claims({**pod, "status": {"resourceClaimStatuses": plan_statuses(pod, have)}}, claims)
    assert [one["metadata"]["name"] for one in found] == [
        f"p-{name}-1" if kind == "template" else "x" for name, kind in asked.items()
    ]
