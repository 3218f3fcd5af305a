"""Short names for contents: the hash of a pod template. Pure.

Follows k8s.io/apimachinery's rand.SafeEncodeString over FNV-1a: the alphabet has no vowels, so no word comes about.
"""

from __future__ import annotations

from typing import Any

from corral.cluster.controllers.common.objects import canonical

ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


def fnv1a(data: bytes) -> int:
    """32 bits.

    >>> hex(fnv1a(b"")), hex(fnv1a(b"a"))
    ('0x811c9dc5', '0xe40c292c')
    """
    found = 0x811C9DC5
    for byte in data:
        found = (found ^ byte) * 0x01000193 & 0xFFFFFFFF
    return found


def safe_encoded(text: str) -> str:
    """
    >>> safe_encoded("1234567890")
    '56789bcdf4'
    """
    return "".join(ALPHABET[ord(char) % len(ALPHABET)] for char in text)


def hashed(content: Any, collisions: int | None = None) -> str:
    """A name for the content; another one for each count of collisions.

    >>> hashed({"a": 1}) == hashed({"a": 1, "b": None}), hashed({"a": 1}) == hashed({"a": 1}, 1)
    (True, False)
    """
    data = canonical(content)
    if collisions is not None:
        data += collisions.to_bytes(8, "little")
    return safe_encoded(str(fnv1a(data)))
