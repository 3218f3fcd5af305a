"""What an OCI runtime says when it fails, in the words that Docker's users and scripts know."""

from __future__ import annotations

import errno
import json
import os
import re

from corral.errors import HostError, NoSpace, RuntimeFailed

NOT_FOUND, NOT_EXECUTABLE, OTHER = 127, 126, 128

_WRONG_KIND = (
    ": Are you trying to mount a directory onto a file (or vice-versa)? Check if the specified host path exists and "
    "is the expected type"
)
_CRUN_MISSING = re.compile(r"executable file ([`'\"]?)(.+)\1 not found\b")
_CRUN_REFUSED = re.compile(r"open executable: (permission denied|operation not permitted)", re.IGNORECASE)
_KERNEL_WORDS = frozenset(map(os.strerror, errno.errorcode))
_NOT_STARTED = "unable to start container process: exec"


def plan_failure(prefix: str, text: str, program: str = "") -> HostError:
    """Pure: a runtime's last words as an error. `prefix` says what was being done, as Docker does; `program` is what
    was to be run, for runtimes that do not name it.

    >>> error = plan_failure("OCI runtime create failed", 'exec: "x": executable file not found in $PATH')
    >>> error.message, error.exit_code
    ('OCI runtime create failed: exec: "x": executable file not found in $PATH: unknown', 127)
    >>> plan_failure("OCI runtime exec failed", "open executable: Permission denied", "/x").message
    'OCI runtime exec failed: exec failed: unable to start container process: exec: "/x": permission denied: unknown'
    """
    words = plan_words(text, program)
    if prefix.endswith("exec failed") and words.startswith(_NOT_STARTED):
        words = f"exec failed: {words}"
    message = f"{prefix}: {words}: unknown"
    if "not a directory" in message.lower():
        message += _WRONG_KIND
    if "no space left on device" in message.lower():
        return NoSpace(message)
    return RuntimeFailed(message, plan_exit_code(message))


def plan_words(text: str, program: str = "") -> str:
    """Pure: crun's way to say some things, as runc and Docker do.

    >>> plan_words("executable file `x` not found in $PATH: No such file or directory")
    'unable to start container process: exec: "x": executable file not found in $PATH'
    >>> plan_words("executable file `/x` not found in $PATH: No such file or directory")
    'unable to start container process: exec: "/x": stat /x: no such file or directory'
    >>> plan_words('executable file `["sh"]` not found in $PATH: No such file or directory')
    'unable to start container process: exec: "[\\\\"sh\\\\"]": executable file not found in $PATH'
    >>> plan_words("open executable: Permission denied", "/etc/passwd")
    'unable to start container process: exec: "/etc/passwd": permission denied'
    >>> plan_words("open executable: Permission denied", "")
    'unable to start container process: exec: "": executable file not found in $PATH'

    The last is what `docker run IMAGE "$UNSET"` asks for: crun then takes the first directory of $PATH for it. What
    the kernel says is written as Go writes it, because docker finds its exit code in it:

    >>> plan_words("open `/proc/sys/net/x`: No such file or directory")
    'open `/proc/sys/net/x`: no such file or directory'
    """
    if found := _CRUN_MISSING.search(text):
        name = found[2]
        quoted = json.dumps(name, ensure_ascii=False)
        if "/" in name:
            return f"{_NOT_STARTED}: {quoted}: stat {name}: no such file or directory"
        return f"{_NOT_STARTED}: {quoted}: executable file not found in $PATH"
    if _CRUN_REFUSED.search(text):
        why = "permission denied" if program else "executable file not found in $PATH"
        return f'{_NOT_STARTED}: "{program}": {why}'
    cause, separator, why = text.strip().rpartition(": ")
    if why in _KERNEL_WORDS:
        why = why[:1].lower() + why[1:]
    return cause + separator + why or "it said nothing"


def plan_exit_code(message: str) -> int:
    """Pure: what a shell would report: 127 not found, or mounted onto what is of another kind, 126 found and not
    executable, 128 anything else.

    >>> plan_exit_code('exec: "/etc": is a directory: permission denied'), plan_exit_code("mount: not a directory")
    (126, 127)
    """
    lower = message.lower()
    if "executable file not found" in lower or "no such file or directory" in lower:
        return NOT_FOUND
    if any(words in lower for words in ("permission denied", "is a directory", "format error")):
        return NOT_EXECUTABLE
    return NOT_FOUND if "not a directory" in lower else OTHER


def last_error(log: str) -> str:
    """Pure: the last error of a runtime's JSON log; "" where there is none.

    >>> last_error('{"level":"warning","msg":"a"}\\n{"level":"error","msg":"b"}\\n')
    'b'
    """
    found = ""
    for line in log.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and entry.get("level") in ("error", "fatal"):
            found = str(entry.get("msg", ""))
    return found
