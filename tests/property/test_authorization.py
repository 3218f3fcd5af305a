"""RBAC against a model so plain that it can be read; and granting: what covers, allows."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from corral.cluster.apiserver.attributes import Attributes, User
from corral.cluster.apiserver.authorization.rbac import GROUP, Rbac
from corral.cluster.apiserver.authorization.rules import compact, compile_rule, uncovered
from tests.support.lookup import MemoryLookup, named

VERBS, GROUPS, PLURALS, SUBS = ("get", "list", "create"), ("", "apps"), ("pods", "nodes"), ("", "log", "scale")
NAMES, SPACES, PATHS = ("", "a", "b"), ("", "x", "y"), ("/healthz", "/healthz/etcd", "/api")


def some(*values: str) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(values), max_size=2)


resource_rules = st.fixed_dictionaries(
    {
        "verbs": some("*", *VERBS),
        "apiGroups": some("*", *GROUPS),
        "resources": some("*", "*/log", "pods", "nodes", "pods/log", "nodes/scale"),
        "resourceNames": st.lists(st.sampled_from(("a", "b")), max_size=1),
    }
)
path_rules = st.fixed_dictionaries(
    {"verbs": some("*", *VERBS), "nonResourceURLs": some("*", "/healthz", "/healthz/*", "/api")}
)
whole = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "nonResourceURLs": ["*"]}
rules = st.one_of(resource_rules, path_rules, st.just(whole))
users = st.sampled_from(
    (
        User("jane", groups=("dev",)),
        User("kim", groups=("dev", "ops")),
        User("system:serviceaccount:x:web", groups=("system:serviceaccounts",)),
    )
)
questions = st.one_of(
    st.builds(
        lambda who, verb, group, plural, sub, space, name: Attributes(who, verb, group, "v1", plural, sub, space, name),
        *(users, st.sampled_from(VERBS), st.sampled_from(GROUPS), st.sampled_from(PLURALS)),
        *(st.sampled_from(SUBS), st.sampled_from(SPACES), st.sampled_from(NAMES)),
    ),
    st.builds(
        lambda who, verb, path: Attributes(who, verb, path=path),
        *(users, st.sampled_from(VERBS), st.sampled_from(PATHS)),
    ),
)
subjects = st.sampled_from(
    (
        {"kind": "User", "name": "jane"},
        {"kind": "Group", "name": "dev"},
        {"kind": "Group", "name": "ops"},
        {"kind": "ServiceAccount", "name": "web"},
        {"kind": "ServiceAccount", "name": "web", "namespace": "x"},
        {"kind": "Robot", "name": "jane"},
    )
)
#: (what is written, namespace, name, content); None takes it away
role_writes = st.tuples(
    st.just("role"), st.sampled_from(SPACES), st.sampled_from("rs"), st.none() | st.lists(rules, min_size=1, max_size=3)
)
binding_writes = st.tuples(
    st.just("rolebinding"),
    st.sampled_from(SPACES),
    st.sampled_from("bc"),
    st.none()
    | st.tuples(
        st.sampled_from(("Role", "ClusterRole")), st.sampled_from("rs"), st.lists(subjects, min_size=2, max_size=5)
    ),
)


def plain_allows(rule: dict[str, Any], asked: Attributes) -> bool:
    if not {"*", asked.verb} & set(rule["verbs"]):
        return False
    if not asked.is_resource:
        urls = rule.get("nonResourceURLs", ())
        return any(
            url == "*" or url == asked.path or (url[-1] == "*" and asked.path.startswith(url[:-1])) for url in urls
        )
    names = rule.get("resourceNames")
    if names and asked.name not in names:
        return False
    full = f"{asked.resource}/{asked.subresource}" if asked.subresource else asked.resource
    wanted = {"*", full} | ({f"*/{asked.subresource}"} if asked.subresource else set())
    return bool({"*", asked.group} & set(rule.get("apiGroups", ()))) and bool(wanted & set(rule.get("resources", ())))


def plain_names(subject: dict[str, str], user: User, home: str) -> bool:
    if subject["kind"] == "ServiceAccount":
        space = subject.get("namespace") or home
        return bool(space) and user.name == f"system:serviceaccount:{space}:{subject['name']}"
    return (subject["kind"], subject["name"]) in {("User", user.name), *(("Group", group) for group in user.groups)}


def plain_authorize(roles: dict[Any, Any], bindings: dict[Any, Any], asked: Attributes) -> bool:
    for (home, _), (kind, role, bound) in bindings.items():
        if home not in ("", asked.namespace) or not any(plain_names(one, asked.user, home) for one in bound):
            continue
        found = roles.get((home if kind == "Role" else "", role), ())
        if kind == "Role" and not home:
            continue  # a ClusterRoleBinding cannot refer to a Role
        if any(plain_allows(rule, asked) for rule in found):
            return True
    return False


@given(
    st.lists(st.one_of(role_writes, binding_writes), min_size=5, max_size=25),
    st.lists(questions, min_size=5, max_size=10),
)
@settings(max_examples=300, deadline=None)
def test_the_indexes_answer_like_a_walk_through_all_bindings(
    writes: list[tuple[Any, ...]], asked: list[Attributes]
) -> None:
    lookup, roles, bindings = MemoryLookup(), {}, {}  # type: ignore[var-annotated]
    rbac = Rbac(lookup)
    for what, home, name, content in writes:
        kept = roles if what == "role" else bindings
        plural = f"{'' if home else 'cluster'}{what}s"
        if content is None:
            if kept.pop((home, name), None) is not None:
                lookup.take(GROUP, plural, home, name)
            continue
        kept[home, name] = content
        if what == "role":
            lookup.put(GROUP, plural, named(name, home, rules=content))
        else:
            kind, role, bound = content
            lookup.put(GROUP, plural, named(name, home, roleRef={"kind": kind, "name": role}, subjects=bound))
    for one in asked:
        assert rbac.authorize(one).allowed is plain_authorize(roles, bindings, one)


@given(st.lists(rules, max_size=3), st.lists(rules, max_size=3), questions)
@settings(max_examples=500, deadline=None)
def test_covered_rules_allow_no_more(owned: list[Any], wanted: list[Any], asked: Attributes) -> None:
    if not uncovered(owned, wanted) and any(compile_rule(rule).allows(asked) for rule in wanted):
        assert any(compile_rule(rule).allows(asked) for rule in owned)


@given(st.lists(rules, max_size=4), questions)
@settings(max_examples=300, deadline=None)
def test_taking_apart_and_putting_together_keeps_what_is_allowed(found: list[Any], asked: Attributes) -> None:
    pieces = uncovered([], found)
    for rebuilt in (pieces, compact(pieces)):
        assert any(compile_rule(rule).allows(asked) for rule in rebuilt) is any(
            compile_rule(rule).allows(asked) for rule in found
        )
    assert uncovered(found, found) == []
