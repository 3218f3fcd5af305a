"""Which patch a request carries: its Content-Type says so."""

from __future__ import annotations

from corral.model.kubernetes import status

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"

BUILT_IN = (JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH, APPLY_PATCH)
CUSTOM = (JSON_PATCH, MERGE_PATCH, APPLY_PATCH)  # a CustomResourceDefinition knows no merge keys of lists


def of_request(content_type: str, *, custom: bool) -> str:
    """Pure: the kind of patch, without parameters such as a charset; raises StatusError (415).

    >>> of_request("application/merge-patch+json; charset=utf-8", custom=True)
    'application/merge-patch+json'
    """
    bare = content_type.partition(";")[0]
    known = CUSTOM if custom else BUILT_IN
    if bare not in known:
        listed = ", ".join(known)
        text = f"the body of the request was in an unknown format - accepted media types include: {listed}"
        raise status.unsupported_media_type(text)
    return bare
