"""The user's kubeconfig, whatever is in it: what is theirs is there before and after."""

from __future__ import annotations

from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from corral.cli.kubeconfig import LISTS, merge, remove

OURS = """
clusters: [{name: corral, cluster: {server: "https://127.0.0.1:6443"}}]
users: [{name: corral, user: {client-key-data: abc}}]
contexts: [{name: corral, context: {cluster: corral, user: corral}}]
current-context: corral
"""
words = st.sampled_from(
    ("yes", "no", "12:30", "0755", "1e3", "2026-01-02", "~", "null", "a b", "é: #", "corral")
) | st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=8)
values = st.recursive(
    words | st.integers(0, 10**6) | st.booleans(), lambda inner: st.lists(inner, max_size=3), max_leaves=4
)
KINDS = dict(zip(LISTS, ("cluster", "context", "user"), strict=True))
configs = st.fixed_dictionaries(
    {},
    optional={
        **{
            key: st.lists(
                st.fixed_dictionaries({"name": words, kind: st.dictionaries(words, values, max_size=3)}),
                max_size=3,
                unique_by=lambda one: one["name"],
            )
            for key, kind in KINDS.items()
        },
        "current-context": words,
        "preferences": st.dictionaries(words, values, max_size=2),
    },
)


def others(found: dict[str, Any], key: str) -> list[Any]:
    return [one for one in found.get(key) or [] if one["name"] != "corral"]


@given(configs)
@settings(max_examples=300, deadline=None)
def test_nothing_of_theirs_is_lost_or_changed(theirs: dict[str, Any]) -> None:
    text = yaml.safe_dump(theirs, allow_unicode=True)
    merged = merge(text, OURS, "corral", use=False)
    found = yaml.safe_load(merged)
    for key in LISTS:
        assert others(found, key) == others(theirs, key)
        assert sum(one["name"] == "corral" for one in found[key]) == 1
    assert found.get("preferences") == theirs.get("preferences")
    assert found["current-context"] == (theirs.get("current-context") or "corral")
    assert merge(merged, OURS, "corral", use=False) == merged
    gone = yaml.safe_load(remove(merged, "corral"))
    assert all(others(gone, key) == others(theirs, key) and len(gone[key]) == len(others(gone, key)) for key in LISTS)
