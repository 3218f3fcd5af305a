"""`image('nginx')`: the parts of a reference to an image. Pure.

Follows k8s.io/apiserver/pkg/cel/library/image.go, and the reading of references by go-containerregistry.
"""

from __future__ import annotations

import re
from typing import Final

from corral.cluster.apiserver.cel.things import KIND, Thing

_REPOSITORY: Final = re.compile(r"[a-z0-9_./-]{2,255}")
_TAG: Final = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_HOST: Final = re.compile(r"[A-Za-z0-9.-]+(?::\d+)?|\[[0-9A-Fa-f:]+\](?::\d+)?")
HUB: Final = "index.docker.io"


def to_image(text: str) -> Thing:
    """Raises ValueError.

    >>> to_image("nginx")
    {'#kind': 'image', 'registry': 'index.docker.io', 'repository': 'library/nginx', 'tag': 'latest', 'digest': ''}
    >>> to_image("r.example.com:5000/a/b:v1")["registry"], to_image("r.example.com/ab:v1")["tag"]
    ('r.example.com:5000', 'v1')
    """
    wrong = ValueError(f"could not parse reference: {text}")
    base, at, digest = text.partition("@")
    if at and not _DIGEST.fullmatch(digest):
        raise wrong
    head, colon, tag = base.rpartition(":")
    if not colon or "/" in tag:
        head, tag = base, ""
    elif not _TAG.fullmatch(tag):
        raise wrong
    host, slash, path = head.partition("/")
    if not slash or not ("." in host or ":" in host or host == "localhost"):
        host, path = HUB, head
    host = HUB if host == "docker.io" else host
    if not _HOST.fullmatch(host) or not _REPOSITORY.fullmatch(path) or "" in path.split("/"):
        raise wrong
    if host == HUB and "/" not in path:
        path = f"library/{path}"
    tag = "" if digest else tag or "latest"
    return {KIND: "image", "registry": host, "repository": path, "tag": tag, "digest": digest}


def identifier(thing: Thing) -> str:
    return str(thing["digest"] or thing["tag"])
