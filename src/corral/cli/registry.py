"""Every verb: the module that does it, and one line about it. A verb's module is loaded only when it is called."""

from __future__ import annotations

import sys

from corral.cli.options import Verb

_VERBS = "corral.cli.verbs."

MANAGE: dict[str, tuple[str, str]] = {
    "up": ("daemon", "Start Corral; with --detach return when it is ready"),
    "down": ("daemon", "Stop Corral; containers go on (--all: everything of this instance that runs)"),
    "reset": ("daemon", "Stop everything and delete this instance's state, after a question"),
    "status": ("daemon", "Is it up, where, and what runs"),
    "doctor": ("daemon", "What this host can do, what is missing and what to type"),
    "registry": ("registry", "Run a registry alone, without containers; `up` runs one too"),
    "version": ("system", "The version of this command and of the daemon"),
    "info": ("system", "What the daemon says of itself and the host"),
    "system df": ("usage", "How much disk images, containers, volumes and the build cache take"),
    "completion": ("completion", "Print the completion script of a shell"),
}

CONTAINERS: dict[str, tuple[str, str]] = {
    "run": ("run", "Create a container and run it"),
    "create": ("run", "Create a container"),
    "ps": ("ps", "List containers"),
    "exec": ("exec", "Run one more program in a running container"),
    "logs": ("logs", "Show what a container wrote"),
    "attach": ("attach", "Connect the terminal to a running container"),
    "start": ("attach", "Start stopped containers"),
    "stop": ("lifecycle", "Stop containers: their stop signal, then SIGKILL after the grace"),
    "restart": ("lifecycle", "Stop and start containers"),
    "kill": ("lifecycle", "Send a signal to containers"),
    "pause": ("lifecycle", "Freeze containers"),
    "unpause": ("lifecycle", "Let frozen containers go on"),
    "wait": ("lifecycle", "Wait until containers end, print their exit codes"),
    "rename": ("lifecycle", "Give a container another name"),
    "update": ("update", "Change what containers may use, or their restart policy"),
    "rm": ("lifecycle", "Remove containers"),
    "inspect": ("inspect", "Everything about containers or images, as JSON"),
    "top": ("inspect", "The processes of a container"),
    "port": ("inspect", "The published ports of a container"),
    "diff": ("inspect", "What a container changed in its file system"),
    "stats": ("stats", "What containers use, live"),
    "cp": ("cp", "Copy files into or out of a container"),
    "export": ("tars", "A container's file system as tar"),
    "commit": ("tars", "Make an image of a container"),
    "events": ("events", "What happens, as it happens"),
}

IMAGES: dict[str, tuple[str, str]] = {
    "build": ("build", "Build an image from a Dockerfile"),
    "builder": ("builder", "What builds keep: `builder du`, `builder prune`"),
    "images": ("images", "List images"),
    "import": ("tars", "Make an image of a tar of a file system"),
    "load": ("tars", "Load images from a tar that `save` wrote"),
    "save": ("tars", "Save images as tar"),
    "tag": ("images", "Give an image one more name"),
    "rmi": ("images", "Remove images"),
    "history": ("images", "The steps that made an image"),
    "pull": ("registries", "Bring images here from a registry"),
    "push": ("registries", "Send images to a registry"),
    "search": ("registries", "Look for repositories in a registry"),
    "login": ("registries", "Say who you are at a registry"),
    "logout": ("registries", "Forget that again"),
    "prune": ("prune", "Remove stopped containers and unused images"),
    "container prune": ("prune", "Remove stopped containers"),
    "image prune": ("prune", "Remove unused images"),
}

APPLICATIONS: dict[str, tuple[str, str]] = {
    "compose": ("compose", "Docker Compose, as it is installed here, against this instance"),
}

# Verbs of two words
VOLUMES: dict[str, tuple[str, str]] = {
    "volume create": ("volumes", "Make a volume"),
    "volume ls": ("volumes", "List volumes"),
    "volume inspect": ("volumes", "Everything about volumes, as JSON"),
    "volume rm": ("volumes", "Remove volumes that no container has"),
    "volume prune": ("volumes", "Remove volumes that no container needs"),
    "volume export": ("volume_copies", "A volume's files as tar"),
    "volume import": ("volume_copies", "Make a volume of a tar that `export` wrote, or any other"),
    "volume clone": ("volume_copies", "Make a volume with what another has"),
}

