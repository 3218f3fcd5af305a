"""Known differences between Corral and the dockerd of Debian 12 (20.10), each with its reason.

Corral speaks as the newest Docker Engine does; 20.10 is years older. `REWORDED` turns the words of both into one form
before they are compared. What is not listed here must be the same.
"""
# ruff: noqa: E501 - a typed command is one line, whatever its length

from __future__ import annotations

import re

REWORDED: list[tuple[str, str, str]] = [
    (
        r"failed to create (task for container: failed to create )?shim( task)?: ",
        "failed to create task: ",
        "the words around a runtime's error changed in 23",
    ),
    (
        r"OCI runtime (create|exec) failed: (runc create failed: |exec failed: )?(unable to start container process: )?",
        "OCI runtime failed: ",
        "runc 1.1 and the daemons around it add words in front of the cause",
    ),
    (
        r"(?m)^(See 'docker run --help'\.|Run 'docker run --help' for more information)$",
        "<help>",
        "newer clients say it otherwise",
    ),
    (
        r"(?m)^time=.* level=error msg=.(?i:error waiting for container).*\n?",
        "",
        "a race inside the client between the answers to start and to wait",
    ),
    (
        r"(?m)^(Error response from daemon: )?no such image: \S+: No such image: ",
        "Error response from daemon: No such image: ",
        "the client says it twice to an old daemon",
    ),
    (
        r"(?<=Error response from daemon: )[A-Z]|(?<=: )C(?=ontainer <id> is not)",
        "<letter>",
        "errors begin in lower case since 25",
    ),
    (
        r"(?<=Error response from daemon: )[a-z]|(?<=: )c(?=ontainer <id> is not)",
        "<letter>",
        "errors begin in lower case since 25",
    ),
    (r"o such container:? ", "o such container: ", "some messages had no colon"),
    (r"(?m)^f([ef])00::0?\t", r"f\g<1>00::\t", "28 writes addresses in their shortest form"),
    (r"\s*$", "", "line feeds at the end of error texts come and go with releases of the client"),
]


def reworded(text: str) -> str:
    """The text in the words that both daemons share. Pure.

    >>> reworded("failed to create shim: x") == reworded("failed to create task for container: failed to create shim task: x")
    True
    """
    for pattern, replacement, _ in REWORDED:
        text = re.sub(pattern, replacement, text)
    return text
