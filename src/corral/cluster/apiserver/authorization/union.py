"""The authorizers in their order: the masters may everything; then nodes; then roles."""

from __future__ import annotations

from dataclasses import dataclass

from corral.cluster.apiserver.attributes import MASTERS_GROUP, Attributes, User
from corral.cluster.apiserver.authorization.decision import Authorizer, Decision, Rules
from corral.cluster.apiserver.authorization.node import Node
from corral.cluster.apiserver.authorization.rbac import Rbac
from corral.cluster.apiserver.authorization.relations import Relations
from corral.cluster.apiserver.lookup import Lookup

_EVERYTHING = Rules(
    (
        {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
        {"verbs": ["*"], "nonResourceURLs": ["*"]},
    )
)


@dataclass(frozen=True, slots=True)
class Union:
    """The first that allows decides; when none does, their reasons are the refusal's."""

    authorizers: tuple[Authorizer, ...]

    def authorize(self, attributes: Attributes) -> Decision:
        if MASTERS_GROUP in attributes.user.groups:
            return Decision(True)
        reasons = []
        for one in self.authorizers:
            decision = one.authorize(attributes)
            if decision.allowed:
                return decision
            if decision.reason:
                reasons.append(decision.reason)
        return Decision(False, "\n".join(reasons))

    def rules_for(self, user: User, namespace: str) -> Rules:
        if MASTERS_GROUP in user.groups:
            return _EVERYTHING
        found = [one.rules_for(user, namespace) for one in self.authorizers]
        rules = [rule for one in found for rule in one.rules]
        error = ", ".join(one.error for one in found if one.error)
        return Rules(rules, any(one.incomplete for one in found), error)


def default(lookup: Lookup) -> tuple[Union, Rbac]:
    """The server's authorizer, and the roles in it (which escalation checks ask)."""
    rbac = Rbac(lookup)
    return Union((Node(Relations(lookup)), rbac)), rbac
