"""The verbs about Corral itself: up, down, reset, status, doctor. The daemon's own work happens in its process."""

from __future__ import annotations

import os
import select
import signal
import sys
import time

from corral.cli.fail import Failure
from corral.cli.http import LONGEST
from corral.cli.instance import Instance, daemon_pid
from corral.cli.options import Parsed, Verb, flag, text
from corral.cli.settings import BY_KEY, SETTINGS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from corral.cli.session import Session

READY_FD = 3
LOG_LIMIT = 10 << 20  # bytes
PATIENCE = 120  # seconds that a daemon may take to stop
ENDING = 10  # seconds in which one that was killed is gone, or one that starts answers
ASK_AGAIN = 50  # milliseconds


def role_command(instance: Instance, role: str, words: list[str]) -> list[str]:
    """The command line of one of the daemon's roles: serve, teardown, doctor, unit. -P: never import from the cwd."""
    return [sys.executable, "-P", "-m", "corral.daemon", role, "--root", instance.root, *words]


def setting_words(options: Parsed) -> list[str]:
    """The settings that were given, as words again; files by their absolute paths: the daemon leaves this directory."""
    files = {setting.key for setting in SETTINGS if setting.value == "FILE"} | {"config"}
    keys = [*BY_KEY, "config"]
    given = [(key, value) for key in keys for value in options.list(key)]
    return [f"--{key}={os.path.abspath(value) if key in files and value else value}" for key, value in given]


def need_root(what: str) -> None:
    if os.geteuid() != 0:
        raise Failure(f"{what} needs root; use: sudo corral {' '.join(sys.argv[1:])}", 1)


def become(command: list[str]) -> int:
    """This process goes on as another program."""
    sys.stdout.flush()
    os.execv(command[0], command)


def run_role(command: list[str]) -> int:
    """Runs a role to its end: its exit code."""
    sys.stdout.flush()
    child = os.posix_spawn(command[0], command, os.environ)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def up(session: Session, options: Parsed) -> int:
    instance = session.instance
    if options.on("print-unit"):
        return become(role_command(instance, "unit", []))
    need_root("up")
    pid, code = living_daemon(session), 0
    if pid and not options.on("detach"):
        raise Failure(f"Corral is up already (pid {pid}) at {instance.url}", 1)
    if not pid:
        command = role_command(instance, "serve", setting_words(options))
        if not options.on("detach"):
            return become(command)
        pid = start_detached(instance, command)
        session.say(f"Corral is up (pid {pid}).")
    else:
        session.say(f"Corral is up already (pid {pid}); its settings are those it was started with.")
        from corral.cli.local_nodes import count_nodes, start_nodes

        if given := [word for word in setting_words(options) if word != f"--nodes={count_nodes(session)}"]:
            session.say(f"Not looked at: {' '.join(given)}")
            session.say(f"To change them: sudo {instance.command('down')} (containers go on), then up again")
        code = start_nodes(session)
    session.say(f"Type next:  export DOCKER_HOST={instance.url}")
    session.say(f"Its log:    {instance.log_file}")
    if len(os.fsencode(instance.socket)) > LONGEST:
        session.say(f"That path is too long for other clients than this one: give them a link to {instance.run}.")
    return code


def living_daemon(session: Session) -> int:
    """The pid of the daemon that is up, 0 if none is. One that was killed a moment ago keeps its lock until the last of
    it is gone: it answers nobody any more, and its end is waited for. One that starts answers soon."""
    pid = daemon_pid(session.instance)
    try:
        handle = os.pidfd_open(pid) if pid else -1
    except ProcessLookupError:
        return daemon_pid(session.instance)
    if handle < 0:
        return 0
    waiter, patience = select.poll(), time.monotonic() + ENDING
    waiter.register(handle, select.POLLIN)
    try:
        while not _answers(session) and time.monotonic() < patience:
            if waiter.poll(ASK_AGAIN):
                return daemon_pid(session.instance)
    finally:
        os.close(handle)
    return pid


def _answers(session: Session) -> bool:
    from corral.cli.local_nodes import count_nodes

    try:
        count_nodes(session)
    except Failure:
        return False
    return True


