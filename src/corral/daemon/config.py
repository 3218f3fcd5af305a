"""Settings: the file, the flags on top of it, and what they mean to the parts.

A file is flags written down: `log-max-size = "10m"` is `--log-max-size=10m`. The table is `corral.cli.settings`.
"""

from __future__ import annotations

import difflib
import os
import tomllib

from corral.cli.fail import Failure
from corral.cli.instance import Instance
from corral.cli.options import Parsed
from corral.cli.render import parse_size
from corral.cli.settings import BY_KEY, FLAG, LIST, NUMBER, SETTINGS, SIZE, TABLE, Setting
from corral.engine.config import EngineConfig
from corral.errors import InvalidInput, NotFound, from_oserror
from corral.images.remote.config import RemoteConfig
from corral.images.remote.endpoints import check_mirror
from corral.model.container import Ulimit

LOG_LEVELS = ("debug", "info", "warning", "error")


class Settings(Parsed):
    """The settings in force; a key that nobody gave has its default."""

    @classmethod
    def of(cls, file: dict[str, list[str]], flags: dict[str, list[str]]) -> Settings:
        """Pure: flags win over the file, which wins over the defaults.

        >>> Settings.of({"log-max-file": ["5"]}, {"ipv6": ["true"]}).number("log-max-file")
        5
        """
        made = cls()
        for setting in SETTINGS:
            made.values[setting.key] = (
                flags.get(setting.key) or file.get(setting.key) or _words(setting, setting.default)
            )
        return made

    def size(self, key: str) -> int:
        """In bytes. InvalidInput for what is no size."""
        try:
            return parse_size(self.text(key))
        except Failure as error:
            raise InvalidInput(f"{key}: {error.message}") from None


def load_settings(path: str, flags: dict[str, list[str]], *, must_exist: bool) -> Settings:
    """Reads the file (none is fine unless it was named) and puts the flags on top. InvalidInput, NotFound."""
    try:
        with open(path, "rb") as file:
            content = file.read().decode()
    except FileNotFoundError:
        if must_exist:
            raise NotFound(f"no such file: {path}") from None
        content = ""
    except OSError as error:
        raise from_oserror(f"read {path}", error) from error
    except UnicodeDecodeError:
        raise InvalidInput(f"{path}: not UTF-8 text") from None
    return Settings.of(parse_file(path, content), flags)


def parse_file(path: str, content: str) -> dict[str, list[str]]:
    """Pure: the file's keys as words. InvalidInput for an unknown key, or for a value of another type.

    >>> parse_file("c.toml", 'log-max-size = "20m"\\ndns = ["9.9.9.9"]')
    {'log-max-size': ['20m'], 'dns': ['9.9.9.9']}
    >>> parse_file("c.toml", 'log-max-sise = 1')
    Traceback (most recent call last):
    corral.errors.InvalidInput: c.toml: unknown key 'log-max-sise': did you mean 'log-max-size'?
    """
    try:
        data = tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(f"{path}: {error}") from None
    found: dict[str, list[str]] = {}
    for key, value in data.items():
        if key not in BY_KEY:
            raise InvalidInput(f"{path}: unknown key {key!r}{nearest(key)}")
        found[key] = _checked(path, BY_KEY[key], value)
    return found


def nearest(key: str) -> str:
    """Pure: a hint that names the known key that is most like it, or points to all of them."""
    close = difflib.get_close_matches(key.replace("_", "-"), BY_KEY, 1, 0.5)
    return f": did you mean {close[0]!r}?" if close else "; all keys: corral up --help"


KINDS = {FLAG: (bool,), NUMBER: (int,), LIST: (list,), TABLE: (dict, list), SIZE: (int, str), "text": (str,)}
NAMES = {
    FLAG: "true or false",
    NUMBER: "a number",
    LIST: "a list of texts",
    TABLE: "a table, or a list of KEY=VALUE",
    SIZE: 'a size such as "10m"',
    "text": "a text",
}


def _checked(path: str, setting: Setting, value: object) -> list[str]:
    wrong = not isinstance(value, KINDS[setting.kind]) or (isinstance(value, bool) and setting.kind != FLAG)
    if isinstance(value, dict):
        value = pairs(value)
    if isinstance(value, list):
        wrong = wrong or not all(isinstance(one, str) for one in value)
    if wrong:
        raise InvalidInput(f"{path}: {setting.key} must be {NAMES[setting.kind]}, not {value!r}")
    return _words(setting, value)


