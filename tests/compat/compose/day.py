"""A day with Compose: everything that people type, in an order in which they might, on the stack beside this file.

Each step is checked for Compose 2 and, where `old` says so, for 1.29, whose words differ. `{…}` in what is typed or
expected is filled in from what the day knows: `{folder}`, `{name}` (the project's) and `{dash}` (between the parts of
a container's name).
"""
# ruff: noqa: E501 - a typed command is one line, whatever its length

from __future__ import annotations

import json
import re
import shlex
import shutil
import signal
import subprocess
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.compat.day.step import Outcome
from tests.support.endpoint import Endpoint
from tests.support.instance import Instance
from tests.support.wait import eventually

STACK = Path(__file__).parent / "stack"


class Day:
    """One client's day with one daemon, in a copy of the stack. With `command` empty, `corral compose` is the client."""

    def __init__(self, endpoint: Endpoint, command: list[str], folder: Path, *, old: bool = False) -> None:
        self.endpoint, self.command, self.folder, self.old = endpoint, command, folder, old
        self.name, self.dash = ("herd", "-") if not old else ("oldherd", "_")
        shutil.copytree(STACK, folder, dirs_exist_ok=True)
        if old:
            text = plan_old((folder / "compose.yaml").read_text())
            (folder / "compose.yaml").unlink()
            (folder / "docker-compose.yml").write_text(text)

    def fill(self, text: str) -> str:
        for key, value in (("folder", str(self.folder)), ("name", self.name), ("dash", self.dash)):
            text = text.replace(f"{{{key}}}", value)
        return text

    def env(self, **more: str) -> dict[str, str]:
        return self.endpoint.env({"COMPOSE_PROJECT_NAME": self.name, "COMPOSE_ANSI": "never", **more})

    def compose(self, *words: str, timeout: float = 90, **env: str) -> Outcome:
        done = subprocess.run(
            [*self.command, *words], cwd=self.folder, env=self.env(**env), capture_output=True, timeout=timeout, stdin=subprocess.DEVNULL
        )  # fmt: skip
        return Outcome(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))

    def meanwhile(self, *words: str, until: str, during: Callable[[], object] = lambda: None) -> Outcome:
        """Starts a command that goes on, does `during`, waits for `until` (a pattern) on stdout, ends it by SIGINT."""
        process = subprocess.Popen(
            [*self.command, *words], cwd=self.folder, env=self.env(PYTHONUNBUFFERED="1"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
        )  # fmt: skip
        assert process.stdout
        seen = b""
        try:
            during()
            while not re.search(until, seen.decode(errors="replace"), re.DOTALL):
                piece = process.stdout.read1()  # type: ignore[attr-defined]
                if not piece:
                    break
                seen += piece
        finally:
            process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        return Outcome(process.returncode, (seen + out).decode(errors="replace"), err.decode(errors="replace"))

    def inspect(self, service: str, number: int = 1) -> object:
        return self.endpoint.inspect(f"{self.name}{self.dash}{service}{self.dash}{number}")

    def published(self) -> str:
        """What the published port answers."""
        address = self.compose("port", "web", "80").out.strip()
        return eventually(lambda: _get(address), f"http://{address} answers")


def _get(address: str) -> str:
    try:
        with urllib.request.urlopen(f"http://{address}/", timeout=5) as answer:
            return str(answer.read().decode())
    except OSError:
        return ""


def plan_old(text: str) -> str:
    """The stack as Compose 1.29 takes it: without a name, and without configs, which it had for swarms only. Pure.

    >>> plan_old("name: x\\nservices:\\n  a:\\n    configs: [b]\\nconfigs:\\n  b: {}\\n")
    'version: "3.9"\\nservices:\\n  a:\\n'
    """
    text = re.sub(r"(?m)^(name:|    configs:).*\n|, pids: \d+", "", text)
    return 'version: "3.9"\n' + text.partition("\nconfigs:")[0].rstrip("\n") + "\n"


@dataclass(frozen=True)
class Step:
    """`does` is what is typed behind "compose", or a function for what needs hands. `old`: also with Compose 1.29."""

    name: str
    does: str | Callable[[Day], Outcome]
    code: int = 0
    out: str = ""
    err: str = ""
    old: bool = True

    def run(self, day: Day) -> Outcome:
        if callable(self.does):
            return self.does(day)
        return day.compose(*shlex.split(day.fill(self.does)))

    def misses(self, day: Day, answer: Outcome) -> str:
        """How the answer differs from what the script says; "" when it does not."""
        found = [] if answer.code == self.code else [f"exit {answer.code}, not {self.code}"]
        for wanted, text, where in ((self.out, answer.out, "stdout"), (self.err, answer.err, "stderr")):
            if not re.search(day.fill(wanted), text):
                found.append(f"no {wanted!r} on {where}")
        return "; ".join(found)


def _follow(day: Day) -> Outcome:
    """Logs are followed while another speaks."""
    speak = lambda: day.compose("exec", "-T", "db", "sh", "-c", "echo spoken >/proc/1/fd/1")  # noqa: E731
    return day.meanwhile("logs", "-f", "--no-color", "db", until="spoken", during=speak)


def _events(day: Day) -> Outcome:
    def listeners() -> int:
        return int(day.endpoint.get("/info").json["NEventsListener"])

    before = listeners()

    def restart() -> None:
        eventually(lambda: listeners() > before, "Compose listens", seconds=30)
        day.compose("restart", "-t", "1", "web")

    heard = day.meanwhile("events", "--json", until='"action": ?"start"', during=restart)
    seen = [json.loads(line) for line in heard.out.splitlines() if line.startswith("{")]
    return Outcome(heard.code, " ".join(e["action"] for e in seen if e["service"] == "web"))


def _attached(day: Day) -> Outcome:
    """Up in the foreground, then ^C: all of it is stopped. Compose starts what it has begun to start; so all has."""
    heard = day.meanwhile("up", "--no-color", until="db ready.*web started")
    state = day.compose("ps", "-q").out if not day.old else ""
    return Outcome(heard.code, f"{'db ready' in heard.out} {state!r}")


def _limits(day: Day) -> Outcome:
    host = day.inspect("db")["HostConfig"]  # type: ignore[index]
    return Outcome(
        0,
        f"{host['Memory']} {host['NanoCpus']} {host['RestartPolicy']['Name']} {day.inspect('api')['HostConfig']['RestartPolicy']['Name']}",
    )  # type: ignore[index]


def _order(day: Day) -> Outcome:
    """When the services were started: those that others depend on first."""
    begun = {service: day.inspect(service)["State"]["StartedAt"] for service in ("db", "migrate", "api", "web")}  # type: ignore[index]
    return Outcome(0, " ".join(sorted(begun, key=begun.__getitem__)))


def _names(day: Day) -> Outcome:
    """Three containers of a service: its name is all their addresses."""
    said = day.compose("exec", "-T", "web", "nslookup", "api", "127.0.0.11").out
    found = set(re.findall(r"Address: (\d+\.\d+\.\d+\.\d+)", said))
    networks = [day.inspect("api", n)["NetworkSettings"]["Networks"] for n in (1, 2, 3)]  # type: ignore[index]
    wanted = {each[f"{day.name}_front"]["IPAddress"] for each in networks}
    return Outcome(0, f"{len(found)} {found == wanted}")


def _copy(day: Day) -> Outcome:
    (day.folder / "sent").write_text("sent and brought back")
    first = day.compose("cp", "sent", "db:/tmp/sent")
    second = day.compose("cp", "db:/tmp/sent", "back")
    return Outcome(first.code or second.code, (day.folder / "back").read_text())


def _changed(day: Day) -> Outcome:
    """Only the service that another word in the environment changes is made anew."""
    before = {service: day.compose("ps", "-q", service).out for service in ("db", "api")}
    done = day.compose("up", "-d", MODE="night")
    after = {service: day.compose("ps", "-q", service).out for service in ("db", "api")}
    said = day.compose("exec", "-T", "api", "sh", "-c", "echo $MODE").out.strip()
    return Outcome(done.code, f"{said} {before['db'] == after['db']} {before['api'] == after['api']}", done.err)


def _killed(day: Day) -> Outcome:
    """The daemon is killed and started again; the stack answers all the while, and Compose finds it as it was."""
    assert isinstance(day.endpoint, Instance)
    day.endpoint.kill_daemon()
    day.endpoint.up()
    return Outcome(
        0, f"{day.published()}{day.compose('exec', '-T', 'web', 'wget', '-qO-', 'http://api:8000/name').code}"
    )


def _left(day: Day) -> Outcome:
    """What of the project is there still."""
    containers = [c["Names"] for c in day.endpoint.get("/containers/json", query={"all": 1}).json]
    volumes = [v["Name"] for v in day.endpoint.get("/volumes").json["Volumes"] or []]
    networks = [n["Name"] for n in day.endpoint.get("/networks").json if n["Name"].startswith(day.name)]
    return Outcome(0, f"{containers} {volumes} {networks}")


STEPS = [
    Step("config", "config --services", out="(?s)db.*migrate.*api.*web"),
    Step("config, whole", "config", out="(?s)store.*herd.base"),
    Step("config, profiles", "--profile tools config --services", out="tool"),
    Step("config, a mistake", "-f nosuch.yaml config", code=1, err="nosuch.yaml", old=False),
    Step("pull, no registry", "pull --ignore-pull-failures -q db", old=False),
    Step("up", "up -d", err="(?s){name}_back.*{name}_data.*db"),
    Step("order", _order, out="^db migrate api web$"),
    Step("up again", "up -d", err="(?i)Running|up-to-date"),
    Step("ps", "ps", out="{name}{dash}db{dash}1 .*healthy"),
    Step("ps, json", "ps --format json web", out='"State":"running"', old=False),
    Step("ps, all", "ps -a", out="(?i){name}{dash}migrate{dash}1 .*exit(ed)? \\(?0"),
    Step("ls", "ls -q", out="^{name}\n$", old=False),
    Step("logs", "logs --no-color migrate", out=r"migrate[-_]1 +\| migrated"),
    Step("logs, follow", _follow, code=130, out="(?s)db ready.*spoken", old=False),
    Step("exec", "exec -T api sh -c 'echo $FROM_FILE'", out="^milk\n$"),
    Step("exec, code", "exec -T api sh -c 'exit 9'", code=9),
    Step("exec, input", "exec -T -u 1:2 -w /tmp -e A=b api sh -c 'id -u; pwd; echo $A'", out="^1\n/tmp\nb\n$"),
    Step("run, of a profile", "run --rm -T tool", code=3, out="tool of night"),
    Step("run, one more", "run --rm -T --no-deps -e MODE=once api sh -c 'echo $MODE'", out="^once\n$"),
    Step("secret", "exec -T db cat /run/secrets/password", out="^secret$"),
    Step("config file", "exec -T api cat /etc/settings", out="grass = green", old=False),
    Step("environment of the caller", "exec -T api sh -c 'echo $MODE'", out="^day\n$"),
    Step("limits", _limits, out="^67108864 500000000 (no)? ?on-failure$"),
    Step("alias", "exec -T api wget -qO- http://store:5432/count", out="^0\n$"),
    Step("service", "exec -T web wget -qO- http://api:8000/name", out="^[0-9a-f]{12}\n$"),
    Step("not on that network", "exec -T web wget -qO- http://db:5432/count", code=1, err="bad address 'db:5432'"),
    Step("port", "port web 80", out=r"^127\.0\.0\.1:\d+\n$"),
    Step("published", lambda day: Outcome(0, day.published()), out="^hello\n$"),
    Step("read-only", "exec -T web touch /x", code=1, err="Read-only file system"),
    Step("top", "top api", out="httpd -f -p 8000"),
    Step("images", "images", out="busybox +latest"),
    Step("scale", "up -d --no-recreate --scale api=3", err="(?i)api.*(started|done)"),
    Step("all addresses", _names, out="^3 True$"),
    Step("scale down", "up -d --no-recreate --scale api=1"),
    Step("cp", _copy, out="^sent and brought back$", old=False),
    Step("stats", "stats --no-stream --format '{{.Name}}'", out="{name}-web-1", old=False),
    Step("pause", "pause db", err="(?i)paus"),
    Step("ps, paused", "ps db", out="(?i)paused"),
    Step("unpause", "unpause db"),
    Step("events", _events, code=130, out="kill die stop.*start", old=False),
    Step("the daemon is killed", _killed, out="^hello\n0$"),
    Step("kill", "kill -s KILL web", err="(?i)kill"),
    Step("start", "start web"),
    Step("restart", "restart -t 1 web", err="(?i)restart"),
    Step("a change", _changed, out="^night True False$"),
    Step("write", "exec -T db sh -c 'echo 41 >/data/count'"),
    Step("stop", "stop -t 1", err="(?i)stop"),
    Step("ps, stopped", "ps -q --status running", out="^$", old=False),
    Step("rm", "rm -f web", err="(?i)remov"),
    Step("attached", _attached, code=130, out="^True ''$", old=False),
    Step("down", "down -t 1", err="(?i)network {name}_back"),
    Step("the volume stays", _left, out=r"^\[\] \['{name}_data'\] \[\]$"),
    Step("up after down", "up -d"),
    Step("the data are there", "exec -T db cat /data/count", out="^41\n$"),
    Step("volumes", "volumes -q", out="^{name}_data\n$", old=False),
    Step("down, all of it", "down -v -t 1 --remove-orphans", err="(?i)volume.*{name}_data"),
    Step("nothing stays", _left, out=r"^\[\] \[\] \[\]$"),
    Step("one that waits", "--profile tools up --exit-code-from tool --abort-on-container-exit tool", code=3, out="tool of night"),
    Step("the end", "--profile tools down -v -t 1"),
]  # fmt: skip
