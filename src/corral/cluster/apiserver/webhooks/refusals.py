"""Answers of webhooks with another status than 200, in the words that Go's client makes of them. Pure.

Follows k8s.io/apimachinery/pkg/api/errors, NewGenericServerResponse.
"""

from __future__ import annotations

import json
from typing import Final

from corral.cluster.apiserver.webhooks.client import CallFailed, Reply

LONGEST: Final = 2048  # bytes of an answer that a message shows
_WORDS: Final = {
    400: "the server rejected our request for an unknown reason",
    401: "the server has asked for the client to provide credentials",
    404: "the server could not find the requested resource",
    405: "the server does not allow this method on the requested resource",
    409: "the server reported a conflict",
    422: "the server rejected our request due to an error in our request",
    429: "the server has received too many requests and has asked us to try again later",
    503: "the server is currently unable to handle the request",
    504: "the server was unable to return a response in the time allotted, but may still be processing the request",
}


class Refused(CallFailed):
    """Somebody answered, but not what was asked for."""


def check(reply: Reply) -> None:
    """Raises Refused.

    >>> check(Reply(500, {"content-type": "text/plain"}, b"no cows"))
    Traceback (most recent call last):
    corral.cluster.apiserver.webhooks.refusals.Refused: an error on the server ("no cows") has prevented the request \
from succeeding
    """
    if reply.status != 200:
        raise Refused(_of_status(reply.body) or _generic(reply))


def _of_status(body: bytes) -> str:
    """The message of a Status object; "" if it is none."""
    try:
        found = json.loads(body)
    except ValueError:
        return ""
    if not isinstance(found, dict) or (found.get("kind"), found.get("apiVersion")) != ("Status", "v1"):
        return ""
    return str(found.get("message") or "")


def _generic(reply: Reply) -> str:
    kind = reply.headers.get("content-type", "")
    is_text = not kind or kind.startswith("text/")
    said = reply.body[:LONGEST].decode("utf-8", "replace").strip() if is_text else "unknown"
    if reply.status in (403, 415):
        return said
    if reply.status == 406:
        known = said not in ("", "unknown")
        return said if known else "the server was unable to respond with a content type that the client supports"
    if reply.status in _WORDS:
        return _WORDS[reply.status]
    if reply.status >= 500:
        return (
            f"an error on the server ({json.dumps(said, ensure_ascii=False)}) has prevented the request from succeeding"
        )
    return f"the server responded with the status code {reply.status} but did not return more information"
