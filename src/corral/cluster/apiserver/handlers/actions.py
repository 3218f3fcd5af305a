"""What is posted to be done or answered, and not kept: bindings, evictions, tokens and reviews."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any, Final

from corral.cluster.apiserver.authentication import reviews as identity_reviews
from corral.cluster.apiserver.authentication.chain import Authenticator
from corral.cluster.apiserver.authentication.service_accounts import Issuer
from corral.cluster.apiserver.authentication.token_request import issue
from corral.cluster.apiserver.authorization import reviews
from corral.cluster.apiserver.authorization.decision import Authorizer
from corral.cluster.apiserver.encoding.answers import success
from corral.cluster.apiserver.handlers.call import Call
from corral.cluster.apiserver.handlers.resources import Act
from corral.cluster.apiserver.objects.changes import expected_of
from corral.cluster.apiserver.objects.core import Core, Target
from corral.cluster.apiserver.objects.posting import Post, post_binding, post_eviction
from corral.cluster.apiserver.options import write_options
from corral.model.kubernetes.kind import Object

Result = tuple[int, dict[str, Any]]
CREATED: Final = 201


class Actions:
    """`table` is what Resources is given."""

    def __init__(
        self, core: Core, authenticator: Authenticator, authorizer: Authorizer, issuer: Issuer, now: Callable[[], float]
    ) -> None:
        self._core, self._authenticator, self._authorizer = core, authenticator, authorizer
        self._issuer, self._now = issuer, now

    def table(self) -> dict[tuple[str, str, str], Act]:
        authentication, authorization = "authentication.k8s.io", "authorization.k8s.io"
        return {
            ("", "pods", "binding"): self._bind,
            ("", "bindings", ""): self._bind,
            ("", "pods", "eviction"): self._evict,
            ("", "serviceaccounts", "token"): self._token,
            (authentication, "tokenreviews", ""): self._review_token,
            (authentication, "selfsubjectreviews", ""): self._review_self,
            (authorization, "subjectaccessreviews", ""): self._review_access,
            (authorization, "selfsubjectaccessreviews", ""): self._review_access,
            (authorization, "localsubjectaccessreviews", ""): self._review_access,
            (authorization, "selfsubjectrulesreviews", ""): self._review_access,
        }

    async def _posted(self, call: Call, target: Target) -> Object:
        """The body, of the kind that the subresource or the resource has, as admission lets it pass."""
        options = write_options(call.request.query, "CreateOptions")
        obj = await call.read_as(expected_of(target), options.validation)
        return await self._core.admit_posted(call.caller, target, obj, options)

    async def _bind(self, call: Call, target: Target) -> Result:
        return await self._post(post_binding, call, target)

    async def _evict(self, call: Call, target: Target) -> Result:
        return await self._post(post_eviction, call, target)

    async def _post(self, post: Post, call: Call, target: Target) -> Result:
        options = write_options(call.request.query, "CreateOptions")
        obj = await call.read_as(expected_of(target), options.validation)
        await post(self._core, call.caller, target, obj, options)
        return CREATED, {**success(), "code": CREATED}

    async def _token(self, call: Call, target: Target) -> Result:
        asked = await self._posted(call, target)
        await self._core.caches.fresh()
        namespace, now, number = target.namespace, int(self._now()), str(uuid.uuid4())
        issued = issue(asked, namespace, target.name, self._core.caches, self._issuer, now, number)
        for text in issued.warnings:
            call.caller.warn(text)
        return CREATED, issued.object

    async def _review_token(self, call: Call, target: Target) -> Result:
        asked = await self._posted(call, target)
        await self._core.caches.fresh()
        return CREATED, await identity_reviews.review_token(asked, self._authenticator)

    async def _review_self(self, call: Call, target: Target) -> Result:
        asked = await self._posted(call, target)
        return CREATED, identity_reviews.review_self(asked, call.user)

    async def _review_access(self, call: Call, target: Target) -> Result:
        asked = await self._posted(call, target)
        await self._core.caches.fresh()
        plural, authorizer = target.served.plural, self._authorizer
        if plural == "subjectaccessreviews":
            return CREATED, reviews.review_subject(asked, authorizer)
        if plural == "localsubjectaccessreviews":
            return CREATED, reviews.review_local(asked, target.namespace, authorizer)
        if plural == "selfsubjectrulesreviews":
            return CREATED, reviews.review_rules(asked, call.user, authorizer)
        return CREATED, reviews.review_self(asked, call.user, authorizer)
