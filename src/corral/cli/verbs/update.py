"""`update`: what a container may use, changed while it runs."""

from __future__ import annotations

from corral.cli.create_options import HOST, ONE
from corral.cli.create_words import restart_policy
from corral.cli.fail import Misuse
from corral.cli.http import quote
from corral.cli.options import Parsed, Verb, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from corral.cli.session import Session

KEYS = (
    "memory",
    "memory-reservation",
    "memory-swap",
    "cpus",
    "cpu-shares",
    "cpu-period",
    "cpu-quota",
    "cpu-rt-period",
    "cpu-rt-runtime",
    "cpuset-cpus",
    "cpuset-mems",
    "pids-limit",
    "blkio-weight",
)


def update(session: Session, options: Parsed) -> int:
    body: dict[str, Any] = {}
    for key in KEYS:
        if options.has(key):
            _, place, convert = ONE[key]
            try:
                body[place.removeprefix(HOST)] = convert(options.text(key))
            except ValueError:
                raise Misuse(f'invalid argument "{options.text(key)}" for "--{key}" flag') from None
    if options.has("restart"):
        body["RestartPolicy"] = restart_policy(options.text("restart"))
    if not body:
        raise Misuse("you must provide one or more flags when using this command", 1)

    def one(name: str) -> None:
        for warning in (
            session.client.call("POST", f"/containers/{quote(name)}/update", body=body).get("Warnings") or []
        ):
            session.warn(warning)

    return session.each(options.args, one)


VERBS = {
    "update": Verb(
        update,
        "update [OPTIONS] CONTAINER…",
        (*(ONE[key][0] for key in KEYS), text("--restart", "POLICY", "no, always, unless-stopped, on-failure[:N]")),
        least=1,
        completes="containers",
    )
}
