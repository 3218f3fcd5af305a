"""How large a container's log may grow, read from the options that Docker's json-file and local drivers take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from corral.errors import InvalidInput, Unsupported


class LogPolicy(NamedTuple):
    """A file of more than `max_size` bytes (-1: of any size) is put aside; at most `max_files` are kept in all."""

    max_size: int = 10_000_000
    max_files: int = 3

    @property
    def unlimited(self) -> bool:
        return self.max_size <= 0


DEFAULT = LogPolicy()

DRIVERS = ("json-file", "local", "none")
_ELSEWHERE = ("awslogs", "etwlogs", "fluentd", "gcplogs", "gelf", "journald", "splunk", "syslog")
_COMMON = {"mode", "max-buffer-size", "max-size", "max-file", "compress"}
_DETAILS = {"labels", "labels-regex", "env", "env-regex", "tag"}
_UNKNOWN = {
    "json-file": "unknown log opt '{}' for json-file log driver",
    "local": "unknown log opt '{}' for log driver local",
}
_UNITS = {"b": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "p": 10**15}


def plan_policy(driver: str, options: Mapping[str, str], default: LogPolicy = DEFAULT) -> LogPolicy:
    """Pure: the policy that `driver` ("" is json-file) and its options ask for.

    `mode=non-blocking` promises that a program never waits for who takes its log: that holds in both modes here, as
    the monitor writes into a local file and the kernel's cache is the buffer. Nothing is dropped for `max-buffer-size`.

    Raises InvalidInput in Docker's words, and Unsupported for what only Docker offers.

    >>> plan_policy("json-file", {"max-size": "1m"})
    LogPolicy(max_size=1000000, max_files=3)
    >>> plan_policy("local", {"max-size": "-1", "max-file": "9"}).unlimited
    True
    """
    driver = driver or "json-file"
    check_driver(driver)
    if driver == "none":
        return LogPolicy(-1, 1)
    for name in options:
        if name not in _COMMON and not (name in _DETAILS and driver == "json-file"):
            raise InvalidInput(_UNKNOWN[driver].format(name))
    _check_mode(options)
    if _boolean(options.get("compress", "false")):
        raise Unsupported(f"log opt 'compress' of the {driver} log driver is not offered: use compress=false")
    size, files = options.get("max-size"), options.get("max-file")
    return LogPolicy(
        default.max_size if size is None else _max_size(size), default.max_files if files is None else _max_file(files)
    )


def check_driver(driver: str) -> None:
    """Raises Unsupported for the drivers that only Docker has, InvalidInput for those that nobody has."""
    if driver in _ELSEWHERE:
        raise Unsupported(f"log driver '{driver}' is not offered: use one of {', '.join(DRIVERS)}")
    if driver not in DRIVERS:
        raise InvalidInput(f"logger: no log driver named '{driver}' is registered")


def _check_mode(options: Mapping[str, str]) -> None:
    mode = options.get("mode", "")
    if mode not in ("", "blocking", "non-blocking"):
        raise InvalidInput(f"logger: logging mode not supported: {mode}")
    if "max-buffer-size" in options and mode != "non-blocking":
        raise InvalidInput("logger: max-buffer-size option is only supported with 'mode=non-blocking'")
    if "max-buffer-size" in options:
        _check_buffer(options["max-buffer-size"])


def _check_buffer(text: str) -> None:
    try:
        parse_size(text)
    except InvalidInput as error:
        raise InvalidInput(f"error parsing option max-buffer-size: {error.message}") from None


def _max_size(text: str) -> int:
    if text == "-1":
        return -1
    size = parse_size(text)
    if size <= 0:
        raise InvalidInput("max-size must be a positive number")
    return size


def _max_file(text: str) -> int:
    try:
        count = int(text)
    except ValueError:
        raise InvalidInput(f'strconv.Atoi: parsing "{text}": invalid syntax') from None
    if count < 1:
        raise InvalidInput("max-file cannot be less than 1")
    return count


def parse_size(text: str) -> int:
    """Pure: a size in decimal units as Docker reads it for logs.

    >>> parse_size("10m"), parse_size("1.5 kB"), parse_size("7"), parse_size("2GiB")
    (10000000, 1500, 7, 2000000000)
    """
    at = max((text.rfind(char) for char in "0123456789. "), default=-1)
    if at < 0:
        raise InvalidInput(f"invalid size: '{text}'")
    number, suffix = (text[:at] if text[at] == " " else text[: at + 1]), text[at + 1 :].lower()
    try:
        value = float(number)
    except ValueError:
        raise InvalidInput(f'strconv.ParseFloat: parsing "{number}": invalid syntax') from None
    if value < 0:
        raise InvalidInput(f"invalid size: '{text}'")
    if suffix and (suffix[0] not in _UNITS or suffix[1:] not in ("", "b", "ib") or suffix[0] + suffix[1:] == "bib"):
        raise InvalidInput(f"invalid suffix: '{suffix}'")
    return int(value * _UNITS[suffix[0]]) if suffix else int(value)


def _boolean(text: str) -> bool:
    if text in ("1", "t", "T", "true", "TRUE", "True"):
        return True
    if text in ("0", "f", "F", "false", "FALSE", "False"):
        return False
    raise InvalidInput(f'strconv.ParseBool: parsing "{text}": invalid syntax')
