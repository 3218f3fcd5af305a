"""Lists, whole or in pieces, of now or of an earlier revision; and where a watch begins.

Follows k8s.io/apiserver/pkg/storage (continue tokens) and the semantics of resourceVersion in upstream's API concepts.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgspec

from corral.cluster.apiserver.caching.item import Item, encode, item_made, item_of, resource_prefix
from corral.cluster.apiserver.caching.selection import FieldTerm, Selection
from corral.cluster.apiserver.caching.watching import Watcher, follow, too_old
from corral.cluster.apiserver.encoding.shapes import ListMeta
from corral.cluster.apiserver.objects.core import Core, Target
from corral.cluster.apiserver.options import ListOptions, check_list_options, parse_revision
from corral.cluster.apiserver.registry import Computed, Served
from corral.model.kubernetes.selectors import BadSelector
from corral.model.kubernetes.selectors import fields as field_selectors
from corral.model.kubernetes.selectors import parse as parse_labels
from corral.model.kubernetes.status import StatusError, bad_request, expired, timeout
from corral.store.interface import Compacted, NotYet

TOKEN_VERSION: Final = "meta.k8s.io/v1"
PATIENCE: Final = 3.0  # seconds that a revision of the future is waited for
WATCH_SECONDS: Final = (1800, 3600)  # how long a watch lasts that does not say
TOO_OLD: Final = "The resourceVersion for the provided list is too old."
CONTINUE_TOO_OLD: Final = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)
_META: Final = ("metadata.name", "metadata.namespace")


class Listed(NamedTuple):
    items: list[Item]
    meta: ListMeta


def selection_of(served: Served, namespace: str, name: str, options: ListOptions) -> Selection:
    """Which objects are meant. 400 for selectors that make no sense for the kind."""
    try:
        labels = parse_labels(options.label_selector) if options.label_selector else None
    except BadSelector as error:
        raise bad_request(error.message) from None
    try:
        found = field_selectors.parse(options.field_selector) if options.field_selector else None
    except BadSelector as error:
        raise bad_request(error.message) from None
    terms = [_term(served, one.field, one.value, one.equal) for one in found.terms] if found else []
    exact = next((one for one in terms if one.path == "metadata.name" and one.equal), None)
    if exact is not None and not name:
        name = exact.value
    key = f"{labels or ''}\0{found or ''}"
    matches = labels.matches if labels is not None and not labels.empty else None
    return Selection(namespace, name, matches, terms, key)


def _term(served: Served, path: str, value: str, equal: bool) -> FieldTerm:
    if path == "metadata.name" or (path == "metadata.namespace" and served.resource.namespaced):
        return FieldTerm(path, value, equal, None)
    get = served.kind.fields.get(path)
    if get is None:
        raise bad_request(f"field label not supported: {path}")
    converted = served.custom and served.from_stored is not None
    return FieldTerm(f"{served.plain.key} {path}" if converted else path, value, equal, get)


async def _warm(core: Core, served: Served, selection: Selection) -> None:
    """Before fields of objects are looked at that have to be converted for it."""
    if served.warm is not None and any(one.get is not None for one in selection.fields):
        await core.warm(served, [item.view() for item in core.cache(served).items.values()])


def write_token(revision: int, key: str) -> str:
    """Pure: how a client asks for what follows `key`.

    >>> read_token(write_token(7, "shop/web"))
    (7, 'shop/web\\x00')
    """
    found = {"v": TOKEN_VERSION, "rv": revision, "start": key + "\0"}
    return base64.urlsafe_b64encode(encode(found)).rstrip(b"=").decode()


def read_token(text: str) -> tuple[int, str]:
    """Pure: (revision, first key to show). Revision -1: whatever is there now. 400."""
    wrong = "continue key is not valid"
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        found: dict[str, Any] = msgspec.json.decode(data, type=dict[str, Any])
    except (ValueError, msgspec.MsgspecError) as error:
        raise bad_request(f"{wrong}: {error}") from None
    if found.get("v") != TOKEN_VERSION:
        text = f"{wrong}: server does not recognize this encoded version {found.get('v', '')}"
        raise bad_request(text)
    revision, start = found.get("rv"), found.get("start")
    if not isinstance(revision, int) or revision == 0:
        raise bad_request(f"{wrong}: incorrect encoded start resourceVersion (version {TOKEN_VERSION})")
    if not isinstance(start, str) or not start:
        raise bad_request(f"{wrong}: encoded start key empty (version {TOKEN_VERSION})")
    if ".." in start.split("/") or "//" in start:
        raise bad_request(f"{wrong}: {start}")
    return revision, start


async def list_objects(core: Core, target: Target, options: ListOptions) -> Listed:
    """Raises StatusError: 400, 410 (too old), 422, 504 (a revision of the future)."""
    check_list_options(options, watch=False)
    selection = selection_of(target.served, target.namespace, target.name, options)
    if target.served.computed is not None:
        return await _computed(target.served.computed, selection)
    if options.token:
        if options.resource_version not in ("", "0"):
            raise bad_request("specifying resource version is not allowed when using continue")
        revision, start = read_token(options.token)
        return await _as_of(core, target, selection, options.limit, revision, start)
    wanted = parse_revision(options.resource_version)
    if options.match == "Exact" or (wanted and options.limit and not options.match):
        return await _as_of(core, target, selection, options.limit, wanted, "")
    if not options.resource_version:
        await core.caches.fresh()
    elif not await core.caches.until(wanted, PATIENCE):
        raise too_large(wanted, core.caches.revision)
    await _warm(core, target.served, selection)
    return _present(core, target, selection, options.limit, "")


async def _computed(resource: Computed, selection: Selection) -> Listed:
    """As it is now, whole: what is kept nowhere has no revisions, and cannot be gone on with."""
    made = [item_made(one) for one in await resource.list(selection.namespace)]
    return Listed(sorted((one for one in made if selection.has(one)), key=lambda one: one.key), ListMeta(0))


def _present(core: Core, target: Target, selection: Selection, limit: int, start: str) -> Listed:
    """As the caches have it."""
    revision = core.caches.revision
    part = core.cache(target.served).list(selection, limit, start)
    token = write_token(revision, part.more) if part.more else ""
    return Listed(part.items, ListMeta(revision, token, part.remaining))


async def _as_of(core: Core, target: Target, selection: Selection, limit: int, revision: int, start: str) -> Listed:
    """As of one revision: from the caches where nothing has changed since, from the store otherwise."""
    await core.caches.fresh()
    cache = core.cache(target.served)
    if revision == -1:
        return _present(core, target, selection, limit, start)
    if revision <= core.caches.revision and cache.modified <= revision:
        part = cache.list(selection, limit, start)
        token = write_token(revision, part.more) if part.more else ""
        return Listed(part.items, ListMeta(revision, token, part.remaining))
    try:
        return await _from_store(core, target, selection, limit, revision, start)
    except Compacted:
        raise _compacted(start) from None
    except NotYet as error:
        raise too_large(revision, error.current) from None


async def _from_store(
    core: Core, target: Target, selection: Selection, limit: int, revision: int, start: str
) -> Listed:
    prefix = resource_prefix(target.served.group, target.served.plural)
    below = f"{prefix}{selection.namespace}/" if selection.namespace else prefix
    found: list[Item] = []
    at = max(prefix + start, below) if start else below
    while True:
        page = await core.store.range(below, start=at, limit=limit, revision=revision)
        for index, entry in enumerate(page.entries):
            item = item_of(entry, prefix)
            if not selection.has(item):
                continue
            if limit and len(found) == limit:
                token = write_token(revision, found[-1].key)
                left = page.remaining + len(page.entries) - index if selection.everything else None
                return Listed(found, ListMeta(revision, token, left))
            found.append(item)
        if not page.remaining:
            return Listed(found, ListMeta(revision))
        if limit and len(found) == limit and selection.everything:
            return Listed(found, ListMeta(revision, write_token(revision, found[-1].key), page.remaining))
        at = page.entries[-1].key + "\0"


def _compacted(start: str) -> StatusError:
    if not start:
        return expired(TOO_OLD)
    return Continuable(write_token(-1, start.removesuffix("\0")))


class Continuable(StatusError):
    """410 of a list that can be gone on with, though no longer as of its revision."""

    def __init__(self, token: str) -> None:
        super().__init__(410, "Expired", CONTINUE_TOO_OLD)
        self.token = token

    def status(self) -> dict[str, Any]:
        found = super().status()
        return {**found, "metadata": {"continue": self.token}}


def too_large(wanted: int, present: int) -> StatusError:
    error = timeout(f"Too large resource version: {wanted}, current: {present}", 1)
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    error.details["causes"] = [cause]
    return error


async def begin_watch(
    core: Core, target: Target, options: ListOptions, choose: Callable[[int, int], int] = random.randint
) -> Watcher:
    """Where a watch begins, and what it tells first. Raises StatusError 400, 410, 422, 504 before anything is sent."""
    check_list_options(options, watch=True)
    selection = selection_of(target.served, target.namespace, target.name, options)
    wanted = parse_revision(options.resource_version)
    await core.caches.fresh()
    await _warm(core, target.served, selection)
    if wanted and not await core.caches.until(wanted, PATIENCE):
        raise too_large(wanted, core.caches.revision)
    cache = core.cache(target.served)
    initial: list[Item] = []
    if options.send_initial or (options.send_initial is None and not wanted):
        initial = list(cache.walk(selection))
        position = cache.log.end
        await core.warm(target.served, [item.view() for item in initial] if target.served.warm else ())
    elif not wanted:
        position = cache.log.end
    else:
        found = cache.log.position(wanted)
        if found is None:
            raise too_old(wanted, cache.log.since)
        position = found
    seconds = options.timeout if options.timeout else choose(*WATCH_SECONDS)
    return Watcher(
        core.caches,
        follow(cache.log, selection, position),
        selection,
        initial,
        seconds=float(seconds),
        bookmarks=options.bookmarks,
        initial_end=bool(options.send_initial) and options.bookmarks,
    )


async def get_object(core: Core, target: Target, resource_version: str = "") -> Item:
    """Raises 404, and 504 for a revision of the future. "0" is whatever is known."""
    if not resource_version or target.served.computed is not None:
        return await core.need(target)
    wanted = parse_revision(resource_version)
    if not await core.caches.until(wanted, PATIENCE):
        raise too_large(wanted, core.caches.revision)
    found = core.cache(target.served).items.get(target.key)
    if found is None:
        raise target.served.not_found(target.name)
    return found
