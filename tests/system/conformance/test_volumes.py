"""sig-storage: the files that a pod is shown, of every kind that needs no driver.

Most are read once by a pod of their own; all pods of the table are made at once.
"""

from __future__ import annotations

import base64
from typing import Any, NamedTuple

import pytest

from tests.support.conformance import Cluster, Object, Space, container, pod

pytestmark = [pytest.mark.root, pytest.mark.timeout(240)]

BINARY = bytes((0, 254, 255, 128))
ASKED = {"limits": {"cpu": "1250m", "memory": "64Mi"}, "requests": {"cpu": "250m", "memory": "32Mi"}}


class Case(NamedTuple):
    """A pod with the volume `v` at /v: what a script in it says. `user`: who runs it, and the group of its volumes."""

    volume: Object
    script: str
    says: str
    user: Object = {}
    main: Object = {}


def _map(**more: Any) -> Object:
    return {"configMap": {"name": "facts", **more}}


def _secret(**more: Any) -> Object:
    return {"secret": {"secretName": "facts", **more}}


def _projected(kind: str, default: int | None = None, **more: Any) -> Object:
    mode = {} if default is None else {"defaultMode": default}
    return {"projected": {"sources": [{kind: {"name": "facts", **more}}], **mode}}


def _told(*fields: str, mode: int | None = None, default: int | None = None) -> list[Object]:
    """The downward API as a volume, and as a part of one."""
    items: list[Object] = []
    for field in fields:
        ref = {"fieldRef": {"fieldPath": field}} if field.startswith("metadata") else {
            "resourceFieldRef": {"containerName": "main", "resource": field}}  # fmt: skip
        items.append({"path": field, **ref, **({} if mode is None else {"mode": mode})})
    more = {} if default is None else {"defaultMode": default}
    return [
        {"downwardAPI": {"items": items, **more}},
        {"projected": {"sources": [{"downwardAPI": {"items": items}}], **more}},
    ]


