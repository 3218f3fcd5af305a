"""Serves what CustomResourceDefinitions define, from their commit on, and takes their objects away before they go."""

from __future__ import annotations

import logging
from typing import Any, Final

from corral.cluster.apiserver.attributes import MASTERS_GROUP, Admission, User
from corral.cluster.apiserver.cel.errors import EvaluationError
from corral.cluster.apiserver.cel.process import Expressions
from corral.cluster.apiserver.cel.schemas import has_rules
from corral.cluster.apiserver.extensions.conversion import Caller as ConversionCaller
from corral.cluster.apiserver.extensions.conversion import Conversion
from corral.cluster.apiserver.extensions.naming import condition, frees, plan_claims, plan_status, set_condition, waits
from corral.cluster.apiserver.extensions.served import served_of
from corral.cluster.apiserver.objects.core import Caller, Claims, Core, Target
from corral.cluster.apiserver.objects.deleting import delete_all
from corral.cluster.apiserver.objects.times import to_text
from corral.cluster.apiserver.objects.updating import Update, update
from corral.cluster.apiserver.options import DeleteOptions, WriteOptions
from corral.cluster.apiserver.registry import Served
from corral.errors import CorralError
from corral.kit.tasks import Tasks
from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.kinds.apiextensions.definition import FINALIZER, schema_path
from corral.model.kubernetes.kinds.fields import objects, part, text
from corral.model.kubernetes.problems import Problem
from corral.model.kubernetes.problems import invalid as problem
from corral.model.kubernetes.resources import GroupVersionKind
from corral.model.kubernetes.status import StatusError, invalid

log = logging.getLogger("corral.apiserver")
GROUP: Final = "apiextensions.k8s.io"
PLURAL: Final = "customresourcedefinitions"
ME: Final = User("system:apiserver", groups=(MASTERS_GROUP,))
RETRY_SECONDS: Final = 5.0  # after which objects that nothing was heard of are deleted again


