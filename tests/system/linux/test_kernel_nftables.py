"""libnftables on the real kernel, in its process: several namespaces and threads, its death, and rules it dies of."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from corral.errors import HostError
from corral.linux.namespaces import in_netns, netns_of, new_netns
from corral.linux.nftables import Nft, Workers
from tests.support.hostile import UNKNOWN, VALUE, VERDICT, write_set
from tests.support.wait import eventually

pytestmark = pytest.mark.root


@pytest.fixture
def netns() -> Iterator[int]:
    fd = new_netns()
    yield fd
    os.close(fd)


@pytest.fixture
def workers() -> Iterator[Workers]:
    """Nobody else's; none stays."""
    made = Workers()
    yield made
    assert made.users == 0 and made.pid is None


@pytest.fixture
def nft(netns: int, workers: Workers) -> Iterator[Nft]:
    made = Nft(netns, workers=workers)
    yield made
    made.close()


def test_commands_and_what_they_say(nft: Nft) -> None:
    assert nft.run("add table inet one; add set inet one s { type ipv4_addr; }") == ""
    nft.run("add element inet one s { 10.0.0.1 }")
    assert nft.run("list tables") == "table inet one\n"
    (found,) = [each["set"] for each in nft.json("list set inet one s") if "set" in each]
    assert isinstance(found, dict) and found["elem"] == ["10.0.0.1"]
    with pytest.raises(HostError, match=r"^nftables: .*No such file or directory.*list table inet other"):
        nft.run("list table inet other")
    with pytest.raises(HostError, match=r"^nftables: syntax error"):
        nft.run("nonsense")
    assert nft.run("list tables") == "table inet one\n"


def test_each_is_in_its_own_namespace(nft: Nft, workers: Workers) -> None:
    other = new_netns()
    there = Nft(other, workers=workers)
    here = in_netns(other, lambda: Nft(workers=workers))  # of the thread that makes it, whoever uses it then
    os.close(other)
    there.run("add table inet there")
    nft.run("add table inet here")
    assert here.run("list tables") == there.run("list tables") == "table inet there\n"
    assert nft.run("list tables") == "table inet here\n"
    there.close()
    assert here.run("list tables") == "table inet there\n"
    here.close()


def test_names_of_interfaces_are_those_of_the_namespace(nft: Nft) -> None:
    nft.run("add table inet one; add chain inet one c; add rule inet one c iif lo accept")
    assert 'iif "lo" accept' in nft.run("list chain inet one c")


def test_the_process_keeps_no_namespace_of_a_thread_that_started_it(netns: int, workers: Workers) -> None:
    nft = in_netns(netns, lambda: Nft(workers=workers))
    home = netns_of(os.getpid())
    assert os.path.samestat(os.stat(f"/proc/{workers.pid}/ns/net"), os.fstat(home))
    os.close(home)
    nft.close()


def test_it_has_nothing_open_of_whoever_started_it_and_little_memory(tmp_path: Path, workers: Workers) -> None:
    inherited = os.open(tmp_path / "lock", os.O_CREAT | os.O_RDWR)
    os.set_inheritable(inherited, True)
    nft = Nft(workers=workers)
    folder = f"/proc/{workers.pid}/fd"
    held = {os.readlink(f"{folder}/{name}") for name in os.listdir(folder)}
    assert all(each.startswith(("socket:", "/dev/null", "net:")) or each.endswith("/ns/net") for each in held), held
    os.close(inherited)
    assert f"Max address space         {2 << 30} " in Path(f"/proc/{workers.pid}/limits").read_text()
    nft.close()


def test_what_kills_it_in_the_middle_fails_and_the_next_command_works(nft: Nft, workers: Workers) -> None:
    """It is stopped, so that the command is under way for certain."""
    nft.run("add table inet one")
    pid = workers.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    failures: list[HostError] = []

    def ask() -> None:
        try:
            nft.run("list tables")
        except HostError as error:
            failures.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    eventually(lambda: _unread(workers), "the command has been sent", seconds=60)
    os.kill(pid, signal.SIGKILL)
    asking.join()
    assert [error.message for error in failures] == [
        "nftables: libnftables was ended by SIGKILL in the middle of a command: whether that was done is not known"
    ]
    assert nft.run("list tables") == "table inet one\n"
    assert workers.pid != pid and not Path(f"/proc/{pid}").exists()


