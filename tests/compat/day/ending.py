"""Evening: what befalls containers: pause, other names and limits, ends, restart policies, health, events, ports."""
# ruff: noqa: E501 - a typed command is one line, whatever its length

from __future__ import annotations

import json
import re
import time

from tests.compat.day.step import Day, Outcome, Step, pause
from tests.support.wait import eventually


def _health(day: Day) -> Outcome:
    day.docker(
        "run", "-d", "--name", "sick", "--health-cmd", "test -e /well && echo fine", "--health-interval", "200ms",
        "--health-retries", "2", "busybox", "sleep", "100",
    )  # fmt: skip

    def status(wanted: str) -> str:
        eventually(
            lambda: day.docker("inspect", "-f", "{{.State.Health.Status}}", "sick").out.strip() == wanted,
            wanted,
            seconds=20,
        )
        return wanted

    seen = [status("unhealthy"), day.docker("ps", "--filter", "health=unhealthy", "--format", "{{.Names}}").out.strip()]
    day.docker("exec", "sick", "touch", "/well")
    seen.append(status("healthy"))
    log = json.loads(day.docker("inspect", "-f", "{{json .State.Health}}", "sick").out)
    seen.append(
        f"{log['FailingStreak']} {log['Log'][-1]['ExitCode']} {log['Log'][-1]['Output'].strip()} {len(log['Log']) <= 5}"
    )
    seen.append(
        re.sub(r"Up .* \(", "Up (", day.docker("ps", "--filter", "name=sick", "--format", "{{.Status}}").out.strip())
    )
    day.docker("rm", "-f", "sick")
    return Outcome(0, "\n".join(seen))


def _restart_on_failure(day: Day) -> Outcome:
    day.docker(
        "run", "-d", "--name", "phoenix", "--restart", "on-failure:2", "busybox", "sh", "-c", "echo life; exit 3"
    )
    eventually(
        lambda: day.docker("inspect", "-f", "{{.RestartCount}} {{.State.Status}}", "phoenix").out == "2 exited\n",
        "two restarts",
        seconds=20,
    )
    return day.docker("logs", "phoenix")


def _stop_politely(day: Day) -> Outcome:
    """Once it listens to the signal: the first of all processes ignores those that it does not."""
    eventually(lambda: day.docker("logs", "polite").out == "up\n", "it has set its trap")
    return day.docker("stop", "polite")


def _restart_always(day: Day) -> Outcome:
    day.docker("run", "-d", "--name", "again", "--restart", "always", "busybox", "sh", "-c", "echo up; sleep 0.2")
    eventually(lambda: day.docker("logs", "again").out.count("up") >= 3, "it came up three times", seconds=20)
    stopped = day.docker("stop", "-t", "1", "again")
    pause(1)
    state = day.docker("inspect", "-f", "{{.State.Running}} {{.HostConfig.RestartPolicy.Name}}", "again")
    day.docker("rm", "-f", "again")
    return Outcome(stopped.code, state.out)


def _events(day: Day) -> Outcome:
    format_ = "{{.Type}} {{.Action}} {{.Actor.Attributes.name}} {{.Actor.Attributes.exitCode}}"

    def work() -> None:
        day.docker("run", "--rm", "--network", "none", "--name", "eventful", "busybox", "sh", "-c", "exit 4")

    # What was there when it began to listen counts, too: the client may take its time.
    words = ("events", "--since", f"{time.time():.6f}", "--filter", "container=eventful", "--format", format_)
    outcome = day.following(*words, during=work, until="container destroy .*\n")
    return Outcome(0, outcome.out)


def _events_past(day: Day) -> Outcome:
    done = day.docker(
        *("events", "--since", "60s", "--until", f"{time.time():.6f}"),  # "0s" would be this second's begin
        *("--filter", "container=eventful", "--filter", "event=die"),
    )
    return Outcome(done.code, re.sub(r"\(.*\)", "", done.out), done.err)


def _rm_waits(day: Day) -> Outcome:
    day.docker("run", "-d", "--name", "waited", "busybox", "sh", "-c", "sleep 0.5; exit 12")
    return day.docker("wait", "waited")


