"""A kind in its other versions: what a change looks like to those who own fields there.

Most versions name their fields alike. Where a conversion lies between them, a set of fields means something only in
its own version, and the objects are converted to it. Follows sigs.k8s.io/structured-merge-diff, merge/update.go.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from corral.cluster.apiserver.apply.comparing import Comparison, compare
from corral.cluster.apiserver.apply.entries import Entries
from corral.cluster.apiserver.apply.plan import Plan
from corral.cluster.apiserver.apply.reset_fields import Filter

Object = dict[str, Any]
Convert = Callable[[Object], Object]


class View(NamedTuple):
    """A version: `convert` makes it of an object of the request's version, and `back` that of it again.

    `reset` as for the request's version.
    """

    plan: Plan
    reset: Filter
    convert: Convert
    back: Convert


class Alike:
    """A version whose fields have the names that they have in the request's."""


ALIKE = Alike()
Views = Callable[[str], View | Alike | None]
"""By apiVersion; None: it is served no longer."""


def all_alike(api_version: str) -> Alike:
    return ALIKE


def only(served: Collection[str]) -> Views:
    """Versions that name their fields alike, and no other."""
    return lambda api_version: ALIKE if api_version in served else None


def known(entries: Entries, own: str, views: Views) -> Entries:
    """Pure: without the entries of versions that are served no longer. `own` is the request's version, which is."""
    if all(one.manager.api_version == own for one in entries.values()):
        return entries
    return {
        key: one
        for key, one in entries.items()
        if one.manager.api_version == own or views(one.manager.api_version) is not None
    }


class Change:
    """What changes between two objects of the request's version, whose apiVersion is `own`."""

    def __init__(self, old: Object, new: Object, seen: Comparison, own: str, views: Views) -> None:
        self.old, self.new, self.seen = old, new, seen
        self._own, self._views = own, views
        self._others: dict[str, Comparison] = {}

    def by(self, api_version: str) -> Comparison:
        """As who knows the kind in this version sees it. Raises TypedError, and what a conversion raises."""
        if api_version == self._own or not self.seen:
            return self.seen
        found = self._others.get(api_version)
        if found is None:
            view = self._views(api_version)
            found = self._others[api_version] = self._compared(view) if isinstance(view, View) else self.seen
        return found

    def _compared(self, view: View) -> Comparison:
        return compare(view.convert(self.old), view.convert(self.new), view.plan).through(view.reset)
