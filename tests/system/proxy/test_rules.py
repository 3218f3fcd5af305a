"""What the proxy asks of the kernel's rules, whatever else happens to them."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from corral.cluster.proxy.rules import Rules
from corral.linux.namespaces import in_netns, new_netns
from corral.linux.nftables import Nft, Workers

pytestmark = pytest.mark.root

CHAIN = "chain c {\n type filter hook input priority 0\n }\n"
MANY = ", ".join(f"10.1.{number >> 8}.{number & 255}" for number in range(20_000))


@contextmanager
def changing(netns: int) -> Iterator[None]:
    """Somebody who has a large set, and changes a small one all the time."""
    others, stop = Nft(netns, workers=Workers()), threading.Event()
    sets = "".join(f"set {name} {{\n type ipv4_addr\n }}\n" for name in ("large", "small"))
    others.run(f"table inet others {{\n {sets}}}\nadd element inet others large {{ {MANY} }}\n")

    def change() -> None:
        while not stop.is_set():
            for verb in ("add", "delete"):
                others.run(f"{verb} element inet others small {{ 10.2.0.1 }}\n")

    thread = threading.Thread(target=change)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        others.close()


def test_whether_its_tables_are_there_is_found_while_others_change_theirs() -> None:
    """For a list of tables libnftables reads all that is in them, and begins anew with each change: it had not come to
    an end after a minute."""
    netns = new_netns()
    rules = in_netns(netns, lambda: Rules("mine"))
    try:
        with changing(netns):
            rules.run(f"table inet mine {{\n {CHAIN}}}\ntable bridge other {{\n {CHAIN}}}\n")
            assert not rules.present()
            rules.run(f"table bridge mine {{\n {CHAIN}}}\n")
            assert rules.present()
            rules.run("delete table inet mine\n")
            assert not rules.present()
    finally:
        rules.close()
        os.close(netns)
