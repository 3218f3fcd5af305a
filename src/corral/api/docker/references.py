"""Image names as people write them, and as they are kept: "busybox" is "docker.io/library/busybox:latest"."""

from __future__ import annotations

from corral.errors import InvalidInput


def familiar(name: str) -> str:
    """Pure: the short form of a kept name.

    >>> familiar("docker.io/library/busybox:1"), familiar("docker.io/me/app:2"), familiar("quay.io/a/b:3")
    ('busybox:1', 'me/app:2', 'quay.io/a/b:3')
    """
    return name.removeprefix("docker.io/library/").removeprefix("docker.io/")


def with_tag(repository: str, tag: str) -> str:
    """Pure: the two parameters `repo` and `tag` as one name; "" where there is no repository.

    >>> with_tag("me/app", "2"), with_tag("localhost:5000/app:1", "2"), with_tag("app", ""), with_tag("", "x")
    ('me/app:2', 'localhost:5000/app:2', 'app', '')
    """
    if "@" in repository:
        raise InvalidInput("cannot import digest reference")
    if not repository or not tag:
        return repository
    path, slash, last = repository.rpartition("/")
    return f"{path}{slash}{last.partition(':')[0]}:{tag}"
