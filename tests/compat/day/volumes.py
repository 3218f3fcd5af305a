"""Evening: volumes in every way that people have them."""
# ruff: noqa: E501 - a typed command is one line, whatever its length

from __future__ import annotations

import json
import time

from tests.compat.day.step import Day, Outcome, Step

MOUNTED = """sh -c 'grep " /v " /proc/mounts | cut -d" " -f1-4'"""


def _shape(day: Day) -> Outcome:
    """The keys and the kinds of values of one volume, seen alone and in a list."""
    alone = json.loads(day.docker("volume", "inspect", "tour").out)[0]
    listed = next(v for v in day.endpoint.get("/volumes").json["Volumes"] if v["Name"] == "tour")
    same = alone == listed
    alone["Options"] = alone["Options"] or {}  # null where a client sent none, and 20.10's sends {}
    wanted = {key: type(value).__name__ for key, value in sorted(alone.items())}
    return Outcome(0, f"{wanted} {same} {alone['Labels']} {alone['Options']}")


def _kinds(day: Day) -> Outcome:
    """How mounts of each kind are shown."""
    day.docker(
        *("create", "--name", "tour-kinds", "-v", "tour:/a:ro", "-v", "/anon", "-v", "/srv:/b:ro,z", "--tmpfs", "/t"),
        *("--mount", "type=tmpfs,dst=/c,tmpfs-size=1m,tmpfs-mode=700", "--mount", "type=volume,src=tour,dst=/d,volume-nocopy"),
        *("--mount", "type=bind,src=/srv,dst=/e,bind-propagation=private,readonly", "busybox"),
    )  # fmt: skip
    shown = json.loads(day.docker("inspect", "tour-kinds").out)[0]
    day.docker("rm", "-v", "tour-kinds")
    lines = []
    for mount in sorted(shown["Mounts"], key=lambda m: m["Destination"]):
        mount.pop("Source", "")
        mount["Name"] = mount.get("Name", "")[:4] if len(mount.get("Name", "")) < 64 else "anonymous"
        lines.append(json.dumps(mount, sort_keys=True))
    host = shown["HostConfig"]
    for mount in host["Mounts"]:
        mount.get("VolumeOptions", {}).pop("DriverConfig", None)  # the client sends an empty one
        mount.get("BindOptions", {}).pop("ReadOnlyNonRecursive", None)  # 25 began to note it for older clients
    lines += [json.dumps(sorted(host["Binds"])), json.dumps(host["Tmpfs"]), json.dumps(host["Mounts"], sort_keys=True)]
    return Outcome(0, "\n".join(lines))


def _two_users(day: Day) -> Outcome:
    """A tmpfs volume lives from its first user to its last."""
    said = [
        day.docker("run", "-d", "--name", "tour-one", "-v", "tour-ram:/v", "busybox", "sleep", "100").code,
        day.docker("exec", "tour-one", "sh", "-c", "echo kept > /v/f").code,
        day.docker("run", "--rm", "-v", "tour-ram:/v", "busybox", "cat", "/v/f").out.strip(),
        day.docker("rm", "-f", "tour-one").code,
        day.docker("run", "--rm", "-v", "tour-ram:/v", "busybox", "ls", "/v").out.strip(),
    ]
    return Outcome(0, str(said))


def _dangling(day: Day) -> Outcome:
    day.docker("create", "--name", "tour-user", "-v", "tour:/v", "busybox")
    free = day.docker("volume", "ls", "-q", "-f", "dangling=true").out.split()
    taken = day.docker("volume", "ls", "-q", "-f", "dangling=false").out.split()
    return Outcome(0, f"{'tour' in free} {'tour' in taken} {len(set(free) & set(taken))}")


def _df(day: Day) -> Outcome:
    listed = day.endpoint.get("/system/df").json["Volumes"]
    return Outcome(0, str(sorted((v["Name"], v["UsageData"]["RefCount"], v["UsageData"]["Size"] > 0) for v in listed)))


def _events(day: Day) -> Outcome:
    def live() -> None:
        day.docker("volume", "create", "tour-heard")
        day.docker("run", "--rm", "-v", "tour-heard:/v:ro", "busybox", "true")
        day.docker("volume", "rm", "tour-heard")

    # What was there when it began to listen counts, too: the client may take its time.
    heard = day.following(
        *("events", "--since", f"{time.time():.6f}", "--filter", "type=volume", "--format", "{{.Action}} {{json .Actor.Attributes}}"), during=live, until="(?m)^destroy .*\n"
    )  # fmt: skip
    lines = [line for line in heard.out.splitlines() if "prune" not in line]
    attributes = [
        (line.split(" ", 1)[0], {k: v for k, v in json.loads(line.split(" ", 1)[1]).items() if k != "container"})
        for line in lines
    ]
    return Outcome(0, "\n".join(map(str, attributes)))


def _prune(day: Day) -> Outcome:
    """What the filter keeps stays, and what a container has."""
    day.docker("volume", "create", "--label", "keep=1", "tour-kept")
    answer = day.endpoint.post("/volumes/prune", query={"filters": {"label!": {"keep=1": True}}})
    left = day.docker("volume", "ls", "-q").out.split()
    return Outcome(answer.status, f"{answer.json['VolumesDeleted']} {left}")


