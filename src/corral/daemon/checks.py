"""Settings of the engine that cannot be: refused before anything starts, by their key.

Each would otherwise be passed on, and every container would fail with words that name no setting.
"""

from __future__ import annotations

import ipaddress
import re

from corral.daemon.config import LOG_LEVELS, Settings, parse_ulimit
from corral.errors import CorralError, InvalidInput, Unsupported
from corral.logs.policy import check_driver
from corral.runtime.rlimits import check_ulimit

_MTU = range(68, 65536)  # what the kernel takes for a bridge
_AT_LEAST_ONE = ("log-max-file", "max-concurrent-downloads", "max-concurrent-uploads", "max-download-attempts")
_REGISTRY = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?")


def check_settings(settings: Settings) -> None:
    """Pure: what cannot be had is refused by name. Unsupported, InvalidInput."""
    if not settings.on("live-restore"):
        raise Unsupported("live-restore = false is not offered: containers always outlive the daemon")
    if settings.text("log-level") not in LOG_LEVELS:
        raise InvalidInput(f"log-level {settings.text('log-level')!r}: one of {', '.join(LOG_LEVELS)}")
    _check_numbers(settings)
    _check_logs(settings)
    _check_names(settings)
    for word in settings.list("default-ulimit"):
        ulimit = parse_ulimit(word)
        try:
            check_ulimit(ulimit)
        except InvalidInput as error:
            raise InvalidInput(f"default-ulimit {word!r}: {error.message}") from None
    for word in settings.list("label"):
        if "=" not in word:
            raise InvalidInput(f"label {word!r}: must be KEY=VALUE")
    for word in settings.list("insecure-registry"):
        if not (_REGISTRY.fullmatch(word) or _is_network(word)):
            raise InvalidInput(f"insecure-registry {word!r}: must be HOST[:PORT] or CIDR, without a scheme or a path")


def _check_numbers(settings: Settings) -> None:
    for key in _AT_LEAST_ONE:
        if settings.number(key) < 1:
            raise InvalidInput(f"{key} {settings.number(key)}: must be at least 1")
    mtu = settings.number("bridge-mtu")
    if mtu and mtu not in _MTU:
        raise InvalidInput(f"bridge-mtu {mtu}: must be from {_MTU[0]} to {_MTU[-1]}; 0: that of the way out")
    if settings.size("default-shm-size") < 0:
        raise InvalidInput(f"default-shm-size {settings.text('default-shm-size')}: must not be negative")
    if settings.text("build-cache-limit") and settings.size("build-cache-limit") < 0:
        raise InvalidInput(f"build-cache-limit {settings.text('build-cache-limit')}: must not be negative")


def _check_logs(settings: Settings) -> None:
    driver, size = settings.text("log-driver"), settings.size("log-max-size")
    try:
        check_driver(driver)
    except CorralError as error:
        raise type(error)(f"log-driver {driver!r}: {error.message}") from None
    if size <= 0 and size != -1:
        raise InvalidInput(f"log-max-size {settings.text('log-max-size')}: must be positive; -1: logs grow for ever")


def _check_names(settings: Settings) -> None:
    for word in settings.list("dns"):
        try:
            ipaddress.ip_address(word)
        except ValueError:
            raise InvalidInput(f"dns {word!r}: must be the address of a name server") from None
    for word in settings.list("dns-search"):
        if not word or re.search(r"\s", word):
            raise InvalidInput(f"dns-search {word!r}: must be one domain")


def _is_network(word: str) -> bool:
    try:
        ipaddress.ip_network(word, strict=False)
    except ValueError:
        return False
    return True
