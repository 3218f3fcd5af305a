"""Volumes saved, brought back and doubled: volume export, import, clone."""

from __future__ import annotations

from corral.cli.http import checked, quote
from corral.cli.options import Parsed, Verb, flag
from corral.cli.things import label_pairs
from corral.cli.verbs.tars import OUTPUT, blocks, source_of, write_out
from corral.cli.verbs.volumes import LABEL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from corral.cli.session import Session


def export(session: Session, options: Parsed) -> int:
    path = f"/corral/volumes/{quote(options.args[0])}/export"
    reply = session.client.open("GET", path, {"pause": options.on("pause")})
    write_out(session, options.text("output"), reply)
    return 0


def import_(session: Session, options: Parsed) -> int:
    name, *rest = options.args
    body = blocks(source_of(rest[0] if rest else "-"))
    path = f"/corral/volumes/{quote(name)}/import"
    made = checked(session.client.send("POST", path, {"label": options.list("label")}, body)).json()
    session.say(made["Name"])
    return 0


def clone(session: Session, options: Parsed) -> int:
    source, name = options.args
    body = {"Name": name, "Labels": label_pairs(options.list("label")), "Pause": options.on("pause")}
    session.say(session.client.call("POST", f"/corral/volumes/{quote(source)}/clone", body=body)["Name"])
    return 0


PAUSE = flag("-p --pause", "freeze the containers that have it meanwhile, so that the copy is of one moment")

VERBS = {
    "volume export": Verb(
        export, "volume export [OPTIONS] VOLUME", (OUTPUT, PAUSE), least=1, most=1, completes="volumes"
    ),
    "volume import": Verb(import_, "volume import [OPTIONS] NAME [FILE|-]", (LABEL,), least=1, most=2),
    "volume clone": Verb(
        clone, "volume clone [OPTIONS] VOLUME NAME", (LABEL, PAUSE), least=2, most=2, completes="volumes"
    ),
}
