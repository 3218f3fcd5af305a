"""A build's events as the messages of Docker's classic builder, which clients print and scripts search.

Stages that are built at the same time are shown one after the other, in the order of their steps.
"""

from __future__ import annotations

import codecs
import re
from typing import Final

from corral.api.docker.answers import message
from corral.api.docker.progress import note_message
from corral.api.docker.references import familiar
from corral.build.request import (
    BuildEvent,
    BuildFailed,
    Built,
    Entered,
    Finished,
    Moved,
    Printed,
    Started,
    Warned,
)
from corral.errors import CorralError
from corral.model.transfer import Note

STEP: Final = re.compile(r"Step (\d+)/\d+ : ")
METADATA: Final = "[internal] load metadata for "
ABSENT: Final = re.compile(r'failed to compute cache key: .*ref(?: (\S+))?: "/?(.*)": not found', re.DOTALL)
PROCESS: Final = re.compile(r'process "(.*)" did not complete successfully: exit code: (\d+)', re.DOTALL)


def short(image: str) -> str:
    """Pure: an id as people see it.

    >>> short("sha256:0123456789abcdef"), short("")
    ('0123456789ab', '')
    """
    return image.removeprefix("sha256:")[:12]


def stream(text: str) -> bytes:
    return message(stream=text)


def outcome(event: Finished) -> list[bytes]:
    """Pure: what stands below a step that has ended.

    >>> [piece[12:-6] for piece in outcome(Finished(1, cached=True, image="sha256:0123456789abcdef"))]
    [b'---> Using cache', b'---> 0123456789ab']
    """
    if event.error:
        return []
    said = [" ---> Using cache\n"] if event.cached else []
    said += [f" ---> Removed intermediate container {event.container[:12]}\n"] if event.container else []
    said += [f" ---> {short(event.image)}\n"] if event.image else []
    return [stream(text) for text in said]


def absent(text: str, step: str) -> str:
    """Pure: that a step's file is not there, in the classic builder's words; any other text as it is.

    >>> absent('failed to compute cache key: failed to calculate checksum of ref context: "/a": not found', "COPY a /")
    'COPY failed: file not found in build context or excluded by .dockerignore: stat a: file does not exist'
    >>> absent('failed to compute cache key: failed to calculate checksum of ref stage-0: "/a": not found', "COPY a /")
    'COPY failed: stat a: file does not exist'
    """
    found, word = ABSENT.fullmatch(text), step.partition(" ")[0]
    if not found or word not in ("ADD", "COPY"):
        return text
    where = "file not found in build context or excluded by .dockerignore: " if found[1] == "context" else ""
    return f"{word} failed: {where}stat {found[2]}: file does not exist"


def failure_message(error: CorralError, step: str = "") -> bytes:
    """Pure: the message that ends the stream of a build that failed at `step`. A process' failure has Docker's words
    and its code.

    >>> failure_message(BuildFailed('process "/bin/sh -c x" did not complete successfully: exit code: 3', exit_code=3))
    b'{"errorDetail":{"code":3,"message":"The command \\'/bin/sh -c x\\' returned a non-zero code: 3"},\
"error":"The command \\'/bin/sh -c x\\' returned a non-zero code: 3"}\\r\\n'
    """
    code = error.exit_code if isinstance(error, BuildFailed) else 0
    found = PROCESS.search(error.message)
    if not code or not found:
        classic = error.classic if isinstance(error, BuildFailed) else ""
        said = classic or absent(error.message, step)
        return message(errorDetail={"message": said}, error=said)
    command = re.sub(r"\\(.)", lambda escape: {"n": "\n", "t": "\t"}.get(escape[1], escape[1]), found[1])
    text = f"The command '{command}' returned a non-zero code: {code}"
    return message(errorDetail={"code": code, "message": text}, error=text)


