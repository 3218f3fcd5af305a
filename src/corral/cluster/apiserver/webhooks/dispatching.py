"""The plugins that ask webhooks: those that change objects one after the other, then those that judge, at once."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from corral.cluster.apiserver.admission.expressions import (
    NAMES,
    authorized_by,
    compile_problems,
    conditions_hold,
    values_of,
)
from corral.cluster.apiserver.admission.matching import GROUP, fits_rule, fits_selectors, is_exempt
from corral.cluster.apiserver.admission.plugin import Base, refused
from corral.cluster.apiserver.attributes import Admission
from corral.cluster.apiserver.authorization.decision import Authorizer
from corral.cluster.apiserver.caching.item import encode
from corral.cluster.apiserver.lookup import Lookup
from corral.cluster.apiserver.patch import json_patch
from corral.cluster.apiserver.registry import Registry
from corral.cluster.apiserver.webhooks.client import CallFailed, HttpsClient
from corral.cluster.apiserver.webhooks.resolving import place_of, shown_url
from corral.cluster.apiserver.webhooks.review import BadReview, Verdict, denial, review_of, verdict_of
from corral.model.kubernetes.kinds.fields import number, objects, part, text, texts
from corral.model.kubernetes.schema.check import conform
from corral.model.kubernetes.status import StatusError, bad_request, internal, invalid

log = logging.getLogger("corral.apiserver")
Object = dict[str, Any]
VERSIONS: Final = ("v1", "v1beta1")
HEADERS: Final = {"Content-Type": "application/json", "User-Agent": "kube-apiserver-admission"}


class Hook(NamedTuple):
    configuration: str
    number: int
    hook: Object

    @property
    def name(self) -> str:
        return text(self.hook, "name")


class _Failed(Exception):
    """A webhook could not be asked, or gave no answer; failurePolicy decides what that means."""


class _Webhooks(Base):
    plural = ""

    def __init__(self, lookup: Lookup, registry: Registry, authorizer: Authorizer, client: HttpsClient) -> None:
        self._lookup, self._registry, self._authorizer, self._client = lookup, registry, authorizer, client

    def _hooks(self) -> Iterator[Hook]:
        """In the order of the configurations' names."""
        for one in sorted(self._lookup.list(GROUP, self.plural), key=lambda each: str(each["metadata"]["name"])):
            for index, hook in enumerate(objects(one, "webhooks")):
                yield Hook(one["metadata"]["name"], index, hook)

    def _wanted(self, hook: Hook, admission: Admission) -> bool:
        """Raises StatusError when it is not known, and that is to be a refusal."""
        found = hook.hook
        if not any(fits_rule(rule, admission) for rule in objects(found, "rules")):
            return False
        if not fits_selectors(found, admission, self._lookup):
            return False
        conditions = objects(found, "matchConditions")
        if not conditions:
            return True
        with authorized_by(self._authorizer, admission.user):
            matched = conditions_hold(conditions, values_of(admission))
        if matched.error:
            if text(found, "failurePolicy") == "Ignore":
                return False
            raise refused(admission, matched.error)
        return matched.holds

    async def _ask(self, hook: Hook, admission: Admission, *, mutating: bool) -> Verdict | None:
        """The answer; None of one that failed and may. Raises StatusError."""
        if admission.dry_run and text(hook.hook, "sideEffects") not in ("None", "NoneOnDryRun"):
            raise bad_request(f'admission webhook "{hook.name}" does not support dry run')
        try:
            return await self._call(hook, admission, mutating=mutating)
        except _Failed as error:
            if text(hook.hook, "failurePolicy") == "Ignore":
                log.warning("failed calling webhook %s, failing open: %s", hook.name, error)
                key = f"failed-open.{'mutation' if mutating else 'validation'}.webhook.admission.k8s.io"
                admission.annotations[f"{key}/round_0_index_{hook.number}"] = hook.name
                return None
            raise internal(f'failed calling webhook "{hook.name}": {error}') from None

    async def _call(self, hook: Hook, admission: Admission, *, mutating: bool) -> Verdict:
        version = next((one for one in texts(hook.hook, "admissionReviewVersions") if one in VERSIONS), "v1")
        uid, seconds = str(uuid.uuid4()), number(hook.hook, "timeoutSeconds") or 10
        body = encode(review_of(admission, uid, version))
        url = ""
        try:
            place, path = place_of(part(hook.hook, "clientConfig"), self._lookup)
            url = shown_url(place, path, seconds)
            async with asyncio.timeout(seconds):
                reply = await self._client.ask(place, "POST", f"{path}?timeout={seconds}s", body, HEADERS)
            if reply.status != 200:
                raise CallFailed(_bad_status(reply.status, reply.body))
            return verdict_of(reply.body, uid, version, mutating=mutating)
        except TimeoutError:
            raise _Failed(f'failed to call webhook: Post "{url}": context deadline exceeded') from None
        except CallFailed as error:
            shown = (
                f'Post "{url}": {error.message}'
                if url and not error.message.startswith("the server")
                else error.message
            )
            raise _Failed(f"failed to call webhook: {shown}") from None
        except BadReview as error:
            raise _Failed(f"received invalid webhook response: {error}") from None

    def _note(self, hook: Hook, admission: Admission, verdict: Verdict) -> None:
        """Warnings and notes; a refusal is raised."""
        admission.warnings += verdict.warnings
        for key, value in verdict.annotations.items():
            admission.annotations[f"{hook.name}/{key}"] = value
        if not verdict.allowed:
            raise denial(hook.name, verdict.result)