def pairs(table: dict[str, object]) -> list[object]:
    """Pure: a table as words.

    >>> pairs({"docker.io": ["https://a", "https://b"], "*": "https://c"})
    ['docker.io=https://a', 'docker.io=https://b', '*=https://c']
    """
    found: list[object] = []
    for key, value in table.items():
        for one in value if isinstance(value, list) else [value]:
            found.append(f"{key}={one}" if isinstance(one, str) else one)
    return found


def _words(setting: Setting, value: object) -> list[str]:
    if isinstance(value, list):
        return [str(one) for one in value]
    return [str(value).lower() if setting.kind == FLAG else str(value)]


def log_level(settings: Settings) -> str:
    """Pure: in the words of `logging`. One that nobody knows is refused a moment later, and until then it is info."""
    level = settings.text("log-level")
    return level.upper() if level in LOG_LEVELS else "INFO"


def engine_config(settings: Settings, instance: Instance) -> EngineConfig:
    """Pure: the settings in the engine's words."""
    return EngineConfig(
        root=instance.root,
        run=instance.volatile,
        runtime=settings.text("runtime"),
        runtimes=runtime_paths(settings.list("add-runtime")),
        conmon=settings.text("conmon"),
        init_path=settings.text("init-path"),
        init=settings.on("init"),
        log_driver=settings.text("log-driver"),
        log_max_size=settings.size("log-max-size"),
        log_max_files=settings.number("log-max-file"),
        bridge_subnet=settings.text("bridge-subnet"),
        bridge_mtu=settings.number("bridge-mtu"),
        ipv6=settings.on("ipv6"),
        icc=settings.on("icc"),
        dns=settings.list("dns"),
        dns_search=settings.list("dns-search"),
        dns_options=settings.list("dns-opt"),
        shm_size=settings.size("default-shm-size"),
        build_cache_limit=settings.size("build-cache-limit") if settings.text("build-cache-limit") else None,
        ulimits=[parse_ulimit(word) for word in settings.list("default-ulimit")],
        cgroup_parent=settings.text("cgroup-parent"),
        stop_timeout=settings.number("stop-timeout"),
        labels=settings.list("label"),
        userns_remap=settings.text("userns-remap"),
        remote=remote_config(settings, instance),
    )


def remote_config(settings: Settings, instance: Instance) -> RemoteConfig:
    """Pure: the settings that are about registries. Certificates are found where Docker keeps them, too."""
    own = f"{os.path.dirname(instance.config)}/certs.d"
    return RemoteConfig(
        mirrors=mirrors(settings.list("registry-mirror")),
        insecure=settings.list("insecure-registry"),
        certificates=["/etc/docker/certs.d", own, *settings.list("registry-certs")],
        downloads=settings.number("max-concurrent-downloads"),
        uploads=settings.number("max-concurrent-uploads"),
        attempts=settings.number("max-download-attempts"),
    )


def mirrors(words: list[str]) -> dict[str, list[str]]:
    """Pure: registry -> the mirrors that are asked first. InvalidInput.

    >>> mirrors(["https://a", "ghcr.io=https://b/ghcr"])
    {'docker.io': ['https://a'], 'ghcr.io': ['https://b/ghcr']}
    """
    found: dict[str, list[str]] = {}
    for word in words:
        name, equals, url = word.partition("=")
        if not equals or "/" in name:
            name, url = "docker.io", word
        check_mirror(url)
        found.setdefault(name, []).append(url)
    return found


def runtime_paths(words: list[str]) -> dict[str, str]:
    """Pure: `add-runtime` as name -> path."""
    pairs = [word.partition("=") for word in words]
    for name, equals, path in pairs:
        if not (name and equals and path.startswith("/")):
            raise InvalidInput(f"add-runtime {name}{equals}{path}: must be NAME=/PATH")
    return {name: path for name, _, path in pairs}


def parse_ulimit(word: str) -> Ulimit:
    """Pure.

    >>> parse_ulimit("nofile=1024:2048")
    Ulimit(name='nofile', soft=1024, hard=2048)
    """
    name, _, value = word.partition("=")
    soft, _, hard = value.partition(":")
    try:
        return Ulimit(name, int(soft), int(hard or soft))
    except ValueError:
        raise InvalidInput(f"default-ulimit {word!r}: must be NAME=SOFT[:HARD], in numbers") from None
