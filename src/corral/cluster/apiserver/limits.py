"""How many requests are answered at a time. Watches and other endless requests do not count.

Follows upstream's max-in-flight filter: those that change something and those that read have limits of their own.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from corral.cluster.apiserver.attributes import MASTERS_GROUP, User
from corral.cluster.apiserver.handlers.resources import CONNECT
from corral.cluster.apiserver.paths import RequestInfo
from corral.model.kubernetes.status import StatusError, too_many_requests

MUTATING: Final = "mutating"
READ_ONLY: Final = "readOnly"
_READING: Final = ("get", "list", "watch", "head", "options")


class Limits(NamedTuple):
    """`seconds`: after which a request is given up, however much time its client has (upstream's --request-timeout).

    `corral up` has no flag for it. Less is what each client asks for itself (`kubectl --request-timeout`); more would
    help nobody: what has no end is not limited by it, writes end after 34 s whatever it says, a webhook after 30 s at
    most, and a list is answered from memory.
    """

    mutating: int = 200
    read_only: int = 400
    seconds: float = 60.0


def is_long(info: RequestInfo) -> bool:
    """Pure: a request that ends only when somebody wants it to.

    >>> is_long(RequestInfo("/x", "watch", resource="pods")), is_long(RequestInfo("/x", "get", resource="pods"))
    (True, False)
    """
    return info.verb in ("watch", "proxy") or (bool(info.subresource) and info.subresource in CONNECT)


def kind_of(info: RequestInfo) -> str:
    return READ_ONLY if info.verb in _READING else MUTATING


def check(info: RequestInfo, user: User, inflight: dict[str, int], limits: Limits) -> None:
    """Raises 429 when too many requests of the kind are being answered. The masters are never turned away."""
    kind = kind_of(info)
    allowed = limits.read_only if kind == READ_ONLY else limits.mutating
    if inflight[kind] >= allowed and MASTERS_GROUP not in user.groups:
        raise turned_away()


def turned_away() -> StatusError:
    return too_many_requests("Too many requests, please try again later.", 1)
