"""Afternoon: in a container that lives: exec, attach, logs, files, what it does."""

from __future__ import annotations

import re

from tests.compat.day.step import Day, Outcome, Step
from tests.support.wait import eventually


def _exec_terminal(day: Day) -> Outcome:
    with day.terminal("exec", "-it", "web", "sh") as t:
        t.expect("# ")
        t.send('s=24; until stty size | grep "$s 80"; do sleep 0.1; done; echo $HOSTNAME | wc -c; exit 5\r')
        t.expect("24 80")
        return Outcome(t.wait(), "")


def _exec_detach_keys(day: Day) -> Outcome:
    with day.terminal("exec", "-it", "--detach-keys", "ctrl-x,x", "web", "sh") as t:
        t.expect("# ")
        t.send("\x18x")
        code = t.wait()
    return Outcome(code, "", "")


def _attach_and_detach(day: Day) -> Outcome:
    day.docker("run", "-dit", "--name", "attached", "busybox", "sh")
    with day.terminal("attach", "attached") as t:
        t.send("echo one-$((1+1))\r")
        t.expect("one-2")
        t.send("\x10\x11")  # ctrl-p ctrl-q
        first = t.wait()
    running = day.docker("inspect", "-f", "{{.State.Running}}", "attached").out
    with day.terminal("attach", "attached") as t:
        t.send("echo two-$((1+1)); exit 6\r")
        t.expect("two-2")
        second = t.wait()
    day.docker("rm", "-f", "attached")
    return Outcome(second, f"{first} {running}")


def _attach_no_stdin(day: Day) -> Outcome:
    day.docker(
        "run",
        "-d",
        "--name",
        "talker",
        "busybox",
        "sh",
        "-c",
        "while [ ! -e /go ]; do echo hello; sleep 0.05; done; echo bye; exit 8",
    )
    go = lambda: day.docker("exec", "talker", "touch", "/go")  # noqa: E731
    outcome = day.following("attach", "--no-stdin", "talker", begun="hello", during=go)
    day.docker("rm", "-f", "talker")
    return Outcome(outcome.code, outcome.out.replace("hello\n", ""), outcome.err)


def _run_detached_keys(day: Day) -> Outcome:
    with day.terminal("run", "-it", "--name", "keys", "--detach-keys", "a,b", "busybox", "sh") as t:
        t.expect("# ")
        t.send("ab")
        code = t.wait()
    running = day.docker("inspect", "-f", "{{.State.Running}}", "keys").out
    day.docker("rm", "-f", "keys")
    return Outcome(code, running)


def _logs_follow(day: Day) -> Outcome:
    """Each line once the one before is in the log: what a logger finds at one time may get one time."""
    script = "for i in 1 2 3 4 5; do echo line $i; until [ -e /$i ]; do sleep 0.05; done; done; echo end >&2"
    day.docker("run", "-d", "--name", "follow", "busybox", "sh", "-c", script)

    def one_by_one() -> None:
        for number in range(1, 6):
            eventually(lambda: day.docker("logs", "follow").out.count("\n") >= number, f"{number} lines")  # noqa: B023
            day.docker("exec", "follow", "touch", f"/{number}")

    return day.following("logs", "-f", "follow", during=one_by_one)


def _logs_since(day: Day) -> Outcome:
    lines = day.docker("logs", "-t", "follow").out.splitlines()
    third = lines[2].split()[0]
    return day.docker("logs", "--since", third, "follow")


def _logs_until(day: Day) -> Outcome:
    lines = day.docker("logs", "-t", "follow").out.splitlines()
    third = lines[2].split()[0]
    return day.docker("logs", "--until", third, "follow")


def _logs_times(day: Day) -> Outcome:
    done = day.docker("logs", "-t", "--tail", "2", "follow")
    shape = all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z line \d$", line) for line in done.out.splitlines())
    return Outcome(done.code, f"{shape} {len(done.out.splitlines())}")


def _copy_in_and_out(day: Day) -> Outcome:
    with open(f"{day.folder}/file", "w") as file:
        file.write("from the host\n")
    steps = [
        day.docker("cp", f"{day.folder}/file", "web:/tmp/in"),
        day.docker("exec", "web", "cat", "/tmp/in"),
        day.docker("exec", "web", "sh", "-c", "mkdir -p /tmp/d/e; echo deep > /tmp/d/e/f; ln -s e/f /tmp/d/link"),
        day.docker("cp", "web:/tmp/d", f"{day.folder}/out"),
        day.docker("cp", "-L", "web:/tmp/d/link", f"{day.folder}/followed"),
        day.docker("cp", "web:/tmp/d/e/f", "-"),
    ]
    with open(f"{day.folder}/out/e/f") as deep, open(f"{day.folder}/followed") as followed:
        copied = deep.read() + followed.read()
    codes = [step.code for step in steps]
    return Outcome(max(codes), f"{codes} {steps[1].out}{copied}{len(steps[-1].out)}")


def _stats(day: Day) -> Outcome:
    done = day.docker("stats", "--no-stream", "--format", "{{.Name}} {{.PIDs}} {{.MemUsage}}", "web")
    return Outcome(done.code, re.sub(r"\d+ ", "N ", done.out, count=1), done.err)


