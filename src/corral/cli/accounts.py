"""Accounts: who we are at which registry, as docker's config.json and its credential helpers keep it.

::

    {"auths": {"localhost:5000": {"auth": "base64 of user:password", "identitytoken": "…"}},
     "credsStore": "pass", "credHelpers": {"reg.example": "ecr-login"}}
"""

from __future__ import annotations

import base64
import json
import os

from corral.cli.fail import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

HUB = "https://index.docker.io/v1/"
NOBODY = "credentials not found in native keychain"  # what helpers say for what they do not have
TOKEN = "<token>"  # the user's name when the secret is an identity token


class HelperFailed(Failure):
    """A credential helper is not there, or does not do its work."""

    def __init__(self, message: str) -> None:
        super().__init__(f"error getting credentials - {message}", 1)


def config_path(environment: Mapping[str, str] = os.environ) -> str:
    folder = environment.get("DOCKER_CONFIG") or os.path.join(os.path.expanduser("~"), ".docker")
    return os.path.join(folder, "config.json")


def read_config(path: str) -> dict[str, Any]:
    """{} if there is none. Failure if it cannot be read."""
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise Failure(f"{path} cannot be read: {error}", 1) from None
    if not isinstance(found, dict):
        raise Failure(f"{path} is not an object", 1)
    return found


def write_config(path: str, config: dict[str, Any]) -> None:
    """Replaces the file, which only its owner may read. One that is a link stays a link."""
    place = os.path.realpath(path)
    scratch = f"{place}.{os.getpid()}.new"
    try:
        os.makedirs(os.path.dirname(place), mode=0o700, exist_ok=True)
        fd = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(fd, "w", encoding="utf-8") as file:
            json.dump(config, file, indent="\t")
        os.replace(scratch, place)
    except OSError as error:
        raise Failure(f"write {path}: {(error.strerror or '').lower()}", 1) from None


def server_of(name: str) -> str:
    """The registry's key in the file, from what somebody typed. Pure.

    >>> server_of(""), server_of("docker.io"), server_of("https://reg.example/v2/"), server_of("localhost:5000")
    ('https://index.docker.io/v1/', 'https://index.docker.io/v1/', 'reg.example', 'localhost:5000')
    """
    host = name.partition("://")[2] if "://" in name else name
    host = host.partition("/")[0]
    return HUB if host in ("", "docker.io", "index.docker.io", "registry-1.docker.io") else host


def server_of_image(name: str) -> str:
    """Where an image comes from, by its name. Pure.

    >>> server_of_image("busybox:1"), server_of_image("localhost:5000/a"), server_of_image("me/app")
    ('https://index.docker.io/v1/', 'localhost:5000', 'https://index.docker.io/v1/')
    """
    first, slash, _ = name.partition("/")
    return server_of(first if slash and (first == "localhost" or any(c in first for c in ".:")) else "")


def helper_of(config: Mapping[str, Any], server: str) -> str:
    """The credential helper for a registry, "" if the file itself keeps them. Pure.

    >>> helper_of({"credsStore": "pass", "credHelpers": {"a": "ecr"}}, "a"), helper_of({"credsStore": "pass"}, "b")
    ('ecr', 'pass')
    """
    return str((config.get("credHelpers") or {}).get(server) or config.get("credsStore") or "")


def run_helper(helper: str, verb: str, text: str) -> dict[str, Any]:
    """What docker-credential-HELPER answers; {} for what it does not have. HelperFailed."""
    import subprocess

    program = f"docker-credential-{helper}"
    try:
        done = subprocess.run([program, verb], input=text.encode(), capture_output=True)
    except OSError as error:
        raise HelperFailed(f"{program}: {(error.strerror or '').lower()}") from None
    out = done.stdout.decode("utf-8", "replace").strip()
    if done.returncode:
        if out == NOBODY:
            return {}
        raise HelperFailed(f"err: exit status {done.returncode}, out: `{out}`")
    try:
        found = json.loads(out) if verb in ("get", "list") and out else {}
    except ValueError:
        raise HelperFailed(f"{program} {verb} answered no JSON: `{out}`") from None
    return found if isinstance(found, dict) else {}