class Classic:
    """Takes a build's events, gives messages.

    >>> shown = Classic()
    >>> for event in (
    ...     Started(1, "[a 1/1] RUN x", "Step 1/2 : RUN x"),
    ...     Started(2, "[b 1/1] RUN y", "Step 2/2 : RUN y"),
    ...     Finished(2, image="sha256:b0"),
    ...     Printed(1, b"hi"),
    ...     Finished(1, image="sha256:a0"),
    ... ):
    ...     print(b"".join(shown.take(event)).decode().replace("\\r\\n", ";"))
    {"stream":"Step 1/2 : RUN x\\n"};
    <BLANKLINE>
    <BLANKLINE>
    {"stream":"hi"};
    {"stream":" ---> a0\\n"};{"stream":"Step 2/2 : RUN y\\n"};{"stream":" ---> b0\\n"};
    """

    def __init__(self) -> None:
        self._number: dict[int, int] = {}  # vertex -> its step
        self._waiting: dict[int, list[bytes]] = {}  # step -> what is not shown yet
        self._done: set[int] = set()
        self._decoders: dict[tuple[int, int], codecs.IncrementalDecoder] = {}
        self._next = 1
        self._fetching: set[int] = set()  # vertices that pull a stage's image
        self._last: list[bytes] = []  # what is said when all steps are done
        self._texts: dict[int, str] = {}  # vertex -> its instruction
        self.failed = ""  # the instruction that failed

    @property
    def fetching(self) -> bool:
        """Whether a stage's image has been looked for: to clients the first step is under way from then on."""
        return bool(self._fetching)

    def take(self, event: BuildEvent) -> list[bytes]:
        match event:
            case Started(vertex=vertex, step=step) if step:
                found = STEP.match(step)
                number = self._number[vertex] = int(found[1]) if found else self._next
                self._texts[vertex] = step[found.end() :] if found else step
                self._waiting.setdefault(number, []).append(stream(step + "\n"))
            case Entered(vertex=vertex, container=container) if vertex in self._number:
                text = f" ---> Running in {container[:12]}\n"
                self._waiting.setdefault(self._number[vertex], []).append(stream(text))
            case Printed(vertex=vertex) if vertex in self._number:
                self._waiting.setdefault(self._number[vertex], []).extend(self._printed(event))
            case Started(vertex=vertex, name=name) if name.startswith(METADATA):
                self._fetching.add(vertex)
            case Printed(vertex=vertex, data=data) if vertex in self._fetching:
                return [message(status=line) for line in data.decode(errors="replace").splitlines()]
            case Moved():
                return [note_message(Note(event.status, event.id, event.current or -1, event.total, "layer"))]
            case Finished(vertex=vertex) if vertex in self._number:
                number = self._number[vertex]
                self._waiting.setdefault(number, []).extend(outcome(event))
                if event.error:
                    self.failed = self._texts[vertex]
                self._done.add(number)
            case Warned(warning=warning) if not warning.rule:
                self._last.append(stream(warning.detail + "\n"))
            case Built(image=image) if image:
                return [*self.rest(), *self._last, *finale(event)]
            case _:
                return []
        return self._drain()

    def _printed(self, event: Printed) -> list[bytes]:
        """What a process wrote, its errors in red, as the classic builder shows them."""
        key = (event.vertex, event.stream)
        decoder = self._decoders.setdefault(key, codecs.getincrementaldecoder("utf-8")("replace"))
        text = decoder.decode(event.data)
        if not text:
            return []
        return [stream(f"\033[91m{text}\033[0m" if event.stream == 2 else text)]

    def _drain(self) -> list[bytes]:
        """What may be shown now: the first step that is not done, and those before it."""
        out: list[bytes] = []
        while self._next in self._waiting:
            out += self._waiting[self._next]
            self._waiting[self._next] = []
            if self._next not in self._done:
                break
            del self._waiting[self._next]
            self._next += 1
        return out

    def rest(self) -> list[bytes]:
        """What is left when nothing more comes, in order."""
        left, self._waiting = self._waiting, {}
        return [piece for number in sorted(left) for piece in left[number]]


def finale(event: Built) -> list[bytes]:
    """Pure: the end of a build that went well: for programs, and for people."""
    return [
        message(aux={"ID": event.image}),
        stream(f"Successfully built {short(event.image)}\n"),
        *(stream(f"Successfully tagged {familiar(name)}\n") for name in event.names),
    ]
