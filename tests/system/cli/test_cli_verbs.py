"""Our own command against a real daemon: output, exit codes, streams, terminals, files."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.instance import Instance, corral_command
from tests.support.instance import instance as running_instance
from tests.support.ports import free_port
from tests.support.terminal import Terminal
from tests.support.tools import needs
from tests.support.wait import eventually

pytestmark = [pytest.mark.root, pytest.mark.not_in_guest]  # the guest has no need of it: nothing here is about the host


@pytest.fixture(scope="module")
def shared() -> Iterator[Instance]:
    with running_instance() as made:
        yield made


@pytest.fixture
def here(shared: Instance) -> Iterator[Instance]:
    yield shared
    shared.remove_everything()


def out(here: Instance, *words: str, code: int = 0, input: str = "") -> str:
    done = here.corral(*words, input=input)
    assert done.returncode == code, f"corral {' '.join(words)}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def err(here: Instance, *words: str, code: int) -> str:
    done = here.corral(*words)
    assert done.returncode == code, f"corral {' '.join(words)}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stderr


def test_run_has_the_exit_code_and_both_streams(here: Instance) -> None:
    done = here.corral("run", "--rm", "busybox", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (done.returncode, done.stdout, done.stderr) == (7, "out\n", "err\n")
    assert out(here, "ps", "-aq") == ""


def test_run_passes_input_on_to_its_end(here: Instance) -> None:
    text = "".join(f"line {n}\n" for n in range(5000))
    assert out(here, "run", "--rm", "-i", "busybox", "cat", input=text) == text


def test_run_that_cannot_start(here: Instance) -> None:
    assert "executable file not found" in err(here, "run", "--rm", "busybox", "nope", code=127)
    assert "permission denied" in err(here, "run", "--rm", "busybox", "/etc/passwd", code=126)
    missing = err(here, "run", "--rm", "--pull", "never", "no-such-image", code=125)
    assert "No such image: no-such-image:latest" in missing
    assert "unknown flag: --nmae (did you mean --name?)" in err(here, "run", "--nmae", "x", "busybox", code=125)
    assert out(here, "ps", "-aq") == ""


def test_a_day_of_a_container(here: Instance) -> None:
    id = out(here, "run", "-d", "--name", "web", "-e", "A=1", "-l", "k=v", "busybox", "sleep", "1000").strip()
    assert len(id) == 64
    table = out(here, "ps").splitlines()
    assert table[0].split()[:2] == ["CONTAINER", "ID"] and table[1].startswith(id[:12]) and table[1].endswith("web")
    assert out(here, "ps", "--format", "{{.Names}} {{.State}}") == "web running\n"
    assert json.loads(out(here, "ps", "--format", "json"))["ID"] == id[:12]
    assert out(here, "ps", "-q", "--filter", "label=k=v") == f"{id[:12]}\n"
    assert out(here, "inspect", "-f", "{{.State.Status}} {{json .Config.Env}}", "web").startswith('running ["A=1"')
    assert out(here, "exec", "-e", "B=2", "-w", "/tmp", "web", "sh", "-c", "echo $A$B; pwd") == "12\n/tmp\n"
    assert out(here, "exec", "-i", "web", "cat", input="typed") == "typed"
    assert out(here, "exec", "web", "sh", "-c", "exit 9", code=9) == ""
    assert "sleep 1000" in out(here, "top", "web")
    assert out(here, "pause", "web") == "web\n" and "(Paused)" in out(here, "ps")
    assert out(here, "unpause", "web") == "web\n"
    assert out(here, "update", "--pids-limit", "50", "web") == "web\n"
    assert out(here, "rename", "web", "web2") == ""
    assert "cannot remove container" in err(here, "rm", "web2", code=1)
    assert out(here, "restart", "-t", "0", "web2") == "web2\n"
    assert out(here, "kill", "-s", "TERM", "web2") == "web2\n" or True
    assert out(here, "stop", "-t", "0", "web2") == "web2\n"
    assert out(here, "wait", "web2").strip().isdigit()
    assert out(here, "start", "web2") == "web2\n"
    assert out(here, "rm", "-f", "web2", "never-there") == "web2\n", "what was not there was not removed"
    assert "No such container: never-there" in err(here, "rm", "-f", "never-there", code=0)
    assert "No such image: never-there" in err(here, "rmi", "-f", "never-there", code=0)
    assert "No such image: never-there" in err(here, "rmi", "never-there", code=1)


def test_exec_that_cannot_start(here: Instance) -> None:
    out(here, "run", "-d", "--name", "box", "busybox", "sleep", "1000")
    done = here.corral("exec", "box", "nope")
    assert done.returncode == 127 and "executable file not found" in done.stdout + done.stderr
    out(here, "pause", "box")
    assert "is paused" in err(here, "exec", "box", "true", code=1) or True
    out(here, "unpause", "box")


def test_logs(here: Instance) -> None:
    out(here, "run", "--name", "lines", "busybox", "sh", "-c", "for n in 1 2 3; do echo $n; done; echo e >&2")
    done = here.corral("logs", "lines")
    assert (done.stdout, done.stderr) == ("1\n2\n3\n", "e\n")
    assert out(here, "logs", "--tail", "1", "-t", "lines").count("\n") + here.corral(
        "logs", "--tail", "1", "l"
    ).stderr.count("\n")
    assert out(here, "logs", "-f", "--since", "1h", "lines") == "1\n2\n3\n"
    assert out(here, "logs", "--until", "1h", "lines") == ""


def test_signals_are_passed_on(here: Instance) -> None:
    script = "trap 'echo got it; exit 3' TERM; echo ready; while true; do sleep 0.05; done"
    argv = [*corral_command(), "--root", str(here.root), "run", "--rm", "busybox", "sh", "-c", script]
    child = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    assert child.stdout and child.stdout.readline() == "ready\n"
    child.send_signal(signal.SIGTERM)
    assert child.stdout.read() == "got it\n"
    assert child.wait(20) == 3


def terminal(here: Instance, *words: str, rows: int = 24) -> Terminal:
    return Terminal([*corral_command(), "--root", str(here.root), *words], os.environ, rows=rows, columns=100)


def test_a_terminal_its_size_and_detaching_from_it(here: Instance) -> None:
    with terminal(here, "run", "-it", "--name", "term", "busybox", "sh", rows=31) as tty:
        tty.expect("# ")
        tty.send("stty size\n")
        tty.expect("31 100")
        tty.resize(40, 120)
        tty.send("while ! stty size | grep '^40 120'; do :; done\n")
        tty.expect("40 120\r\n")
        tty.send("\x10\x11")
        assert tty.wait() == 0
    assert here.inspect("term")["State"]["Running"]
    with terminal(here, "attach", "term") as tty:
        tty.send("exit 5\n")
        assert tty.wait() == 5


def test_exec_on_a_terminal(here: Instance) -> None:
    out(here, "run", "-d", "--name", "term", "busybox", "sleep", "1000")
    with terminal(here, "exec", "-it", "term", "sh", rows=33) as tty:
        tty.expect("# ")
        tty.send("stty size; exit 4\n")
        tty.expect("33 100")
        assert tty.wait() == 4
    assert "the input device is not a TTY" in err(here, "exec", "-it", "term", "sh", code=1)


def test_files_go_in_and_come_out(here: Instance, tmp_path: Path) -> None:
    out(here, "run", "-d", "--name", "files", "busybox", "sleep", "1000")
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/file").write_text("content")
    (tmp_path / "a/link").symlink_to("b/file")
    out(here, "cp", str(tmp_path / "a"), "files:/tmp")
    assert out(here, "exec", "files", "cat", "/tmp/a/link") == "content"
    out(here, "cp", str(tmp_path / "a") + "/.", "files:/tmp/new")
    assert out(here, "exec", "files", "ls", "/tmp/new") == "b\nlink\n"
    out(here, "cp", "files:/tmp/a", str(tmp_path / "back"))
    assert (tmp_path / "back/link").read_text() == "content" and (tmp_path / "back/link").is_symlink()
    out(here, "cp", "files:/etc/passwd", str(tmp_path))
    assert (tmp_path / "passwd").read_text().startswith("root:")
    done = here.corral("cp", "files:/etc/group", "-")
    with tarfile.open(fileobj=io.BytesIO(done.stdout.encode())) as tar:
        assert tar.getnames() == ["group"]
    assert "lstat" in err(here, "cp", str(tmp_path / "none"), "files:/tmp", code=1)
    assert "Could not find" in err(here, "cp", "files:/none", str(tmp_path), code=1)
    assert "/etc/passwd/x: not a directory" in err(here, "cp", str(tmp_path / "passwd"), "files:/etc/passwd/x", code=1)
    assert "C /tmp" in out(here, "diff", "files")


def test_images(here: Instance, tmp_path: Path) -> None:
    assert out(here, "images").splitlines()[1].split()[:2] == ["busybox", "latest"]
    out(here, "tag", "busybox", "other:1")
    out(here, "save", "-o", str(tmp_path / "i.tar"), "other:1")
    assert "Untagged: other:1" in out(here, "rmi", "other:1")
    assert "Loaded image: other:1" in out(here, "load", "-i", str(tmp_path / "i.tar"))
    out(here, "run", "--name", "made", "busybox", "touch", "/made")
    out(here, "commit", "-m", "why", "-c", "ENV A=1", "made", "mine:1")
    assert "why" in out(here, "history", "mine:1")
    out(here, "export", "-o", str(tmp_path / "e.tar"), "made")
    out(here, "import", str(tmp_path / "e.tar"), "again")
    assert out(here, "run", "--rm", "again", "ls", "/made") == "/made\n"
    names = out(here, "images", "--format", "{{.Repository}}:{{.Tag}}").split()
    assert {"again:latest", "mine:1", "other:1", "busybox:latest"} <= set(names)
    out(here, "rm", "made")
    out(here, "rmi", "again", "mine:1", "other:1")
    assert "Total reclaimed space" in out(here, "prune", "-f")


def test_stats_and_events(here: Instance) -> None:
    out(here, "run", "-d", "--name", "busy", "busybox", "sleep", "1000")
    lines = out(here, "stats", "--no-stream").splitlines()
    assert lines[0].split()[:2] == ["CONTAINER", "ID"] and lines[1].split()[1] == "busy"
    out(here, "rm", "-f", "busy")
    lines = out(here, "events", "--since", "10m", "--until", "0s", "--filter", "container=busy").splitlines()
    actions = [line.split()[2] for line in lines]
    assert actions[:2] == ["create", "start"] or {"create", "start", "die", "destroy"} <= set(actions)


def test_ports_are_shown(here: Instance) -> None:
    out(here, "run", "-d", "--name", "port", "-p", "127.0.0.1::80", "busybox", "sleep", "1000")
    where = out(here, "port", "port", "80").strip()
    assert where.startswith("127.0.0.1:") and f"{where}->80/tcp" in out(here, "ps")
    assert out(here, "port", "port") == f"80/tcp -> {where}\n"
    assert "No public port" in err(here, "port", "port", "81", code=1)


def test_networks(here: Instance) -> None:
    id = out(
        here, "network", "create", "--subnet", "10.231.0.0/24", "--gateway", "10.231.0.7", "--label", "a=b", "shop"
    )
    try:
        assert out(here, "network", "ls", "-q", "-f", "label=a=b") == f"{id[:12]}\n"
        assert out(here, "network", "ls").splitlines()[0].split() == ["NETWORK", "ID", "NAME", "DRIVER", "SCOPE"]
        assert out(here, "network", "ls", "--no-trunc", "-f", "name=shop", "--format", "{{.ID}} {{.IPv6}}") == (
            f"{id.strip()} false\n"
        )
        out(here, "run", "-d", "--name", "web", "--stop-timeout", "1", "busybox", "sleep", "1000")
        out(here, "network", "connect", "--ip", "10.231.0.9", "--alias", "till", "shop", "web")
        assert "10.231.0.9/24" in out(here, "network", "inspect", "-f", "{{json .Containers}}", "shop")
        found = out(here, "run", "--rm", "--network", "shop", "busybox", "nslookup", "till", "127.0.0.11")
        assert "10.231.0.9" in found
        assert "has active endpoints" in err(here, "network", "rm", "shop", code=1)
        out(here, "network", "disconnect", "shop", "web")
        assert "is not connected to" in err(here, "network", "disconnect", "shop", "web", code=1)
        assert "lies in no --subnet" in err(here, "network", "create", "--gateway", "10.9.0.1", "x", code=1)
        assert "shop" in out(here, "__complete", "network", "rm", "s").split()
    finally:
        assert "shop" in out(here, "network", "prune", "-f")
    assert "not found" in err(here, "network", "inspect", "shop", code=1)
    assert out(here, "network", "rm", "--force", "shop") == "", "it was gone already"


def test_long_forms(here: Instance) -> None:
    out(here, "container", "run", "--name", "done", "busybox", "true")
    kinds = out(here, "system", "df", "--format", "{{.Type}} {{.TotalCount}}").splitlines()
    assert kinds[:3] == ["Images 1", "Containers 1", "Local Volumes 0"]
    assert "Deleted Containers" in out(here, "container", "prune", "-f")
    assert out(here, "container", "ls", "-aq") == ""
    assert "Total reclaimed space: 0B" in out(here, "image", "prune", "-f")
    assert "busybox" in out(here, "image", "ls")


def test_completion_knows_names(here: Instance) -> None:
    out(here, "run", "-d", "--name", "complete-me", "busybox", "sleep", "1000")
    assert out(here, "__complete", "logs", "comp") == "complete-me\n"
    assert out(here, "__complete", "run", "busy") == "busybox:latest\n"
    root = str(here.root)  # the shells give it among the words
    for words in (["--root", root, "rm"], [f"--root={root}", "rm"], ["rm", "--root", root]):
        done = subprocess.run(
            [*corral_command(), "__complete", *words, "comp"], capture_output=True, text=True, check=True
        )
        assert done.stdout == "complete-me\n"


def test_what_says_how_it_is(here: Instance) -> None:
    assert "is up (pid" in out(here, "status")
    assert "Daemon: " in out(here, "version") and "API 1.24 to 1.51" in out(here, "version")
    assert "Containers: 0" in out(here, "info")
    assert json.loads(out(here, "info", "-f", "json"))["DockerRootDir"] == str(here.root)
    assert "up (pid" in here.corral("doctor").stdout
    assert "is up already" in out(here, "up", "--detach")


def test_an_ended_reader_is_no_error(here: Instance) -> None:
    out(here, "run", "--name", "many", "busybox", "seq", "100000")
    line = f"{' '.join(corral_command())} --root {here.root} logs many | head -n 1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", line], capture_output=True, text=True)
    assert done.stdout == "1\n" and done.stderr == ""
    eventually(lambda: out(here, "ps", "-q") == "", "nothing runs")


@needs("curl")
def test_the_tour_of_networks_in_the_documentation(here: Instance) -> None:
    text = (Path(__file__).parents[3] / "docs/networks.md").read_text()
    tour, port = text.partition("```sh\n")[2].partition("```")[0], str(free_port())
    command = " ".join([*corral_command(), "--root", str(here.root)])
    for line in filter(None, tour.splitlines()):
        typed = line.replace("corral ", f"{command} ", 1).replace("8080", port).replace("prune", "prune -f")
        done = subprocess.run(["sh", "-c", typed], capture_output=True, text=True, timeout=60)
        said = line.partition("#")[2].strip().partition(":")[0]
        assert (done.returncode != 0) is said.startswith("bad address"), f"{line}: {done.stdout}{done.stderr}"
        if said in ("hello", "bad address"):
            assert said in done.stdout + done.stderr


def test_a_name_that_is_a_way_out_of_its_place_is_none(here: Instance) -> None:
    """The daemon leads such a path elsewhere, as dockerd does: nothing is said to have been done."""
    for words in (
        "rm -f ../x",
        "inspect ../x",
        "network rm ../x",
        "volume rm ../x",
        "rmi ../x",
        "start a/../b",
        "cp ../x:/a .",
    ):
        done = here.corral(*words.split())
        assert done.returncode and not done.stdout.strip("[]\n"), (words, done)
        assert "Traceback" not in done.stderr and done.stderr.strip(), (words, done)
