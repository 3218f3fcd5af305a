"""Of all resources that are served, which hold objects that can be found, watched and deleted. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from corral.cluster.client.protocol import Collection
from corral.model.kubernetes.resources import Resource

# Asked whenever it matters: custom resources come and go.
Resources = Callable[[], Iterable[Resource]]
# (group, version) of what is served by somebody who cannot be asked what it is.
Undiscovered = Callable[[], Iterable[tuple[str, str]]]

_NEEDED: Final = frozenset({"delete", "list", "watch"})


def collection(resource: Resource) -> Collection:
    return Collection(resource.group, resource.version, resource.plural)


def deletable(resources: Iterable[Resource]) -> Iterator[Resource]:
    """Each resource in one version, the one that is listed first; events only once, though two groups have them.

    >>> pod = Resource("", "v1", "pods", "pod", "Pod", "PodList", True)
    >>> review = Resource("a", "v1", "reviews", "review", "Review", "", False, verbs=("create",))
    >>> [(one.group, one.plural) for one in deletable([pod, review, pod])]
    [('', 'pods')]
    """
    seen = {("events.k8s.io", "events")}
    for one in resources:
        if (one.group, one.plural) not in seen and set(one.verbs) >= _NEEDED:
            seen.add((one.group, one.plural))
            yield one
