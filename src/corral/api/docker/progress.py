"""Progress of pulls and pushes, as the messages that Docker's clients draw."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from corral.api.docker.answers import failure, message
from corral.errors import CorralError, put_in_words
from corral.model.transfer import Note

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def size(count: float) -> str:
    """Bytes as Go's units package writes them: four digits.

    >>> size(0), size(999), size(2_500_000), size(123_456)
    ('0B', '999B', '2.5MB', '123.5kB')
    """
    unit = 0
    while count >= 1000 and unit < len(_UNITS) - 1:
        count, unit = count / 1000, unit + 1
    return f"{count:.4g}{_UNITS[unit]}"


def bar(current: int, total: int) -> str:
    """The bar of a client that cannot draw one.

    >>> bar(25, 100)
    '[============>                                      ]      25B/100B'
    >>> bar(0, 0), bar(5, 0)
    ('', '      5B')
    """
    if current <= 0 and total <= 0:
        return ""
    if total <= 0:
        return f"{size(current):>8}"
    done = min(50, current * 100 // total // 2)
    numbers = f"{size(current):>8}" + (f"/{size(total)}" if current <= total else "")
    return f"[{'=' * done}>{' ' * (50 - done)}] {numbers}"


def note_message(note: Note) -> bytes:
    """Pure: one note on the wire.

    >>> note_message(Note("Pull complete", "abc", what="layer"))
    b'{"status":"Pull complete","progressDetail":{},"id":"abc"}\\r\\n'
    >>> note_message(Note("Digest: x"))
    b'{"status":"Digest: x"}\\r\\n'
    """
    if note.aux is not None:
        return message(progressDetail={}, aux=note.aux)
    fields: dict[str, object] = {"status": note.status}
    if note.what == "layer":
        fields["progressDetail"] = {}
    if note.current >= 0:
        total = {"total": note.total} if note.total else {}
        fields |= {"progressDetail": {"current": note.current, **total}, "progress": bar(note.current, note.total)}
    if note.id:
        fields["id"] = note.id
    return message(**fields)


async def messages(notes: AsyncGenerator[Note, None]) -> AsyncGenerator[bytes, None]:
    """Notes as a body. An error before the first is raised, a later one is told in the stream."""
    begun = False
    async with aclosing(notes):
        try:
            async for note in notes:
                yield note_message(note)
                begun = True
        except (CorralError, OSError) as error:
            if not begun:
                raise
            yield failure(put_in_words("go on", error).message)
