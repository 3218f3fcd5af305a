"""Removal: what `docker rmi` may take away, and what stands in its way. Pure.

By a name: the name goes; the image follows with its last name, unless something needs it. By an id: the image goes
with its name, if there is one only. *Hard* conflicts (children, a running container) stop even a forced removal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from corral.errors import Conflict, InvalidInput
from corral.images.catalog import Catalog
from corral.images.references import is_id_prefix, parse
from corral.kit.ids import short
from corral.model.container import Struct
from corral.model.image import Image

Users = Callable[[str], Sequence[tuple[str, bool]]]  # image id -> the containers that use it: (id, does it run)


class Removed(Struct):
    """One step that was taken: a name (in full) taken away, or an image or a layer deleted. The other is empty."""

    untagged: str = ""
    deleted: str = ""


class Plan(NamedTuple):
    """`untag` are full references; `delete` image ids, children before parents. `steps` is the order to report."""

    untag: list[str]
    delete: list[str]
    steps: list[Removed]


def plan_removal(catalog: Catalog, text: str, *, force: bool, prune: bool, users: Users) -> Plan:
    """What removing `text` takes away.

    Conflict, in Docker's words, if it may not; NotFound as `Catalog.find`.
    """
    image = catalog.find(text)
    plan = Plan([], [], [])
    left = [*image.tags, *image.digests]
    if not is_id_prefix(image.id, text):
        left = _untag_one(image, text, force, users, plan)
        if left:
            return plan
        _delete(catalog, image, left, force, prune, users, plan, quiet=True)
        return plan
    if single(left):
        conflict = _conflict(image, catalog.children(image.id), [], force, users)
        if conflict:
            raise conflict
        _untag(left, plan)
        left = []
    _delete(catalog, image, left, force, prune, users, plan, quiet=False)
    return plan


def plan_prune(tags: Sequence[str], asked: Sequence[str]) -> list[str]:
    """Pure: the names of an image that no container needs, where containers were made from it by the names `asked` (or
    by an id, or mount it: any other text). The names that were asked for stay, and one in any case: the last.

    >>> tags = ["docker.io/library/app:1", "docker.io/library/app:2", "docker.io/library/app:3"]
    >>> plan_prune(tags, ["app:1"]) == tags[1:], plan_prune(tags, ["0123456789ab"]) == tags[:2]
    (True, True)
    """
    kept = {name for text in asked for name in _tag_of(text)}
    names = sorted(tag for tag in tags if tag not in kept)
    return names[:-1] if asked and len(names) == len(tags) else names


def _tag_of(text: str) -> list[str]:
    try:
        ref = parse(text).tagged()
    except InvalidInput:  # an id in full
        return []
    return [f"{ref.name}:{ref.tag}"] if ref.tag else []


def single(refs: Sequence[str]) -> bool:
    """Pure: at most one tag, and all of one repository.

    >>> single(["a:1"]), single(["a:1", "a@sha256:0"]), single(["a:1", "a:2"]), single([])
    (True, True, False, False)
    """
    tags = [ref for ref in refs if "@" not in ref]
    repositories = {ref.partition("@")[0] if "@" in ref else ref.rpartition(":")[0] for ref in refs}
    return len(repositories) == 1 and len(tags) <= 1


def _untag(refs: Sequence[str], plan: Plan) -> None:
    plan.untag.extend(refs)
    plan.steps.extend(Removed(untagged=ref) for ref in refs)


def _untag_one(image: Image, text: str, force: bool, users: Users, plan: Plan) -> list[str]:
    """Takes one name away; what names are left. With a repository's last tag its digests go too."""
    refs = [*image.tags, *image.digests]
    using = users(image.id)
    if not force and single(refs) and using:
        raise Conflict(
            f'conflict: unable to remove repository reference "{text}" (must force) - container '
            f"{short(using[0][0])} is using its referenced image {short(image.id)}"
        )
    ref = parse(text).tagged()
    full = f"{ref.name}@{ref.digest}" if ref.digest else str(ref)
    gone = [full]
    if not ref.digest and not any(r != full and r.rpartition(":")[0] == ref.name for r in image.tags):
        gone += [r for r in image.digests if r.partition("@")[0] == ref.name]
    _untag(gone, plan)
    return [r for r in refs if r not in gone]


def _conflict(image: Image, children: Sequence[str], refs: Sequence[str], force: bool, users: Users) -> _Stop | None:
    """What stands in the way of deleting an image that still has these children and names."""
    using = users(image.id)
    running = next((id for id, runs in using if runs), None)
    stopped = next((id for id, runs in using if not runs), None)
    if children:
        return _Stop(image, "cannot be forced", "image has dependent child images", used=False)
    if running:
        return _Stop(image, "cannot be forced", f"image is being used by running container {short(running)}")
    if not force and refs:
        return _Stop(image, "must be forced", "image is referenced in multiple repositories", used=False)
    if not force and stopped:
        return _Stop(image, "must be forced", f"image is being used by stopped container {short(stopped)}")
    return None


class _Stop(Conflict):
    def __init__(self, image: Image, force: str, reason: str, used: bool = True) -> None:
        super().__init__(f"conflict: unable to delete {short(image.id)} ({force}) - {reason}")
        self.used = used


def _delete(
    catalog: Catalog, image: Image, refs: list[str], force: bool, prune: bool, users: Users, plan: Plan, *, quiet: bool
) -> None:
    """Deletes an image and, with `prune`, the nameless images it was made from that nothing else needs."""
    children = [child for child in catalog.children(image.id) if child not in plan.delete]
    conflict = _conflict(image, children, refs, force, users)
    if conflict:
        dangling = not refs and not children
        if quiet and (not dangling or conflict.used):
            return
        raise conflict
    _untag(refs, plan)
    plan.delete.append(image.id)
    plan.steps.append(Removed(deleted=image.id))
    parent = catalog.images.get(image.parent) if prune and image.parent else None
    if parent is not None:
        _delete(catalog, parent, [*parent.tags, *parent.digests], False, True, users, plan, quiet=True)
