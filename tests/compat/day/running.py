"""Noon: `docker run` with flags of all sorts, and its exit codes."""
# ruff: noqa: E501 - a typed command is one line, whatever its length

from __future__ import annotations

import os

from tests.compat.day.step import Day, Outcome, Step
from tests.support.wait import eventually


def _interactive_shell(day: Day) -> Outcome:
    with day.terminal("run", "-it", "--rm", "--name", "shell", "busybox", "sh") as t:
        t.expect("# ")
        # The older client tells the size when the shell runs already, and a busy dockerd hears it late.
        t.send('s=24; until stty size | grep "$s 80"; do sleep 0.1; done; tty; echo $((6*7))\r')
        t.expect("24 80")
        t.expect("/dev/pts/0|/dev/console")
        t.expect("42")
        t.send('s=40; until stty size | grep "$s 100"; do sleep 0.1; done\r')
        t.drag(40, 100, "40 100")
        t.send("exit 7\r")
        return Outcome(t.wait(), "")


def _ctrl_c(day: Day) -> Outcome:
    with day.terminal(
        "run", "-it", "--rm", "busybox", "sh", "-c", "trap 'exit 130' INT; echo ready; while :; do sleep 0.1; done"
    ) as t:
        t.expect("ready")
        t.send("\x03")
        return Outcome(t.wait(), "")


def _cidfile(day: Day) -> Outcome:
    made = day.docker("run", "--cidfile", f"{day.folder}/cid", "--name", "cidded", "busybox", "true")
    with open(f"{day.folder}/cid") as file:
        same = file.read() == day.docker("inspect", "-f", "{{.Id}}", "cidded").out.strip()
    again = day.docker("run", "--cidfile", f"{day.folder}/cid", "busybox", "true")
    day.docker("rm", "cidded")
    return Outcome(again.code, f"{made.code} {same}", again.err.replace(day.folder, "FOLDER"))


def _dangling_bind(day: Day) -> Outcome:
    os.symlink("/nowhere", f"{day.folder}/dangling")
    ran = day.docker("run", "--rm", "-v", f"{day.folder}/dangling:/x", "busybox", "true")
    return Outcome(ran.code, ran.out, ran.err.replace(day.folder, "FOLDER"))


def _env_file(day: Day) -> Outcome:
    with open(f"{day.folder}/env", "w") as file:
        file.write("# comment\nONE=1\nTWO=two words\n")
    return day.docker("run", "--rm", "--env-file", f"{day.folder}/env", "-e", "THREE=3", "busybox", "env")


def _signal_by_name(day: Day) -> Outcome:
    day.docker(
        "run",
        "-d",
        "--name",
        "sig",
        "busybox",
        "sh",
        "-c",
        "trap 'echo got; exit 9' USR1; echo up; while :; do sleep 0.05; done",
    )
    eventually(lambda: day.docker("logs", "sig").out == "up\n", "it has set its trap")
    killed = day.docker("kill", "-s", "USR1", "sig")
    waited = day.docker("wait", "sig")
    logs = day.docker("logs", "sig")
    day.docker("rm", "sig")
    return Outcome(killed.code, waited.out + logs.out)


def _attached_sigterm(day: Day) -> Outcome:
    """A SIGTERM to `docker run` goes to the container (--sig-proxy)."""
    script = "trap 'exit 33' TERM; echo up; while :; do sleep 0.05; done"
    process = day.endpoint.popen("run", "--rm", "busybox", "sh", "-c", script)
    assert process.stdout is not None
    process.stdout.readline()
    process.terminate()
    process.communicate(timeout=30)
    return Outcome(process.returncode, "")