def _ports(day: Day) -> Outcome:
    made = day.docker(
        "run",
        "-d",
        "--name",
        "ported",
        "-p",
        "127.0.0.1:18080:80",
        "-p",
        "81/udp",
        "--expose",
        "82",
        "busybox",
        "httpd",
        "-f",
    )
    fetched = day.docker(
        "run",
        "--rm",
        "--network",
        "host",
        "busybox",
        "sh",
        "-c",
        "until wget -q -O- http://127.0.0.1:18080/etc/group; do sleep 0.1; done | head -1",
    )
    ports = sorted(day.docker("port", "ported").out.splitlines())  # older clients list them in any order
    return Outcome(made.code, "\n".join([fetched.out.strip(), *ports]), made.err)


def _port_taken(day: Day) -> Outcome:
    taken = day.docker("run", "--name", "loser", "-p", "127.0.0.1:18080:80", "busybox", "true")
    state = day.docker("inspect", "-f", "{{.State.Status}}", "loser")
    day.docker("rm", "-f", "loser")
    return Outcome(
        taken.code, state.out, re.sub(r"\(\w+\)|listen tcp4 .*: bind: address already in use", "", taken.err)
    )


def _pause(day: Day) -> Outcome:
    outputs = [
        day.docker("pause", "web"),
        day.docker("inspect", "-f", "{{.State.Status}} {{.State.Paused}} {{.State.Running}}", "web"),
        day.docker("ps", "--filter", "status=paused", "--format", "{{.Names}} {{.Status}}"),
        day.docker("exec", "web", "true"),
        day.docker("pause", "web"),
        day.docker("unpause", "web"),
        day.docker("unpause", "web"),
    ]
    return Outcome(0, " ".join(str(o.code) for o in outputs), "".join(o.out + o.err for o in outputs))


