from __future__ import annotations

from typing import Any

import pytest

from corral.model.kubernetes.kinds import KINDS
from tests.support.kinds import added, changed, defaulted, edited, judged, status_judged

POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {"containers": [{"name": "a", "image": "nginx:1.29"}]},
}
NAMES = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)


def pod(**changes: Any) -> dict[str, Any]:
    return edited(POD, **changes)


def test_a_minimal_pod_gets_exactly_these_defaults() -> None:
    assert added("", "Pod", POD) == {
        "spec": {
            "containers": {
                0: {
                    "resources": {},
                    "terminationMessagePath": "/dev/termination-log",
                    "terminationMessagePolicy": "File",
                    "imagePullPolicy": "IfNotPresent",
                }
            },
            "restartPolicy": "Always",
            "dnsPolicy": "ClusterFirst",
            "securityContext": {},
            "terminationGracePeriodSeconds": 30,
            "schedulerName": "default-scheduler",
            "enableServiceLinks": True,
        },
        "status": {},
    }
    assert judged("", "Pod", POD) == []


def test_defaults_of_all_that_a_container_has() -> None:
    container = {
        "name": "a",
        "image": "nginx",
        "ports": [{"containerPort": 80}],
        "env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
        "resources": {"limits": {"cpu": 0.5, "memory": "1024Mi"}, "requests": {"cpu": "100m"}},
        "livenessProbe": {"httpGet": {"port": 80}},
        "readinessProbe": {"grpc": {"port": 80}, "periodSeconds": 5},
        "lifecycle": {"preStop": {"httpGet": {"port": "http"}}},
    }
    assert added("", "Pod", pod(spec__containers=[container]))["spec"]["containers"][0] == {
        "ports": {0: {"protocol": "TCP"}},
        "env": {0: {"valueFrom": {"fieldRef": {"apiVersion": "v1"}}}},
        "resources": {"limits": {"cpu": "500m", "memory": "1Gi"}, "requests": {"memory": "1Gi"}},
        "livenessProbe": {
            "httpGet": {"path": "/", "scheme": "HTTP"},
            "timeoutSeconds": 1,
            "periodSeconds": 10,
            "successThreshold": 1,
            "failureThreshold": 3,
        },
        "readinessProbe": {
            "grpc": {"service": ""},
            "timeoutSeconds": 1,
            "successThreshold": 1,
            "failureThreshold": 3,
        },
        "lifecycle": {"preStop": {"httpGet": {"path": "/", "scheme": "HTTP"}}},
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "imagePullPolicy": "Always",
    }


def test_defaults_of_volumes() -> None:
    volumes = [
        {"name": "a"},
        {"name": "b", "secret": {"secretName": "s"}},
        {"name": "c", "hostPath": {"path": "/"}},
        {"name": "d", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}},
        {"name": "e", "image": {"reference": "busybox"}},
        {"name": "f", "ephemeral": {"volumeClaimTemplate": {"spec": {"accessModes": ["ReadWriteOnce"]}}}},
    ]
    assert added("", "Pod", pod(spec__volumes=volumes))["spec"]["volumes"] == {
        0: {"emptyDir": {}},
        1: {"secret": {"defaultMode": 420}},
        2: {"hostPath": {"type": ""}},
        3: {"projected": {"sources": {0: {"serviceAccountToken": {"expirationSeconds": 3600}}}, "defaultMode": 420}},
        4: {"image": {"pullPolicy": "Always"}},
        5: {"ephemeral": {"volumeClaimTemplate": {"spec": {"volumeMode": "Filesystem", "resources": {}}}}},
    }


def test_the_hosts_network_and_the_old_name_of_the_account() -> None:
    found = defaulted(
        "",
        "Pod",
        pod(spec__hostNetwork=True, spec__serviceAccount="me", spec__containers__0__ports=[{"containerPort": 80}]),
    )
    assert found["spec"]["containers"][0]["ports"] == [{"containerPort": 80, "protocol": "TCP", "hostPort": 80}]
    assert found["spec"]["serviceAccountName"] == "me"


