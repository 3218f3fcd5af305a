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
        "the words around a runtime's error changed in 23.0",
    ),
    (
        r"OCI runtime (create|exec) failed: (runc create failed: |exec failed: )?(unable to start container process: )?",
        "OCI runtime failed: ",
        "runc 1.1 and the daemons around it add words in front of the cause",
    ),
    (r"(?m)^(See 'docker run --help'\.|Run 'docker run --help' for more information)$", "<help>", "client 28 rewords"),
]


def reworded(text: str) -> str:
    """The text in the words that both daemons share. Pure.

    >>> reworded("failed to create shim: x") == reworded("failed to create task for container: failed to create shim task: x")
    True
    """
    for pattern, replacement, _ in REWORDED:
        text = re.sub(pattern, replacement, text)
    return text
