"""Probes and hooks of containers. Pure."""

from __future__ import annotations

from collections.abc import Callable

from corral.model.kubernetes import names
from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.kinds.checks import Problems, each, nonnegative, port_number_or_name
from corral.model.kubernetes.kinds.core.pod_spec.scope import Scope
from corral.model.kubernetes.kinds.fields import has, number, objects, text, values
from corral.model.kubernetes.problems import forbidden, invalid, not_supported, required

_NUMBERS = ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")
_SIGNALS = (
    "ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR QUIT RTMAX RTMAX-1 RTMAX-10 RTMAX-11 "
    "RTMAX-12 RTMAX-13 RTMAX-14 RTMAX-2 RTMAX-3 RTMAX-4 RTMAX-5 RTMAX-6 RTMAX-7 RTMAX-8 RTMAX-9 RTMIN RTMIN+1 "
    "RTMIN+10 RTMIN+11 RTMIN+12 RTMIN+13 RTMIN+14 RTMIN+15 RTMIN+2 RTMIN+3 RTMIN+4 RTMIN+5 RTMIN+6 RTMIN+7 RTMIN+8 "
    "RTMIN+9 SEGV STKFLT STOP SYS TERM TRAP TSTP TTIN TTOU URG USR1 USR2 VTALRM WINCH XCPU XFSZ"
)
_STOP_SIGNALS = {
    "linux": tuple(f"SIG{one}" for one in _SIGNALS.split()),
    "windows": ("SIGKILL", "SIGTERM"),
}

PROBES = ("livenessProbe", "readinessProbe", "startupProbe")


def check_probes(container: Object, path: str, scope: Scope) -> Problems:
    for kind in PROBES:
        probe = container.get(kind)
        if isinstance(probe, dict):
            yield from _probe(probe, f"{path}.{kind}", scope)
            yield from _special(kind, probe, f"{path}.{kind}")


def _special(kind: str, probe: Object, path: str) -> Problems:
    if kind == "readinessProbe":
        if has(probe, "terminationGracePeriodSeconds"):
            value = probe["terminationGracePeriodSeconds"]
            yield invalid(f"{path}.terminationGracePeriodSeconds", value, "must not be set for readinessProbes")
    elif number(probe, "successThreshold") != 1:
        yield invalid(f"{path}.successThreshold", number(probe, "successThreshold"), "must be 1")


def _probe(probe: Object, path: str, scope: Scope) -> Problems:
    yield from _handler(probe, path, ("exec", "httpGet", "tcpSocket", "grpc"), scope)
    yield from nonnegative(probe, path, *_NUMBERS)
    if has(probe, "terminationGracePeriodSeconds") and number(probe, "terminationGracePeriodSeconds") <= 0:
        value = number(probe, "terminationGracePeriodSeconds")
        yield invalid(f"{path}.terminationGracePeriodSeconds", value, "must be greater than 0")


def check_lifecycle(container: Object, path: str, scope: Scope) -> Problems:
    lifecycle = container.get("lifecycle")
    if not isinstance(lifecycle, dict):
        return
    for kind in ("postStart", "preStop"):
        if isinstance(lifecycle.get(kind), dict):
            yield from _handler(lifecycle[kind], f"{path}.{kind}", ("exec", "httpGet", "tcpSocket", "sleep"), scope)
    if has(lifecycle, "stopSignal"):
        yield from _stop_signal(lifecycle["stopSignal"], f"{path}.stopSignal", scope.os)


def _stop_signal(signal: str, path: str, os: str | None) -> Problems:
    if os is None:
        yield forbidden(path, "may not be set for containers with empty `spec.os.name`")
    elif os in _STOP_SIGNALS and signal not in _STOP_SIGNALS[os]:
        yield not_supported(path, signal, _STOP_SIGNALS[os])


def _handler(handler: Object, path: str, kinds: tuple[str, ...], scope: Scope) -> Problems:
    """
    >>> scope = Scope({}, (), "Always", 30, True, None)
    >>> [str(one) for one in _handler({}, "livenessProbe", ("exec",), scope)]
    ['livenessProbe: Required value: must specify a handler type']
    """
    found = 0
    for kind in kinds:
        if isinstance(handler.get(kind), dict):
            if found:
                yield forbidden(f"{path}.{kind}", "may not specify more than 1 handler type")
            else:
                yield from _ACTIONS[kind](handler[kind], f"{path}.{kind}", scope)
            found += 1
    if not found:
        yield required(path, "must specify a handler type")


def _exec(action: Object, path: str, scope: Scope) -> Problems:
    if not values(action, "command"):
        yield required(f"{path}.command")


def _http_get(action: Object, path: str, scope: Scope) -> Problems:
    if not text(action, "path"):
        yield required(f"{path}.path")
    yield from port_number_or_name(action.get("port"), f"{path}.port")
    if text(action, "scheme") not in ("HTTP", "HTTPS"):
        yield not_supported(f"{path}.scheme", text(action, "scheme"), ("HTTP", "HTTPS"))
    for header in objects(action, "httpHeaders"):
        name = text(header, "name")
        yield from each(f"{path}.httpHeaders", name, names.http_header(name))


def _port(action: Object, path: str, scope: Scope) -> Problems:
    return port_number_or_name(action.get("port"), f"{path}.port")


def _sleep(action: Object, path: str, scope: Scope) -> Problems:
    seconds = number(action, "seconds")
    if not 0 <= seconds <= scope.grace:
        detail = f"must be non-negative and less than terminationGracePeriodSeconds ({scope.grace})"
        yield invalid(path, seconds, detail)


_ACTIONS: dict[str, Callable[[Object, str, Scope], Problems]] = {
    "exec": _exec,
    "httpGet": _http_get,
    "tcpSocket": _port,
    "grpc": _port,
    "sleep": _sleep,
}
