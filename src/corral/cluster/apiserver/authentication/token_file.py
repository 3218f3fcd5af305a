"""Tokens from a file: lines of `token,user,uid,"group1,group2"`. For those who bring users from elsewhere."""

from __future__ import annotations

import csv
import hashlib

from corral.cluster.apiserver.attributes import User
from corral.errors import InvalidInput


class TokenFile:
    """Kept by hash, so the time that a look-up takes tells nothing about the tokens."""

    def __init__(self, users: dict[bytes, User]) -> None:
        self._users = users

    def authenticate(self, token: str) -> User | None:
        return self._users.get(_digest(token))


def parse(text: str) -> TokenFile:
    """Pure. InvalidInput.

    >>> parse('secret,jane,1,"dev,ops"').authenticate("secret")
    User(name='jane', uid='1', groups=('dev', 'ops'), extra={})
    """
    users = {}
    for row in csv.reader(text.splitlines()):
        if not row:
            continue
        if len(row) < 3:
            raise InvalidInput(
                f"token file: must have at least 3 columns (token, user name, user uid), found {len(row)}"
            )
        if row[0]:
            groups = tuple(row[3].split(",")) if len(row) > 3 and row[3] else ()
            users[_digest(row[0])] = User(row[1].strip(), row[2].strip(), groups)
    return TokenFile(users)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
