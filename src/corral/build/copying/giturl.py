"""Git URLs: `https://host/repo.git#ref:dir`, `git@host:repo.git`, `git://…`, and what they say in a query. Pure."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit, urlunsplit

from corral.errors import InvalidInput

_SCHEMES = ("http", "https", "ssh", "git")
_SCP = re.compile(r"([a-zA-Z0-9-_]+@[a-zA-Z0-9-.]+:[^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.DOTALL)
_COMMIT = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")
_TRUE, _FALSE = ("1", "t", "T", "TRUE", "true", "True"), ("0", "f", "F", "FALSE", "false", "False")


@dataclass(frozen=True)
class GitRef:
    """`remote` is what git is given. `keep_git_dir` and `submodules` are None where the URL does not say."""

    remote: str
    ref: str = ""
    subdir: str = ""
    checksum: str = ""
    keep_git_dir: bool | None = None
    submodules: bool | None = None


def is_commit(ref: str) -> bool:
    """
    >>> is_commit("a" * 40), is_commit("main")
    (True, False)
    """
    return _COMMIT.fullmatch(ref) is not None


def parse_git_ref(source: str, *, context: bool = False) -> GitRef | None:
    """None if it is no repository. A context may also be `github.com/owner/name`, and `file://` of this host.

    >>> parse_git_ref("https://github.com/foo/bar.git#v1:a/b")
    GitRef(remote='https://github.com/foo/bar.git', ref='v1', subdir='a/b', checksum='', keep_git_dir=None, submodules=None)
    >>> parse_git_ref("git@github.com:foo/bar.git#main").ref, parse_git_ref("https://a/b.git?tag=v2").ref
    ('main', 'refs/tags/v2')
    >>> parse_git_ref("https://a/b.txt"), parse_git_ref("src/a.git")
    (None, None)
    """  # noqa: E501
    if context and source.startswith("github.com/"):
        source = f"https://{source}"
        return _from_parts(*_split(source))
    scheme, found, _ = source.partition("://")
    if found:
        if scheme.lower() == "file" and context:
            return _from_parts(*_split(source))
        if scheme.lower() not in _SCHEMES:
            return None
        remote, query, fragment = _split(source)
        if scheme.lower() in ("http", "https") and not urlsplit(remote).path.endswith(".git"):
            return None
        return _from_parts(remote, query, fragment)
    scp = _SCP.fullmatch(source)
    return _from_parts(scp[1], scp[2] or "", scp[3] or "") if scp else None


def is_remote(where: str) -> bool:
    """Whether a context is somewhere else, so that it is brought; all else is the path of a directory.

    >>> [is_remote(where) for where in ("https://a/b.tar", "github.com/a/b", "git@host:a.git", "a/b", "/github.com/a")]
    [True, True, True, False, False]
    """
    return "://" in where or where.startswith("github.com/") or _SCP.fullmatch(where) is not None


def _split(url: str) -> tuple[str, str, str]:
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise InvalidInput(f"invalid URL {url[:200]!r}: {error}") from None
    return urlunsplit((parts.scheme, parts.netloc, parts.path, "", "")), parts.query, parts.fragment


def _from_parts(remote: str, query: str, fragment: str) -> GitRef:
    if re.search(r"[\x00-\x20\x7f]", remote) or remote.startswith("-"):
        raise InvalidInput(f"invalid git URL {remote[:200]!r}")
    ref, _, subdir = fragment.partition(":")
    said = _query(query)
    ref = _agree("ref", ref, said.get("ref", ""))
    for key in ("tag", "branch"):
        prefix = "refs/tags/" if key == "tag" else "refs/heads/"
        if key in said:
            ref = _agree("ref", ref, prefix + said[key].removeprefix(prefix))
    if ref.startswith("-") or re.search(r"[\x00-\x20\x7f~^:?*\[\\]", ref) or ".." in ref:
        raise InvalidInput(f"invalid git ref {ref[:200]!r}")
    subdir = posixpath.normpath("/" + _agree("subdir", subdir, said.get("subdir", ""))).strip("/")
    checksum = said.get("checksum", "") or said.get("commit", "")
    return GitRef(remote, ref, subdir, checksum, _flag(said, "keep-git-dir"), _flag(said, "submodules"))


def _query(query: str) -> dict[str, str]:
    said = {}
    for key, values in parse_qs(query, keep_blank_values=True).items():
        if key not in ("ref", "tag", "branch", "subdir", "checksum", "commit", "keep-git-dir", "submodules"):
            raise InvalidInput(f'unexpected query "{key}" in a git URL')
        if len(values) > 1:
            raise InvalidInput(f'query "{key}" has multiple values')
        if not values[0] and key not in ("keep-git-dir", "submodules"):
            raise InvalidInput(f'query "{key}" has no value')
        said[key] = values[0]
    return said


def _agree(what: str, one: str, other: str) -> str:
    if one and other and one != other:
        raise InvalidInput(f'{what} conflicts: "{one}" vs "{other}"')
    return one or other


def _flag(said: dict[str, str], key: str) -> bool | None:
    if key not in said:
        return None
    if said[key] in ("", *_TRUE):
        return True
    if said[key] in _FALSE:
        return False
    raise InvalidInput(f'invalid {key} value: "{said[key]}"')
