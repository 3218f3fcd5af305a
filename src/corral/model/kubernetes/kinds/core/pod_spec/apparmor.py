"""AppArmor profiles that annotations name, as before v1.30. Pure. Follows pkg/registry/core/pod/strategy.go."""

from __future__ import annotations

from typing import Final

from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.kinds.core.pod_spec.scope import all_containers
from corral.model.kubernetes.kinds.fields import annotations_of, ensure, has, part, text

ANNOTATION: Final = "container.apparmor.security.beta.kubernetes.io/"  # and the container's name
_KINDS: Final = {"unconfined": "Unconfined", "runtime/default": "RuntimeDefault"}
_LOCAL: Final = "localhost/"


def read_profile(value: str) -> Object | None:
    """The field that says what the annotation says; None where it says nothing.

    >>> read_profile("runtime/default"), read_profile("localhost/mine"), read_profile("localhost/")
    ({'type': 'RuntimeDefault'}, {'type': 'Localhost', 'localhostProfile': 'mine'}, None)
    """
    if value in _KINDS:
        return {"type": _KINDS[value]}
    name = value.removeprefix(_LOCAL)
    if name == value or not name or name != name.strip():
        return None
    return {"type": "Localhost", "localhostProfile": name}


def take_profiles(pod: Object) -> None:
    """In place, of a new pod: who decides later looks at the fields alone.

    >>> spec = {"containers": [{"name": "a"}, {"name": "b"}]}
    >>> take_profiles({"metadata": {"annotations": {ANNOTATION + "a": "unconfined"}}, "spec": spec})
    >>> spec["containers"]
    [{'name': 'a', 'securityContext': {'appArmorProfile': {'type': 'Unconfined'}}}, {'name': 'b'}]
    """
    spec, notes = part(pod, "spec"), annotations_of(pod)
    if text(part(spec, "os"), "name") == "windows":
        return
    of_all = part(spec, "securityContext").get("appArmorProfile")
    for _, container in all_containers(spec, "spec"):
        value = notes.get(ANNOTATION + text(container, "name"))
        if value is None or has(part(container, "securityContext"), "appArmorProfile"):
            continue
        profile = read_profile(value)
        if profile is not None and profile != of_all:
            ensure(container, "securityContext")["appArmorProfile"] = profile


def is_unheard(container: Object, spec: Object, notes: Object) -> bool:
    """Whether an annotation is there and no field beside it: of a template, or of a value that means nothing."""
    if ANNOTATION + text(container, "name") not in notes:
        return False
    return not any(has(part(one, "securityContext"), "appArmorProfile") for one in (container, spec))
