"""Images as list, inspect and history show them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from corral.api.docker.references import familiar
from corral.api.docker.render import health_check
from corral.kit.clock import SECOND, to_rfc3339
from corral.model.image import UNTOLD, Image, ImageConfig

Json = dict[str, Any]
Version = tuple[int, int]


def summary(
    image: Image, version: Version, containers: int, shared: int = -1, tags: Sequence[str] | None = None
) -> Json:
    """Pure: a line of `images`. `shared` bytes are in other images too (-1: not computed); `tags` replaces the image's.

    Older clients are shown "<none>:<none>" for an image without a name, and the size twice.
    """
    names = [familiar(name) for name in (image.tags if tags is None else tags)]
    digests = [familiar(digest) for digest in image.digests]
    if version < (1, 43) and not names and not digests:
        names, digests = ["<none>:<none>"], ["<none>@<none>"]
    shown: Json = {
        "Containers": containers if version >= (1, 51) else -1,
        "Created": image.created // SECOND,
        "Id": image.id,
        "Labels": image.config.labels or None,
        "ParentId": image.parent,
        "RepoDigests": digests,
        "RepoTags": names,
        "SharedSize": shared,
        "Size": image.size,
    }
    return shown | {"VirtualSize": image.size} if version < (1, 44) else shown


def inspect(image: Image, version: Version, graph: dict[str, str]) -> Json:
    """Pure: the whole of it."""
    shown: Json = {
        "Id": image.id,
        "RepoTags": [familiar(name) for name in image.tags],
        "RepoDigests": [familiar(digest) for digest in image.digests],
        "Parent": image.parent,
        "Comment": image.comment or (image.history[-1].comment if image.history else ""),
        "Created": to_rfc3339(image.created, UNTOLD),
        "DockerVersion": "",
        "Author": image.author,
        "Config": config(image.config, version),
        "Architecture": image.architecture,
    }
    if image.variant:
        shown["Variant"] = image.variant
    shown |= {"Os": image.os, "Size": image.size}
    if version < (1, 44):
        shown["VirtualSize"] = image.size
    return shown | {
        "GraphDriver": {"Data": graph or None, "Name": "overlay2"},
        "RootFS": {"Type": "layers", **({"Layers": image.diff_ids} if image.diff_ids else {})},
        "Metadata": {"LastTagTime": to_rfc3339(image.tagged_at)},
    }


# What dockerd always shows, and what it also showed before 1.50: fields that only containers have.
_ALWAYS: Json = {"Cmd": None, "Entrypoint": None, "Env": None, "Labels": None, "OnBuild": None, "User": ""}
_ALWAYS |= {"Volumes": None, "WorkingDir": ""}
_LEGACY: Json = {"AttachStderr": False, "AttachStdin": False, "AttachStdout": False, "Domainname": "", "Hostname": ""}
_LEGACY |= {"Image": "", "OpenStdin": False, "StdinOnce": False, "Tty": False}


def config(config: ImageConfig, version: Version) -> Json:
    """The defaults for containers, by name.

    >>> config(ImageConfig(command=["sh"]), (1, 51))
    {'Cmd': ['sh'], 'Entrypoint': None, 'Env': None, 'Labels': None, 'OnBuild': None, 'User': '', 'Volumes': None, \
'WorkingDir': ''}
    """
    given: Json = {
        "User": config.user,
        "ExposedPorts": {port: {} for port in config.exposed_ports},
        "Env": config.env,
        "Entrypoint": config.entrypoint,
        "Cmd": config.command,
        "Volumes": {place: {} for place in config.volumes},
        "WorkingDir": config.workdir,
        "Labels": config.labels,
        "StopSignal": config.stop_signal,
        "ArgsEscaped": config.args_escaped,
        "Healthcheck": health_check(config.health) if config.health else None,
        "OnBuild": config.on_build,
        "Shell": config.shell,
    }
    shown = _ALWAYS | ({} if version >= (1, 50) else _LEGACY) | {name: value for name, value in given.items() if value}
    return dict(sorted(shown.items()))


def history(image: Image) -> list[Json]:
    """Pure: newest first; only the newest step has an id here, and the tags."""
    sizes = iter(image.layer_sizes)
    steps: list[Json] = [
        {
            "Comment": entry.comment,
            "Created": entry.created // SECOND,
            "CreatedBy": entry.created_by,
            "Id": "<missing>",
            "Size": 0 if entry.empty_layer else next(sizes, 0),
            "Tags": None,
        }
        for entry in image.history
    ]
    if steps:
        steps[-1] |= {"Id": image.id, "Tags": [familiar(name) for name in image.tags] or None}
    return steps[::-1]


def chain_ids(diff_ids: Iterable[str]) -> list[str]:
    """Pure: the identity of each layer together with all below it (OCI image-spec's ChainID).

    >>> chain_ids(["sha256:aa"]), len(chain_ids(["sha256:aa", "sha256:bb"])[1])
    (['sha256:aa'], 71)
    """
    chain: list[str] = []
    for diff_id in diff_ids:
        below = chain[-1] if chain else ""
        joined = hashlib.sha256(f"{below} {diff_id}".encode()).hexdigest()
        chain.append(f"sha256:{joined}" if below else diff_id)
    return chain


def layer_sizes(image: Image) -> list[tuple[str, int]]:
    """Pure: (ChainID, bytes) of each layer."""
    return list(zip(chain_ids(image.diff_ids), image.layer_sizes, strict=False))


def shared_sizes(images: Sequence[Image]) -> dict[str, int]:
    """Pure: image id -> bytes of its layers that another image has too.

    >>> base, other = Image("a", diff_ids=["x"], layer_sizes=[5]), Image("b", diff_ids=["x", "y"], layer_sizes=[5, 7])
    >>> shared_sizes([base, other])
    {'a': 5, 'b': 5}
    """
    users = Counter(layer for image in images for layer in chain_ids(image.diff_ids))
    return {image.id: sum(size for layer, size in layer_sizes(image) if users[layer] > 1) for image in images}


def layers_size(images: Sequence[Image]) -> int:
    """Pure: bytes of all layers, each counted once."""
    return sum({layer: size for image in images for layer, size in layer_sizes(image)}.values())
