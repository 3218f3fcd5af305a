"""The parameters of requests: what may be asked for along with a verb, checked in upstream's words.

Follows k8s.io/apimachinery/pkg/apis/meta/v1 (types, validation) and …/internalversion/validation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from corral.cluster.parameters import parse_bool, parse_integer
from corral.http.query import Query
from corral.model.kubernetes import problems as p
from corral.model.kubernetes.problems import Problem
from corral.model.kubernetes.status import StatusError, bad_request, invalid

META: Final = "meta.k8s.io"
FIELD_VALIDATIONS: Final = ("", "Ignore", "Strict", "Warn")
PROPAGATIONS: Final = ("Background", "Foreground", "Orphan")


@dataclass(frozen=True, slots=True)
class ListOptions:
    """Of list, watch and deletecollection. `timeout` in seconds, None: not given; `send_initial` the same."""

    label_selector: str = ""
    field_selector: str = ""
    watch: bool = False
    bookmarks: bool = False
    resource_version: str = ""
    match: str = ""
    timeout: int | None = None
    limit: int = 0
    token: str = ""
    send_initial: bool | None = None


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """Of create, update and patch. `force` is of server-side apply alone, None: not given."""

    dry_run: bool = False
    manager: str = ""
    validation: str = ""
    force: bool | None = None

    def shown(self, kind: str) -> dict[str, Any]:
        """As admission sees it: a CreateOptions, UpdateOptions or PatchOptions object."""
        found: dict[str, Any] = {"kind": kind, "apiVersion": "meta.k8s.io/v1"}
        if self.dry_run:
            found["dryRun"] = ["All"]
        if self.force is not None:
            found["force"] = self.force
        if self.manager:
            found["fieldManager"] = self.manager
        if self.validation:
            found["fieldValidation"] = self.validation
        return found


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """`grace` in seconds; None: whatever the kind has by default. `raw` as the client sent it, for admission."""

    dry_run: bool = False
    grace: int | None = None
    propagation: str = ""
    orphan: bool | None = None
    uid: str | None = None
    resource_version: str | None = None
    raw: Mapping[str, Any] = field(default_factory=dict)

    def shown(self) -> dict[str, Any]:
        return {**self.raw, "kind": "DeleteOptions", "apiVersion": "meta.k8s.io/v1"}

    def with_grace(self, seconds: int | None) -> DeleteOptions:
        return replace(self, grace=seconds)


def list_options(query: Query) -> ListOptions:
    """Pure. StatusError for what makes no sense."""
    found = ListOptions(
        label_selector=query.get("labelSelector"),
        field_selector=query.get("fieldSelector"),
        watch="watch" in query and parse_bool(query.get("watch")),
        bookmarks="allowWatchBookmarks" in query and parse_bool(query.get("allowWatchBookmarks")),
        resource_version=query.get("resourceVersion"),
        match=query.get("resourceVersionMatch"),
        timeout=parse_integer(query, "timeoutSeconds"),
        limit=max(parse_integer(query, "limit") or 0, 0),
        token=query.get("continue"),
        send_initial=parse_bool(query.get("sendInitialEvents")) if "sendInitialEvents" in query else None,
    )
    return found


def check_list_options(options: ListOptions, *, watch: bool) -> None:
    """Raises 422 for combinations that upstream refuses.

    >>> check_list_options(ListOptions(match="Exact"), watch=False)
    Traceback (most recent call last):
    corral.model.kubernetes.status.StatusError: ListOptions.meta.k8s.io "" is invalid: \
resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided
    """
    found = _watch_problems(options) if watch else _list_problems(options)
    if found:
        raise invalid("ListOptions", "", found, META)


def _watch_problems(options: ListOptions) -> list[Problem]:
    where, field_of_initial = "resourceVersionMatch", "sendInitialEvents"
    found = []
    if options.send_initial is not None:
        if not options.match:
            text = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
            found.append(p.forbidden(where, text))
        elif options.match != "NotOlderThan":
            found.append(p.not_supported(where, options.match, ("NotOlderThan",)))
        if options.token:
            found.append(p.forbidden(field_of_initial, "sendInitialEvents is forbidden when continue is provided"))
    elif options.match:
        text = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
        found.append(p.forbidden(where, text))
    return found


def _list_problems(options: ListOptions) -> list[Problem]:
    where, found = "resourceVersionMatch", []
    if options.match:
        if not options.resource_version:
            text = "resourceVersionMatch is forbidden unless resourceVersion is provided"
            found.append(p.forbidden(where, text))
        if options.token:
            found.append(p.forbidden(where, "resourceVersionMatch is forbidden when continue is provided"))
        if options.match not in ("Exact", "NotOlderThan"):
            found.append(p.not_supported(where, options.match, ("Exact", "NotOlderThan", "")))
        if options.match == "Exact" and options.resource_version == "0":
            text = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
            found.append(p.forbidden(where, text))
    if options.send_initial is not None:
        found.append(p.forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"))
    return found


def write_options(query: Query, kind: str, *, is_apply: bool = False) -> WriteOptions:
    """Pure: the options of a create, update or patch (`kind`: CreateOptions, …). 422 for wrong values."""
    found = WriteOptions(
        dry_run=bool(query.all("dryRun")) and query.all("dryRun") != [""],
        manager=query.get("fieldManager"),
        validation=query.get("fieldValidation"),
        force=parse_bool(query.get("force")) if "force" in query else None,
    )
    wrong = _dry_run_problems([one for one in query.all("dryRun") if one])
    if found.validation not in FIELD_VALIDATIONS:
        wrong.append(p.not_supported("fieldValidation", found.validation, FIELD_VALIDATIONS))
    wrong += _manager_problems(found.manager)
    if is_apply and not found.manager:
        wrong.append(p.required("fieldManager", "is required for apply patch"))
    if kind == "PatchOptions" and not is_apply and found.force is not None:
        wrong.append(p.forbidden("force", "may not be specified for non-apply patch"))
    if wrong:
        raise invalid(kind, "", wrong, META)
    return found


def _dry_run_problems(words: list[str]) -> list[Problem]:
    if all(word == "All" for word in words):
        return []
    return [p.not_supported("dryRun", words, ("All",))]


def _manager_problems(manager: str) -> list[Problem]:
    if len(manager.encode()) > 128:
        return [p.too_long("fieldManager", 128)]
    if any(not char.isprintable() for char in manager):
        return [p.invalid("fieldManager", manager, "should only contain printable characters")]
    return []


def delete_options(query: Query, body: Mapping[str, Any] | None) -> DeleteOptions:
    """Pure: of the body if there is one, else of the parameters. 400 and 422 for wrong values."""
    raw = dict(body) if body else _delete_parameters(query)
    preconditions = raw.get("preconditions") or {}
    found = DeleteOptions(
        dry_run=bool(raw.get("dryRun")),
        grace=_typed(raw, "gracePeriodSeconds", int),
        propagation=_typed(raw, "propagationPolicy", str) or "",
        orphan=_typed(raw, "orphanDependents", bool),
        uid=_typed(preconditions, "uid", str),
        resource_version=_typed(preconditions, "resourceVersion", str),
        raw=raw,
    )
    _check_delete(found)
    return found


def _typed(raw: Mapping[str, Any], name: str, kind: type) -> Any:
    value = raw.get(name)
    wrong = value is not None and (not isinstance(value, kind) or (kind is int and isinstance(value, bool)))
    if wrong:
        raise bad_request(f"json: cannot unmarshal into Go struct field DeleteOptions.{name} of type {kind.__name__}")
    return value


def _delete_parameters(query: Query) -> dict[str, Any]:
    found: dict[str, Any] = {}
    grace = parse_integer(query, "gracePeriodSeconds")
    if grace is not None:
        found["gracePeriodSeconds"] = grace
    if query.get("propagationPolicy"):
        found["propagationPolicy"] = query.get("propagationPolicy")
    if "orphanDependents" in query:
        found["orphanDependents"] = parse_bool(query.get("orphanDependents"))
    if words := [word for word in query.all("dryRun") if word]:
        found["dryRun"] = words
    return found


def _check_delete(options: DeleteOptions) -> None:
    wrong = []
    if options.propagation and options.propagation not in PROPAGATIONS:
        wrong.append(p.not_supported("propagationPolicy", options.propagation, (*PROPAGATIONS, "nil")))
    if options.propagation and options.orphan is not None:
        text = "orphanDependents and deletionPropagation cannot be both set"
        wrong.append(p.invalid("propagationPolicy", options.propagation, text))
    wrong += _dry_run_problems(list(options.raw.get("dryRun") or ()))
    if wrong:
        raise invalid("DeleteOptions", "", wrong, META)


def parse_revision(text: str, *, what: str = "resourceVersion") -> int:
    """Pure: a resourceVersion as a revision; "" is 0. 400 for what is none.

    >>> parse_revision("12"), parse_revision("")
    (12, 0)
    """
    if not text:
        return 0
    if not (text.isascii() and text.isdigit()) or len(text) > 19:
        raise invalid_revision(text, what)
    return int(text)


def invalid_revision(text: str, what: str) -> StatusError:
    return bad_request(f"Invalid value: {text!r}: {what}: must be a number".replace("'", '"'))
