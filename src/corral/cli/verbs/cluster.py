"""The cluster's store saved and brought back: cluster backup, restore."""

from __future__ import annotations

import os

from corral.cli.fail import Failure
from corral.cli.http import Reply, checked
from corral.cli.options import Parsed, Verb
from corral.cli.verbs.tars import blocks, source_of
from corral.kit.durable import sync_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from corral.cli.session import Session


def backup(session: Session, options: Parsed) -> int:
    path = options.args[0]
    reply = session.client.open("GET", "/corral/cluster/backup")
    write_private(path, reply)
    entries, revision = reply.headers["corral-entries"], reply.headers["corral-revision"]
    session.say(f"{path}: {entries} objects as of revision {revision}")
    return 0


def write_private(path: str, reply: Reply) -> None:
    """The body into a file that only its owner may read, and that appears when it is whole and durable."""
    part = f"{path}.{os.getpid()}.part"
    try:
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
            for data in reply.chunks():
                file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
        sync_directory(os.path.dirname(os.path.abspath(path)))
    except OSError as error:
        raise Failure(f"write {path}: {(error.strerror or '').lower()}", 1) from None
    finally:
        if os.path.exists(part):
            os.unlink(part)


def restore(session: Session, options: Parsed) -> int:
    body = blocks(source_of(options.args[0]))
    done = checked(session.client.send("POST", "/corral/cluster/restore", None, body)).json()
    session.say(f"revision {done['Revision']}: {done['Entries']} objects put back, {done['Deleted']} deleted")
    return 0


VERBS = {
    "cluster backup": Verb(backup, "cluster backup FILE", (), least=1, most=1),
    "cluster restore": Verb(restore, "cluster restore FILE|-", (), least=1, most=1),
}