STEPS = [
    Step("tour: make", "volume create --label a=b --label c tour", out="^tour\n$"),
    Step("tour: shape", _shape, out="'CreatedAt': 'str'.*True"),
    Step("tour: bad option", "volume create -o what=x tour-bad", code=1, err="invalid option"),
    Step("tour: half an option", "volume create -o type=tmpfs tour-bad", code=1, err="missing required option"),
    Step("tour: no device", "volume create -o o=bind tour-bad", code=1, err="missing required option", compare="co", why="which of two missing options is named first is chance there"),
    Step("tour: short name", "volume create x", code=1, err="volume name is too short"),
    Step("tour: kinds of mounts", _kinds, out="private"),
    Step("tour: tmpfs volume", "volume create -o type=tmpfs -o device=tmpfs -o o=size=1m,uid=1000,noexec tour-ram", out="tour-ram"),
    Step("tour: tmpfs options", f"run --rm -v tour-ram:/v busybox {MOUNTED}", out="tmpfs /v tmpfs rw,noexec,relatime,size=1024k,uid=1000"),
    Step("tour: tmpfs read-only", f"run --rm -v tour-ram:/v:ro busybox {MOUNTED}", out="tmpfs /v tmpfs ro,", compare="c", why="that runc forgets the other flags when it makes a mount read-only"),
    Step("tour: tmpfs between two", _two_users, out="kept"),
    Step("tour: bind volume", "volume create -o type=none -o o=bind,ro -o device={folder} tour-bind"),
    Step("tour: bind volume's files", "run --rm -v tour-bind:/v busybox cat /v/junk", out="no json"),
    Step("tour: bind volume, gone", "volume create -o type=none -o o=bind -o device=/does/not/exist tour-gone"),
    Step("tour: bind volume, gone, used", "run --rm -v tour-gone:/v busybox true", code=127, err="failed to mount local volume: mount /does/not/exist:.*no such file or directory", compare="co", why="the place of the data differs, and flags since 23"),
    Step("tour: nfs, nobody there", "volume create -o type=nfs -o o=addr=nosuch.invalid,rw -o device=:/data tour-nfs"),
    Step("tour: nfs, nobody there, used", "run --rm -v tour-nfs:/v busybox true", code=125, err="error resolving passed in network volume address", compare="co", why="the resolver's own words"),
    Step("tour: copy-up", "run --rm -v tour-etc:/etc busybox sh -c 'ls /etc/passwd'", out="/etc/passwd"),
    Step("tour: nocopy", "run --rm -v tour-bare:/etc:nocopy busybox ls -A /etc", out="^hostname\nhosts\nresolv.conf\n$"),
    Step("tour: mode", "run --rm -v tour:/v:rx busybox true", code=125, err="invalid mode: rx"),
    Step("tour: no propagation for volumes", "run --rm -v tour:/v:rslave busybox true", code=125, err="BindOptions must not be specified|invalid", compare="co", why="28 says why"),
    Step("tour: two at one place", "run --rm -v tour:/v -v /tmp:/v busybox true", code=125, err="Duplicate mount point: /v"),
    Step("tour: a place without a slash", "run --rm -v data busybox grep -c ' /data ' /proc/mounts", out="^1\n$"),
    Step("tour: root", "run --rm -v tour:/ busybox true", code=125, err="destination can't be '/'"),
    Step("tour: long form, missing source", "run --rm --mount type=bind,src=/does/not/exist,dst=/v busybox true", code=125, err="bind source path does not exist: /does/not/exist"),
    Step("tour: long form, foreign option", "run --rm --mount type=tmpfs,src=x,dst=/v busybox true", code=125, err="Source must not be specified|must not be set"),
    Step("tour: dangling", _dangling, out="^False True 0$"),
    Step("tour: volumes-from", "run --rm --volumes-from tour-user:ro busybox touch /v/x", code=1, err="Read-only"),
    Step("tour: volumes-from, bad mode", "run --rm --volumes-from tour-user:fast busybox true", code=125, err="invalid mode: fast"),
    Step("tour: volumes-from nobody", "run --rm --volumes-from nobody busybox true", code=125, err="[Nn]o such container"),
    Step("tour: df", _df, out=r"\('tour', 1, "),
    Step("tour: rm -f in use", "volume rm -f tour", code=1, err=r"remove tour: volume is in use - \["),
    Step("tour: rm -f nobody", "volume rm -f nobody", out="^nobody\n$"),
    Step("tour: rm several", "volume rm tour-bind nobody tour-gone", code=1, out="^tour-bind\ntour-gone\n$", err="[Nn]o such volume", compare="co", why="28 lowers the N"),
    Step("tour: filter nobody knows", "volume ls -f colour=red", code=1, err="[Ii]nvalid filter", compare="co", why="quotes and colons have changed"),
    Step("tour: filter by name and driver", "volume ls -q -f name=tour- -f driver=local", out="^tour-bare\ntour-etc\ntour-nfs\ntour-ram\n$"),
    Step("tour: events", _events, compare="c", why="20.10 tells of a creation again when a container names the volume", out="create.*\n.*mount.*\n.*unmount.*\n.*destroy"),
    Step("tour: prune", _prune, code=200, out="tour-kept", compare="c", why="the names come in any order"),
    Step("tour: clean up", "rm -v tour-user"),
    Step("tour: nothing was lost", "volume ls -q -f name=^tour$", out="^tour\n$"),
    Step("tour: the end", "volume rm tour tour-kept tour-nfs tour-ram", out="tour"),
]  # fmt: skip