STEPS = [
    Step("pause", _pause, out=""),
    Step("rename", "rename web site"),
    Step("rename took", "inspect -f '{{.Name}}' site", out="/site"),
    Step(
        "rename to itself",
        "rename site site",
        code=1,
        err="Renaming a container with the same name as its current name",
    ),
    Step("rename to nonsense", "rename site 'a b'", code=1, err="Invalid container name"),
    Step("rename nosuch", "rename nosuch x", code=1, err="No such container: nosuch"),
    Step("rename back", "rename site web"),
    Step("update", "update --memory 64m --memory-swap 128m --cpus 0.5 web", out="^web\n$"),
    Step("update took", "inspect -f '{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}}' web", out="67108864 500000000"),
    Step("update restart", "update --restart unless-stopped web", out="web"),
    Step("update restart took", "inspect -f '{{.HostConfig.RestartPolicy.Name}}' web", out="unless-stopped"),
    Step("update back", "update --restart no web"),
    Step("update nosuch", "update --memory 64m nosuch", code=1, err="No such container: nosuch"),
    Step("update nonsense", "update --memory 1k web", code=1, err="Minimum memory limit allowed is 6MB"),
    Step("network of another", "run --rm --network container:web busybox hostname", out="^webhost\n$"),
    Step("pid of another", "run --rm --pid container:web busybox ps", out="trap", compare="c", why="pids"),
    Step(
        "network of another with a port",
        "run --rm --network container:web -p 1:1 busybox true",
        code=125,
        err="conflicting options",
    ),
    Step("stop", "stop web", out="^web\n$"),
    Step("stopped", "inspect -f '{{.State.Status}} {{.State.ExitCode}}' web", out="exited 0"),
    Step("stop again", "stop web", out="^web\n$"),
    Step("exec in a stopped one", "exec web true", code=1, err="is not running"),
    Step(
        "attach to a stopped one", "attach web", code=1, err="You cannot attach to a stopped container, start it first"
    ),
    Step("kill a stopped one", "kill web", code=1, err="is not running"),
    Step("pause a stopped one", "pause web", code=1, err="is not running"),
    Step("top of a stopped one", "top web", code=1, err="is not running"),
    Step("restart", "restart -t 1 web", out="^web\n$"),
    Step("start a running one", "start web", out="^web\n$"),
    Step(
        "rm a running one",
        "rm web",
        code=1,
        err="You cannot remove a running container|container is running",
        compare="co",
        why="reworded in 25",
    ),
    Step("kill", "kill web", out="^web\n$"),
    Step("killed", "wait web", out="^137\n$"),
    Step(
        "kill by too high a number",
        "kill -s 99 web",
        code=1,
        err="does not support signal 99",
        compare="co",
        why="28 says what was tried",
    ),
    Step(
        "kill nonsense", "kill -s NOSUCH web", code=1, err="nvalid signal", compare="co", why="28 says what was tried"
    ),
    Step("rm", "rm web", out="^web\n$"),
    Step("rm again", "rm web", code=1, err="No such container: web"),
    Step("rm -f nosuch", "rm -f nosuch", compare="", code=0, why="20.10's client says 1, newer 0"),
    Step("stop needs a kill", "run -d --name stubborn busybox sh -c 'trap \"\" TERM; while :; do sleep 0.1; done'"),
    Step("stop -t 1", "stop -t 1 stubborn"),
    Step("was killed", "inspect -f '{{.State.ExitCode}} {{.State.Status}}' stubborn", out="137 exited"),
    Step("rm stubborn", "rm stubborn"),
    Step(
        "stop signal",
        "run -d --name polite --stop-signal USR2 --stop-timeout 30 busybox sh -c 'trap \"exit 21\" USR2; echo up; while :; do sleep 0.05; done'",
    ),
    Step("stop it", _stop_politely),
    Step("ended politely", "wait polite", out="^21\n$"),
    Step("rm polite", "rm polite"),
    Step("wait", _rm_waits, out="^12\n$"),
    Step("wait again", "wait waited", out="^12\n$"),
    Step("rm waited", "rm waited"),
    Step("wait nosuch", "wait nosuch", code=1, err="No such container: nosuch"),
    Step("health", _health, out="unhealthy\nsick\nhealthy\n0 0 fine True\nUp \\(healthy\\)"),
    Step(
        "health with a short interval",
        "run --rm --health-cmd true --health-interval 1us busybox true",
        code=125,
        err="cannot be less than",
    ),
    Step("restart on failure", _restart_on_failure, out="^life\nlife\nlife\n$"),
    Step("it counted", "inspect -f '{{.RestartCount}} {{.State.ExitCode}}' phoenix", out="2 3"),
    Step("rm phoenix", "rm phoenix"),
    Step("restart always", _restart_always, out="false always"),
    Step("events", _events, out="container create eventful"),
    Step("events of the past", _events_past, out="container die"),
    Step(
        "events nonsense",
        "events --filter nosuch=1 --since 2h --until 1h",
        out="^$",
    ),
    Step("volume create", "volume create --label a=b vol", out="^vol\n$"),
    Step("volume create again", "volume create vol", out="^vol\n$"),
    Step("volume bad name", "volume create ../x", code=1, err="includes invalid characters for a local volume name"),
    Step("volume bad driver", "volume create -d nosuch y", code=1, err="nosuch"),
    Step("volume ls", "volume ls", out=r"^DRIVER +VOLUME NAME\nlocal +vol\n$"),
    Step("volume ls filter", "volume ls -q --filter label=a=b", out="^vol\n$"),
    Step(
        "volume inspect",
        "volume inspect -f '{{.Name}} {{.Driver}} {{.Scope}} {{json .Labels}}' vol",
        out='vol local local {"a":"b"}',
    ),
    Step(
        "volume inspect nosuch",
        "volume inspect nosuch",
        code=1,
        err="(?i)no such volume",
        compare="co",
        why="28 lowers the N",
    ),
    Step("volume write", "run --rm -v vol:/v busybox sh -c 'echo kept > /v/f'"),
    Step("volume read", "run --rm -v vol:/v:ro busybox cat /v/f", out="^kept\n$"),
    Step("volume read-only", "run --rm -v vol:/v:ro busybox touch /v/g", code=1, err="Read-only"),
    Step("volume mount flag", "run --rm --mount type=volume,src=vol,dst=/v,readonly busybox cat /v/f", out="kept"),
    Step("volume in use", "run -d --name user -v vol:/v busybox sleep 100"),
    Step("volume rm in use", "volume rm vol", code=1, err="volume is in use - \\["),
    Step("ps filter volume", "ps --filter volume=vol --format '{{.Names}}'", out="^user\n$"),
    Step("volumes-from", "run --rm --volumes-from user busybox cat /v/f", out="kept"),
    Step(
        "inspect mounts",
        "inspect -f '{{range .Mounts}}{{.Type}} {{.Name}} {{.Destination}} {{.RW}}{{end}}' user",
        out="volume vol /v true",
    ),
    Step("rm user", "rm -fv user"),
    Step("the volume stays", "volume ls -q", out="^vol\n$"),
    Step("volume rm", "volume rm vol"),
    Step("volume rm nosuch", "volume rm nosuch", code=1, err="[Nn]o such volume", compare="co", why="28 lowers the N"),
    Step("bind", "run --rm -v {folder}:/host busybox sh -c 'echo made > /host/made; cat /host/made'", out="made"),
    Step("bind read-only", "run --rm -v {folder}:/host:ro busybox touch /host/no", code=1, err="Read-only"),
    Step("bind makes its source", "run --rm -v {folder}/new/deep:/host busybox ls -d /host", out="/host"),
    Step("tmpfs mount", "run --rm --mount type=tmpfs,dst=/t,tmpfs-size=1048576 busybox df -k /t", out="1024"),
    Step("ports", _ports, out="root:x:0:"),
    Step("port of one", "port ported 80", out="127.0.0.1:18080"),
    Step("port of none", "port ported 99", code=1, compare="c", why="28 rewords"),
    Step(
        "ps ports",
        "ps --filter name=ported --format '{{.Ports}}'",
        out="127.0.0.1:18080->80/tcp",
        compare="c",
        why="IPv6 bindings",
    ),
    Step("ps publish", "ps --filter publish=18080 --format '{{.Names}}'", out="ported"),
    Step("ps expose", "ps --filter expose=82 --format '{{.Names}}'", out="ported"),
    Step(
        "port taken",
        _port_taken,
        code=125,
        out="created",
        err="port is already allocated",
        compare="co",
        why="words around the cause",
    ),
    Step("rm ported", "rm -f ported"),
    Step(
        "network ls",
        "network ls --format '{{.Name}} {{.Driver}} {{.Scope}}'",
        out="bridge bridge local\nhost host local\nnone null local",
    ),
    Step(
        "network inspect", "network inspect -f '{{.Name}} {{.Driver}} {{.Internal}}' bridge", out="bridge bridge false"
    ),
    Step("network rm bridge", "network rm bridge", code=1, err="bridge is a pre-defined network and cannot be removed"),
    Step("log driver none", "run --name silent --log-driver none busybox echo spoken", out="spoken"),
    Step("no logs", "logs silent", code=1, err="configured logging driver does not support reading"),
    Step("rm silent", "rm silent"),
    Step(
        "rotation",
        "run --name chatty --log-opt max-size=10k --log-opt max-file=2 busybox sh -c 'for i in $(seq 3000); do echo line $i; done'",
        compare="c",
        why="long",
    ),
    Step("rotated logs end with the last", "logs --tail 1 chatty", out="^line 3000\n$"),
    Step("rm chatty", "rm chatty"),
    Step("create and start -ai", "create -i --name cat busybox cat"),
    Step("start -ai", "start -ai cat", stdin="fed\n", out="^fed\n$"),
    Step("rm cat", "rm cat"),
    Step("container prune setup", "run --name dusty busybox true"),
    Step("container prune", "container prune -f", out="Deleted Containers:\n[0-9a-f]{64}"),
    Step("nothing left", "ps -aq", out="^$"),
    Step(
        "system prune", "system prune -f", out="Total reclaimed space", compare="c", why="the network and build lines"
    ),
]