C = "spec__containers__0__"
INVALID: list[tuple[dict[str, Any], list[str]]] = [
    ({"spec__containers": []}, ["spec.containers: Required value"]),
    ({C + "name": "A"}, [f'spec.containers[0].name: Invalid value: "A": {NAMES}']),
    ({C + "name": None}, ["spec.containers[0].name: Required value"]),
    ({C + "image": None}, ["spec.containers[0].image: Required value"]),
    (
        {C + "image": " nginx"},
        ['spec.containers[0].image: Invalid value: " nginx": must not have leading or trailing whitespace'],
    ),
    (
        {C + "imagePullPolicy": "Sometimes"},
        [
            'spec.containers[0].imagePullPolicy: Unsupported value: "Sometimes": supported values: '
            '"Always", "IfNotPresent", "Never"'
        ],
    ),
    (
        {"spec__containers": [{"name": "a", "image": "b"}, {"name": "a", "image": "b"}]},
        ['spec.containers[1].name: Duplicate value: "a"'],
    ),
    (
        {C + "ports": [{"containerPort": 70000}, {"containerPort": 80, "name": "80"}]},
        [
            "spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive",
            'spec.containers[0].ports[1].name: Invalid value: "80": must contain at least one letter (a-z)',
        ],
    ),
    (
        {C + "ports": [{"containerPort": 1, "hostPort": 80}, {"containerPort": 2, "hostPort": 80}]},
        ['spec.containers[0].ports[1].hostPort: Duplicate value: "TCP//80"'],
    ),
    (
        {C + "volumeMounts": [{"name": "x", "mountPath": "/x"}]},
        ['spec.containers[0].volumeMounts[0].name: Not found: "x"'],
    ),
    (
        {C + "env": [{"name": "A=B"}, {"name": "C", "valueFrom": {}}]},
        [
            'spec.containers[0].env[0].name: Invalid value: "A=B": a valid environment variable name must consist only '
            "of printable ASCII characters other than '='",
            'spec.containers[0].env[1].valueFrom: Invalid value: "": must specify one of: `fieldRef`, '
            "`resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`",
        ],
    ),
    (
        {C + "env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.nope"}}}]},
        [
            'spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Invalid value: "spec.nope": error converting '
            "fieldPath: field label not supported: spec.nope"
        ],
    ),
    (
        {C + "envFrom": [{}]},
        ['spec.containers[0].envFrom: Invalid value: "": must specify one of: `configMapRef` or `secretRef`'],
    ),
    (
        {C + "resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "2"}}},
        ['spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1'],
    ),
    (
        {C + "resources": {"limits": {"memory": "-1"}}},
        [
            'spec.containers[0].resources.limits[memory]: Invalid value: "-1": must be greater than or equal to 0',
            'spec.containers[0].resources.requests[memory]: Invalid value: "-1": must be greater than or equal to 0',
        ],
    ),
    (
        {C + "resources": {"requests": {"example.com/gpu": "1"}}},
        ["spec.containers[0].resources.limits: Required value: Limit must be set for non overcommitable resources"],
    ),
    (
        {C + "livenessProbe": {"exec": {"command": ["true"]}, "successThreshold": 2}},
        ["spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1"],
    ),
    (
        {C + "readinessProbe": {}},
        ["spec.containers[0].readinessProbe: Required value: must specify a handler type"],
    ),
    (
        {C + "lifecycle": {"preStop": {"sleep": {"seconds": 31}}}},
        [
            "spec.containers[0].lifecycle.preStop.sleep: Invalid value: 31: must be non-negative and less than "
            "terminationGracePeriodSeconds (30)"
        ],
    ),
    (
        {C + "securityContext": {"privileged": True, "allowPrivilegeEscalation": False}},
        [
            "spec.containers[0].securityContext: Invalid value: "
            '{"privileged":true,"allowPrivilegeEscalation":false}: '
            "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
        ],
    ),
    (
        {C + "securityContext": {"seccompProfile": {"type": "Localhost"}}},
        [
            "spec.containers[0].securityContext.seccompProfile.localhostProfile: Required value: must be set when "
            "seccomp type is Localhost"
        ],
    ),
    (
        {"spec__initContainers": [{"name": "a", "image": "b", "livenessProbe": {"exec": {"command": ["x"]}}}]},
        [
            'spec.initContainers[0].name: Duplicate value: "a"',
            "spec.initContainers[0].livenessProbe: Forbidden: may not be set for init containers without "
            "restartPolicy=Always",
        ],
    ),
    (
        {"spec__volumes": [{"name": "v", "secret": {}}, {"name": "w", "emptyDir": {}, "hostPath": {"path": "/"}}]},
        [
            "spec.volumes[0].secret.secretName: Required value",
            "spec.volumes[1].hostPath: Forbidden: may not specify more than 1 volume type",
        ],
    ),
    (
        {"spec__volumes": [{"name": "v", "configMap": {"name": "c", "defaultMode": 512}}]},
        [
            "spec.volumes[0].configMap.defaultMode: Invalid value: 512: must be a number between 0 and 0777 (octal), "
            "both inclusive"
        ],
    ),
    (
        {"spec__restartPolicy": "Once"},
        [
            'spec.restartPolicy: Unsupported value: "Once": supported values: "Always", "OnFailure", "Never"',
        ],
    ),
    (
        {"spec__dnsPolicy": "None"},
        ["spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None"],
    ),
    (
        {"spec__activeDeadlineSeconds": 0},
        ["spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive"],
    ),
    (
        {"spec__tolerations": [{"key": "", "operator": "Equal"}, {"key": "a", "tolerationSeconds": 1}]},
        [
            'spec.tolerations[0].operator: Invalid value: "Equal": operator must be Exists when `key` is empty, which '
            'means "match all values and all keys"',
            "spec.tolerations[1].effect: Invalid value: \"\": effect must be 'NoExecute' when "
            "`tolerationSeconds` is set",
        ],
    ),
    (
        {"spec__topologySpreadConstraints": [{"maxSkew": 0, "topologyKey": "zone", "whenUnsatisfiable": "Maybe"}]},
        [
            "spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than 0",
            'spec.topologySpreadConstraints[0].whenUnsatisfiable: Unsupported value: "Maybe": supported values: '
            '"DoNotSchedule", "ScheduleAnyway"',
        ],
    ),
    (
        {
            "spec__affinity__nodeAffinity__requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "In"}]}]
            }
        },
        [
            "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0]"
            ".matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'"
        ],
    ),
    (
        {"spec__hostUsers": False, "spec__hostNetwork": True},
        ["spec.hostNetwork: Forbidden: when `hostUsers` is false"],
    ),
    (
        {"spec__ephemeralContainers": [{"name": "b", "image": "b"}]},
        ["spec.ephemeralContainers: Forbidden: cannot be set on create"],
    ),
    (
        {"spec__nodeName": "n", "spec__schedulingGates": [{"name": "g"}]},
        ["spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared"],
    ),
    (
        {"spec__hostAliases": [{"ip": "1.2.3", "hostnames": ["a"]}]},
        [
            'spec.hostAliases[0].ip: Invalid value: "1.2.3": must be a valid IP address, (e.g. 10.9.8.7 or '
            "2001:db8::ffff)"
        ],
    ),
]


