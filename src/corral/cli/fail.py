"""What goes wrong in front of the user: a message, and the exit code that scripts look at."""

from __future__ import annotations


class Failure(Exception):
    """Ends the command: `message` goes to stderr, `code` is the exit status."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


class Misuse(Failure):
    """The command line itself is wrong; a pointer to the verb's help is added."""

    def __init__(self, message: str, code: int = 125) -> None:
        super().__init__(message, code)


class ApiError(Failure):
    """The daemon answered with an error: `status` is HTTP's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"Error response from daemon: {message}", 1)
        self.status = status
        self.reason = message
