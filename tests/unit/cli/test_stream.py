"""The pump between a hijacked connection and the terminal."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corral.cli.fail import Failure
from corral.cli.frames import Demux
from corral.cli.terminal import KeyFilter, parse_keys
from tests.support.leaks import descriptors

PUMP = """
import socket, sys
from corral.cli.stream import Pump
class Fake:
    link = socket.socket(fileno=int(sys.argv[1]))
    def leftover(self): return b""
print(Pump(Fake(), stdin=sys.argv[2] == "1", tty=sys.argv[3] == "1").run([]), file=sys.stderr)
"""


def pump(link: socket.socket, stdin: bool, tty: bool) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", PUMP, str(link.fileno()), str(int(stdin)), str(int(tty))],
        pass_fds=[link.fileno()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_both_streams_and_half_close() -> None:
    here, there = socket.socketpair()
    child = pump(there, stdin=True, tty=False)
    there.close()

    def other_side() -> None:
        data = b""
        while part := here.recv(100):
            data += part
        for stream, text in ((1, data.upper()), (2, b"oops")):
            here.sendall(bytes([stream, 0, 0, 0]) + len(text).to_bytes(4, "big") + text)
        here.close()

    thread = threading.Thread(target=other_side)
    thread.start()
    out, err = child.communicate(b"words in", timeout=20)
    thread.join()
    assert (out, err) == (b"WORDS IN", b"oopsend\n")


def test_a_side_that_does_not_read_does_not_stall_its_output() -> None:
    """A megabyte waits to go in while a megabyte comes out: neither may wait for the other."""
    here, there = socket.socketpair()
    child = pump(there, stdin=True, tty=True)
    there.close()
    size = 1 << 20

    def other_side() -> None:
        here.sendall(b"x" * size)
        got = 0
        while part := here.recv(65536):
            got += len(part)
        here.sendall(str(got).encode())
        here.close()

    thread = threading.Thread(target=other_side)
    thread.start()
    out, err = child.communicate(b"y" * size, timeout=20)
    thread.join()
    assert out == b"x" * size + str(size).encode() and err == b"end\n"


@given(st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=300)), max_size=10), st.integers(1, 50))
def test_frames_survive_any_cut(frames: list[tuple[int, bytes]], step: int) -> None:
    wire = b"".join(bytes([s, 0, 0, 0]) + len(d).to_bytes(4, "big") + d for s, d in frames)
    demux, found = Demux(), {1: b"", 2: b""}
    for n in range(0, len(wire), step):
        for stream, data in demux.feed(wire[n : n + step]):
            found[stream] += data
    assert found == {s: b"".join(d for t, d in frames if t == s) for s in (1, 2)}


@given(st.binary(max_size=40), st.integers(1, 7))
def test_keys_are_found_wherever_the_cuts_are(data: bytes, step: int) -> None:
    keys = b"\x10\x11"
    whole = data + keys
    want, _, _ = whole.partition(keys)
    keep, passed = KeyFilter(keys), b""
    for n in range(0, len(whole), step):
        out, detached = keep.feed(whole[n : n + step])
        passed += out
        if detached:
            break
    assert detached and passed == want


def test_keys_that_are_none() -> None:
    with pytest.raises(Failure, match="unknown character"):
        parse_keys("ctrl-p,hello")
    assert KeyFilter(b"").feed(b"\x10\x11") == (b"\x10\x11", False)


def test_fds_are_whole_after_signals_are_given_back() -> None:
    from corral.cli.stream import Signals

    before = descriptors()
    with Signals([]):
        assert len(descriptors() - before) == 2
    assert not descriptors() - before
