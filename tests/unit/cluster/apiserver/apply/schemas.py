"""Small schemas for the tests of apply."""

from corral.model.kubernetes.schema.types import Schema

TEXT, NUMBER, TRUTH = Schema("string"), Schema("integer"), Schema("boolean")
PORT = Schema("object", properties={"port": NUMBER, "protocol": Schema("string", default="TCP"), "name": TEXT})
ITEM = Schema("object", properties={"name": TEXT, "value": NUMBER, "other": NUMBER})
SPEC = Schema(
    "object",
    properties={
        "replicas": NUMBER,
        "text": TEXT,
        "flag": TRUTH,
        "list": Schema("array", items=ITEM, list_type="map", list_map_keys=("name",)),
        "ports": Schema("array", items=PORT, list_type="map", list_map_keys=("port", "protocol")),
        "set": Schema("array", items=TEXT, list_type="set"),
        "whole": Schema("array", items=TEXT),
        "map": Schema("object", values=TEXT),
        "structs": Schema("object", values=ITEM),
        "atom": Schema("object", properties={"a": NUMBER, "b": NUMBER}, map_type="atomic"),
        "size": Schema(format="int-or-string"),
        "any": Schema("object", preserve_unknown=True),
    },
)
STATUS = Schema("object", properties={"phase": TEXT, "conditions": SPEC.properties["list"]})
META = Schema(
    "object",
    properties={
        "name": TEXT,
        "namespace": TEXT,
        "labels": Schema("object", values=TEXT),
        "annotations": Schema("object", values=TEXT),
        "managedFields": Schema("array", items=Schema("object", preserve_unknown=True)),
    },
)
ROOT = Schema(
    "object",
    raw={"type": "object"},
    properties={"apiVersion": TEXT, "kind": TEXT, "metadata": META, "spec": SPEC, "status": STATUS},
)
