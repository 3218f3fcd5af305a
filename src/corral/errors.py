"""One exception tree for the whole package.

::

    CorralError
    ├── InvalidInput        what was asked for makes no sense, or breaks a rule
    │   └── Unsupported     it makes sense, but Corral (or this host) does not offer it; named, never ignored
    ├── NotFound            the object that was named does not exist
    ├── Conflict            the object exists already, or is in a state that forbids the operation
    ├── Unchanged           nothing to do: the object is already in the wanted state
    ├── Forbidden           the caller may not do this
    ├── Unauthorized        … or has not said, or not proved, who they are
    ├── RemoteFailed        another machine refused, failed or cannot be reached
    ├── Unavailable         a needed part is not there right now (shutting down, not yet started)
    └── HostError           the kernel, a file system or a helper program refused
        ├── NoSpace         … because a disk or quota is full
        └── RuntimeFailed   … the OCI runtime or the monitor: carries the exit code that `docker run` reports

Every message names the object, the cause and, where there is one, the next step. Status codes belong to the
wire APIs; each has one table from these classes to its own codes.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence


class CorralError(Exception):
    """The root: catching it catches everything that Corral raises on purpose."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidInput(CorralError):
    """What was asked for makes no sense, or breaks a rule."""


class Unsupported(InvalidInput):
    """Asked for by name, and not offered by Corral or by this host."""


class NotFound(CorralError):
    """The object that was named does not exist."""


class Conflict(CorralError):
    """The object exists already, or its state forbids the operation."""


class Unchanged(CorralError):
    """Nothing to do: the object is already in the wanted state."""


class Forbidden(CorralError):
    """The caller may not do this."""


class Unauthorized(CorralError):
    """The caller has not said, or not proved, who they are."""


class RemoteFailed(CorralError):
    """Another machine (a registry, a proxy) refused, failed or cannot be reached."""


class Unavailable(CorralError):
    """A needed part is not there right now."""


class HostError(CorralError):
    """The kernel, a file system or a helper program refused. `errno` is set where the kernel gave one."""

    def __init__(self, message: str, errno: int | None = None) -> None:
        super().__init__(message)
        self.errno = errno


class NoSpace(HostError):
    """A disk, an inode table or a quota is full."""


class RuntimeFailed(HostError):
    """The OCI runtime could not make or start the process.

    `exit_code` is what a shell would report: 127 the program does not exist, 126 it cannot be executed,
    128 anything else.
    """

    def __init__(self, message: str, exit_code: int = 128) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def from_oserror(action: str, error: OSError) -> HostError:
    """An OSError as a HostError whose message starts with what was being done.

    >>> from_oserror("write /x", OSError(28, "No space left on device")).message
    'write /x: no space left on device'
    """
    reason = (error.strerror or str(error)).lower()
    kind = NoSpace if error.errno in (errno.ENOSPC, errno.EDQUOT) else HostError
    return kind(f"{action}: {reason}", error.errno)


def listed(problems: Sequence[str]) -> str:
    """Pure: several problems as one text, a point for each.

    >>> print(listed(["one alone"]))
    one alone
    >>> print(listed(["first", "second"]))
    * first
    * second
    """
    if len(problems) == 1:
        return problems[0]
    return "\n".join("* " + problem.replace("\n", "\n\t") for problem in problems)


def put_in_words(action: str, error: CorralError | OSError) -> CorralError:
    """An error as one of ours. An OSError that nobody had words for names its file; without one, what was being done.

    >>> put_in_words("POST /commit", OSError(28, "No space left on device", "/x/layer")).message
    'POST /commit: /x/layer: no space left on device'
    """
    if isinstance(error, CorralError):
        return error
    name = error.filename
    return from_oserror(f"{action}: {os.fsdecode(name)}" if isinstance(name, str | bytes) else action, error)
