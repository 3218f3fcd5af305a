"""The plugins that ask webhooks: those that change objects one after the other, then those that judge, at once."""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from corral.cluster.apiserver.admission.equivalents import Equivalents
from corral.cluster.apiserver.admission.expressions import NAMES, condition_part, decider, values_of
from corral.cluster.apiserver.admission.matching import GROUP, is_exempt
from corral.cluster.apiserver.admission.plugin import Base, refused
from corral.cluster.apiserver.attributes import Admission
from corral.cluster.apiserver.authorization.decision import Authorizer
from corral.cluster.apiserver.caching.item import encode
from corral.cluster.apiserver.cel.errors import EvaluationError
from corral.cluster.apiserver.cel.process import Expressions
from corral.cluster.apiserver.deadlines import hook_seconds
from corral.cluster.apiserver.lookup import Lookup
from corral.cluster.apiserver.patch import json_patch
from corral.cluster.apiserver.registry import Registry
from corral.cluster.apiserver.webhooks.client import CallFailed, HttpsClient
from corral.cluster.apiserver.webhooks.refusals import Refused, check
from corral.cluster.apiserver.webhooks.resolving import place_of, shown_url
from corral.cluster.apiserver.webhooks.review import BadReview, Unreadable, Verdict, denial, review_of, verdict_of
from corral.model.kubernetes.kinds.fields import number, objects, part, text, texts
from corral.model.kubernetes.schema.check import conform
from corral.model.kubernetes.status import StatusError, bad_request, internal

log = logging.getLogger("corral.apiserver")
Object = dict[str, Any]
VERSIONS: Final = ("v1", "v1beta1")
HEADERS: Final = {"Content-Type": "application/json", "User-Agent": "kube-apiserver-admission"}


class Hook(NamedTuple):
    """`number`: its place among the webhooks of all configurations."""

    configuration: str
    number: int
    hook: Object

    @property
    def name(self) -> str:
        return text(self.hook, "name")


class _Failed(Exception):
    """A webhook could not be asked, or gave no answer; failurePolicy decides what that means."""


class _Webhooks(Base):
    """`noted`: what the audit log's notes begin with; those of one that failed and may, with "failed-open."."""

    plural = noted = ""
    mutating = False

    def __init__(
        self,
        lookup: Lookup,
        registry: Registry,
        authorizer: Authorizer,
        expressions: Expressions,
        client: HttpsClient,
    ) -> None:
        self._lookup, self._registry, self._authorizer, self._client = lookup, registry, authorizer, client
        self._expressions, self._equivalents = expressions, Equivalents(lookup, registry)

    def _hooks(self) -> Iterator[Hook]:
        """In the order of the configurations' names."""
        found = sorted(self._lookup.list(GROUP, self.plural), key=lambda each: str(each["metadata"]["name"]))
        pairs = [(one["metadata"]["name"], hook) for one in found for hook in objects(one, "webhooks")]
        return (Hook(configuration, number, hook) for number, (configuration, hook) in enumerate(pairs))

    async def _wanted(self, hook: Hook, admission: Admission) -> Admission | None:
        """The request as the webhook is to see it; None: it is not asked.

        Raises StatusError when that is not known, and that is to be a refusal.
        """
        found = hook.hook
        resource = self._equivalents.fits_hook(found, admission)
        if resource is None:
            return None
        shown = await self._equivalents.converted(admission, resource)
        if not objects(found, "matchConditions"):
            return shown
        decide = decider(self._authorizer, admission.user)
        try:
            part = condition_part(found)
            matched = (await self._expressions.evaluate(NAMES, values_of(shown), [part], decide))[0]
            holds, error = matched.holds, matched.error
        except EvaluationError as failure:
            holds, error = False, failure.message
        if error:
            if text(found, "failurePolicy") == "Ignore":
                return None
            raise refused(admission, error)
        return shown if holds else None

    async def _ask(self, hook: Hook, admission: Admission, turn: str) -> Verdict | None:
        """The answer; None of one that failed and may, which is noted under `turn`. Raises StatusError."""
        if admission.dry_run and text(hook.hook, "sideEffects") not in ("None", "NoneOnDryRun"):
            raise bad_request(f'admission webhook "{hook.name}" does not support dry run')
        try:
            return await self._call(hook, admission)
        except _Failed as error:
            if text(hook.hook, "failurePolicy") == "Ignore":
                log.warning("failed calling webhook %s, failing open: %s", hook.name, error)
                admission.annotations[f"failed-open.{self.noted}/{turn}"] = hook.name
                return None
            raise internal(f'failed calling webhook "{hook.name}": {error}') from None

    async def _call(self, hook: Hook, admission: Admission) -> Verdict:
        version = next((one for one in texts(hook.hook, "admissionReviewVersions") if one in VERSIONS), "v1")
        uid, now = str(uuid.uuid4()), asyncio.get_running_loop().time()
        seconds = hook_seconds(number(hook.hook, "timeoutSeconds") or 10, admission.deadline, now)
        body = encode(review_of(admission, uid, version))
        url = ""
        try:
            place, path = place_of(part(hook.hook, "clientConfig"), self._lookup)
            url = shown_url(place, path, seconds)
            async with asyncio.timeout(seconds):
                reply = await self._client.ask(place, "POST", f"{path}?timeout={seconds}s", body, HEADERS)
            check(reply)
            return verdict_of(reply.body, uid, version, mutating=self.mutating)
        except TimeoutError:
            raise _Failed(f'failed to call webhook: Post "{url}": context deadline exceeded') from None
        except CallFailed as error:
            asked = url and not isinstance(error, Refused)
            shown = f'Post "{url}": {error.message}' if asked else error.message
            raise _Failed(f"failed to call webhook: {shown}") from None
        except Unreadable as error:
            raise _Failed(f"failed to call webhook: {error}") from None
        except BadReview as error:
            raise _Failed(f"received invalid webhook response: {error}") from None

    def _note(self, hook: Hook, admission: Admission, verdict: Verdict) -> None:
        """Warnings and notes; a refusal is raised."""
        admission.warnings += verdict.warnings
        for key, value in verdict.annotations.items():
            admission.annotations[f"{hook.name}/{key}"] = value
        if not verdict.allowed:
            raise denial(hook.name, verdict.result)


