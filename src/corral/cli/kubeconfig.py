"""Adding the cluster to the user's own kubeconfig. Pure but for `choose_file`'s look at which files there are.

PyYAML reads and writes what is the user's: loaded with the verb that needs it, so the others start at once.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import Any

LISTS = ("clusters", "contexts", "users")


class Unreadable(ValueError):
    """The user's file makes no sense; it is left alone."""


def context_name(instance: str) -> str:
    """Pure: what an instance's context is called.

    >>> context_name(""), context_name("default"), context_name("test")
    ('corral', 'corral', 'corral-test')
    """
    return f"corral-{instance}" if instance not in ("", "default") else "corral"


def choose_file(environment: Mapping[str, str], home: str, exists: Callable[[str], bool] = os.path.exists) -> str:
    """Pure: which file kubectl would change: the first of $KUBECONFIG that there is, else the last.

    >>> choose_file({"KUBECONFIG": "/a:/b:/c"}, "/root", lambda path: path == "/b"), choose_file({}, "/root")
    ('/b', '/root/.kube/config')
    >>> choose_file({"KUBECONFIG": "/a:/c"}, "/root", lambda path: False)
    '/c'
    """
    listed = [path for path in environment.get("KUBECONFIG", "").split(":") if path]
    if not listed:
        return f"{home}/.kube/config"
    return next((path for path in listed if exists(path)), listed[-1])


def merge(theirs: str, ours: str, name: str, *, use: bool = True) -> str:
    """Pure: the user's file with the one context of `ours` in it, called `name`; all other entries stay.

    `use`: make it the current context. Raises Unreadable.

    >>> ours = "clusters: [{name: x, cluster: {server: s}}]\\nusers: [{name: x, user: {}}]\\n"
    >>> ours += "contexts: [{name: x, context: {cluster: x, user: x}}]\\ncurrent-context: x\\n"
    >>> merged = merge("clusters:\\n- {name: other, cluster: {server: o}}\\ncurrent-context: o\\n", ours, "corral")
    >>> "name: other" in merged, "name: corral" in merged, "current-context: corral" in merged
    (True, True, True)
    >>> merge(merged, ours, "corral") == merged
    True
    """
    made, added = _parse(theirs), _parse(ours)
    made.setdefault("apiVersion", "v1")
    made.setdefault("kind", "Config")
    for key, kind in zip(LISTS, ("cluster", "context", "user"), strict=True):
        entries = added.get(key) or []
        if len(entries) != 1:
            raise Unreadable(f"a kubeconfig with one of {key} was expected, not with {len(entries)}")
        body = dict(entries[0][kind])
        if kind == "context":
            body.update(cluster=name, user=name)
            body = {**_kept(made.get(key), name), **body}
        made[key] = _replaced(made.get(key), {"name": name, kind: body})
    if use or not made.get("current-context"):
        made["current-context"] = name
    return _dump(made)


def remove(theirs: str, name: str) -> str:
    """Pure: the user's file without what `merge` has put there. Raises Unreadable.

    >>> remove("contexts:\\n- name: corral\\n- name: a\\ncurrent-context: corral\\n", "corral")
    "contexts:\\n- name: a\\ncurrent-context: ''\\n"
    """
    made = _parse(theirs)
    for key in LISTS:
        if key in made:
            made[key] = [one for one in made[key] or [] if one.get("name") != name]
    if made.get("current-context") == name:
        made["current-context"] = ""
    return _dump(made)


def _kept(entries: Any, name: str) -> dict[str, Any]:
    """What the user has set on the context: the namespace."""
    found = [one.get("context") or {} for one in entries or [] if one.get("name") == name]
    return {"namespace": found[0]["namespace"]} if found and found[0].get("namespace") else {}


def _replaced(entries: Any, new: dict[str, Any]) -> list[Any]:
    """In the old one's place, or at the end."""
    found = list(entries or [])
    for at, one in enumerate(found):
        if one.get("name") == new["name"]:
            found[at] = new
            return found
    return [*found, new]


def _parse(text: str) -> dict[str, Any]:
    import yaml

    try:
        found = yaml.load(text, _loader(yaml))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise Unreadable(f"not YAML: {error}") from None
    if found is None:
        return {}
    if not isinstance(found, dict) or not all(_is_list_of_entries(found.get(key)) for key in LISTS):
        raise Unreadable("not a kubeconfig")
    return found


def _loader(yaml: Any) -> Any:
    """As kubectl reads: times, numbers in odd notations and the old words for truth (yes, on) are texts, so they come
    out as they went in."""

    class Loader(yaml.SafeLoader):  # type: ignore[misc]
        pass

    kinds = tuple(f"tag:yaml.org,2002:{kind}" for kind in ("timestamp", "bool", "int", "float"))
    Loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag not in kinds]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), list("tf"))
    Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^-?(?:0|[1-9][0-9]*)$"), list("-0123456789"))
    return Loader


def _is_list_of_entries(found: Any) -> bool:
    return found is None or (isinstance(found, list) and all(isinstance(one, dict) for one in found))


def _dump(found: dict[str, Any]) -> str:
    import yaml

    return str(yaml.safe_dump(found, sort_keys=False, default_flow_style=False, allow_unicode=True, width=1 << 20))
