"""The Pod Security Standards: what a pod of level baseline or restricted may not do. Pure.

Follows k8s.io/pod-security-admission/policy: its checks, their order, their texts (of the latest version).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from corral.cluster.apiserver.admission.plugin import Object, containers_of
from corral.model.kubernetes.kinds.fields import annotations_of, flag, number, objects, part, text, texts

BASELINE_CAPABILITIES: Final = frozenset(
    "AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE SETFCAP SETGID SETPCAP SETUID "
    "SYS_CHROOT".split()
)
SAFE_SYSCTLS: Final = frozenset(
    "kernel.shm_rmid_forced net.ipv4.ip_local_port_range net.ipv4.tcp_syncookies net.ipv4.ping_group_range "
    "net.ipv4.ip_unprivileged_port_start net.ipv4.ip_local_reserved_ports net.ipv4.tcp_keepalive_time "
    "net.ipv4.tcp_fin_timeout net.ipv4.tcp_keepalive_intvl net.ipv4.tcp_keepalive_probes net.ipv4.tcp_rmem "
    "net.ipv4.tcp_wmem".split()
)
SELINUX_TYPES: Final = ("", "container_t", "container_init_t", "container_kvm_t", "container_engine_t")
VOLUMES: Final = frozenset(
    "configMap csi downwardAPI emptyDir ephemeral persistentVolumeClaim projected secret".split()
)
APPARMOR: Final = "container.apparmor.security.beta.kubernetes.io/"


class Finding(NamedTuple):
    """`reason` is short; `detail` says which container, and what to do."""

    reason: str
    detail: str

    def __str__(self) -> str:
        return f"{self.reason} ({self.detail})" if self.detail else self.reason


def _names(found: list[str], one: str, many: str = "") -> str:
    """
    >>> _names(["a"], "container"), _names(["a", "b"], "container")
    ('container "a"', 'containers "a", "b"')
    """
    word = one if len(found) == 1 else many or f"{one}s"
    return f"{word} {', '.join(json.dumps(name) for name in found)}"


def _security(holder: Object) -> Object:
    return part(holder, "securityContext")


def _bad(pod: Object, fits: Callable[[Object], bool]) -> list[str]:
    return [text(one, "name") for one in containers_of(part(pod, "spec")) if fits(one)]


def _app_armor(pod: Object) -> Iterator[Finding]:
    spec = part(pod, "spec")
    kinds: list[str] = []
    holders: list[str] = []
    profile = text(part(_security(spec), "appArmorProfile"), "type")
    if profile == "Unconfined":
        holders, kinds = ["pod"], [f'appArmorProfile.type: "{profile}"']
    named = _bad(pod, lambda one: text(part(_security(one), "appArmorProfile"), "type") == "Unconfined")
    if named:
        holders.append(_names(named, "container"))
        kinds = kinds or ['appArmorProfile.type: "Unconfined"']
    notes = {key: value for key, value in annotations_of(pod).items() if key.startswith(APPARMOR)}
    wrong = [
        f'{key}="{value}"'
        for key, value in sorted(notes.items())
        if value not in ("", "runtime/default") and not str(value).startswith("localhost/")
    ]
    if wrong:
        word = "annotation" if len(wrong) == 1 else "annotations"
        holders = [*holders, word]
        kinds = [*kinds, *wrong]
    if holders:
        word = "profile" if len(kinds) == 1 else "profiles"
        yield Finding(
            f"forbidden AppArmor {word}", f"{', '.join(holders)} must not set AppArmor profile {' or '.join(kinds)}"
        )


def _capabilities(pod: Object) -> Iterator[Finding]:
    added = {
        text(one, "name"): [
            cap for cap in texts(part(_security(one), "capabilities"), "add") if cap not in BASELINE_CAPABILITIES
        ]
        for one in containers_of(part(pod, "spec"))
    }
    named = [name for name, caps in added.items() if caps]
    if named:
        caps = sorted({cap for caps in added.values() for cap in caps})
        shown = ", ".join(json.dumps(cap) for cap in caps)
        detail = f"{_names(named, 'container')} must not include {shown} in securityContext.capabilities.add"
        yield Finding("non-default capabilities", detail)


def _host_namespaces(pod: Object) -> Iterator[Finding]:
    found = [f"{key}=true" for key in ("hostNetwork", "hostPID", "hostIPC") if flag(part(pod, "spec"), key)]
    if found:
        yield Finding("host namespaces", ", ".join(found))


def _host_paths(pod: Object) -> Iterator[Finding]:
    named = [text(one, "name") for one in objects(part(pod, "spec"), "volumes") if one.get("hostPath") is not None]
    if named:
        yield Finding("hostPath volumes", _names(named, "volume"))


def _host_ports(pod: Object) -> Iterator[Finding]:
    ports: set[int] = set()
    named: list[str] = []
    for one in containers_of(part(pod, "spec")):
        own = {number(port, "hostPort") for port in objects(one, "ports")} - {0}
        if own:
            named.append(text(one, "name"))
            ports |= own
    if named:
        uses, word = ("uses", "hostPort") if len(named) == 1 else ("use", "hostPort")
        word += "s" if len(ports) > 1 else ""
        yield Finding("hostPort", f"{_names(named, 'container')} {uses} {word} {', '.join(map(str, sorted(ports)))}")


def _privileged(pod: Object) -> Iterator[Finding]:
    named = _bad(pod, lambda one: flag(_security(one), "privileged"))
    if named:
        yield Finding("privileged", f"{_names(named, 'container')} must not set securityContext.privileged=true")


def _proc_mount(pod: Object) -> Iterator[Finding]:
    if part(pod, "spec").get("hostUsers") is False:
        return
    named = _bad(pod, lambda one: text(_security(one), "procMount") not in ("", "Default"))
    if named:
        kinds = {text(_security(one), "procMount") for one in containers_of(part(pod, "spec"))} - {"", "Default"}
        shown = ", ".join(json.dumps(one) for one in sorted(kinds))
        yield Finding("procMount", f"{_names(named, 'container')} must not set securityContext.procMount to {shown}")


def _selinux(pod: Object) -> Iterator[Finding]:
    types: set[str] = set()
    holders: list[str] = []
    fields: set[str] = set()

    def wrong(holder: Object) -> bool:
        options = part(_security(holder), "seLinuxOptions")
        if text(options, "type") not in SELINUX_TYPES:
            types.add(text(options, "type"))
        mine = {key for key in ("user", "role") if text(options, key)}
        fields.update(mine)
        return bool(mine) or text(options, "type") not in SELINUX_TYPES

    spec = part(pod, "spec")
    if wrong(spec):
        holders.append("pod")
    if named := _bad(pod, wrong):
        holders.append(_names(named, "container"))
    if holders:
        shown = [f"type {', '.join(json.dumps(one) for one in sorted(types))}"] if types else []
        shown += [f"{key} may not be set" for key in ("user", "role") if key in fields]
        detail = f"{' and '.join(holders)} set forbidden securityContext.seLinuxOptions: {'; '.join(shown)}"
        yield Finding("seLinuxOptions", detail)


def _seccomp_type(holder: Object) -> str:
    return text(part(_security(holder), "seccompProfile"), "type")


def _seccomp_baseline(pod: Object) -> Iterator[Finding]:
    holders = ["pod"] if _seccomp_type(part(pod, "spec")) == "Unconfined" else []
    if named := _bad(pod, lambda one: _seccomp_type(one) == "Unconfined"):
        holders.append(_names(named, "container"))
    if holders:
        detail = f'{" and ".join(holders)} must not set securityContext.seccompProfile.type to "Unconfined"'
        yield Finding("seccompProfile", detail)


def _sysctls(pod: Object) -> Iterator[Finding]:
    found = [text(one, "name") for one in objects(_security(part(pod, "spec")), "sysctls")]
    wrong = [name for name in found if name not in SAFE_SYSCTLS]
    if wrong:
        yield Finding("forbidden sysctls", ", ".join(wrong))


def _windows(pod: Object) -> Iterator[Finding]:
    spec = part(pod, "spec")
    holders = ["pod"] if flag(part(_security(spec), "windowsOptions"), "hostProcess") else []
    if named := _bad(pod, lambda one: flag(part(_security(one), "windowsOptions"), "hostProcess")):
        holders.append(_names(named, "container"))
    if holders:
        detail = f"{' and '.join(holders)} must not set securityContext.windowsOptions.hostProcess=true"
        yield Finding("hostProcess", detail)


def _escalation(pod: Object) -> Iterator[Finding]:
    if _is_windows(pod):
        return
    named = _bad(pod, lambda one: _security(one).get("allowPrivilegeEscalation") is not False)
    if named:
        detail = f"{_names(named, 'container')} must set securityContext.allowPrivilegeEscalation=false"
        yield Finding("allowPrivilegeEscalation != false", detail)


def _is_windows(pod: Object) -> bool:
    return text(part(pod, "spec", "os"), "name") == "windows"


def _drops(pod: Object) -> Iterator[Finding]:
    if _is_windows(pod):
        return
    missing = _bad(pod, lambda one: "ALL" not in texts(part(_security(one), "capabilities"), "drop"))
    added: set[str] = set()

    def adds(one: Object) -> bool:
        own = {cap for cap in texts(part(_security(one), "capabilities"), "add") if cap != "NET_BIND_SERVICE"}
        added.update(own)
        return bool(own)

    named = _bad(pod, adds)
    details = []
    if missing:
        details.append(f'{_names(missing, "container")} must set securityContext.capabilities.drop=["ALL"]')
    if named:
        shown = ", ".join(json.dumps(one) for one in sorted(added))
        details.append(f"{_names(named, 'container')} must not include {shown} in securityContext.capabilities.add")
    if details:
        yield Finding("unrestricted capabilities", "; ".join(details))


def _volumes(pod: Object) -> Iterator[Finding]:
    named: list[str] = []
    kinds: set[str] = set()
    for one in objects(part(pod, "spec"), "volumes"):
        wrong = {key for key in one if key != "name" and one[key] is not None and key not in VOLUMES}
        if wrong:
            named.append(text(one, "name"))
            kinds |= wrong
    if named:
        shown = ", ".join(json.dumps(one) for one in sorted(kinds))
        verb = "uses" if len(named) == 1 else "use"
        word = "type" if len(kinds) == 1 else "types"
        detail = f"{_names(named, 'volume')} {verb} restricted volume {word} {shown}"
        yield Finding("restricted volume types", detail)


def _non_root(pod: Object) -> Iterator[Finding]:
    spec = part(pod, "spec")
    if spec.get("hostUsers") is False:
        return
    whole = _security(spec).get("runAsNonRoot")
    wrong = _bad(pod, lambda one: _security(one).get("runAsNonRoot") is False)
    unset = _bad(pod, lambda one: _security(one).get("runAsNonRoot") is None)
    if whole is False and (wrong or unset):
        wrong_text = ["pod must not set securityContext.runAsNonRoot=false"] if unset else []
    else:
        wrong_text = []
    if wrong:
        wrong_text.append(f"{_names(wrong, 'container')} must not set securityContext.runAsNonRoot=false")
    if unset and whole is None:
        wrong_text.append(f"pod or {_names(unset, 'container')} must set securityContext.runAsNonRoot=true")
    if wrong_text:
        yield Finding("runAsNonRoot != true", "; ".join(wrong_text))


def _root_user(pod: Object) -> Iterator[Finding]:
    spec = part(pod, "spec")
    if spec.get("hostUsers") is False:
        return
    holders = ["pod"] if _security(spec).get("runAsUser") == 0 else []
    if named := _bad(pod, lambda one: _security(one).get("runAsUser") == 0):
        holders.append(_names(named, "container"))
    if holders:
        yield Finding("runAsUser=0", f"{' and '.join(holders)} must not set runAsUser=0")


def _seccomp_restricted(pod: Object) -> Iterator[Finding]:
    if _is_windows(pod):
        return
    good = ("RuntimeDefault", "Localhost")
    whole = _seccomp_type(part(pod, "spec"))
    wrong = _bad(pod, lambda one: _seccomp_type(one) not in (*good, ""))
    unset = _bad(pod, lambda one: not _seccomp_type(one))
    details = []
    if whole not in (*good, ""):
        details.append(f'pod must not set securityContext.seccompProfile.type to "{whole}"')
    if wrong:
        details.append(f'{_names(wrong, "container")} must not set securityContext.seccompProfile.type to "Unconfined"')
    if unset and not whole:
        detail = f'pod or {_names(unset, "container")} must set securityContext.seccompProfile.type to "RuntimeDefault"'
        details.append(f'{detail} or "Localhost"')
    if details:
        yield Finding("seccompProfile", "; ".join(details))


Check = Callable[[Any], Iterator[Finding]]
_BASELINE: Final[tuple[Check, ...]] = (
    *(_app_armor, _capabilities, _host_namespaces, _host_paths, _host_ports, _privileged, _proc_mount, _selinux),
    *(_seccomp_baseline, _sysctls, _windows),
)
# What restricted says itself, and more strictly, is not said twice.
_RESTRICTED: Final[tuple[Check, ...]] = (
    *(one for one in _BASELINE if one not in (_capabilities, _host_paths, _seccomp_baseline)),
    *(_escalation, _drops, _volumes, _non_root, _root_user, _seccomp_restricted),
)
LEVELS: Final[dict[str, tuple[Check, ...]]] = {"privileged": (), "baseline": _BASELINE, "restricted": _RESTRICTED}


def findings(pod: Object, level: str) -> list[Finding]:
    """Pure: why a pod does not fit a level. `pod` has metadata and spec; a template will do.

    >>> pod = {"spec": {"hostNetwork": True, "containers": [{"name": "a", "securityContext": {"privileged": True}}]}}
    >>> [str(one) for one in findings(pod, "baseline")]
    ['host namespaces (hostNetwork=true)', 'privileged (container "a" must not set securityContext.privileged=true)']
    """
    return [found for check in LEVELS[level] for found in check(pod)]
