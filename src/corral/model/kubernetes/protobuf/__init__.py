"""Request bodies in protobuf, as generated Go clients send them, decoded to the JSON that they stand for."""

from corral.model.kubernetes.protobuf.envelope import MAGIC, decode

__all__ = ["MAGIC", "decode"]
