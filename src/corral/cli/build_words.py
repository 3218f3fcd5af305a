"""The words of `corral build`'s options that are lists of their own: secrets, agents, outputs, caches, contexts."""

from __future__ import annotations

import base64
import os

from corral.cli.fail import Failure
from corral.cli.options import FALSE, TRUE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    Json = dict[str, Any]

URLS = ("http://", "https://", "git://", "git@", "ssh://", "github.com/")
ARCHIVES = {"tar": "files", "oci": "oci", "docker": "docker"}  # kinds whose answer is one tar


def fields(words: str) -> list[str]:
    """A line of comma-separated values, with quotes where a value has a comma. Pure.

    >>> fields('type=local,dest=out,"a=b,c"')
    ['type=local', 'dest=out', 'a=b,c']
    """
    if '"' not in words:
        return words.split(",")
    import csv

    return next(csv.reader([words], strict=True))


def pairs(words: str, flag: str, known: Sequence[str] = ()) -> dict[str, str]:
    """`key=value,…` as a dictionary, keys in lower case. Failure. Pure.

    >>> pairs("id=a,src=b", "--secret", ("id", "src"))
    {'id': 'a', 'src': 'b'}
    """
    found = {}
    for field in fields(words):
        key, equals, value = field.partition("=")
        key = key.strip().lower()
        if not equals:
            raise Failure(f"invalid field '{field}' in {flag}: must be a key=value pair", 125)
        if known and key not in known:
            raise Failure(f"unexpected key '{key}' in '{field}' of {flag}", 125)
        found[key] = value
    return found


def secret(words: str, environment: Mapping[str, str] = os.environ) -> tuple[str, str]:
    """`id=…[,src=FILE|,env=NAME]` as (id, content in base64). Without either, the variable or file is named as it is.

    >>> secret("id=token,env=T", {"T": "abc"})
    ('token', 'YWJj')
    """
    given = pairs(words, "--secret", ("type", "id", "src", "source", "env"))
    name, kind = given.get("id", ""), given.get("type", "")
    path, variable = given.get("src") or given.get("source") or "", given.get("env", "")
    if kind not in ("", "file", "env"):
        raise Failure(f'unsupported secret type "{kind}"', 125)
    if kind == "env" and not variable:
        path, variable = "", path
    if not name:
        raise Failure(f"secret is missing its id: --secret {words}", 125)
    if not path and not variable:
        variable = name if name in environment else ""
        path = "" if variable else name
    if variable:
        if variable not in environment:
            raise Failure(f"secret {name}: the environment variable {variable} is not set", 1)
        return name, base64.b64encode(os.fsencode(environment[variable])).decode()
    try:
        with open(os.path.expanduser(path), "rb") as file:
            return name, base64.b64encode(file.read()).decode()
    except OSError as error:
        raise Failure(f"secret {name}: open {path}: {(error.strerror or '').lower()}", 1) from None


def agent(words: str, environment: Mapping[str, str] = os.environ) -> tuple[str, str]:
    """`default|ID[=SOCKET]` as (id, the agent's socket). Keys as files are refused.

    >>> agent("default", {"SSH_AUTH_SOCK": "/dev/null"}), agent("git=/dev/zero")
    (('default', '/dev/null'), ('git', '/dev/zero'))
    """
    name, _, path = words.partition("=")
    path = path or environment.get("SSH_AUTH_SOCK", "")
    if not path:
        raise Failure(f"--ssh {words}: there is no ssh agent here: SSH_AUTH_SOCK is not set", 1)
    if "," in path or os.path.isfile(path):
        raise Failure(f"--ssh {words}: keys are not read from files; add them to an agent with ssh-add", 125)
    if not os.path.exists(path):
        raise Failure(f"could not parse ssh: [{words}]: stat {path}: no such file or directory", 1)
    return name, os.path.abspath(path)


def output(words: str) -> Json:
    """One `--output`: its kind, where it goes here ("" is the image store), and its options. Failure. Pure.

    >>> output("out"), output("-")
    ({'kind': 'files', 'dest': 'out', 'options': {}}, {'kind': 'files', 'dest': '-', 'options': {}, 'tar': True})
    >>> output("type=oci,dest=a.tar,compression=zstd")["options"]
    {'compression': 'zstd'}

    With tar=false the layout is a directory:

    >>> output("type=oci,dest=a,tar=false")
    {'kind': 'oci', 'dest': 'a', 'options': {}}
    """
    if "=" not in words:
        return {"kind": "files", "dest": words, "options": {}} | ({"tar": True} if words == "-" else {})
    options = pairs(words, "--output")
    kind, dest, push = options.pop("type", ""), options.pop("dest", ""), options.get("push", "")
    if push not in ("", *TRUE, *FALSE):
        raise Failure(f'non-bool value specified for push: strconv.ParseBool: parsing "{push}": invalid syntax', 1)
    if kind in ("image", "registry"):
        if dest:
            raise Failure(f"dest is not supported for --output type={kind}", 125)
        return {"kind": "image", "dest": "", "options": options | ({"push": "true"} if kind == "registry" else {})}
    if kind == "cacheonly":
        return {"kind": "none", "dest": "", "options": options}
    if kind == "local":
        if dest in ("", "-"):
            raise Failure("--output type=local needs dest=DIRECTORY", 125)
        return {"kind": "files", "dest": dest, "options": options}
    if not kind:
        raise Failure("type is required for output", 125)
    if kind not in ARCHIVES:
        raise Failure(f'output "{kind}" is not known: local, tar, oci, docker, image, registry and cacheonly are', 125)
    if kind == "docker" and not dest:
        return {"kind": "image", "dest": "", "options": options}
    if kind != "tar" and options.pop("tar", "true") in FALSE:
        if dest in ("", "-"):
            raise Failure(f"--output type={kind},tar=false needs dest=DIRECTORY", 125)
        return {"kind": ARCHIVES[kind], "dest": dest, "options": options}
    return {"kind": ARCHIVES[kind], "dest": dest or "-", "options": options, "tar": True}