def account(server: str, path: str = "") -> dict[str, str]:
    """Docker's AuthConfig for a registry; only the address if we are nobody there."""
    config = read_config(path or config_path())
    found = {"serveraddress": server}
    helper = helper_of(config, server)
    if helper:
        kept = run_helper(helper, "get", server)
        if kept.get("Username") == TOKEN:
            return found | {"identitytoken": str(kept.get("Secret", ""))}
        return found | (
            {"username": str(kept["Username"]), "password": str(kept.get("Secret", ""))} if kept.get("Username") else {}
        )
    entry = _entry(config, server)
    pair = base64.b64decode(entry["auth"]).decode() if entry.get("auth") else ""
    username, _, password = pair.partition(":")
    if username:
        found |= {"username": username, "password": password.rstrip("\0")}
    if entry.get("identitytoken"):
        found |= {"identitytoken": entry["identitytoken"]}
    return found


def account_or_nobody(server: str, warn: Callable[[str], None], path: str = "") -> dict[str, str]:
    """The same for what may be allowed to everybody: if a helper fails, nobody asks (as with docker) and it is said."""
    try:
        return account(server, path)
    except HelperFailed as failure:
        warn(f"WARNING: {failure.message}; going on without credentials for {server}")
        return {"serveraddress": server}


def everything(warn: Callable[[str], None], path: str = "") -> dict[str, dict[str, str]]:
    """Every account that is known here, by the registry's name in the file: for what may ask several registries."""
    config = read_config(path or config_path())
    servers = [*(config.get("auths") or {}), *(config.get("credHelpers") or {})]
    if config.get("credsStore"):
        try:
            servers += run_helper(str(config["credsStore"]), "list", "")
        except HelperFailed as failure:
            warn(f"WARNING: {failure.message}; going on without the credentials that it has")
            servers = [server for server in servers if helper_of(config, server) != config["credsStore"]]
    known = {server: account_or_nobody(server, warn, path) for server in dict.fromkeys(servers)}
    return {server: found for server, found in known.items() if len(found) > 1}


def _entry(config: Mapping[str, Any], server: str) -> dict[str, str]:
    """An entry of the file, also one under an older spelling of the registry's name."""
    auths = config.get("auths") or {}
    if server in auths:
        return dict(auths[server] or {})
    return next((dict(entry or {}) for key, entry in auths.items() if server_of(key) == server_of(server)), {})


def remember(server: str, username: str, password: str, identity_token: str, path: str = "") -> str:
    """Keeps an account; the helper that has it, "" if the file has it in plain."""
    path = path or config_path()
    config = read_config(path)
    helper = helper_of(config, server)
    if helper:
        name, secret = (TOKEN, identity_token) if identity_token else (username, password)
        run_helper(helper, "store", json.dumps({"ServerURL": server, "Username": name, "Secret": secret}))
        entry = {}
    elif identity_token:
        entry = {"auth": base64.b64encode(f"{username}:".encode()).decode(), "identitytoken": identity_token}
    else:
        entry = {"auth": base64.b64encode(f"{username}:{password}".encode()).decode()}
    config.setdefault("auths", {})[server] = entry
    write_config(path, config)
    return helper


def forget(server: str, path: str = "") -> bool:
    """Removes an account; whether there was one."""
    path = path or config_path()
    config = read_config(path)
    helper, auths = helper_of(config, server), config.get("auths") or {}
    keys = [key for key in auths if key == server or server_of(key) == server]
    if helper:
        run_helper(helper, "erase", server)
    for key in keys:
        del auths[key]
    if keys:
        write_config(path, config)
    return bool(keys)


def header(found: Mapping[str, str]) -> dict[str, str]:
    """The header that tells the daemon. Pure.

    >>> header({"username": "me"})
    {'X-Registry-Auth': 'eyJ1c2VybmFtZSI6ICJtZSJ9'}
    """
    return {"X-Registry-Auth": base64.urlsafe_b64encode(json.dumps(dict(found)).encode()).decode()}