NETWORKS: dict[str, tuple[str, str]] = {
    "network create": ("networks", "Make a network"),
    "network ls": ("networks", "List networks"),
    "network inspect": ("networks", "Everything about networks, as JSON"),
    "network rm": ("networks", "Remove networks that no running container is in"),
    "network prune": ("networks", "Remove all networks that no running container is in"),
    "network connect": ("networks", "Let a container join a network, also while it runs"),
    "network disconnect": ("networks", "Take a container out of a network"),
}

CLUSTER: dict[str, tuple[str, str]] = {
    "kubectl": ("kubernetes", "kubectl, as it is installed here, against this instance's cluster"),
    "helm": ("kubernetes", "Helm, as it is installed here, against this instance's cluster"),
    "kubeconfig": ("kubernetes", "Print the cluster's kubeconfig, or --merge it into your own"),
    "join": ("nodes", "Make this machine a node of a cluster elsewhere"),
    "node": ("nodes", "Run a node in the foreground; a machine that has joined starts again so"),
    "token create": ("nodes", "A token for a machine that is to join, and what to type there"),
    "cluster backup": ("cluster", "Everything in the cluster, as of one moment, into a file"),
    "cluster restore": ("cluster", "Make the cluster what a backup says, while it runs"),
}

GROUPS = {
    "Corral itself": MANAGE,
    "Containers": CONTAINERS,
    "Images": IMAGES,
    "Volumes": VOLUMES,
    "Networks": NETWORKS,
    "Cluster": CLUSTER,
    "Applications": APPLICATIONS,
}
ALL = {**MANAGE, **CONTAINERS, **IMAGES, **VOLUMES, **NETWORKS, **CLUSTER, **APPLICATIONS}

# What Docker's client has beyond these; it speaks to Corral as well
ELSEWHERE = (
    *("buildx", "config", "container", "context", "image"),
    *("manifest", "plugin", "secret", "service", "stack", "swarm"),
    *("system", "trust"),
)

# Docker's long forms of the same verbs
ALIASES = {
    ("container", "ls"): "ps",
    ("container", "list"): "ps",
    ("container", "ps"): "ps",
    ("image", "ls"): "images",
    ("image", "list"): "images",
    ("image", "rm"): "rmi",
    ("volume", "list"): "volume ls",
    ("volume", "remove"): "volume rm",
    ("network", "list"): "network ls",
    ("network", "remove"): "network rm",
    ("system", "prune"): "prune",
    ("system", "info"): "info",
    ("system", "events"): "events",
    ("image", "build"): "build",
    ("builder", "build"): "build",
    ("buildx", "build"): "build",
    ("buildx", "b"): "build",
    **{("container", name): name for name in CONTAINERS},
    **{("image", name): name for name in ("import", "load", "save", "tag", "history", "inspect", "pull", "push")},
}


def load(name: str) -> Verb:
    """The verb's table and function. KeyError if there is no such verb."""
    path = _VERBS + ALL[name][0]
    __import__(path)
    verbs: dict[str, Verb] = sys.modules[path].VERBS
    return verbs[name]


def of_noun(noun: str) -> dict[str, str]:
    """The verbs of two words that begin so, and what each does; Docker's long forms too.

    >>> of_noun("volume")["volume ls"], of_noun("container")["container ls"], of_noun("ps")
    ('List volumes', 'List containers', {})
    """
    own = {name: about for name, (_, about) in ALL.items() if name.startswith(f"{noun} ")}
    if noun in ALL:
        return own
    long: dict[str, str] = {}
    for (first, second), meant in ALIASES.items():
        if first == noun and not meant.startswith(f"{noun} "):
            long.setdefault(meant, f"{first} {second}")
    return own | {name: ALL[meant][1] for meant, name in long.items()}
