"""What a plugin is made from: `Base` says nothing to anything; a plugin overrides what it has a word on."""

from __future__ import annotations

from typing import Any

from corral.cluster.apiserver.attributes import Admission
from corral.model.kubernetes.kinds.fields import objects
from corral.model.kubernetes.status import StatusError, forbidden

Object = dict[str, Any]
LISTS = ("initContainers", "containers", "ephemeralContainers")


class Base:
    """A plugin of the chain. Both raise StatusError to refuse."""

    async def admit(self, admission: Admission) -> None:
        """May change `admission.object`."""

    async def validate(self, admission: Admission) -> None:
        """Judges only."""


def is_about(admission: Admission, plural: str, *operations: str, group: str = "") -> bool:
    """Whether a request is about whole objects of a resource."""
    resource = admission.resource
    same = (resource.group, resource.plural) == (group, plural) and not admission.subresource
    return same and (not operations or admission.operation in operations) and admission.object is not None


def refused(admission: Admission, cause: str) -> StatusError:
    """The 403 of a plugin."""
    resource = admission.resource
    return forbidden(resource.plural, admission.name, cause, resource.group)


def containers_of(spec: Object) -> list[Object]:
    """Pure: all containers of a pod, the initial ones first."""
    return [one for key in LISTS for one in objects(spec, key)]