ITEM = {"key": "data-1", "path": "path/to/data-2"}
ITEMS, MODES = [ITEM], [{**ITEM, "mode": 0o400}]
READ, READ_ITEM = "stat -Lc %a /v/data-1; cat /v/data-1", "stat -Lc %a /v/path/to/data-2; cat /v/path/to/data-2"
USER, GROUP = {"runAsUser": 1000}, {"runAsUser": 1000, "fsGroup": 1001}
MEMORY = {"emptyDir": {"medium": "Memory"}}
CASES = {
    "config-map": Case(_map(), READ, "644\nvalue-1"),
    "config-map-as-user": Case(_map(), READ, "644\nvalue-1", USER),
    "config-map-mode": Case(_map(defaultMode=0o400), READ, "400\nvalue-1"),
    "config-map-item": Case(_map(items=ITEMS), READ_ITEM, "644\nvalue-1"),
    "config-map-item-as-user": Case(_map(items=ITEMS), READ_ITEM, "644\nvalue-1", USER),
    "config-map-item-mode": Case(_map(items=MODES), READ_ITEM, "400\nvalue-1"),
    "config-map-binary": Case(_map(), "cat /v/data-1; base64 /v/dump", f"value-1{base64.b64encode(BINARY).decode()}"),
    "secret": Case(_secret(), READ, "644\nvalue-1"),
    "secret-mode": Case(_secret(defaultMode=0o400), READ, "400\nvalue-1"),
    "secret-group": Case(_secret(defaultMode=0o440), f"{READ}; stat -Lc ' %g' /v/data-1", "440\nvalue-1 1001", GROUP),
    "secret-item": Case(_secret(items=ITEMS), READ_ITEM, "644\nvalue-1"),
    "secret-item-mode": Case(_secret(items=MODES), READ_ITEM, "400\nvalue-1"),
    "projected-map": Case(_projected("configMap"), READ, "644\nvalue-1"),
    "projected-map-as-user": Case(_projected("configMap"), READ, "644\nvalue-1", USER),
    "projected-map-mode": Case(_projected("configMap", 0o400), READ, "400\nvalue-1"),
    "projected-map-item": Case(_projected("configMap", items=ITEMS), READ_ITEM, "644\nvalue-1", USER),
    "projected-map-item-mode": Case(_projected("configMap", items=MODES), READ_ITEM, "400\nvalue-1"),
    "projected-secret": Case(_projected("secret"), READ, "644\nvalue-1"),
    "projected-secret-mode": Case(_projected("secret", 0o400), READ, "400\nvalue-1"),
    "projected-secret-group": Case(_projected("secret", 0o440), READ, "440\nvalue-1", GROUP),
    "projected-secret-item": Case(_projected("secret", items=ITEMS), READ_ITEM, "644\nvalue-1"),
    "projected-secret-item-mode": Case(_projected("secret", items=MODES), READ_ITEM, "400\nvalue-1"),
    **{
        f"downward-{way}-{name}": case
        for number, way in enumerate(("own", "projected"))
        for name, case in {
            "name": Case(_told("metadata.name")[number], "cat /v/metadata.name", f"downward-{way}-name"),
            "mode": Case(_told("metadata.name", default=0o400)[number], "stat -Lc %a /v/metadata.name", "400"),
            "item-mode": Case(_told("metadata.name", mode=0o400)[number], "stat -Lc %a /v/metadata.name", "400"),
            "resources": Case(
                _told("limits.cpu", "limits.memory", "requests.cpu", "requests.memory")[number],
                "cd /v; echo $(cat limits.cpu) $(cat limits.memory) $(cat requests.cpu) $(cat requests.memory)",
                "2 67108864 1 33554432", main={"resources": ASKED},
            ),
            "no-limits": Case(
                _told("limits.cpu", "limits.memory")[number], "cd /v; echo $(cat limits.cpu) $(cat limits.memory)",
                "{cpu} {memory}",
            ),
        }.items()
    },
    "empty": Case({"emptyDir": {}}, "stat -c %a /v", "777"),
    "empty-memory": Case(MEMORY, "stat -c %a /v; stat -fc %T /v", "1777\ntmpfs"),
    **{
        f"empty{medium.lower()}-{mode}-{who or 'root'}": Case(
            {"emptyDir": {"medium": medium}},
            f"umask 0; echo here >/v/f; chmod {mode} /v/f; stat -c '%a %u' /v/f; cat /v/f",
            f"{int(mode, 8):o} {who or 0}\nhere", {"runAsUser": who} if who else {},
        )
        for mode in ("0644", "0666", "0777") for who in (0, 1001) for medium in ("", "Memory")
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def filled(shared: Space) -> Space:
    """All of them have been made. What has our names in another namespace says nothing here."""
    other = shared.cluster.space()
    other.create("secrets", "facts", {"stringData": {"data-1": "other"}})
    shared.create("configmaps", "facts", {"data": {"data-1": "value-1"}, "binaryData": {
        "dump": base64.b64encode(BINARY).decode()}})  # fmt: skip
    shared.create("secrets", "facts", {"stringData": {"data-1": "value-1"}})
    for name, case in CASES.items():
        mounts = [{"name": "v", "mountPath": "/v"}]
        main = container(case.script, volumeMounts=mounts, securityContext=case.user and {
            "runAsUser": case.user["runAsUser"]}, **case.main)  # fmt: skip
        group = {key: value for key, value in case.user.items() if key == "fsGroup"}
        shared.create("pods", name, pod(main, volumes=[{"name": "v", **case.volume}], securityContext=group))
    other.close()
    return shared


@pytest.mark.parametrize("name", CASES)
def test_what_is_read(cluster: Cluster, filled: Space, name: str) -> None:
    there = cluster.admin.get(f"/api/v1/nodes/{cluster.node}")["status"]["allocatable"]
    memory = int(there["memory"].removesuffix("Ki")) * 1024
    assert filled.said(name).strip() == CASES[name].says.format(cpu=there["cpu"], memory=memory)


def test_one_source_in_many_places(filled: Space) -> None:
    """Two volumes of one map and of one secret each, all that a projection can hold, and a volume of two containers."""
    everything = [
        {"downwardAPI": {"items": [{"path": "podname", "fieldRef": {"fieldPath": "metadata.name"}}]}},
        {"secret": {"name": "facts", "items": [{"key": "data-1", "path": "secret"}]}},
        {"configMap": {"name": "facts", "items": [{"key": "data-1", "path": "map"}]}},
    ]
    sources = {
        "m1": _map(), "m2": _map(), "s1": _secret(), "s2": _secret(), "p1": _projected("configMap"),
        "p2": _projected("secret"), "all": {"projected": {"sources": everything}}, "shared": {"emptyDir": {}},
    }  # fmt: skip
    mounts = [{"name": name, "mountPath": f"/{name}"} for name in sources]
    waits = "until cat /shared/f 2>/tmp/e; do usleep 50000; done"
    script = f"cat /*1/data-1 /*2/data-1 /all/podname /all/secret /all/map; {waits}"
    side = container("echo from beside >/shared/f", "side", volumeMounts=mounts[-1:])
    volumes = [{"name": name, **source} for name, source in sources.items()]
    filled.create("pods", "many", pod(container(script, volumeMounts=mounts), side, volumes=volumes))
    assert filled.said("many") == "value-1" * 6 + "manyvalue-1value-1from beside\n"


# What changes


KINDS = {"configmaps": ("configMap", "name", "data"), "secrets": ("secret", "secretName", "stringData")}
PLACES = [f"{start}{kind}" for kind in ("configmap", "secret") for start in ("", "p")]


def _changing() -> list[Object]:
    """Of maps, secrets and both in projections: one that comes, one that changes, one that goes; and the pod's own."""
    volumes: list[Object] = []
    for kind, key, _ in KINDS.values():
        for what in ("create", "update", "delete"):
            source = {"sources": [{kind: {"name": what, "optional": True}}]}
            volumes.append({"name": f"{kind.lower()}-{what}", kind: {key: what, "optional": True}})
            volumes.append({"name": f"p{kind.lower()}-{what}", "projected": source})
    items = [{"path": one, "fieldRef": {"fieldPath": f"metadata.{one}"}} for one in ("labels", "annotations")]
    own = {"name": "told", "downwardAPI": {"items": items}}
    return [*volumes, own, {"name": "ptold", "projected": {"sources": [{"downwardAPI": {"items": items}}]}}]


def _change(space: Space) -> None:
    for plural, (_, _, field) in KINDS.items():
        space.create(plural, "create", {field: {"data-1": "value-1"}})
        space.delete(plural, "delete")
        found = {key: value for key, value in space.get(plural, "update").items() if key != "data"}
        space.admin.ok("PUT", space.path(plural, "update"), {**found, field: {"data-3": "value-2"}})
    space.patch("pods", "sees", {"metadata": {"labels": {"key3": "value3"}, "annotations": {"builder": "foo"}}})


def test_what_changes_is_seen(space: Space) -> None:
    for plural, (_, _, field) in KINDS.items():
        for what in ("update", "delete"):
            space.create(plural, what, {field: {"data-1": "value-1", "data-3": "value-3"}})
    volumes = _changing()
    mounts = [{"name": one["name"], "mountPath": f"/v/{one['name']}"} for one in volumes]
    made = pod(container(volumeMounts=mounts), labels={"key1": "value1"}, volumes=volumes)
    space.create("pods", "sees", made, annotations={"builder": "bar"})
    space.ready("sees")
    assert space.shell("sees", "cat /v/*update/data-1 /v/*delete/data-1") == "value-1" * 8
    assert space.shell("sees", "cat /v/told/labels") == 'key1="value1"'
    assert 'builder="bar"' in space.shell("sees", "cat /v/ptold/annotations").splitlines()
    _change(space)
    for place in PLACES:
        script = f"cd /v; cat {place}-create/data-1 {place}-update/data-3; ls {place}-update {place}-delete"
        wanted = f"value-1value-2{place}-delete:\n\n{place}-update:\ndata-3"
        space.asked("sees", script, lambda said, wanted=wanted: said == wanted)
    for name in ("told", "ptold"):
        space.asked("sees", f"cat /v/{name}/labels", lambda said: 'key3="value3"' in said)
        space.asked("sees", f"cat /v/{name}/annotations", lambda said: 'builder="foo"' in said)


def test_parts_of_volumes(filled: Space) -> None:
    """One file or folder of each kind, beside what the image has, and over a file that is there."""
    told = [{"path": "told/name", "fieldRef": {"fieldPath": "metadata.name"}}]
    sources = {
        "map": _map(), "secret": _secret(), "downward": {"downwardAPI": {"items": told}},
        "projected": {"projected": {"sources": [{"downwardAPI": {"items": told}}]}},
    }  # fmt: skip
    parts = {"map": "data-1", "secret": "data-1", "downward": "told/name", "projected": "told"}
    mounts = [{"name": name, "mountPath": f"/mnt/{name}", "subPath": part} for name, part in parts.items()]
    mounts.append({"name": "map", "mountPath": "/etc/passwd", "subPath": "data-1"})
    volumes = [{"name": name, **source} for name, source in sources.items()]
    script = "cat /mnt/map /mnt/secret /mnt/downward /mnt/projected/name /etc/passwd; ls /etc/group"
    filled.create("pods", "parts", pod(container(script, volumeMounts=mounts), volumes=volumes))
    assert filled.said("parts") == "value-1value-1partspartsvalue-1/etc/group\n"


def test_many_maps_in_many_pods(space: Space) -> None:
    names = [f"map-{number}" for number in range(50)]
    for name in names:
        space.create("configmaps", name, {"data": {"data-1": name}})
    volumes = [{"name": name, "configMap": {"name": name}} for name in names]
    mounts = [{"name": name, "mountPath": f"/v/{name}"} for name in names]
    for number in range(3):
        main = container("cat /v/*/data-1 | wc -c", volumeMounts=mounts)
        space.create("pods", f"pod-{number}", pod(main, volumes=volumes))
    for number in range(3):
        assert space.said(f"pod-{number}").strip() == str(sum(map(len, names)))


@pytest.mark.parametrize(("plural", "value"), [("configmaps", "new"), ("secrets", "bmV3")])
def test_what_is_immutable_stays(space: Space, plural: str, value: str) -> None:
    space.create(plural, "fixed", {})
    space.patch(plural, "fixed", {"data": {"a": "bmV3"}})
    space.patch(plural, "fixed", {"immutable": True})
    place = space.path(plural, "fixed")
    assert space.admin.patch(place, {"data": {"a": value + "bmV3"}}).told[0] == 422
    assert space.admin.patch(place, {"immutable": False}).told[0] == 422
    space.patch(plural, "fixed", {"metadata": {"labels": {"l": "v"}}})
    space.delete(plural, "fixed")
    assert space.admin.ask("GET", place).status == 404
