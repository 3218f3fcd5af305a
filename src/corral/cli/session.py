"""What a verb has at hand: the instance, a client of its daemon, and where output goes."""

from __future__ import annotations

import sys

from corral.cli.fail import ApiError
from corral.cli.http import Client
from corral.cli.instance import Instance

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Session:
    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.client = Client(instance.socket, instance.start_command)

    def say(self, line: str) -> None:
        sys.stdout.write(line + "\n")

    def warn(self, line: str) -> None:
        sys.stdout.flush()
        sys.stderr.write(line + "\n")

    def docker(self, words: str) -> str:
        """The same with Docker's own client, for what this one does not offer."""
        return f"docker -H {self.instance.url} {words}"

    def each(self, words: Iterable[str], act: Callable[[str], object], *, missing_ok: bool = False) -> int:
        """Does it for every word and prints the word (or the text that `act` returned); errors do not stop the rest.

        `missing_ok`: what is not there is told, and is no failure."""
        code = 0
        for word in words:
            try:
                said = act(word)
            except ApiError as error:
                self.warn(error.message)
                code = code if missing_ok and error.status == 404 else 1
            else:
                self.say(said if isinstance(said, str) else word)
        return code