class MutatingWebhooks(_Webhooks):
    plural, noted = "mutatingwebhookconfigurations", "mutation.webhook.admission.k8s.io"
    mutating = True

    async def admit(self, admission: Admission) -> None:
        """Those that want to be asked again are, once, when another has changed the object after them."""
        if is_exempt(admission) or not self._lookup.list(GROUP, self.plural):
            return
        asked: list[tuple[Hook, int]] = []
        changes = 0
        for hook in self._hooks():
            shown = await self._wanted(hook, admission)
            if shown is not None:
                changes += await self._change(hook, admission, shown, round=0)
                asked.append((hook, changes))
        for hook, before in asked:
            if text(hook.hook, "reinvocationPolicy") == "IfNeeded" and changes > before:
                shown = await self._wanted(hook, admission)
                if shown is not None:
                    changes += await self._change(hook, admission, shown, round=1)

    async def _change(self, hook: Hook, admission: Admission, shown: Admission, *, round: int) -> bool:
        """Whether the object is another now, which is noted. `shown`: the request as the webhook sees it."""
        turn, changed = f"round_{round}_index_{hook.number}", None
        try:
            verdict = await self._ask(hook, shown, turn)
            if verdict is not None:
                self._note(hook, admission, verdict)
                changed = self._patched(hook, shown, verdict)
        finally:
            note = {"configuration": hook.configuration, "webhook": hook.name, "mutated": changed is not None}
            admission.annotations[f"{self.noted}/{turn}"] = json.dumps(note, separators=(",", ":"))
        if changed is None:
            return False
        shown.object = changed
        admission.object = await self._equivalents.back(shown, admission)
        return True

    def _patched(self, hook: Hook, shown: Admission, verdict: Verdict) -> Object | None:
        """The object as the webhook wants it; None: as it is. Raises StatusError."""
        if verdict.patch is None or shown.object is None:
            return None
        try:
            patched = json_patch.apply(shown.object, verdict.patch)
        except json_patch.DoesNotFit as error:
            raise internal(error.cause) from None
        except StatusError as error:
            raise internal(f"failed to apply the patch of webhook {hook.name}: {error.message}") from None
        changed = self._completed(hook, shown, patched)
        return changed if changed != shown.object else None

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
    plural, noted = "validatingwebhookconfigurations", "validating.webhook.admission.k8s.io"

    async def validate(self, admission: Admission) -> None:
        if is_exempt(admission) or not self._lookup.list(GROUP, self.plural):
            return
        asked = [(hook, shown) for hook in self._hooks() if (shown := await self._wanted(hook, admission)) is not None]
        found = await asyncio.gather(
            *(self._ask(hook, shown, f"round_0_index_{index}") for index, (hook, shown) in enumerate(asked)),
            return_exceptions=True,
        )
        for (hook, _), verdict in zip(asked, found, strict=True):
            if isinstance(verdict, BaseException):
                raise verdict
            if verdict is not None:
                self._note(hook, admission, verdict)
