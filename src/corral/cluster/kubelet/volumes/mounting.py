"""Which mounts a container gets: its volumes, the pod's files, its termination log. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from corral.cluster.kubelet.containers.expansion import expand
from corral.cluster.kubelet.errors import BadConfig
from corral.model.container import Mount

Object = dict[str, Any]

PROPAGATION: Final = {"HostToContainer": "rslave", "Bidirectional": "rshared"}


def sub_path(mount: Object, env: Mapping[str, str]) -> str:
    """The part of its volume that is shown, "" for all of it. BadConfig.

    >>> sub_path({"subPathExpr": "$(POD)/x"}, {"POD": "web"})
    'web/x'
    """
    path = mount.get("subPath") or ""
    if mount.get("subPathExpr"):
        path = expand(mount["subPathExpr"], env)
        if "$(" in path:
            raise BadConfig(
                f'failed to expand subPathExpr of volumeMount "{mount["name"]}": missing value for "{path}"'
            )
    if path.startswith("/") or ".." in path.split("/"):
        raise BadConfig(f'error SubPath `{path}` must not be an absolute path or contain ".."')
    return str(path)


def plan_mounts(container: Object, places: Mapping[str, str], files: Mapping[str, str], env: Mapping[str, str],
                read_only: frozenset[str] = frozenset()) -> list[Mount]:  # fmt: skip
    """`places`: where each volume is. `files`: target -> path, for what the container does not mount itself.

    >>> made = plan_mounts({"volumeMounts": [{"name": "v", "mountPath": "/v", "subPath": "a"}]}, {"v": "/k/v"},
    ...                    {"/etc/hosts": "/k/hosts"}, {})
    >>> [(one.source, one.target, one.subpath) for one in made]
    [('/k/v', '/v', 'a'), ('/k/hosts', '/etc/hosts', '')]
    """
    made = []
    for mount in container.get("volumeMounts") or ():
        name = mount["name"]
        if name not in places:
            raise BadConfig(f'volume "{name}" of volumeMount {mount["mountPath"]} is not mounted')
        recursive = mount.get("recursiveReadOnly") or "Disabled"
        only_read = bool(mount.get("readOnly")) or name in read_only
        made.append(
            Mount(
                "bind",
                mount["mountPath"],
                places[name],
                read_only=only_read,
                propagation=PROPAGATION.get(mount.get("mountPropagation") or "", ""),
                read_only_non_recursive=only_read and recursive == "Disabled",
                read_only_force_recursive=recursive == "Enabled",
                subpath=sub_path(mount, env),
            )
        )
    targets = {one.target.rstrip("/") for one in made}
    made += [Mount("bind", target, path) for target, path in files.items() if target not in targets]
    return made
