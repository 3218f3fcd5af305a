"""Bodies of create, update and patch: decoded, checked against the kind's schema, and handed to the operations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from corral.cluster.apiserver.caching.item import Item
from corral.cluster.apiserver.encoding import bodies
from corral.cluster.apiserver.handlers.call import Call
from corral.cluster.apiserver.objects.core import Core, Target
from corral.cluster.apiserver.objects.creating import create
from corral.cluster.apiserver.objects.metadata import check_shape
from corral.cluster.apiserver.objects.patching import (
    Patch,
    Patches,
    apply_patch,
    check_media,
    check_patched,
)
from corral.cluster.apiserver.objects.subresources import show_scale, take_scale
from corral.cluster.apiserver.objects.updating import Update, Written, of_object, update
from corral.cluster.apiserver.options import WriteOptions, write_options
from corral.cluster.apiserver.registry import ScalePaths, Served
from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.schema import Schema
from corral.model.kubernetes.status import bad_request

SCALE: Final = ("autoscaling/v1", "Scale")
Faults = Callable[[Object, Schema], tuple[list[str], list[str]]]


class Writes:
    """`faults`: what is wrong with an object's fields: (unknown or double ones, those of a wrong type)."""

    def __init__(self, core: Core, patches: Patches, faults: Faults, scale: Schema | None) -> None:
        self._core, self._patches, self._faults, self._scale = core, patches, faults, scale

    # Bodies

    async def _body(self, call: Call, served: Served, what: tuple[str, str], options: WriteOptions) -> Object:
        """The object that was sent, of the kind it must be, its metadata in shape."""
        value, duplicates = await call.read()
        api_version, kind = what
        if value is None:
            raise bad_request(
                f"the object provided is unrecognized (must be of type {kind}): couldn't get version/kind"
            )
        obj = bodies.as_object(value, kind)
        bodies.check_kind(obj, api_version, kind)
        schema = self._scale if what == SCALE else served.schema
        self._check_fields(call, obj, schema, options, duplicates)
        check_shape(obj, kind)
        if served.prune is not None and what != SCALE:
            served.prune(obj)
        return obj

    def _check_fields(
        self, call: Call, obj: Object, schema: Schema | None, options: WriteOptions, duplicates: list[str]
    ) -> None:
        """Raises 400, or warns, as the field validation says; wrong types are never taken."""
        unknown, mistyped = self._faults(obj, schema) if schema is not None else ([], [])
        version = obj["apiVersion"].rpartition("/")[2]
        start = f'{obj["kind"]} in version "{version}" cannot be handled as a {obj["kind"]}: '
        if mistyped:
            raise bad_request(start + mistyped[0])
        found = [*duplicates, *unknown]
        if found and options.validation == "Strict":
            raise bad_request(f"{start}strict decoding error: {', '.join(found)}")
        if options.validation in ("", "Warn"):
            for text in found:
                call.caller.warn(text)

    # Operations

    @staticmethod
    def _what(target: Target) -> tuple[str, str]:
        one = target.served.resource
        return SCALE if target.subresource == "scale" else (one.api_version, one.kind)

    async def create(self, call: Call, target: Target) -> Item:
        options = write_options(call.request.query, "CreateOptions")
        obj = await self._body(call, target.served, self._what(target), options)
        name = obj["metadata"].get("name") or ""
        return await create(self._core, call.caller, replace(target, name=name), obj, options)

    async def update(self, call: Call, target: Target) -> Written:
        options = write_options(call.request.query, "UpdateOptions")
        obj = await self._body(call, target.served, self._what(target), options)
        if target.subresource == "scale":
            served = target.served

            def scaled(live: Object | None) -> Object:
                return take_scale(live or {}, obj, served, target.name)

            return await update(self._core, call.caller, target, Update(scaled, options))
        asked = of_object(obj, options, create=target.served.kind.allow_create_on_update)
        return await update(self._core, call.caller, target, asked)

    async def patch(self, call: Call, target: Target) -> Written:
        media = bodies.media_type(call.request)
        check_media(media, custom=target.served.custom)
        is_apply = media == bodies.APPLY_PATCH
        options = write_options(call.request.query, "PatchOptions", is_apply=is_apply)
        data = await bodies.read(call.request)
        body, duplicates = bodies.decode(data, "application/yaml" if is_apply else "application/json")
        call.body = body
        patch = Patch(media, body)
        if is_apply:
            return await self._apply(call, target, patch, options, duplicates)
        api_version, kind = self._what(target)
        scale = target.subresource == "scale"
        schema = self._scale if scale else target.served.schema

        def change(live: Object | None) -> Object:
            present = live or {}
            shown = show_scale(present, target.served.scale or ScalePaths()) if scale else present
            patched = apply_patch(self._patches, patch, shown, schema)
            check_patched(target.served, patched, api_version, kind)
            self._check_fields(call, patched, schema, options, [])
            if scale:
                return take_scale(present, patched, target.served, target.name)
            if target.served.prune is not None:
                target.served.prune(patched)
            return patched

        return await update(self._core, call.caller, target, Update(change, options, "PatchOptions"))

    async def _apply(
        self, call: Call, target: Target, patch: Patch, options: WriteOptions, duplicates: list[str]
    ) -> Written:
        """Server-side apply: the body is what its manager wants to be true."""
        core, served = self._core, target.served
        applied = bodies.as_object(patch.body, served.resource.kind)
        api_version, kind = self._what(target)
        for key in ("apiVersion", "kind"):
            if not applied.get(key):
                raise bad_request(f"error decoding YAML: Object '{key.capitalize()}' is missing")
        bodies.check_kind(applied, api_version, kind)
        self._check_fields(call, applied, self._scale if kind == "Scale" else served.schema, options, duplicates)
        metadata = check_shape(applied, kind)
        if metadata.get("managedFields"):
            raise bad_request("metadata.managedFields must be nil")
        if metadata.get("name") and metadata["name"] != target.name:
            text = f"the name of the object ({metadata['name']}) does not match the name on the URL ({target.name})"
            raise bad_request(text)
        metadata["name"] = target.name
        if target.namespace:
            metadata.setdefault("namespace", target.namespace)

        def change(live: Object | None) -> Object:
            return core.fields.on_apply(
                live,
                applied,
                options.manager,
                bool(options.force),
                target.subresource,
                served.resource.api_version,
                served.schema,
                core.now(),
            )

        asked = Update(change, options, "PatchOptions", tracks=True, create=True)
        return await update(core, call.caller, target, asked)
