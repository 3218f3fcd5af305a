"""What comes of commands whose process dies or hangs: here a program in its place that does as it is told."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corral.errors import HostError, Unsupported
from corral.linux.nft_process import death_words
from corral.linux.nftables import Nft, Workers, start_early
from tests.support.wait import eventually

FAKE = """
import os, signal, socket, struct, sys
REQUEST, REPLY = struct.Struct("=BIQ"), struct.Struct("=BQQ")
channel = socket.socket(fileno=0)

def read(size):
    found = b""
    while len(found) < size:
        part = channel.recv(size - len(found))
        if not part:
            sys.exit(0)
        found += part
    return found

def answer(status, said=b"", complaint=b""):
    channel.sendall(REPLY.pack(status, len(said), len(complaint)) + said + complaint)

while True:
    what, context, length = REQUEST.unpack(read(REQUEST.size))
    text = read(length)
    if text == b"crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif text == b"exit":
        sys.exit(4)
    elif text == b"half":
        channel.sendall(REPLY.pack(0, 100, 0) + b"half of it")
        os.kill(os.getpid(), signal.SIGABRT)
    elif text == b"deaf":
        channel.close()
        signal.pause()
    elif text == b"hang":
        signal.pause()
    elif text == b"refuse":
        answer(1, b"", b"/dev/stdin:1:1-3: Error: No such file\\nrefuse\\n^^^\\n")
    elif text == b"missing":
        answer(3, b"", b"libnftables is missing")
    elif text == b"pid":
        answer(0, str(os.getpid()).encode())
    else:
        answer(0, b"7" if what in (1, 5) else text)
"""


@pytest.fixture(scope="module")
def workers() -> Workers:
    return Workers((sys.executable, "-I", "-S", "-c", FAKE))


@pytest.fixture
def nft(workers: Workers) -> Iterator[Nft]:
    made = Nft(workers=workers, seconds=120)
    yield made
    made.close()
    assert workers.users == 0 and workers.pid is None


@settings(max_examples=30, deadline=None)
@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=5), times=st.integers(1, 100_000))
def test_what_is_asked_is_answered_at_any_length(workers: Workers, texts: list[str], times: int) -> None:
    nft = Nft(workers=workers, seconds=120)
    try:
        for text in [*(each + "." for each in texts), "x" * times]:
            assert nft.run(text) == text
    finally:
        nft.close()


def test_megabytes_in_both_directions(nft: Nft) -> None:
    text = "add element ip a b { 1 }\n" * 400_000
    assert nft.run(text) == text


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("crash", "died (SIGSEGV) of the rules in this network namespace"),
        ("half", "died (SIGABRT) of the rules"),
        ("exit", "ended with exit code 4"),
    ],
)
def test_who_asked_for_what_it_died_of_is_told_and_the_next_one_is_served(nft: Nft, command: str, said: str) -> None:
    before = nft.run("pid")
    with pytest.raises(HostError) as error:
        nft.run(command)
    assert said in error.value.message
    assert nft.run("pid") != before


def test_a_process_that_no_longer_listens_is_ended(nft: Nft, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("corral.linux.nft_process._LAST_SECONDS", 0.01)
    with pytest.raises(HostError, match="ended by SIGKILL"):
        nft.run("deaf")
    assert nft.run("well") == "well"


def test_a_command_that_takes_too_long_is_given_up(workers: Workers) -> None:
    patient = Nft(workers=workers, seconds=120)
    pid = int(patient.run("pid"))
    hasty = Nft(workers=workers, seconds=120)
    hasty._seconds = 0.05
    with pytest.raises(HostError, match=r"no answer after 0.05 s"):
        hasty.run("hang")
    assert not Path(f"/proc/{pid}").exists()
    assert patient.run("well") == "well"
    patient.close()
    hasty.close()
    assert workers.pid is None


def test_one_that_somebody_ended_meanwhile_is_replaced_without_an_error(nft: Nft) -> None:
    pid = int(nft.run("pid"))
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: _zombie(pid), "it has ended")
    assert int(nft.run("pid")) != pid
    assert not Path(f"/proc/{pid}").exists()


def test_errors_are_those_of_libnftables(nft: Nft) -> None:
    with pytest.raises(HostError) as error:
        nft.run("refuse")
    assert error.value.message == "nftables: No such file: refuse"
    with pytest.raises(Unsupported, match="libnftables is missing"):
        nft.run("missing")
    with pytest.raises(UnicodeEncodeError):
        nft.run("\ud800")
    assert nft.run("well") == "well"


def test_a_closed_one_is_of_no_use(workers: Workers) -> None:
    nft = Nft(workers=workers)
    nft.close()
    nft.close()
    with pytest.raises(HostError, match="closed already"):
        nft.run("well")
    assert workers.users == 0


def test_threads_get_their_own_answers(nft: Nft, workers: Workers) -> None:
    wrong: list[str] = []

    def ask(who: int) -> None:
        own = Nft(workers=workers, seconds=120)
        for count in range(50):
            text = f"{who} {count}"
            wrong.extend(found for found in (nft.run(text), own.run(text)) if found != text)
        own.close()

    threads = [threading.Thread(target=ask, args=(who,)) for who in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_program_that_cannot_be_started() -> None:
    workers = Workers(("/nowhere/python",))
    with pytest.raises(HostError, match="start /nowhere/python"):
        Nft(workers=workers)
    assert workers.users == 0


def test_started_early_it_is_what_the_first_user_gets(monkeypatch: pytest.MonkeyPatch, workers: Workers) -> None:
    monkeypatch.setattr("corral.linux.nftables._workers", workers)
    start_early()
    pid = workers.pid
    nft = Nft(workers=workers, seconds=120)
    assert int(nft.run("pid")) == pid
    nft.close()


@pytest.mark.parametrize("code", [-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGBUS, -signal.SIGILL, -signal.SIGFPE])
def test_a_crash_says_what_to_do(code: int) -> None:
    words = death_words(code)
    assert "update nftables, or remove that table" in words and signal.Signals(-code).name in words


def _zombie(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