@pytest.mark.parametrize(("changes", "texts"), INVALID)
def test_each_mistake_is_named(changes: dict[str, Any], texts: list[str]) -> None:
    assert judged("", "Pod", pod(**changes)) == texts


def test_only_images_and_little_else_may_change() -> None:
    assert changed("", "Pod", POD, spec__containers__0__image="nginx:2") == []
    assert changed("", "Pod", POD, spec__tolerations=[{"operator": "Exists"}]) == []
    assert changed("", "Pod", POD, spec__activeDeadlineSeconds=5) == []
    [text] = changed("", "Pod", POD, spec__containers__0__command=["sleep"], spec__containers__0__image="b")
    head, _, shown = text.partition("\n")
    assert head == (
        "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"
        "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing "
        "tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
    )
    assert '+   "command": [' in shown and '"image": "b"' not in shown


@pytest.mark.parametrize(
    ("old", "changes", "texts"),
    [
        (
            {},
            {"spec__containers": [*POD["spec"]["containers"], {"name": "b", "image": "b"}]},
            ["spec.containers: Forbidden: pod updates may not add or remove containers"],
        ),
        (
            {"spec__activeDeadlineSeconds": 5},
            {"spec__activeDeadlineSeconds": 6},
            ["spec.activeDeadlineSeconds: Invalid value: 6: must be less than or equal to previous value"],
        ),
        (
            {"spec__activeDeadlineSeconds": 5},
            {"spec__activeDeadlineSeconds": None},
            ["spec.activeDeadlineSeconds: Invalid value: null: must not update from a positive integer to nil value"],
        ),
        (
            {"spec__tolerations": [{"key": "a", "operator": "Exists"}]},
            {"spec__tolerations": []},
            ["spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds"],
        ),
        (
            {"spec__schedulingGates": [{"name": "a"}]},
            {"spec__schedulingGates": [{"name": "a"}, {"name": "b"}]},
            ["spec.schedulingGates[1].name: Forbidden: only deletion is allowed, but found new scheduling gate 'b'"],
        ),
        ({"spec__schedulingGates": [{"name": "a"}]}, {"spec__nodeSelector": {"a": "b"}}, []),
        (
            {"spec__schedulingGates": [{"name": "a"}], "spec__nodeSelector": {"a": "b"}},
            {"spec__nodeSelector": {"a": "c"}},
            [
                'spec.nodeSelector: Invalid value: {"a":"c"}: only additions to spec.nodeSelector are allowed (no '
                "mutations or deletions)"
            ],
        ),
        ({}, {"spec__hostNetwork": False, "spec__nodeSelector": {}}, []),
    ],
)
def test_changes(old: dict[str, Any], changes: dict[str, Any], texts: list[str]) -> None:
    assert changed("", "Pod", pod(**old), **changes) == texts


