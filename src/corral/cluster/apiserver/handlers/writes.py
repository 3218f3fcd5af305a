"""Bodies of create, update and patch: decoded, checked against the kind's schema, and handed to the operations."""

from __future__ import annotations

from dataclasses import replace

from corral.cluster.apiserver.apply.managed import check_fits
from corral.cluster.apiserver.caching.item import Item
from corral.cluster.apiserver.encoding.bodies import check_kind, tidy
from corral.cluster.apiserver.handlers.call import Call
from corral.cluster.apiserver.objects.changes import apply_update, expected_of, patch_update, put_update
from corral.cluster.apiserver.objects.core import Core, Target
from corral.cluster.apiserver.objects.creating import create
from corral.cluster.apiserver.objects.patching import Patch
from corral.cluster.apiserver.objects.updating import Update, Written, check_names, update
from corral.cluster.apiserver.options import WriteOptions, write_options
from corral.cluster.apiserver.patch.content_types import APPLY_PATCH, of_request
from corral.model.kubernetes.schema.document import decode_json
from corral.model.kubernetes.schema.yaml_document import decode_yaml
from corral.model.kubernetes.status import bad_request


class Writes:
    """Each raises StatusError."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def create(self, call: Call, target: Target) -> Item:
        options = write_options(call.request.query, "CreateOptions")
        obj = await call.read_as(expected_of(target), options.validation)
        name = obj["metadata"].get("name") or ""
        return await create(self._core, call.caller, replace(target, name=name), obj, options)

    async def update(self, call: Call, target: Target) -> Written:
        options = write_options(call.request.query, "UpdateOptions")
        obj = await call.read_as(expected_of(target), options.validation)
        check_names(target, obj)
        return await update(self._core, call.caller, target, put_update(target, obj, options))

    async def patch(self, call: Call, target: Target) -> Written:
        media = of_request(call.request.header("content-type"), custom=target.served.custom)
        options = write_options(call.request.query, "PatchOptions", is_apply=media == APPLY_PATCH)
        data = await call.read()
        if media == APPLY_PATCH:
            asked = self._apply(call, target, data, options)
        else:
            document = decode_json(data)
            call.sent = document.object
            patch = Patch(media, document.object, document.duplicates)
            asked = patch_update(target, patch, options, call.caller.warn)
        return await update(self._core, call.caller, target, asked)

    def _apply(self, call: Call, target: Target, data: bytes, options: WriteOptions) -> Update:
        """Server-side apply: the body is YAML, and what its manager wants to be true."""
        expected, document = expected_of(target), decode_yaml(data)
        found = document.object
        if not isinstance(found, dict):
            raise bad_request("error decoding YAML: the patch is no object")
        for key, word in (("apiVersion", "apiVersion"), ("kind", "Kind")):
            if not isinstance(found.get(key), str) or not found[key]:
                raise bad_request(f"Object '{word}' is missing in the patch")
        check_kind(found, expected.gvk)
        check_fits(found, expected.gvk.api_version, expected.schema)
        applied = call.sent = tidy(found, expected, options.validation, call.caller.warn, document.duplicates)
        return apply_update(self._core, target, applied, options)
