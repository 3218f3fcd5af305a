"""The shape of every kind: which fields there are, of what type, and how lists and maps are merged."""

from corral.model.kubernetes.schema.stable import Builtin, builtin
from corral.model.kubernetes.schema.types import MISSING, Schema

__all__ = ["MISSING", "Builtin", "Schema", "builtin"]
