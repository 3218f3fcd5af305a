"""What the schemas of a definition's versions do to objects on their way from one version to another. Pure.

What the store has gets the defaults of the version that it was stored in, and is converted then; what comes out of a
conversion has the fields that the version's schema knows.
"""

from __future__ import annotations

from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.kinds.fields import objects, part, text
from corral.model.kubernetes.schema import MISSING, Schema
from corral.model.kubernetes.schema.check import conform
from corral.model.kubernetes.schema.crd import from_structural, with_defaults


class Versions:
    """
    >>> size = {"type": "object", "properties": {"size": {"type": "integer", "default": 3}}}
    >>> version = {"name": "v1", "schema": {"openAPIV3Schema": size}}
    >>> versions = Versions({"spec": {"group": "a.b", "versions": [version]}})
    >>> versions.filled({"apiVersion": "a.b/v1"})
    {'apiVersion': 'a.b/v1', 'size': 3}
    >>> versions.pruned({"apiVersion": "a.b/v1", "metadata": {"name": "x"}, "metres": 1})
    {'apiVersion': 'a.b/v1', 'metadata': {'name': 'x'}}
    """

    def __init__(self, definition: Object) -> None:
        spec = part(definition, "spec")
        group = text(spec, "group")
        schemas = {
            f"{group}/{text(one, 'name')}": from_structural(part(one, "schema", "openAPIV3Schema"))
            for one in objects(spec, "versions")
        }
        self._schemas = schemas
        self._with_defaults = {key: schema for key, schema in schemas.items() if has_defaults(schema)}

    def filled(self, obj: Object) -> Object:
        """With the defaults of the version that it is in."""
        schema = self._with_defaults.get(obj.get("apiVersion", ""))
        if schema is None:
            return obj
        found: Object = with_defaults(obj, schema)
        return found

    def pruned(self, obj: Object) -> Object:
        schema = self._schemas.get(obj.get("apiVersion", ""))
        if schema is None:
            return obj
        found: Object = conform(obj, schema).object
        return found


def has_defaults(schema: Schema) -> bool:
    """Pure: whether anything below has a default. Custom schemas do not contain themselves."""
    if schema.name:
        return False
    below = [*schema.properties.values(), *(one for one in (schema.items, schema.values) if one is not None)]
    return schema.default is not MISSING or any(has_defaults(one) for one in below)
