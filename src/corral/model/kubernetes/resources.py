"""What a resource is: one collection of the API, and how clients name it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


class GroupVersionKind(NamedTuple):
    """The core group is ""."""

    group: str
    version: str
    kind: str

    @property
    def api_version(self) -> str:
        """
        >>> GroupVersionKind("apps", "v1", "Deployment").api_version, GroupVersionKind("", "v1", "Pod").api_version
        ('apps/v1', 'v1')
        """
        return f"{self.group}/{self.version}" if self.group else self.version


def split_api_version(text: str) -> tuple[str, str]:
    """Pure: (group, version) of an `apiVersion`.

    >>> split_api_version("apps/v1"), split_api_version("v1")
    (('apps', 'v1'), ('', 'v1'))
    """
    group, slash, version = text.rpartition("/")
    return (group, version) if slash else ("", text)


@dataclass(frozen=True, slots=True)
class Subresource:
    """`kind` is what its bodies are (`autoscaling/v1 Scale` below deployments, say)."""

    name: str
    kind: GroupVersionKind
    verbs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource in one version, built in or of a CustomResourceDefinition.

    `plural` is the word in paths; `verbs` in alphabetical order, as discovery lists them.
    """

    group: str
    version: str
    plural: str
    singular: str
    kind: str
    list_kind: str
    namespaced: bool
    verbs: tuple[str, ...] = VERBS
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[Subresource, ...] = ()

    @property
    def gvk(self) -> GroupVersionKind:
        return GroupVersionKind(self.group, self.version, self.kind)

    @property
    def api_version(self) -> str:
        return self.gvk.api_version

    def subresource(self, name: str) -> Subresource | None:
        return next((one for one in self.subresources if one.name == name), None)
