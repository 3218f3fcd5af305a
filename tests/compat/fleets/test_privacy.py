"""What pods keep on this machine's disk, and what they are told in secret, is not for this machine's other users."""

from __future__ import annotations

import subprocess

import pytest

from corral.cli.instance import Instance
from tests.support.fleet import KUBECTL, Space
from tests.support.wait import eventually

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.ahead.with_args(KUBECTL)]
WORD = "open-sesame-7421"
NOBODY = 65534

KEEPER = f"""
apiVersion: v1
kind: Secret
metadata: {{name: word}}
stringData: {{word: {WORD}}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: disk}}
spec: {{accessModes: [ReadWriteOnce], resources: {{requests: {{storage: 1Mi}}}}}}
---
apiVersion: v1
kind: Pod
metadata: {{name: keeper}}
spec:
  terminationGracePeriodSeconds: 0
  volumes:
  - {{name: disk, persistentVolumeClaim: {{claimName: disk}}}}
  - {{name: word, secret: {{secretName: word}}}}
  - {{name: scratch, emptyDir: {{}}}}
  containers:
  - name: main
    image: busybox
    imagePullPolicy: Never
    command: [sh, -c, "umask 0; for at in /disk /scratch /dev/termination-log; do
      [ -d $at ] && at=$at/copy; cat /word/word >$at; done; exec sleep 1000"]
    volumeMounts:
    - {{name: disk, mountPath: /disk}}
    - {{name: word, mountPath: /word}}
    - {{name: scratch, mountPath: /scratch}}
"""


def test_secrets_and_volumes_are_not_for_other_users(space: Space) -> None:
    space.apply(KEEPER)
    space.wait("pod/keeper", "condition=Ready")
    instance = Instance(str(space.fleet.corral.root))
    places = [f"{place}/{name}" for place in (instance.root, instance.volatile) for name in ("kubelet", "kubernetes")]

    def found(user: int | None) -> list[str]:
        command = ["grep", "-rls", WORD, *places]
        return subprocess.run(command, capture_output=True, text=True, user=user).stdout.split()

    # the claim, the empty directory, the secret (which its folder holds twice), the last words
    eventually(lambda: len(found(None)) >= 4, lambda: f"root finds it in each place: {found(None)}")
    mode = space.fleet.corral.root.stat().st_mode
    space.fleet.corral.root.chmod(0o711)
    try:
        assert found(NOBODY) == []
        ways = subprocess.run(["ls", *places], capture_output=True, text=True, user=NOBODY)
        assert ways.stdout == "" and ways.stderr.count("Permission denied") >= 3, ways
    finally:
        space.fleet.corral.root.chmod(mode)