RUN = "run --rm busybox"
STEPS = [
    Step("hello", f"{RUN} echo hello", out="^hello\n$"),
    Step("hello to stderr", f"{RUN} sh -c 'echo oops >&2'", err="^oops\n$", out="^$"),
    Step("exit code", f"{RUN} sh -c 'exit 3'", code=3),
    Step("exit code 255", f"{RUN} sh -c 'exit 255'", code=255),
    Step("killed inside", f"{RUN} sh -c 'sh -c \"kill -9 \\$\\$\"; exit $?'", code=137),
    Step("no such program", f"{RUN} nosuch", code=127, err="executable file not found in"),
    Step("no program", f"{RUN} ''", code=127, err='exec: "": executable file not found in'),
    Step("no such path", f"{RUN} /no/such", code=127, err="no such file or directory"),
    Step("not executable", f"{RUN} /etc/passwd", code=126, err="permission denied"),
    Step(
        "a folder",
        f"{RUN} /etc",
        code=126,
        err="(is a directory|permission denied)",
        compare="c",
        why="wording of the runtimes",
    ),
    Step("unknown flag", "run --nosuch busybox", code=125, err="unknown flag: --nosuch"),
    Step(
        "bad name",
        "run --rm --name 'a b' busybox true",
        code=125,
        err=r"Invalid container name \(a b\), only \[a-zA-Z0-9\]\[a-zA-Z0-9_.-\] are allowed",
    ),
    Step("name with dots", "run --rm --name ../x busybox true", code=125, err="Invalid container name"),
    Step("missing image", "run --rm --pull never nosuch:tag true", code=125, err="No such image: nosuch:tag"),
    Step("bad image", "run --rm BAD true", code=125, err="repository name .*must be lowercase"),
    Step("memory too small", "run --rm -m 1m busybox true", code=125, err="Minimum memory limit allowed is 6MB"),
    Step("memory nonsense", "run --rm -m lots busybox true", code=125, err="invalid"),
    Step(
        "swap below memory",
        "run --rm -m 64m --memory-swap 32m busybox true",
        code=125,
        err="emoryswap limit should be larger than memory limit|emory-swap limit",
    ),
    Step(
        "too many cpus", "run --rm --cpus 1000 busybox true", code=125, err=r"[Rr]ange of CPUs is from 0.01 to \d+.00"
    ),
    Step("cpuset nonsense", "run --rm --cpuset-cpus 99 busybox true", code=125, err="Requested CPUs are not available"),
    Step("cpuset garbage", "run --rm --cpuset-cpus a-b busybox true", code=125, err="nvalid value a-b for cpuset cpus"),
    Step("unknown capability", "run --rm --cap-add FOO busybox true", code=125, err="CAP_FOO"),
    Step("bad mount", "run --rm -v relative/../path:/x busybox true", code=125, err="includes invalid characters"),
    Step("bad mount target", "run --rm -v /tmp:relative busybox true", code=125, err="mount path must be absolute"),
    Step(
        "missing bind source",
        "run --rm --mount type=bind,src=/no/such,dst=/x busybox true",
        code=125,
        err="bind source path does not exist: /no/such",
    ),
    Step("duplicate mount", "run --rm -v /tmp:/x -v /var:/x busybox true", code=125, err="Duplicate mount point: /x"),
    Step(
        "bad network",
        "run --rm --network nosuch busybox true",
        code=125,
        err="network nosuch not found",
        compare="co",
        why="words around it, by release",
    ),
    Step(
        "bad container network",
        "run --rm --network container:nosuch busybox true",
        code=125,
        err="No such container: nosuch",
        compare="co",
        why="words around it, by release",
    ),
    Step(
        "bad user",
        "run --rm -u nosuch busybox true",
        code=125,
        err="unable to find user nosuch: no matching entries in passwd file",
        compare="c",
        why="words around it",
    ),
    Step("bad restart with rm", "run --rm --restart always busybox true", code=125, err="onflicting options"),
    Step(
        "bad restart policy",
        "run --restart sometimes busybox true",
        code=125,
        err="invalid restart policy",
        compare="co",
        why="28 names the policies",
    ),
    Step(
        "bad runtime",
        "run --rm --runtime nosuch busybox true",
        code=125,
        err="nknown.*runtime.* nosuch",
        compare="c",
        why="28 rewords",
    ),
    Step("bad log driver", "run --rm --log-driver nosuch busybox true", code=125, compare="c", why="28 rewords"),
    Step("bad sysctl", "run --rm --sysctl kernel.nosuch=1 busybox true", code=125, compare="c", why="runtime's words"),
    Step(
        "sysctl that there is not",
        "run --rm --sysctl net.ipv4.nosuch=1 busybox true",
        code=127,
        err="open /proc/sys/net/ipv4/nosuch: no such file or directory",
        compare="c",
        why="runtime's words",
    ),
    Step(
        "folder on a file",
        "run --name onto -v /tmp:/etc/passwd busybox true",
        code=125,
        err="not a directory.*Are you trying to mount a directory onto a file",
        compare="c",
        why="runtime's words",
    ),
    Step("its exit code", "inspect -f {{.State.ExitCode}} onto", out="^127\n$"),
    Step("rm it", "rm onto"),
    Step(
        "bind of a link to nowhere",
        _dangling_bind,
        code=125,
        err="error while creating mount source path 'FOLDER/dangling': mkdir FOLDER/dangling: file exists",
    ),
    Step(
        "entrypoint written as JSON",
        "run --rm --entrypoint '[\"sh\"]' busybox -c true",
        code=127,
        err=r'exec: "\[\\"sh\\"\]": executable file not found in \$PATH',
    ),
    Step("init among the host's processes", "run --rm --init --pid host busybox echo hi", out="^hi\n$", err="^$"),
    Step("gpus", "run --rm --gpus all busybox true", code=125, compare="c", err="", why="Corral names what it lacks"),
    Step("bad ulimit", "run --rm --ulimit nosuch=1 busybox true", code=125, err="invalid ulimit type: nosuch"),
    Step("bad port", "run --rm -p 99999:1 busybox true", code=125, err="99999"),
    Step("name taken", "create --name taken busybox true"),
    Step(
        "name taken again",
        "run --name taken busybox true",
        code=125,
        err=r'The container name "/taken" is already in use by container "[0-9a-f]{64}"\. You have to remove \(or rename\) that container to be able to reuse that name\.',
    ),
    Step("rm taken", "rm taken"),
    Step("workdir", "run --rm -w /some/where busybox pwd", out="^/some/where\n$"),
    Step("workdir relative", "run --rm -w rel busybox pwd", code=125, err="the working directory 'rel' is invalid"),
    Step("user", "run --rm -u www-data busybox id", out=r"uid=33\(www-data\) gid=33\(www-data\)"),
    Step("user and group", "run --rm -u 1234:users busybox id", out=r"uid=1234 gid=100\(users\)"),
    Step("group-add", "run --rm --group-add audio --group-add 777 busybox id -G", out=r"29"),
    Step("env", "run --rm -e A=1 -e PATH=/bin busybox env", out="A=1", unordered=True, compare="co"),
    Step("default env", "run --rm -h myhost busybox env", out="HOSTNAME=myhost", unordered=True),
    Step("env file", _env_file, out="TWO=two words", compare="c", why="HOSTNAME"),
    Step("hostname", "run --rm -h myhost busybox cat /etc/hostname", out="^myhost\n$"),
    Step("domainname", "run --rm -h my --domainname host.example busybox hostname -f", compare="c", why="resolution"),
    Step("add-host", "run --rm --add-host store:1.2.3.4 busybox grep store /etc/hosts", out="1.2.3.4\tstore"),
    Step("hosts", "run --rm -h web busybox cat /etc/hosts", out=r"127.0.0.1\tlocalhost"),
    Step(
        "dns",
        "run --rm --dns 9.9.9.9 --dns-search a.b --dns-option ndots:3 busybox cat /etc/resolv.conf",
        out="nameserver 9.9.9.9",
        compare="c",
        why="comments and order",
    ),
    Step("entrypoint", "run --rm --entrypoint echo busybox a b", out="^a b\n$"),
    Step("entrypoint emptied", "run --rm --entrypoint '' busybox echo x", out="^x\n$"),
    Step("default command", "run --rm -i busybox", stdin="echo from stdin; exit 4\n", code=4, out="^from stdin\n$"),
    Step("cat stdin", "run --rm -i busybox cat", stdin="some\ninput\n", out="^some\ninput\n$"),
    Step("wc a lot", "run --rm -i busybox wc -c", stdin="x" * 1_000_000, out="^1000000\n$"),
    Step(
        "a lot of output",
        f'{RUN} sh -c \'head -c 3000000 /dev/zero | tr "\\\\0" y | md5sum; head -c 1000000 /dev/zero | tr "\\\\0" y\'',
    ),
    Step("stdin without -i", "run --rm busybox cat", stdin="ignored", out="^$"),
    Step("tty without a terminal", "run --rm -t busybox tty", out="/dev/"),
    Step(
        "init",
        "run --rm --init busybox ps",
        out="docker-init|tini|catatonit|/sbin/",
        compare="c",
        why="the path of the init",
    ),
    Step("read-only", "run --rm --read-only busybox touch /x", code=1, err="Read-only file system"),
    Step(
        "tmpfs", "run --rm --read-only --tmpfs /t:size=1m,mode=1777 busybox sh -c 'touch /t/x && df -k /t'", out="1024"
    ),
    Step("shm", "run --rm --shm-size 7m busybox df -k /dev/shm", out="7168"),
    Step("default shm", f"{RUN} df -k /dev/shm", out="65536"),
    Step("capabilities", f"{RUN} grep CapEff /proc/self/status", out="00000000a80425fb"),
    Step(
        "privileged capabilities",
        "run --rm --privileged busybox sh -c 'ls /dev | wc -l'",
        compare="",
        why="a host may lack capabilities: dockerd fails then",
    ),
    Step("cap-drop all", "run --rm --cap-drop ALL busybox grep CapEff /proc/self/status", out="0000000000000000"),
    Step("cap-add", "run --rm --cap-add NET_ADMIN busybox grep CapEff /proc/self/status", out="00000000a80435fb"),
    Step("caps as a user", "run --rm -u 1 busybox grep CapEff /proc/self/status", out="0000000000000000"),
    Step(
        "no-new-privileges",
        "run --rm --security-opt no-new-privileges busybox grep NoNewPrivs /proc/self/status",
        out="1",
    ),
    Step("seccomp is on", f"{RUN} grep -w Seccomp: /proc/self/status", out="2"),
    Step(
        "seccomp off", "run --rm --security-opt seccomp=unconfined busybox grep -w Seccomp: /proc/self/status", out="0"
    ),
    Step(
        "seccomp file missing",
        "run --rm --security-opt seccomp=/no/such busybox true",
        code=125,
        err="opening seccomp profile",
    ),
    Step("seccomp garbage", "run --rm --security-opt seccomp={folder}/junk busybox true", code=125),
    Step("bad security-opt", "run --rm --security-opt nosuch=1 busybox true", code=125, err="nvalid --security-opt"),
    Step("ulimit", "run --rm --ulimit nofile=100:200 busybox sh -c 'ulimit -n; ulimit -Hn'", out="100\n200"),
    Step(
        "sysctl",
        "run --rm --sysctl net.ipv4.ip_unprivileged_port_start=77 busybox cat /proc/sys/net/ipv4/ip_unprivileged_port_start",
        out="77",
    ),
    Step(
        "masked",
        f"{RUN} sh -c 'ls /sys/firmware | wc -l; wc -c < /proc/timer_list'",
        compare="o",
        code=(0, 1),
        why="not every kernel has the file",
    ),
    Step("proc is read-only", f"{RUN} sh -c 'echo 1 > /proc/sys/kernel/domainname'", code=1, err="Read-only"),
    Step(
        "devices", f"{RUN} sh -c 'ls /dev | grep -vx core'", unordered=True
    ),  # a link that crun makes and runc does not
    Step("device", "run --rm --device /dev/zero:/dev/nought:r busybox sh -c 'head -c 3 /dev/nought | wc -c'", out="3"),
    Step(
        "missing device",
        "run --rm --device /dev/nosuch busybox true",
        code=127,
        err='error gathering device information while adding custom device "/dev/nosuch": no such file or directory',
    ),
    Step(
        "pids limit",
        "run --rm --pids-limit 33 busybox sh -c 'cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null; true'",
        out="33",
    ),
    Step(
        "memory limit",
        "run --rm -m 64m busybox sh -c 'cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null || true'",
        out="67108864",
    ),
    Step(
        "network none",
        "run --rm --network none busybox ip -o addr",
        out="127.0.0.1",
        compare="c",
        why="20.10 turns IPv6 off there",
    ),
    Step("network none has only lo", "run --rm --network none busybox ls /sys/class/net", out="^lo\n$"),
    Step("network host", "run --rm --network host busybox ls /sys/class/net", compare="c", why="veths come and go"),
    Step(
        "network host with ports",
        "run --rm --network host -p 80:80 busybox true",
        compare="c",
        why="28 rewords the warning",
    ),
    Step("network bridge", "run --rm busybox ls /sys/class/net", out="eth0\nlo"),
    Step("pid host", "run --rm --pid host busybox sh -c 'test $(ls /proc 2>/dev/null | grep -c ^[0-9]) -gt 3'"),
    Step("pid private", f"{RUN} sh -c 'echo $$'", out="^1\n$"),
    Step("uts host", "run --rm --uts host busybox hostname", compare="co"),
    Step("ipc none", "run --rm --ipc none busybox ls /dev/shm", code=1, err="No such file"),
    Step("oom-score-adj", "run --rm --oom-score-adj 500 busybox cat /proc/self/oom_score_adj", out="500"),
    Step("labels", "run --rm --label a=b --label c busybox true"),
    Step("cidfile", _cidfile, code=125, err="(?i)container ID file found"),
    Step("interactive shell", _interactive_shell, code=7),
    Step("control-C", _ctrl_c, code=130),
    Step("kill with a signal's name", _signal_by_name, out="^9\nup\ngot\n$"),
    Step("SIGTERM goes through", _attached_sigterm, code=33),
    Step("volume with contents", "run --rm -v day-copy:/etc busybox ls /etc/passwd", out="/etc/passwd"),
    Step("anonymous volumes go with --rm", "run --rm -v /data busybox touch /data/x"),
    Step("no volume stays but the named", "volume ls -q", out="^day-copy\n$"),
    Step("rm the volume", "volume rm day-copy", out="^day-copy\n$"),
    Step(
        "oom",
        "run --name oom -m 16m --memory-swap 16m busybox sh -c 'x=$(head -c 100000000 /dev/zero | tr \"\\\\0\" y); echo no'",
        code=137,
        compare="co",
    ),
    Step(
        "oom killed",
        "inspect -f '{{.State.OOMKilled}} {{.State.ExitCode}}' oom",
        out="true 137",
        compare="ce",
        why="dockerd loses containerd's OOM event when the exit comes first, and then says false",
    ),
    Step("rm oom", "rm oom"),
]