def test_a_new_pod_is_pending_and_says_why_it_waits() -> None:
    kind, found = KINDS["", "Pod"], defaulted("", "Pod", pod(status={"phase": "Running"}))
    kind.prepare_create(found)
    assert found["status"] == {"phase": "Pending", "qosClass": "BestEffort"}
    gated = pod(spec__schedulingGates=[{"name": "a"}])
    kind.prepare_create(gated)
    assert gated["status"]["conditions"][0]["reason"] == "SchedulingGated"


def test_what_annotations_say_of_apparmor_becomes_a_field_of_a_new_pod() -> None:
    key = "container.apparmor.security.beta.kubernetes.io/"
    notes = {key + "a": "localhost/mine", key + "b": "runtime/default", key + "c": "unconfined", key + "d": "what"}
    own = {"appArmorProfile": {"type": "RuntimeDefault"}}
    containers = [{"name": "a"}, {"name": "b"}, {"name": "c", "securityContext": own}, {"name": "d"}]
    found = pod(metadata__annotations=notes, spec__containers=containers, spec__securityContext=own)
    kind = KINDS["", "Pod"]
    kind.prepare_create(found)
    local = {"appArmorProfile": {"type": "Localhost", "localhostProfile": "mine"}}
    assert [one.get("securityContext") for one in found["spec"]["containers"]] == [local, None, own, None]
    assert kind.warnings(found, None) == []
    del found["spec"]["securityContext"]
    says = 'deprecated since v1.30; use the "appArmorProfile" field instead'
    assert kind.warnings(found, None) == [f"metadata.annotations[{key}{name}]: {says}" for name in "bd"]
    windows = pod(metadata__annotations=notes, spec__os={"name": "windows"})
    kind.prepare_create(windows)
    assert "securityContext" not in windows["spec"]["containers"][0]


def test_the_status_alone_is_taken_from_an_update_of_the_status() -> None:
    old = defaulted("", "Pod", pod(status={"phase": "Pending", "qosClass": "BestEffort"}))
    new = edited(old, spec__nodeName="other", status={"phase": "Running"})
    KINDS["", "Pod"].prepare_status(new, old)
    assert new == edited(old, status={"phase": "Running", "qosClass": "BestEffort"})
    assert status_judged("", "Pod", POD, {"podIPs": [{"ip": "x"}]}) == [
        'status.podIPs[0]: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'
    ]


def test_warnings() -> None:
    kind = KINDS["", "Pod"]
    named = pod(metadata__name="a.b", spec__nodeSelector={"beta.kubernetes.io/os": "linux"})
    assert kind.warnings(named, None) == [
        "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is "
        "recommended: [must not contain dots]",
        'spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" instead',
    ]
    assert kind.warnings(named, named) == []
    twice = [{"containerPort": 80, "protocol": "TCP"}] * 2
    assert kind.warnings(pod(spec__containers__0__ports=twice), None) == [
        "spec.containers[0].ports[1]: duplicate port definition with spec.containers[0].ports[0]"
    ]
    hidden = [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]
    assert kind.warnings(pod(spec__containers__0__env=hidden), None) == [
        'spec.containers[0].env[1]: hides previous definition of "A", which may be dropped when using apply'
    ]
