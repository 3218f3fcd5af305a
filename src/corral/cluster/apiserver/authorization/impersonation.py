"""Acting as somebody else (kubectl --as): who asks must be allowed to be each part of the other.

Two ways, as in Kubernetes: constrained (rights to be the user, and to do the very thing while being it) and the older
one (the right to be the user, and then to do all that it may). The first that allows it does; the refusal is that of
the first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from corral.cluster.apiserver.attributes import (
    ANONYMOUS,
    AUTHENTICATED_GROUP,
    MASTERS_GROUP,
    UNAUTHENTICATED_GROUP,
    Attributes,
    User,
)
from corral.cluster.apiserver.authentication import headers
from corral.cluster.apiserver.authentication.identity import (
    NODE_NAME,
    NODES,
    node_name,
    service_account_groups,
    split_service_account,
)
from corral.cluster.apiserver.authorization.decision import Authorizer, refusal
from corral.cluster.apiserver.gotexts import quoted
from corral.model.kubernetes.names import domain_prefixed_path
from corral.model.kubernetes.status import StatusError, bad_request

if TYPE_CHECKING:
    from corral.http.message import Request

USER: Final = "impersonate-user"
UID: Final = "impersonate-uid"
GROUP: Final = "impersonate-group"
EXTRA: Final = "impersonate-extra-"
AUTHENTICATION: Final = "authentication.k8s.io"
_MANY: Final = 4


class Impersonated(NamedTuple):
    """`constraint`: the verb that allowed it, for the audit log; "" of the older way."""

    user: User
    constraint: str = ""


def read_headers(request: Request) -> User | None:
    """Pure: whom a request wants to be, as it says; None when it does not. StatusError 400."""
    name, uid = headers.value(request, USER), headers.value(request, UID)
    groups, extra = headers.values(request, GROUP), headers.extras(request, EXTRA)
    if not name:
        if uid or groups or extra:
            raise bad_request(f"requested {_shown(uid, groups, extra)} without impersonating a user name")
        return None
    return User(name, uid, groups, extra)


def _shown(uid: str, groups: tuple[str, ...], extra: dict[str, tuple[str, ...]]) -> str:
    values = "".join(f"{quoted([key])[1:-1]}:{quoted(each)} " for key, each in extra.items())
    return f"user with uid {quoted([uid])[1:-1]}, groups {quoted(groups)}, extra [{values.strip()}]"


def impersonate(wanted: User, asked: Attributes, authorizer: Authorizer) -> Impersonated:
    """The user that `asked.user` becomes for this request. StatusError 403."""
    refusals: list[StatusError] = []
    for mode in (*_modes(wanted, asked.user), ""):
        try:
            return _try(mode, wanted, asked, authorizer)
        except StatusError as error:
            refusals.append(error)
    raise refusals[0]


def _modes(wanted: User, who: User) -> Iterator[str]:
    """Pure: the constrained ways that fit: a node, a service account or anybody else."""
    node, account = node_name(wanted.name), split_service_account(wanted.name)
    if not node and account is None:
        yield "user-info"
    elif not (wanted.uid or wanted.groups or wanted.extra):
        if account is not None:
            yield "serviceaccount"
        if node:
            if split_service_account(who.name) is not None and who.extra.get(NODE_NAME) == (node,):
                yield "associated-node"
            yield "arbitrary-node"


def _try(mode: str, wanted: User, asked: Attributes, authorizer: Authorizer) -> Impersonated:
    """Raises StatusError 403."""
    verb = f"impersonate:{mode}" if mode else "impersonate"
    if mode == "associated-node":  # which of its nodes a service account runs on must not matter to the rules
        keys = tuple(sorted(asked.user.extra))
        asked = replace(
            asked, user=replace(asked.user, extra={"authentication.kubernetes.io/associated-node-keys": keys})
        )
    if mode:
        _require(authorizer, replace(asked, verb=f"impersonate-on:{mode}:{asked.verb}"))
    for part in parts(mode, verb, wanted, asked.user, authorizer):
        _require(authorizer, part)
    return Impersonated(plan_user(mode, wanted), verb if mode else "")


def _require(authorizer: Authorizer, attributes: Attributes) -> None:
    decision = authorizer.authorize(attributes)
    if not decision.allowed:
        raise refusal(attributes, decision.reason)


def parts(mode: str, verb: str, wanted: User, who: User, authorizer: Authorizer) -> Iterator[Attributes]:
    """What `who` must be allowed: one question for each part of the user that is wanted. StatusError 403 for what
    is never allowed."""
    base = Attributes(who, verb, AUTHENTICATION if mode else "", "v1")
    yield _name_part(mode, wanted.name, base)
    if wanted.uid:
        yield replace(base, group=AUTHENTICATION, resource="uids", name=wanted.uid)
    if wanted.groups:
        groups = replace(base, resource="groups")
        if mode:
            _check_groups(groups, wanted.groups)
        everything = replace(groups, name="*")
        if not (mode and len(wanted.groups) >= _MANY and authorizer.authorize(everything).allowed):
            yield from (replace(groups, name=group) for group in wanted.groups)
    extra = replace(base, group=AUTHENTICATION, resource="userextras")
    for key, values in wanted.extra.items():
        if mode:
            _check_extra(extra, key, values)
        yield from (replace(extra, subresource=key, name=value) for value in values)


def _name_part(mode: str, name: str, base: Attributes) -> Attributes:
    node, account = node_name(name), split_service_account(name)
    if account is not None:
        return replace(base, resource="serviceaccounts", namespace=account[0], name=account[1])
    if node and mode:
        return replace(base, resource="nodes", name="*" if mode == "associated-node" else node)
    return replace(base, resource="users", name=name)


def _check_groups(asked: Attributes, groups: tuple[str, ...]) -> None:
    if "" in groups:
        raise refusal(asked, "impersonating the empty string group is not allowed")
    if MASTERS_GROUP in groups:
        raise refusal(replace(asked, name=MASTERS_GROUP), "impersonating the system:masters group is not allowed")


def _check_extra(asked: Attributes, key: str, values: tuple[str, ...]) -> None:
    if not key:
        raise refusal(asked, "impersonating the empty string key in extra is not allowed")
    if wrong := domain_prefixed_path(key):
        text = f"extra.key: Invalid value: {quoted([key])[1:-1]}: {wrong[0]}"
        raise refusal(asked, f"impersonating an invalid key in extra is not allowed: {text}")
    if key != key.lower():
        raise refusal(asked, f"impersonating a non-lowercase key in extra is not allowed: {quoted([key])[1:-1]}")
    if "" in values:
        raise refusal(asked, "impersonating the empty string value in extra is not allowed")


def plan_user(mode: str, wanted: User) -> User:
    """Pure: the user with the groups that it always has.

    >>> plan_user("", User("jane")).groups, plan_user("", User("system:serviceaccount:d:web")).groups[1:]
    (('system:authenticated',), ('system:serviceaccounts:d', 'system:authenticated'))
    >>> plan_user("", User("system:anonymous")).groups, plan_user("arbitrary-node", User("system:node:a")).groups[0]
    (('system:unauthenticated',), 'system:nodes')
    """
    groups, account = wanted.groups, split_service_account(wanted.name)
    if not groups and account is not None:
        groups = service_account_groups(account[0])
    elif mode and node_name(wanted.name):
        groups = (NODES,)
    needed = UNAUTHENTICATED_GROUP if wanted.name == ANONYMOUS else AUTHENTICATED_GROUP
    if needed not in groups and UNAUTHENTICATED_GROUP not in groups:
        groups = (*groups, needed)
    return replace(wanted, groups=groups)