class Definitions:
    """A Companion (names and conditions are written with the definition), and a plugin (rules in schemas compile)."""

    def __init__(self, core: Core, expressions: Expressions) -> None:
        self._core, self._caller, self._expressions = core, ConversionCaller(), expressions
        self._served: dict[str, list[Served]] = {}
        self._tasks = Tasks()
        self._ending: set[str] = set()

    def start(self) -> None:
        """Serves what is there, and follows."""
        self._core.companions[GROUP, PLURAL] = self
        self._core.caches.subscribe(GROUP, PLURAL, self._changed)
        for one in self._core.caches.list(GROUP, PLURAL):
            self._offer(one)  # a server may have ended between the end of one definition and this

    async def close(self) -> None:
        await self._tasks.close()
        self._caller.close()

    # Companion

    def prepare(self, new: Object, old: Object | None) -> None:
        """In place: accepted names and conditions."""
        new["status"] = plan_status(new, self._others(new), to_text(self._core.now()))

    def claims(self, new: Object | None, old: Object | None) -> Claims:
        return plan_claims(new, old)

    def _others(self, definition: Object) -> list[Object]:
        name, group = definition["metadata"].get("name"), text(part(definition, "spec"), "group")
        known = self._core.caches.list(GROUP, PLURAL)
        return [one for one in known if one["metadata"]["name"] != name and text(part(one, "spec"), "group") == group]

    # Plugin

    async def admit(self, admission: Admission) -> None:
        """Nothing is changed; but `prepare`, which comes next, must know of the names that others have by now."""
        resource = admission.resource
        if (resource.group, resource.plural) == (GROUP, PLURAL) and admission.object is not None:
            await self._core.caches.fresh()

    async def validate(self, admission: Admission) -> None:
        """Raises 422 for rules that do not compile; those that were there before are left alone."""
        resource, new = admission.resource, admission.object
        if (resource.group, resource.plural) != (GROUP, PLURAL) or new is None or admission.subresource:
            return
        found = await self._rule_problems(new)
        if found and admission.old is not None:
            known = {str(one) for one in await self._rule_problems(admission.old)}
            found = [one for one in found if str(one) not in known]
        if found:
            raise invalid("CustomResourceDefinition", admission.name, found, GROUP)

    async def _rule_problems(self, definition: Object) -> list[Problem]:
        versions, schemas = objects(part(definition, "spec"), "versions"), {}
        for index, version in enumerate(versions):
            schema = part(version, "schema", "openAPIV3Schema")
            if has_rules(schema):
                schemas[schema_path(versions, index)] = schema
        if not schemas:
            return []
        try:
            return await self._expressions.check_schemas(list(schemas.items()))
        except EvaluationError as error:
            return [problem(next(iter(schemas)), "", error.message)]

    # Following

    def _changed(self, old: Object | None, new: Object | None) -> None:
        name = str((new or old or {})["metadata"]["name"])
        wanted = self._wanted(new) if new is not None else []
        self._replace(name, wanted)
        if old is not None and frees(old, new):
            self._recheck(old)
        if new is not None and _is_ending(new) and name not in self._ending:
            self._ending.add(name)
            self._tasks.start(f"custom-resources-{name}", self._end(name))

    def _wanted(self, definition: Object) -> list[Served]:
        by_webhook = text(part(definition, "spec", "conversion"), "strategy") == "Webhook"
        converter = Conversion(definition, self._core.caches, self._caller) if by_webhook else None
        try:
            return served_of(definition, converter, self._expressions)
        except Exception:  # one that was stored by another version of us must not keep the others from being served
            log.exception("%s cannot be served", definition["metadata"]["name"])
            return []

    def _replace(self, name: str, wanted: list[Served]) -> None:
        registry, known = self._core.registry, {one.resource.version for one in wanted}
        for one in self._served.pop(name, []):
            if one.resource.version not in known:
                registry.remove(one.resource.group, one.resource.version, one.resource.plural)
        for one in wanted:
            registry.add(one)
        if wanted:
            self._served[name] = wanted

    def _recheck(self, gone: Object) -> None:
        """Names are free again: who waits for them gets them."""
        group = text(part(gone, "spec"), "group")
        for one in self._core.caches.list(GROUP, PLURAL):
            if text(part(one, "spec"), "group") == group:
                self._offer(one)

    def _offer(self, definition: Object) -> None:
        """Decides anew about the names that it waits for, if there are any."""
        if waits(definition):
            name = definition["metadata"]["name"]
            self._tasks.start(f"names-of-{name}", self._rename(name))

    async def _rename(self, name: str) -> None:
        def change(live: Object | None) -> Object:
            found = live or {}
            return {**found, "status": plan_status(found, self._others(found), to_text(self._core.now()))}

        await self._write(name, change, "status")

    async def _write(self, name: str, change: Any, subresource: str = "") -> None:
        served = self._core.registry.of_kind(GroupVersionKind(GROUP, "v1", "CustomResourceDefinition"))
        if served is None:
            return
        target = Target(served, "", name, subresource)
        try:
            await update(self._core, Caller(ME, "kube-apiserver"), target, Update(change, WriteOptions()))
        except StatusError as error:
            if error.code != 404:
                raise

    # The end of a definition

    async def _end(self, name: str) -> None:
        """Deletes all its objects, waits until they are gone, and lets it go."""
        try:
            while not await self._emptied(name):
                await self._core.caches.until(self._core.caches.revision + 1, RETRY_SECONDS)
            await self._write(name, _let_go)
        finally:
            self._ending.discard(name)

    async def _emptied(self, name: str) -> bool:
        await self._core.caches.fresh()
        definition = self._core.caches.get(GROUP, PLURAL, "", name)
        if definition is None:
            return True
        served = next(iter(self._served.get(name, [])), None)
        if served is None:
            return True
        cache = self._core.caches.cache(served.group, served.plural)
        if not cache.items:
            return True
        try:
            await self._write(name, self._mark_ending, "status")
            items = list(cache.items.values())
            await delete_all(self._core, Caller(ME, "kube-apiserver"), Target(served), items, DeleteOptions())
        except CorralError as error:
            log.warning("the objects of %s are not gone yet: %s", name, error.message)
        await self._core.caches.fresh()
        return not cache.items

    def _mark_ending(self, live: Object | None) -> Object:
        found = live or {}
        text = "CustomResource deletion is in progress"
        ending = condition("Terminating", True, "InstanceDeletionInProgress", text, to_text(self._core.now()))
        status = part(found, "status")
        return {**found, "status": {**status, "conditions": set_condition(objects(status, "conditions"), ending)}}


def _is_ending(definition: Object) -> bool:
    metadata = definition["metadata"]
    return bool(metadata.get("deletionTimestamp")) and FINALIZER in (metadata.get("finalizers") or ())


def _let_go(live: Object | None) -> Object:
    found = live or {}
    metadata = dict(found["metadata"])
    metadata["finalizers"] = [one for one in metadata.get("finalizers") or () if one != FINALIZER]
    return {**found, "metadata": metadata}
