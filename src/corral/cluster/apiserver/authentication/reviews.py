"""TokenReview and SelfSubjectReview: who is behind a token, and who am I."""

from __future__ import annotations

import copy
import logging
from typing import Any

from corral.cluster.apiserver.attributes import User
from corral.cluster.apiserver.authentication.chain import Authenticator
from corral.cluster.apiserver.authentication.problem import BadCredentials
from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.status import bad_request

log = logging.getLogger("corral.cluster")


async def review_token(asked: Object, authenticator: Authenticator) -> Object:
    """The TokenReview with its status; `asked` is left alone. StatusError 400 without a token."""
    made = copy.deepcopy(asked)
    spec = made.get("spec") or {}
    token, audiences = spec.get("token") or "", tuple(spec.get("audiences") or ())
    if not token:
        raise bad_request("token is required for TokenReview in authentication")
    status: dict[str, Any] = {"user": {}}
    try:
        proven = await authenticator.by_token(token, audiences)
        status = {"authenticated": True, "user": user_info(proven.user), "audiences": list(proven.audiences)}
    except BadCredentials as problem:
        status["error"] = str(problem)
    made["status"] = status
    return made


def review_self(asked: Object, user: User) -> Object:
    """Pure: the SelfSubjectReview with its status (kubectl auth whoami)."""
    made = copy.deepcopy(asked)
    made["status"] = {"userInfo": user_info(user)}
    return made


def user_info(user: User) -> dict[str, Any]:
    """Pure: a user as authentication.k8s.io/v1 UserInfo; also for webhooks and the audit log.

    >>> user_info(User("jane", groups=("dev",)))
    {'username': 'jane', 'groups': ['dev']}
    """
    found: dict[str, Any] = {"username": user.name}
    if user.uid:
        found["uid"] = user.uid
    if user.groups:
        found["groups"] = list(user.groups)
    if user.extra:
        found["extra"] = {key: list(values) for key, values in user.extra.items()}
    return found


def read_user_info(found: Object) -> User:
    """Pure: the user of a UserInfo, or of the spec of a SubjectAccessReview (`user` instead of `username`)."""
    extra = {key: tuple(values or ()) for key, values in (found.get("extra") or {}).items()}
    name = found.get("username") or found.get("user") or ""
    return User(name, found.get("uid") or "", tuple(found.get("groups") or ()), extra)
