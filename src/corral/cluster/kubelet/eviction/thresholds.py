"""Below how much of what the node is said to run short: read from the settings, in the words of the kubelet's. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from corral.errors import InvalidInput
from corral.kit.clock import SECOND, parse_duration
from corral.model.kubernetes.quantity import NoQuantity, parse

# Upstream's but for nodefs.available<10% and imagefs.available<15%: a disk that is a node's alone can be kept so empty;
# a workstation's or a CI machine's is not, and has room enough for a small cluster when 90% of it are full.
DEFAULT_HARD: Final = (
    "memory.available<100Mi,nodefs.available<5%,nodefs.inodesFree<5%,imagefs.available<5%,imagefs.inodesFree<5%"
)


class Signal(NamedTuple):
    """`condition`: of the node, while the signal is below a threshold. `resource`: what pods are to give back."""

    condition: str
    resource: str


SIGNALS: Final = {
    "memory.available": Signal("MemoryPressure", "memory"),
    "nodefs.available": Signal("DiskPressure", "ephemeral-storage"),
    "nodefs.inodesFree": Signal("DiskPressure", "inodes"),
    "imagefs.available": Signal("DiskPressure", "ephemeral-storage"),
    "imagefs.inodesFree": Signal("DiskPressure", "inodes"),
    "pid.available": Signal("PIDPressure", "pids"),
}


class Amount(NamedTuple):
    """An absolute one, or a part of the capacity where `part` is not 0."""

    value: int = 0
    part: float = 0.0

    def of(self, capacity: int) -> int:
        """
        >>> Amount(5).of(100), Amount(part=0.1).of(100)
        (5, 10)
        """
        return int(capacity * self.part) if self.part else self.value


NOTHING: Final = Amount()


@dataclass(frozen=True)
class Threshold:
    """`grace`: seconds that a soft one is borne, 0 for a hard one. `reclaim`: how far beyond it is enough again."""

    signal: str
    amount: Amount
    grace: float = 0.0
    reclaim: Amount = NOTHING

    @property
    def hard(self) -> bool:
        return self.grace == 0


@dataclass(frozen=True)
class EvictionSettings:
    """`most_grace`: seconds that pods have at a soft threshold. `transition`: for how long a condition lasts at least.

    `period`: seconds between two looks.
    """

    thresholds: tuple[Threshold, ...] = ()
    most_grace: int = 0
    transition: float = 300.0
    period: float = 10.0


def parse_amount(setting: str, signal: str, text: str) -> Amount | None:
    """None for 0% and 100%, which switch a threshold off.

    >>> parse_amount("x", "memory.available", "10%"), parse_amount("x", "memory.available", "1Ki")
    (Amount(value=0, part=0.1), Amount(value=1024, part=0.0))
    """
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?%", text):
        percent = float(text[:-1])
        if percent > 100:
            raise InvalidInput(f"{setting}: {signal}: {text} is more than 100%")
        return None if percent in (0, 100) else Amount(part=percent / 100)
    try:
        value = parse(text).ceil()
    except NoQuantity:
        raise InvalidInput(f"{setting}: {signal}: {text!r} is neither a quantity nor a percentage") from None
    if value < 0:
        raise InvalidInput(f"{setting}: {signal}: {text} is negative")
    return Amount(value)


def split(setting: str, text: str, sign: str) -> dict[str, str]:
    """The parts of a setting, by signal. InvalidInput.

    >>> split("eviction-hard", "memory.available<1Gi, pid.available<10%", "<")
    {'memory.available': '1Gi', 'pid.available': '10%'}
    >>> split("eviction-hard", "memory<1Gi", "<")
    Traceback (most recent call last):
    corral.errors.InvalidInput: eviction-hard: unknown signal 'memory': one of memory.available, nodefs.available, \
nodefs.inodesFree, imagefs.available, imagefs.inodesFree, pid.available
    """
    found: dict[str, str] = {}
    for part in filter(None, (one.strip() for one in text.split(","))):
        signal, given, value = part.partition(sign)
        if not given or not value:
            raise InvalidInput(f"{setting} {part!r}: must be SIGNAL{sign}VALUE")
        if signal not in SIGNALS:
            raise InvalidInput(f"{setting}: unknown signal {signal!r}: one of {', '.join(SIGNALS)}")
        if signal in found:
            raise InvalidInput(f"{setting}: {signal} is given twice")
        found[signal] = value
    return found


def plan_thresholds(hard: str, soft: str, graces: str, reclaims: str) -> tuple[Threshold, ...]:
    """InvalidInput; among others for a soft threshold without its grace.

    >>> [(one.signal, one.grace) for one in plan_thresholds("", "pid.available<5%", "pid.available=1m30s", "")]
    [('pid.available', 90.0)]
    """
    least = {
        signal: parse_amount("eviction-minimum-reclaim", signal, value) or Amount()
        for signal, value in split("eviction-minimum-reclaim", reclaims, "=").items()
    }
    borne = {
        signal: _seconds(signal, value) for signal, value in split("eviction-soft-grace-period", graces, "=").items()
    }
    found = _thresholds("eviction-hard", hard, {}, least)
    wanted = split("eviction-soft", soft, "<")
    for signal in wanted:
        if signal not in borne:
            raise InvalidInput(f"eviction-soft: {signal} has no grace: eviction-soft-grace-period must name it")
    return (*found, *_thresholds("eviction-soft", soft, borne, least))


def _thresholds(
    setting: str, text: str, graces: Mapping[str, float], least: Mapping[str, Amount]
) -> tuple[Threshold, ...]:
    found = []
    for signal, value in split(setting, text, "<").items():
        amount = parse_amount(setting, signal, value)
        if amount is not None:
            found.append(Threshold(signal, amount, graces.get(signal, 0.0), least.get(signal, Amount())))
    return tuple(found)


def _seconds(signal: str, text: str) -> float:
    try:
        seconds = parse_duration(text) / SECOND
    except ValueError:
        raise InvalidInput(f"eviction-soft-grace-period: {signal}: {text!r} is no duration such as 1m30s") from None
    if seconds <= 0:
        raise InvalidInput(f"eviction-soft-grace-period: {signal}: {text} must be more than nothing")
    return seconds