def _bad_status(status: int, body: bytes) -> str:
    words = {
        404: "the server could not find the requested resource",
        503: "the server is currently unable to handle the request",
    }
    return words.get(status, f"the server responded with the status code {status} but did not return more information")


class MutatingWebhooks(_Webhooks):
    plural = "mutatingwebhookconfigurations"

    async def admit(self, admission: Admission) -> None:
        """Those that want to be asked again are, once, when another has changed the object after them."""
        if is_exempt(admission) or not self._lookup.list(GROUP, self.plural):
            return
        asked: list[tuple[Hook, int]] = []
        changes = 0
        for hook in self._hooks():
            if self._wanted(hook, admission):
                changes += await self._change(hook, admission)
                asked.append((hook, changes))
        for hook, before in asked:
            if text(hook.hook, "reinvocationPolicy") == "IfNeeded" and changes > before:
                changes += await self._change(hook, admission)

    async def _change(self, hook: Hook, admission: Admission) -> bool:
        """Whether the object is another now."""
        verdict = await self._ask(hook, admission, mutating=True)
        if verdict is None:
            return False
        self._note(hook, admission, verdict)
        if verdict.patch is None or admission.object is None:
            return False
        try:
            patched = json_patch.apply(admission.object, verdict.patch)
        except StatusError as error:
            raise internal(f"failed to apply the patch of webhook {hook.name}: {error.message}") from None
        changed = self._completed(hook, admission, patched)
        if changed == admission.object:
            return False
        admission.object = changed
        return True

    def _completed(self, hook: Hook, admission: Admission, patched: Any) -> Object:
        """With the types that the schema wants, and with defaults for what is new. Raises StatusError."""
        return complete(self._registry, admission, patched, f'webhook "{hook.name}"')


def complete(registry: Registry, admission: Admission, patched: Any, by: str) -> Object:
    """An object that somebody has changed, as if it had been sent so. Raises StatusError 500."""
    resource = admission.resource
    served = registry.find(resource.group, resource.version, resource.plural)
    if not isinstance(patched, dict) or not isinstance(patched.get("metadata"), dict):
        raise internal(f"{by} does not leave an object")
    if served is None or admission.subresource not in ("", "status"):
        return patched
    if served.schema is not None:
        checked = conform(patched, served.schema)
        if checked.mistyped:
            raise internal(f"{by}: {checked.mistyped}")
        patched = checked.object
    stored = served.incoming({**patched, "kind": resource.kind, "apiVersion": resource.api_version})
    served.kind.default(stored)
    return served.outgoing(stored)


class ValidatingWebhooks(_Webhooks):
    plural = "validatingwebhookconfigurations"

    async def validate(self, admission: Admission) -> None:
        if is_exempt(admission):
            self._check_conditions(admission)
            return
        if not self._lookup.list(GROUP, self.plural):
            return
        hooks = [hook for hook in self._hooks() if self._wanted(hook, admission)]
        if not hooks:
            return
        found = await asyncio.gather(
            *(self._ask(hook, admission, mutating=False) for hook in hooks), return_exceptions=True
        )
        for hook, verdict in zip(hooks, found, strict=True):
            if isinstance(verdict, BaseException):
                raise verdict
            if verdict is not None:
                self._note(hook, admission, verdict)

    @staticmethod
    def _check_conditions(admission: Admission) -> None:
        """Raises 422 for a configuration whose conditions do not compile."""
        if not admission.resource.plural.endswith("webhookconfigurations") or admission.object is None:
            return
        found = [
            problem
            for index, hook in enumerate(objects(admission.object, "webhooks"))
            for problem in compile_problems(hook, f"webhooks[{index}].matchConditions", NAMES)
        ]
        if found:
            raise invalid(admission.resource.kind, admission.name, found, GROUP)