def start_detached(instance: Instance, command: list[str]) -> int:
    """Starts the daemon in a session of its own and waits until it says that it is ready: its pid."""
    os.makedirs(instance.root, mode=0o711, exist_ok=True)
    keep_log_small(instance.log_file)
    read, write = os.pipe2(os.O_CLOEXEC)
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    child = os.posix_spawn(
        command[0],
        [*command, f"--ready-fd={READY_FD}"],
        os.environ,
        file_actions=[
            # the pipe first: one of the other descriptors may have the number it is to get
            (os.POSIX_SPAWN_DUP2, write, READY_FD),
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, instance.log_file, flags, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    os.close(write)
    with os.fdopen(read, encoding="utf-8") as pipe:
        said = pipe.read()
    if said.startswith("ready"):
        return child
    os.waitpid(child, 0)
    raise Failure(said.strip() or f"Corral ended before it was ready; its log: {instance.log_file}", 1)


def keep_log_small(path: str) -> None:
    """The daemon's log is set aside, once, when it has grown large."""
    if os.path.exists(path) and os.stat(path).st_size > LOG_LIMIT:
        os.replace(path, f"{path}.1")


def stop_daemon(instance: Instance) -> int:
    """Tells the daemon to end and waits for it: its pid, 0 if there was none."""
    pid = daemon_pid(instance)
    if not pid:
        return 0
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return 0
    try:
        if daemon_pid(instance) != pid:  # ended before we held it: the number may be another's now
            return 0
        signal.pidfd_send_signal(handle, signal.SIGTERM)
        waiter = select.poll()
        waiter.register(handle, select.POLLIN)
        if not waiter.poll(PATIENCE * 1000):
            raise Failure(f"Corral (pid {pid}) did not end within {PATIENCE} s; its log: {instance.log_file}", 1)
    finally:
        os.close(handle)
    return pid


def stop_all(instance: Instance) -> int:
    """The daemon, and those of more nodes that have outlived it: the pid of the first, 0 if there was none."""
    pid = stop_daemon(instance)
    folder = os.path.join(instance.root, "nodes")
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
        stop_daemon(Instance(os.path.join(folder, name)))
    return pid


def say_meanwhile(session: Session, line: str) -> None:
    """Not the end of the work, which goes on though nobody reads what is said."""
    try:
        session.say(line)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def down(session: Session, options: Parsed) -> int:
    need_root("down")
    pid = stop_all(session.instance)
    say_meanwhile(session, f"Corral is down (it was pid {pid})." if pid else "Corral was not up.")
    if options.on("all"):
        return run_role(role_command(session.instance, "teardown", []))
    if pid:
        session.say(f"Containers go on; to end them too: {session.instance.command('down --all')}")
    return 0


def reset(session: Session, options: Parsed) -> int:
    need_root("reset")
    instance = session.instance
    if not options.on("yes"):
        from corral.cli.verbs.prune import confirmed

        session.say(f"This ends all containers and deletes them, all images and volumes of {instance.root}.")
        if not confirmed("Go on?"):
            session.say("Nothing was done.")
            return 1
    stop_all(instance)
    return run_role(role_command(instance, "teardown", ["--reset", *(["--kill"] if options.on("kill") else [])]))


def status(session: Session, options: Parsed) -> int:
    """Exit code 0 if it is up, 3 if not (as `systemctl status`)."""
    instance = session.instance
    pid = daemon_pid(instance)
    if not pid:
        session.say(f"Corral is down. State: {instance.root}. Start it: sudo {instance.start_command}")
        from corral.cli.local_nodes import outliving

        for number, node in outliving(instance):
            down = instance.command("down")
            session.say(f"Node {number} runs on (pid {node}): up takes it back; to end it: sudo {down}")
        return 3
    found = session.client.call("GET", "/info")
    import time

    from corral.cli.render import age

    session.say(f"Corral is up (pid {pid}) for {age(time.time() - os.stat(instance.pid_file).st_mtime)}")
    session.say(f"Socket:     {instance.url}")
    session.say(f"State:      {instance.root}")
    session.say(f"Containers: {found['ContainersRunning']} running, {found['Containers']} in all")
    session.say(f"Images:     {found['Images']}")
    session.say(f"Runtime:    {found.get('DefaultRuntime', '')}")
    if server := kubernetes_url(instance):
        session.say(f"Kubernetes: {server}")
        from corral.cli.local_nodes import say_nodes

        say_nodes(session)
    return 0


def kubernetes_url(instance: Instance) -> str:
    """Where the instance's Kubernetes API is, as its kubeconfig says; "" if there is none, or it is not for us."""
    try:
        with open(os.path.join(instance.run, "kubeconfig"), encoding="utf-8") as file:
            lines = [line.strip() for line in file]
    except OSError:
        return ""
    return next((line.removeprefix("server:").strip(' "') for line in lines if line.startswith("server:")), "")


def doctor(session: Session, options: Parsed) -> int:
    return become(role_command(session.instance, "doctor", []))


VERBS = {
    "up": Verb(
        up,
        "up [OPTIONS]",
        (
            flag("-d --detach", "return when it is ready, leave it running"),
            text("--config", "FILE", "settings (default /etc/corral/config.toml, with --root DIR/config.toml)"),
            flag("--print-unit", "print the systemd unit, and say how to install it"),
            *(setting.option() for setting in SETTINGS),
        ),
        most=0,
    ),
    "down": Verb(down, "down [OPTIONS]", (flag("--all", "containers, bridge, rules, mounts and cgroups too"),), most=0),
    "reset": Verb(
        reset,
        "reset [OPTIONS]",
        (flag("-y --yes", "do not ask"), flag("--kill", "end containers at once, without their own grace")),
        most=0,
    ),
    "status": Verb(status, "status", most=0),
    "doctor": Verb(doctor, "doctor", most=0),
}