def _unread(workers: Workers) -> int:
    """How many bytes it was sent and has not taken."""
    assert workers._process is not None
    return int.from_bytes(fcntl.ioctl(workers._process._socket, termios.TIOCOUTQ, bytes(4)), sys.byteorder)


def test_many_threads(nft: Nft, netns: int, workers: Workers) -> None:
    nft.run("add table inet one; add set inet one s { type inet_service; }")
    failures: list[HostError] = []

    def work(who: int) -> None:
        own = Nft(netns, workers=workers)
        try:
            for port in range(who * 100 + 1, who * 100 + 31):
                (nft if port % 2 else own).run(f"add element inet one s {{ {port} }}")
                with pytest.raises(HostError):
                    own.run(f"delete element inet one s {{ {port + 5000} }}")
        except HostError as error:
            failures.append(error)
        finally:
            own.close()

    threads = [threading.Thread(target=work, args=(who,)) for who in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    (found,) = [each["set"] for each in nft.json("list set inet one s") if "set" in each]
    assert isinstance(found, dict) and len(found["elem"]) == 180


def test_there_is_an_end_to_contexts(netns: int, workers: Workers) -> None:
    several = []
    with pytest.raises(HostError, match="more than 200 contexts"):
        while len(several) < 300:
            several.append(Nft(netns, workers=workers))
    several.pop().close()
    several.append(Nft(netns, workers=workers))
    for each in several:
        assert each.run("list tables") == ""
        each.close()


MANY_FILES = """
import os, resource
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
held = [os.open(os.devnull, os.O_RDONLY) for _ in range(1500)]
from corral.linux.namespaces import new_netns
from corral.linux.nftables import Nft
nft = Nft(new_netns())
nft.run("add table inet many_files")
print(nft.run("list tables"), end="")
"""


def test_a_process_with_thousands_of_descriptors_is_served() -> None:
    done = subprocess.run([sys.executable, "-c", MANY_FILES], capture_output=True, text=True, timeout=120)
    assert done.stdout.splitlines() == ["table inet many_files"], done


OWNER = """
from corral.linux.nftables import Nft, _workers
nft = Nft()
print(_workers.pid, flush=True)
input()
"""


@pytest.mark.parametrize("how", ["kill -9", "end"])
def test_it_ends_with_whoever_started_it(how: str) -> None:
    with subprocess.Popen([sys.executable, "-c", OWNER], stdin=-1, stdout=-1, text=True) as owner:
        assert owner.stdin is not None and owner.stdout is not None
        pid = int(owner.stdout.readline())
        watched = os.pidfd_open(pid)
        if how == "end":
            owner.stdin.write("\n")
            owner.stdin.flush()
        else:
            owner.kill()
        owner.wait(120)
    eventually(lambda: _ended(watched), "it has ended", seconds=60)
    os.close(watched)


def _ended(pidfd: int) -> bool:
    try:
        signal.pidfd_send_signal(pidfd, 0)
    except ProcessLookupError:
        return True
    return _state(pidfd) == "Z"  # where nobody waits for orphans


def _state(pidfd: int) -> str:
    (line,) = [each for each in Path(f"/proc/self/fdinfo/{pidfd}").read_text().splitlines() if each.startswith("Pid:")]
    return Path(f"/proc/{line.split()[1]}/stat").read_text().rpartition(")")[2].split()[0]


@pytest.mark.parametrize("kind", [VERDICT, VALUE, UNKNOWN])
def test_a_set_that_this_libnftables_cannot_read_kills_nobody_else(
    kind: int, nft: Nft, netns: int, workers: Workers
) -> None:
    """1.0.6 jumps to address 0 over some of these; one that copes just does what it is asked."""
    in_netns(netns, lambda: write_set("hostile", kind))
    elsewhere = new_netns()
    other = Nft(elsewhere, workers=workers)
    os.close(elsewhere)
    try:
        assert "hostile" in nft.run("list ruleset")
    except HostError as error:
        assert "died (SIG" in error.message and "update nftables, or remove that table" in error.message
    assert other.run("list tables") == ""
    other.close()
