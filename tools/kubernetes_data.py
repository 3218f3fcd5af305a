"""Writes src/corral/model/kubernetes/schema/kubernetes.txt: what all stable kinds of Kubernetes look like, as data.

    python -m tools.kubernetes_data --definitions _definitions.json --resources lightkube/resources \
        --openapi openapi-v2.json --source api --source … > src/corral/model/kubernetes/schema/kubernetes.txt

definitions  the JSON schema of all types, of the newest version (`kubernetes-validate` carries one)
resources    a package of classes, one for each resource (`lightkube-models`): plural, scope, verbs, subresources
openapi      an OpenAPI v2 document of Kubernetes with paths: the subresources that connect (exec, proxy, …)
source       directories with generated.proto files (the numbers of fields, and their defaults) and types.go files
             (what is written of fields that are zero)

Only names, types and numbers are taken over. What the lines mean is told by `schema/data.py`, which reads them.
A type that the inputs do not agree on ends the run: better no data than wrong data. A field that is newer than the
.proto files is named on stderr and gets the number 0: it is known in JSON only.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

from tools.kubernetes_sources import SCALARS, VERSIONS, Field, GoField, read_go, read_protos, read_resources, short

# Types with an encoding of their own: scalars to us.
SPECIAL = {
    "apimachinery.api.resource.Quantity": "quantity",
    "apimachinery.util.intstr.IntOrString": "int-or-string",
    "apimachinery.runtime.RawExtension": "raw-extension",
    "meta.v1.Time": "time",
    "meta.v1.MicroTime": "micro-time",
    "meta.v1.FieldsV1": "fields-v1",
    "apiextensions.v1.JSON": "json",
    "apiextensions.v1.JSONSchemaPropsOrArray": "schema-or-array",
    "apiextensions.v1.JSONSchemaPropsOrBool": "schema-or-bool",
    "apiextensions.v1.JSONSchemaPropsOrStringArray": "schema-or-strings",
}
NULLS = ("time", "micro-time", "raw-extension", "fields-v1", "json")  # structs whose zero value is written as null
SHORT = {
    "": "componentstatuses=cs configmaps=cm endpoints=ep events=ev limitranges=limits namespaces=ns nodes=no pods=po "
    "persistentvolumeclaims=pvc persistentvolumes=pv replicationcontrollers=rc resourcequotas=quota "
    "serviceaccounts=sa services=svc",
    "apps": "deployments=deploy daemonsets=ds replicasets=rs statefulsets=sts",
    "batch": "cronjobs=cj",
    "autoscaling": "horizontalpodautoscalers=hpa",
    "networking.k8s.io": "ingresses=ing networkpolicies=netpol ipaddresses=ip",
    "policy": "poddisruptionbudgets=pdb",
    "scheduling.k8s.io": "priorityclasses=pc",
    "storage.k8s.io": "storageclasses=sc volumeattributesclasses=vac",
    "certificates.k8s.io": "certificatesigningrequests=csr",
    "events.k8s.io": "events=ev",
    "apiextensions.k8s.io": "customresourcedefinitions=crd,crds",
}
ALL = (
    "pods services replicationcontrollers deployments daemonsets replicasets statefulsets jobs cronjobs "
    "horizontalpodautoscalers"
).split()
EXTENSIONS = ("admissionregistration.k8s.io", "apiextensions.k8s.io", "apiregistration.k8s.io")
# Discovery's order: of groups, and within autoscaling the preferred version first.
GROUPS = (
    " apiregistration.k8s.io apps events.k8s.io authentication.k8s.io authorization.k8s.io autoscaling batch "
    "certificates.k8s.io networking.k8s.io policy rbac.authorization.k8s.io storage.k8s.io "
    "admissionregistration.k8s.io apiextensions.k8s.io scheduling.k8s.io coordination.k8s.io node.k8s.io "
    "discovery.k8s.io flowcontrol.apiserver.k8s.io resource.k8s.io storagemigration.k8s.io"
).split(" ")
EXTRA_ROOTS = (
    "meta.v1.APIGroup meta.v1.APIGroupList meta.v1.APIResourceList meta.v1.APIVersions meta.v1.DeleteOptions "
    "meta.v1.Status meta.v1.WatchEvent apimachinery.version.Info"
).split()


def numbered(
    message: str, key: str, properties: dict[str, Any], protos: dict[str, dict[str, Field]]
) -> tuple[str, Field] | None:
    """The way to a JSON field in a message: "3", or "2.5" where JSON does without the message in between."""
    named = {proto_key(message, name): field for name, field in protos.get(message, {}).items()}
    if found := named.get(key.lower()):
        return str(found.number), found
    known = {name.lower() for name in properties}
    for name, field in named.items():
        inline = name not in known and field.type in protos
        if inline and (way := numbered(field.type, key, properties, protos)):
            return f"{field.number}.{way[0]}", way[1]
    return None


def proto_key(message: str, name: str) -> str:
    if message == "apiextensions.v1.JSONSchemaProps":
        if name in ("schema", "ref"):
            return f"${name}"
        if name.startswith("xKubernetes"):
            return re.sub(r"[A-Z]", lambda found: "-" + found[0].lower(), name)
    return name.lower()  # uID, jSONPath, …: the generator's own idea of camel case


# --------------------------------------------------------------------------------------------------------- the types


def field_type(spec: dict[str, Any]) -> str:
    """A property's type in the data's words."""
    if "$ref" in spec:
        name = short(spec["$ref"].rpartition("/")[2])
        return SPECIAL.get(name, name)
    kind = spec.get("type", "")
    kind = kind[0] if isinstance(kind, list) else kind
    form = spec.get("format", "")
    if kind == "array":
        return "[]" + field_type(spec["items"])
    if kind == "object":
        return "{}" + field_type(spec["additionalProperties"]) if "additionalProperties" in spec else "raw-extension"
    words = {("string", "byte"): "bytes", ("boolean", ""): "bool", ("string", ""): "string"}
    words |= {("integer", "int32"): "int32", ("integer", "int64"): "int64", ("number", "double"): "double"}
    return words[kind, form]


def write_type(
    name: str, spec: dict[str, Any], protos: dict[str, dict[str, Field]], go: dict[str, dict[str, GoField]]
) -> list[str]:
    package = name.rpartition(".")[0]
    lines = [f"type {name}" + (" atomic" if spec.get("x-kubernetes-map-type") == "atomic" else "")]
    properties = spec.get("properties", {})
    for key in sorted(properties):
        one = properties[key]
        kind, path, default = field_type(one), "0", ""
        if found := numbered(name, key, properties, protos):
            path, default = found[0], found[1].default
            kind = agree(name, key, kind, found[1].type, protos)
        elif key not in ("apiVersion", "kind") and name in protos:
            print(f"{name}.{key} has no number", file=sys.stderr)
        marks = ("!" if key in spec.get("required", ()) else "") + go_mark(go.get(name, {}).get(key), kind)
        words = [key + marks, path, kind.replace(f"{package}.", "")]
        lines.append(" ".join([*words, *options(one, default)]))
    return lines


def go_mark(field: GoField | None, kind: str) -> str:
    """What Go writes of a field that nobody set: "?" nothing, "^" null, "+" its zero value; "" if it may be left out.

    omitempty says nothing of a struct, which is never empty.
    """
    many = kind == "bytes" or kind[0] in "[{*"
    if field is None or (field.pointer and field.omit):
        return ""
    if not field.pointer and (many or kind in SCALARS):
        nothing = "^" if many else "+"
        left_out = "?" if kind[0] != "*" else ""
        return left_out if field.omit else nothing
    if field.pointer or kind in NULLS:
        return "" if "omitzero" in field.omit else "^"
    return "" if "omitzero" in field.omit else "+"


def agree(name: str, key: str, kind: str, wire: str, protos: dict[str, dict[str, Field]]) -> str:
    """The type, once JSON's and protobuf's views of it agree. `*T` is a list that is a message of its own."""
    prefix, bare = (wire[:2], wire[2:]) if wire[:2] in ("[]", "{}") else ("", wire)
    same = prefix + SPECIAL.get(bare, bare)
    if bare in protos and set(protos[bare]) == {"items"} and kind == prefix + protos[bare]["items"].type:
        return kind.replace("[]", "*") if not prefix else prefix + "*" + protos[bare]["items"].type[2:]
    if same != kind:
        raise SystemExit(f"{name}.{key} is {kind} in JSON and {same} in protobuf")
    return kind


def options(spec: dict[str, Any], default: str) -> list[str]:
    found = []
    if spec.get("x-kubernetes-list-type") == "set":
        found.append("set")
    if spec.get("x-kubernetes-list-type") == "map":
        found.append("map=" + ",".join(spec["x-kubernetes-list-map-keys"]))
    if spec.get("x-kubernetes-map-type") == "atomic":
        found.append("atomic")
    if "x-kubernetes-patch-strategy" in spec:
        found.append("patch=" + spec["x-kubernetes-patch-strategy"])
    if "x-kubernetes-patch-merge-key" in spec:
        found.append("merge=" + spec["x-kubernetes-patch-merge-key"])
    return [*found, f"default={default}"] if default else found


def mentioned(spec: dict[str, Any]) -> set[str]:
    return {short(name) for name in re.findall(r'"\$ref": "[^"]*/([^"/]+)"', json.dumps(spec))}


def closure(roots: list[str], definitions: dict[str, Any]) -> list[str]:
    todo, found = list(roots), set()
    while todo:
        name = todo.pop()
        if name not in found and name not in SPECIAL:
            found.add(name)
            todo += mentioned(definitions[name])
    return sorted(found)


# ----------------------------------------------------------------------------------------------------- the resources


def write_resource(group: str, version: str, plural: str, one: dict[str, Any]) -> list[str]:
    names = dict(pair.split("=") for pair in SHORT.get(group, "").split())
    categories = ["all"] if plural in ALL else []
    categories += ["api-extensions"] if group in EXTENSIONS else []
    words = [
        "resource",
        group or "core",
        version,
        plural,
        one["kind"],
        "Namespaced" if one["namespaced"] else "Cluster",
    ]
    words.append(",".join(sorted(one["verbs"])))
    words += [f"short={names[plural]}"] if plural in names else []
    words += [f"categories={','.join(categories)}"] if categories else []
    lines = [" ".join(words)]
    for name, (kind, verbs) in sorted(one["subresources"].items()):
        lines.append(f"{name} {kind[0] or 'core'} {kind[1]} {kind[2]} {','.join(sorted(verbs))}")
    return lines


def root_types(resources: dict[tuple[str, str, str], dict[str, Any]], definitions: dict[str, Any]) -> list[str]:
    kinds = {(group, version, one["kind"]) for (group, version, _), one in resources.items()}
    kinds |= {(group, version, kind + "List") for group, version, kind in kinds}
    kinds |= {tuple(kind) for one in resources.values() for kind, _ in one["subresources"].values()}
    roots = list(EXTRA_ROOTS)
    for name, spec in definitions.items():
        gvks = {(one["group"], one["version"], one["kind"]) for one in spec.get("x-kubernetes-group-version-kind", ())}
        roots += [name] if gvks & kinds and len(gvks) == 1 else []
    return roots


def gvk_lines(names: list[str], definitions: dict[str, Any]) -> list[str]:
    found = []
    for name in names:
        gvks = definitions[name].get("x-kubernetes-group-version-kind", ())
        if len(gvks) == 1:
            found.append(f"{gvks[0]['group'] or 'core'} {gvks[0]['version']} {gvks[0]['kind']} {name}")
    return found


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--definitions", type=Path, required=True)
    parser.add_argument("--resources", type=Path, required=True)
    parser.add_argument("--openapi", type=Path, required=True)
    parser.add_argument("--source", type=Path, action="append", required=True)
    asked = parser.parse_args()
    definitions = {short(name): spec for name, spec in json.loads(asked.definitions.read_text())["$defs"].items()}
    protos = read_protos(asked.source)
    go = read_go(asked.source)
    resources = read_resources(asked.resources, json.loads(asked.openapi.read_text()))
    order = sorted(resources, key=lambda key: (GROUPS.index(key[0]), VERSIONS.index(key[1]), key[2]))
    blocks = [write_resource(*key, resources[key]) for key in order]
    types = closure(root_types(resources, definitions), definitions)
    blocks.append(["kinds", *gvk_lines(types, definitions)])
    blocks += [write_type(name, definitions[name], protos, go) for name in types]
    print("\n\n".join("\n".join(block) for block in blocks))
    return 0


if __name__ == "__main__":
    sys.exit(main())