def cache(words: str, flag: str) -> Json:
    """One `--cache-from` or `--cache-to`. Failure. Pure.

    >>> cache("localhost:5000/app:cache", "--cache-from")
    {'kind': 'registry', 'ref': 'localhost:5000/app:cache', 'options': {}}
    >>> cache("type=registry,ref=r,mode=max", "--cache-to")
    {'kind': 'registry', 'ref': 'r', 'options': {}, 'mode': 'max'}
    """
    if "=" not in words:
        return {"kind": "inline" if words == "inline" else "registry", "ref": words, "options": {}}
    options = pairs(words, flag)
    kind, mode = options.pop("type", ""), options.pop("mode", "")
    if kind not in ("registry", "inline", "local"):
        raise Failure(f'{flag}: "{kind}" caches are not offered; registry, inline and local are', 125)
    place = "ref" if kind == "registry" else "dest" if flag == "--cache-to" else "src"
    ref = options.pop(place, "")
    if not ref and kind != "inline":
        which = "exporter" if flag == "--cache-to" else "importer"
        raise Failure(f"{kind} cache {which} requires {place}", 125)
    if mode not in ("", "min", "max"):
        raise Failure(f'{flag}: mode "{mode}" is neither min nor max', 125)
    return {"kind": kind, "ref": ref, "options": options} | ({"mode": mode} if mode else {})


def context(words: str) -> tuple[str, str]:
    """One `--build-context NAME=WHERE`: (name, where). Failure. Pure.

    >>> context("base=docker-image://busybox")
    ('base', 'docker-image://busybox')
    """
    name, equals, where = words.partition("=")
    if not equals or not name or not where:
        raise Failure(f"invalid --build-context {words}, expected NAME=VALUE", 125)
    if where.startswith(("oci-layout://", "target:")):
        raise Failure(f"--build-context {words}: {where.partition(':')[0]} is not offered", 125)
    return name.lower(), where


def is_url(where: str) -> bool:
    """Whether a context is the daemon's to fetch. Pure.

    >>> is_url("https://example.com/a.git#main"), is_url("./a"), is_url("git@example.com:a/b")
    (True, False, True)
    """
    return where.startswith(URLS)


def values(words: Sequence[str], environment: Mapping[str, str] = os.environ) -> dict[str, str | None]:
    """`--build-arg NAME[=VALUE]`: a name alone takes its value from here; None if there is none. Pure.

    >>> values(["A=1", "B", "C"], {"B": "2"})
    {'A': '1', 'B': '2', 'C': None}
    """
    found: dict[str, str | None] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not name:
            raise Failure(f"invalid environment variable: {word}", 125)
        found[name] = value if equals else environment.get(name)
    return found


def arguments(words: Sequence[str], environment: Mapping[str, str]) -> dict[str, str | None]:
    """The build arguments. The time that a build is to be of is one of them, also where only the environment says it.
    Pure.

    >>> arguments(["A=1"], {"SOURCE_DATE_EPOCH": "0"}), arguments(["SOURCE_DATE_EPOCH=1"], {"SOURCE_DATE_EPOCH": "0"})
    ({'SOURCE_DATE_EPOCH': '0', 'A': '1'}, {'SOURCE_DATE_EPOCH': '1'})
    """
    epoch = environment.get("SOURCE_DATE_EPOCH", "")
    return ({"SOURCE_DATE_EPOCH": epoch} if epoch else {}) | values(words, environment)


def extra_host(word: str) -> str:
    """`--add-host NAME:ADDRESS`, or with "=" between them. Pure. Failure.

    >>> extra_host("db:10.0.0.9"), extra_host("six=::1")
    ('db:10.0.0.9', 'six=::1')
    """
    import ipaddress

    name, mark, address = word.partition("=" if "=" in word.partition(":")[0] else ":")
    if not (name and mark):
        raise Failure(f'bad format for add-host: "{word}"', 125)
    try:
        if address != "host-gateway":
            ipaddress.ip_address(address.removeprefix("[").removesuffix("]"))
    except ValueError:
        raise Failure(f'invalid IP address in add-host: "{address}"', 125) from None
    return word
