"""Bodies of create, update and patch: decoded, checked against the kind's schema, and handed to the operations."""

from __future__ import annotations

from dataclasses import replace

from corral.cluster.apiserver.apply import managed
from corral.cluster.apiserver.caching.item import Item
from corral.cluster.apiserver.encoding.bodies import Expected, check_kind, tidy
from corral.cluster.apiserver.handlers.call import Call
from corral.cluster.apiserver.objects.core import Core, Target
from corral.cluster.apiserver.objects.creating import create
from corral.cluster.apiserver.objects.patching import Patch, apply_patch, check_identity
from corral.cluster.apiserver.objects.subresources import show_scale, take_scale
from corral.cluster.apiserver.objects.updating import Change, Update, Written, of_object, update
from corral.cluster.apiserver.options import WriteOptions, write_options
from corral.cluster.apiserver.patch.content_types import APPLY_PATCH, of_request
from corral.cluster.apiserver.registry import ScalePaths
from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.schema.document import decode_json
from corral.model.kubernetes.schema.yaml_document import decode_yaml
from corral.model.kubernetes.status import bad_request


class Writes:
    """`scale`: what bodies of the scale subresource must be."""

    def __init__(self, core: Core, scale: Expected) -> None:
        self._core, self._scale = core, scale

    def _expected(self, target: Target) -> Expected:
        if target.subresource == "scale":
            return self._scale
        return Expected(target.served.resource.gvk, target.served.schema)

    async def create(self, call: Call, target: Target) -> Item:
        options = write_options(call.request.query, "CreateOptions")
        obj = await call.read_as(self._expected(target), options.validation)
        name = obj["metadata"].get("name") or ""
        return await create(self._core, call.caller, replace(target, name=name), obj, options)

    async def update(self, call: Call, target: Target) -> Written:
        options = write_options(call.request.query, "UpdateOptions")
        obj = await call.read_as(self._expected(target), options.validation)
        if target.subresource == "scale":
            asked = Update(lambda live: take_scale(live or {}, obj, target.served, target.name), options)
        else:
            asked = of_object(obj, options, create=target.served.kind.allow_create_on_update)
        return await update(self._core, call.caller, target, asked)

    async def patch(self, call: Call, target: Target) -> Written:
        media = of_request(call.request.header("content-type"), custom=target.served.custom)
        options = write_options(call.request.query, "PatchOptions", is_apply=media == APPLY_PATCH)
        data = await call.read()
        if media == APPLY_PATCH:
            asked = self._apply(call, target, data, options)
        else:
            change = self._patched(call, target, Patch(media, _json(data)), options)
            asked = Update(change, options, "PatchOptions")
        return await update(self._core, call.caller, target, asked)

    def _patched(self, call: Call, target: Target, patch: Patch, options: WriteOptions) -> Change:
        """What a patch does to the object as it is at the time."""
        expected, served = self._expected(target), target.served

        def change(live: Object | None) -> Object:
            present = live or {}
            if target.subresource != "scale":
                return self._result(call, apply_patch(patch, present, expected.schema), expected, options)
            shown = show_scale(present, served.scale or ScalePaths())
            patched = apply_patch(patch, shown, expected.schema)
            return take_scale(present, self._result(call, patched, expected, options), served, target.name)

        return change

    @staticmethod
    def _result(call: Call, patched: Object, expected: Expected, options: WriteOptions) -> Object:
        check_identity(patched, expected.gvk)
        return tidy(patched, expected, options.validation, call.caller.warn)

    def _apply(self, call: Call, target: Target, data: bytes, options: WriteOptions) -> Update:
        """Server-side apply: the body is what its manager wants to be true."""
        applied = self._applied(call, target, data, options)
        core, served = self._core, target.served
        if target.subresource == "scale":
            return Update(lambda live: take_scale(live or {}, applied, served, target.name), options, "PatchOptions")

        def change(live: Object | None) -> Object:
            return managed.on_apply(
                live,
                applied,
                options.manager,
                bool(options.force),
                target.subresource,
                served.resource.api_version,
                served.schema,
                core.now(),
                kind=served.resource.kind,
            )

        return Update(change, options, "PatchOptions", tracks=True, create=True)

    def _applied(self, call: Call, target: Target, data: bytes, options: WriteOptions) -> Object:
        expected = self._expected(target)
        document = decode_yaml(data)
        found = document.object
        if not isinstance(found, dict):
            raise bad_request("error decoding YAML: the patch is no object")
        for key, word in (("apiVersion", "apiVersion"), ("kind", "Kind")):
            if not isinstance(found.get(key), str) or not found[key]:
                raise bad_request(f"Object '{word}' is missing in the patch")
        check_kind(found, expected.gvk)
        applied = tidy(found, expected, options.validation, call.caller.warn, document.duplicates)
        metadata = applied["metadata"]
        if metadata.get("managedFields"):
            raise bad_request("metadata.managedFields must be nil")
        if (metadata.get("name") or target.name) != target.name:
            text = f"the name of the object ({metadata['name']}) does not match the name on the URL ({target.name})"
            raise bad_request(text)
        metadata["name"] = target.name
        if target.namespace:
            metadata.setdefault("namespace", target.namespace)
        return applied


def _json(data: bytes) -> object:
    return decode_json(data).object
