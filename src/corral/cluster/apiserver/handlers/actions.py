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
from corral.cluster.apiserver.encoding.bodies import Expected
from corral.cluster.apiserver.handlers.call import Call
from corral.cluster.apiserver.handlers.resources import Act
from corral.cluster.apiserver.objects.core import Core, Target
from corral.cluster.apiserver.objects.evicting import evict
from corral.cluster.apiserver.objects.subresources import bind
from corral.cluster.apiserver.objects.updating import Update, update
from corral.cluster.apiserver.options import WriteOptions, delete_options, write_options
from corral.http.query import Query
from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.resources import GroupVersionKind
from corral.model.kubernetes.schema import builtin
from corral.model.kubernetes.status import bad_request

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

    async def _posted(self, call: Call, target: Target) -> tuple[Object, WriteOptions]:
        """The body, of the kind that the subresource or the resource has."""
        options = write_options(call.request.query, "CreateOptions")
        resource = target.served.resource
        found = resource.subresource(target.subresource) if target.subresource else None
        gvk = found.kind if found is not None else resource.gvk
        return await call.read_as(expected(gvk), options.validation), options

    async def _bind(self, call: Call, target: Target) -> Result:
        binding, options = await self._posted(call, target)
        name = target.name or binding["metadata"].get("name") or ""
        pods = self._core.registry.need("", "v1", "pods")
        pod = Target(pods, target.namespace, name, "binding")
        now = self._core.now()
        asked = Update(lambda live: bind(live or {}, binding, now), options, "CreateOptions")
        await update(self._core, call.caller, pod, asked)
        return CREATED, {**success(), "code": CREATED}

    async def _evict(self, call: Call, target: Target) -> Result:
        eviction, options = await self._posted(call, target)
        name = eviction["metadata"].get("name") or target.name
        if name != target.name:
            raise bad_request("name in URL does not match name in Eviction object")
        inner = dict(eviction.get("deleteOptions") or {})
        if options.dry_run:
            inner["dryRun"] = ["All"]
        await evict(self._core, call.caller, target, delete_options(Query(), inner))
        return CREATED, {**success(), "code": CREATED}

    async def _token(self, call: Call, target: Target) -> Result:
        asked, options = await self._posted(call, target)
        await self._core.caches.fresh()
        namespace, now, number = target.namespace, int(self._now()), str(uuid.uuid4())
        issued = issue(asked, namespace, target.name, self._core.caches, self._issuer, now, number)
        for text in issued.warnings:
            call.caller.warn(text)
        return CREATED, issued.object

    async def _review_token(self, call: Call, target: Target) -> Result:
        asked, _ = await self._posted(call, target)
        await self._core.caches.fresh()
        return CREATED, await identity_reviews.review_token(asked, self._authenticator)

    async def _review_self(self, call: Call, target: Target) -> Result:
        asked, _ = await self._posted(call, target)
        return CREATED, identity_reviews.review_self(asked, call.user)

    async def _review_access(self, call: Call, target: Target) -> Result:
        asked, _ = await self._posted(call, target)
        await self._core.caches.fresh()
        plural, authorizer = target.served.plural, self._authorizer
        if plural == "subjectaccessreviews":
            return CREATED, reviews.review_subject(asked, authorizer)
        if plural == "localsubjectaccessreviews":
            return CREATED, reviews.review_local(asked, target.namespace, authorizer)
        if plural == "selfsubjectrulesreviews":
            return CREATED, reviews.review_rules(asked, call.user, authorizer)
        return CREATED, reviews.review_self(asked, call.user, authorizer)


def expected(gvk: GroupVersionKind) -> Expected:
    return Expected(gvk, builtin().schema(gvk))
