"""componentstatuses: how the parts of the cluster are, as upstream shows them. Nothing of it is stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from corral.cluster.apiserver.registry import Served
from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.status import not_found

Check = Callable[[], str]  # what is wrong; "" if nothing is


def component_status(name: str, wrong: str) -> Object:
    """Pure.

    >>> component_status("etcd-0", "")["conditions"]
    [{'type': 'Healthy', 'status': 'True', 'message': 'ok'}]
    """
    condition = {"type": "Healthy", "status": "False" if wrong else "True"}
    condition |= {"error": wrong} if wrong else {"message": "ok"}
    metadata = {"name": name}
    return {"kind": "ComponentStatus", "apiVersion": "v1", "metadata": metadata, "conditions": [condition]}


class Components:
    """A `Computed` resource. `checks` by name; more come while the server starts."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self.checks: dict[str, Check] = dict(checks)

    async def get(self, namespace: str, name: str) -> Object:
        if name not in self.checks:
            raise not_found("componentstatuses", name)
        return component_status(name, self.checks[name]())

    async def list(self, namespace: str) -> Sequence[Object]:
        return [component_status(name, check()) for name, check in sorted(self.checks.items())]

    def serve(self, served: Served) -> None:
        """In place: the resource is answered from here."""
        served.computed = self
