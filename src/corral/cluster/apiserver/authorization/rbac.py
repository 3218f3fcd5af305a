"""Role-based access control: roles, and who is bound to them, indexed by user and group as they change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from corral.cluster.apiserver.attributes import Attributes, User
from corral.cluster.apiserver.authentication.identity import service_account_user
from corral.cluster.apiserver.authorization.decision import Decision, Rules
from corral.cluster.apiserver.authorization.rules import Compiled, Rule, compile_rule
from corral.cluster.apiserver.gotexts import joined
from corral.cluster.apiserver.lookup import Lookup
from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.status import StatusError, not_found

GROUP: Final = "rbac.authorization.k8s.io"
_Who = tuple[str, str]  # ("User" or "Group", name)


class Grant(NamedTuple):
    """One subject of one binding: `role` is (kind, namespace or "", name)."""

    binding: str
    role: tuple[str, str, str]
    source: str


class Role(NamedTuple):
    raw: tuple[Rule, ...]
    compiled: tuple[Compiled, ...]


class Rbac:
    """Answers from indexes that the watch caches keep up to date."""

    def __init__(self, lookup: Lookup) -> None:
        self._roles: dict[tuple[str, str, str], Role] = {}
        # namespace ("" of ClusterRoleBindings) -> who -> binding's name -> its grant
        self._grants: dict[str, dict[_Who, dict[str, Grant]]] = {}
        for plural in ("clusterroles", "roles"):
            lookup.subscribe(GROUP, plural, self._role_changed)
        for plural in ("clusterrolebindings", "rolebindings"):
            lookup.subscribe(GROUP, plural, self._binding_changed)

    def authorize(self, attributes: Attributes) -> Decision:
        problems: list[str] = []
        for grant in self._grants_of(attributes.user, attributes.namespace):
            role = self._roles.get(grant.role)
            if role is None:
                problems.append(missing(grant.role).message)
            elif any(rule.allows(attributes) for rule in role.compiled):
                return Decision(True, f"RBAC: allowed by {grant.source}")
        return Decision(False, f"RBAC: {joined(problems)}" if problems else "")

    def rules_for(self, user: User, namespace: str) -> Rules:
        """The rules that apply to the user in the namespace; "" is the cluster's scope."""
        rules: list[Rule] = []
        problems: list[str] = []
        for grant in self._grants_of(user, namespace):
            role = self._roles.get(grant.role)
            if role is None:
                problems.append(missing(grant.role).message)
            else:
                rules.extend(role.raw)
        return Rules(rules, error=joined(problems) if problems else "")

    def rules_of(self, reference: Object, namespace: str) -> tuple[Rule, ...]:
        """The rules of the role that a binding in `namespace` refers to. StatusError 404."""
        key = role_key(reference, namespace)
        found = self._roles.get(key)
        if found is None:
            raise missing(key, plural=True)
        return found.raw

    def _grants_of(self, user: User, namespace: str) -> Iterator[Grant]:
        for scope in ("", namespace) if namespace else ("",):
            by_who = self._grants.get(scope)
            if not by_who:
                continue
            seen: set[str] = set()
            for who in (("User", user.name), *(("Group", group) for group in user.groups)):
                for name, grant in by_who.get(who, {}).items():
                    if name not in seen:
                        seen.add(name)
                        yield grant

    def _role_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None:
            if old is not None:
                self._roles.pop(_key_of(old), None)
            return
        rules = tuple(new.get("rules") or ())
        self._roles[_key_of(new)] = Role(rules, tuple(compile_rule(rule) for rule in rules))

    def _binding_changed(self, old: Object | None, new: Object | None) -> None:
        if old is not None:
            for who, grant in grants_of(old):
                by_name = self._grants.get(_scope(old), {}).get(who, {})
                by_name.pop(grant.binding, None)
                if not by_name:
                    self._grants.get(_scope(old), {}).pop(who, None)
        if new is not None:
            scope = self._grants.setdefault(_scope(new), {})
            for who, grant in grants_of(new):
                scope.setdefault(who, {}).setdefault(grant.binding, grant)


def grants_of(binding: Object) -> list[tuple[_Who, Grant]]:
    """Pure: a binding as (who, grant) for each of its subjects.

    >>> ref = {"apiGroup": GROUP, "kind": "ClusterRole", "name": "view"}
    >>> sa = {"kind": "ServiceAccount", "name": "web", "namespace": "d"}
    >>> grants_of({"metadata": {"name": "b"}, "roleRef": ref, "subjects": [sa]})[0][1].source
    'ClusterRoleBinding "b" of ClusterRole "view" to ServiceAccount "web/d"'
    """
    namespace, name, reference = _scope(binding), binding["metadata"]["name"], binding["roleRef"]
    kind, shown = ("RoleBinding", f"{name}/{namespace}") if namespace else ("ClusterRoleBinding", name)
    head = f'{kind} "{shown}" of {reference.get("kind", "")} "{reference.get("name", "")}" to '
    found: list[tuple[_Who, Grant]] = []
    for subject in binding.get("subjects") or ():
        read = _read_subject(subject, namespace)
        if read is not None:
            who, text = read
            found.append((who, Grant(name, role_key(reference, namespace), head + text)))
    return found


def _read_subject(subject: dict[str, Any], namespace: str) -> tuple[_Who, str] | None:
    kind, name = subject.get("kind", ""), subject.get("name", "")
    if kind in ("User", "Group"):
        return (kind, name), f'{kind} "{name}"'
    if kind != "ServiceAccount":
        return None
    home = subject.get("namespace") or namespace
    return (("User", service_account_user(home, name)), f'{kind} "{name}/{home}"') if home else None


def role_key(reference: Object, namespace: str) -> tuple[str, str, str]:
    """Pure: which role a binding in `namespace` means."""
    kind = reference.get("kind", "")
    return kind, namespace if kind == "Role" else "", reference.get("name", "")


def missing(key: tuple[str, str, str], *, plural: bool = False) -> StatusError:
    """Pure: the 404 for a role that is not there; in reasons of refusals it is called by its kind."""
    kind, _, name = key
    if kind not in ("Role", "ClusterRole"):
        return StatusError(500, "InternalError", f'unsupported role reference kind: "{kind}"')
    return not_found(kind.lower() + ("s" if plural else ""), name, GROUP)


def _key_of(role: Object) -> tuple[str, str, str]:
    namespace = _scope(role)
    return "Role" if namespace else "ClusterRole", namespace, role["metadata"]["name"]


def _scope(found: Object) -> str:
    return str(found["metadata"].get("namespace") or "")
