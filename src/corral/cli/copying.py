"""What `cp` means: where things land, and under which name. All of it is pure; the rules are those of cp -a."""

from __future__ import annotations

import os

from corral.cli.fail import Failure


def split(words: str) -> tuple[str, str]:
    """(container, path), the container "" for a path of this machine. Pure.

    >>> split("box:/etc"), split("./a:b"), split("-")
    (('box', '/etc'), ('', './a:b'), ('', '-'))
    """
    name, colon, path = words.partition(":")
    return ("", words) if not colon or name.startswith((".", "/")) or not name else (name, path)


def wants_content(path: str) -> bool:
    """`dir/.` means what is in it, not the directory. Pure."""
    return path.endswith("/.") or path == "."


def plan_out(
    path: str, is_directory: bool, target: str, target_is_directory: bool, exists: bool
) -> tuple[str, str | None]:
    """(directory to unpack in, what the first part of each name becomes: None stays, "" goes). Pure.

    >>> plan_out("/etc/passwd", False, "x", False, False), plan_out("/etc", True, "/tmp", True, True)
    (('.', 'x'), ('/tmp', None))
    >>> plan_out("/etc/.", True, "/tmp", True, True)
    ('/tmp', '')
    """
    if target_is_directory:
        return target, "" if is_directory and wants_content(path) else None
    if is_directory and exists:
        raise Failure(f"cannot copy a directory over the file {target}", 1)
    if target.endswith("/") and not is_directory:
        raise Failure(f"destination directory {target} does not exist", 1)
    clean = target.rstrip("/")
    return os.path.dirname(clean) or ".", os.path.basename(clean)


def plan_in(source: str, is_directory: bool, path: str, target_is_directory: bool, exists: bool) -> tuple[str, str]:
    """(directory of the container to unpack in, the name of what is sent: "." for a directory's content). Pure.

    >>> plan_in("a/passwd", False, "/etc", True, True), plan_in("a", True, "/new", False, False)
    (('/etc', 'passwd'), ('/', 'new'))
    >>> plan_in("a/.", True, "/etc", True, True)
    ('/etc', '.')
    """
    if target_is_directory:
        content = is_directory and wants_content(source)
        return path, "." if content else os.path.basename(os.path.abspath(source))
    if is_directory and exists:
        raise Failure("cannot copy directory to a file", 1)
    if path.endswith("/") and not is_directory:
        raise Failure(f"destination directory {path} must exist", 1)
    clean = path.rstrip("/")
    return os.path.dirname(clean) or "/", os.path.basename(clean)