def _stats_stream(day: Day) -> Outcome:
    done = day.following("stats", "--format", "{{.Name}}", "web", until="(?s)web.*web")
    return Outcome(0, str("web" in done.out))


def _top(day: Day) -> Outcome:
    done = day.docker("top", "web", "-o", "pid,comm")
    lines = [re.sub(r"^\d+ +", "N ", line) for line in done.out.splitlines()]
    # Whether another sleeps or forks is a race, and its number may be the lower one.
    return Outcome(done.code, "\n".join([*lines[:1], *(line for line in lines if line.endswith(" sh"))][:2]), done.err)


STEPS = [
    Step("exec", "exec web echo hi", out="^hi\n$"),
    Step("exec code", "exec web sh -c 'exit 9'", code=9),
    Step("exec stdin", "exec -i web cat", stdin="through\n", out="^through\n$"),
    Step(
        "exec env, user, dir",
        "exec -e Q=r -u www-data -w /tmp web sh -c 'echo $Q $X; id -u; pwd'",
        out="^r y\n33\n/tmp\n$",
    ),
    Step("exec both streams", "exec web sh -c 'echo out; echo err >&2'", out="^out\n$", err="^err\n$"),
    Step("exec -d", "exec -d web touch /tmp/detached"),
    Step("exec -d happened", "exec web ls /tmp/detached", out="/tmp/detached"),
    Step(
        "exec privileged",
        "exec --privileged web grep CapEff /proc/self/status",
        out="CapEff",
        compare="",
        why="a host may lack capabilities: dockerd fails then",
    ),
    Step("exec missing program", "exec web nosuch", code=127, compare="", why="20.10 says 126"),
    Step("exec not executable", "exec web /etc/passwd", code=126, compare="c", why="words around it"),
    Step(
        "exec bad user",
        "exec -u nosuch web true",
        code=1,
        err="unable to find user nosuch: no matching entries in passwd file",
        compare="",
        why="known before anything is started since 28.2; 20.10 starts it, and says 126",
    ),
    Step("exec bad dir", "exec -w /no/such web true", code=(126, 127), compare="", why="releases differ in the code"),
    Step("exec in nosuch", "exec nosuch true", code=1, err="No such container: nosuch"),
    Step("exec terminal", _exec_terminal, code=5),
    Step("exec detach keys", _exec_detach_keys, code=1, compare="", why="28 says 0 or 1 by version"),
    Step("attach and detach", _attach_and_detach, code=6, out="[01] true"),
    Step("attach without stdin", _attach_no_stdin, code=8, out="bye"),
    Step("run with detach keys", _run_detached_keys, out="true"),
    Step("attach to nosuch", "attach nosuch", code=1, err="No such container: nosuch"),
    Step("logs", "logs web", out="^started\n$"),
    Step("logs of nosuch", "logs nosuch", code=1, err="No such container: nosuch"),
    Step("logs -f", _logs_follow, out="^line 1\nline 2\nline 3\nline 4\nline 5\n$", err="^end\n$"),
    Step("logs of two streams", "logs follow", out="line 5", err="end"),
    Step("logs tail", "logs --tail 2 follow", compare="c", why="order of the two streams"),
    Step("logs tail 0", "logs --tail 0 follow", out="^$"),
    Step("logs tail nonsense", "logs --tail x follow", compare="co"),
    Step("logs since", _logs_since, out="^line 3\nline 4\nline 5\n$"),
    Step("logs until", _logs_until, compare="co", out="^line 1\nline 2\n"),
    Step("logs times", _logs_times, out="True"),
    Step("logs since nonsense", "logs --since yesterday follow", code=1),
    Step("logs details", "logs --details --tail 1 follow"),
    Step("ps exited filter", "ps -a --filter exited=0 --format '{{.Names}}'", out="follow"),
    Step("ps status", "ps -a --filter name=follow --format '{{.Status}}'", out=r"^Exited \(0\) "),
    Step("start again", "start follow", out="^follow\n$"),
    Step("wait for it", "wait follow", out="^0\n$"),
    Step("start -a", "start -a follow", out="line 1\nline 2"),
    Step("start nosuch", "start nosuch", code=1, err="No such container: nosuch"),
    Step("rm follow", "rm follow"),
    Step("cp", _copy_in_and_out),
    Step(
        "cp missing",
        "cp web:/no/such {folder}/x",
        code=1,
        err="(?i)(Could not find the file /no/such in container web|no such)",
        compare="c",
        why="28 rewords",
    ),
    Step("cp to missing folder", "cp {folder}/file web:/no/such/", code=1, compare="c", why="28 rewords"),
    Step("cp to nosuch", "cp {folder}/file nosuch:/x", code=1, err="No such container"),
    Step("cp escapes not", "exec web ln -s ../../../../etc /tmp/escape"),
    Step("cp through a link", "cp {folder}/file web:/tmp/escape/escaped"),
    Step("it landed inside", "exec web ls /etc/escaped", out="/etc/escaped"),
    Step("diff web", "diff web", out="A /tmp/in", unordered=True),
    Step("top", _top, out="sh"),
    Step("top of nosuch", "top nosuch", code=1, err="No such container: nosuch"),
    Step("stats", _stats, out="web N"),
    Step("stats stream", _stats_stream, out="True"),
]
