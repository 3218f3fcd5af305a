"""Sources: is what ADD names a path of the context, a URL or a git repository? Pure."""

from __future__ import annotations

import re
from typing import Literal

_GIT_OVER_HTTP = re.compile(r"https?://[^/?#]+/[^?#]*\.git(?:[?#].*)?", re.DOTALL)
_SCP = re.compile(r"[a-zA-Z0-9-]+@[a-zA-Z0-9.-]+:.+", re.DOTALL)


def source_kind(source: str) -> Literal["path", "url", "git"]:
    """
    >>> source_kind("src/a"), source_kind("https://x.org/a.tar"), source_kind("https://x.org/a.git#main:sub")
    ('path', 'url', 'git')
    >>> source_kind("git@github.com:moby/buildkit.git"), source_kind("ssh://git@x.org/a")
    ('git', 'git')
    """
    if source.startswith(("git://", "ssh://")) or _GIT_OVER_HTTP.fullmatch(source) or _SCP.fullmatch(source):
        return "git"
    return "url" if source.startswith(("http://", "https://")) else "path"
