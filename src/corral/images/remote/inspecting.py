"""Inspecting: what a registry has under a name, without pulling it. Blocking."""

from __future__ import annotations

from corral.errors import InvalidInput
from corral.images import config as configs
from corral.images.platforms import platform_of
from corral.images.references import Reference
from corral.images.remote.cancel import Cancel
from corral.images.remote.documents import Index, parse_document
from corral.images.remote.hub import Hub
from corral.model.transfer import Credentials, Description


def describe(hub: Hub, ref: Reference, credentials: Credentials, cancel: Cancel) -> Description:
    """Refusal, WireError, InvalidInput."""
    resolved = hub.resolve(ref, ref.digest or ref.tag, credentials, cancel)
    found = resolved.found
    document = parse_document(found.data, found.content_type, found.digest, ref.familiar)
    platforms: list[tuple[str, str, str]]
    if isinstance(document, Index):
        platforms = [entry.platform for entry in document.entries if entry.platform]
    else:
        data = resolved.repository.small_blob(document.config, 8 << 20)
        try:
            platforms = [platform_of(configs.parse(data))]
        except InvalidInput:  # an artifact, which is for no platform
            platforms = []
    return Description(document.media_type, found.digest, len(found.data), platforms)
