"""A fleet is launched, replaced while clients ask it without a pause, broken, and repaired; not one request is lost.

`python -m demo DIR REGISTRY [PATIENCE]`: DIR is the directory of a running instance (`corral --root DIR up --registry
REGISTRY`), PATIENCE how many times slower than usual the machine is. The exit code is 0 only if every request was
answered.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

from demo.herd import Api, Herd
from demo.load import Load, count_clients
from demo.picture import paint

HERE = Path(__file__).resolve().parent
CORRAL = shutil.which("corral", path=f"{HERE.parent}/.venv/bin:{os.environ['PATH']}") or "corral"
LONGEST = "--timeout=300s"
PODS = "/api/v1/namespaces/default/pods?labelSelector=app%3Dmeadow"
DOCKERFILE = """\
FROM busybox
RUN mkdir /www && echo "version-{version} grazing" >/www/index.html
CMD ["httpd", "-f", "-p", "8000", "-h", "/www"]
"""
FLEET = """\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: meadow}}
spec:
  replicas: 6
  selector: {{matchLabels: {{app: meadow}}}}
  template:
    metadata: {{labels: {{app: meadow}}}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: httpd
        image: {registry}/meadow:{version}
        ports: [{{containerPort: 8000}}]
        readinessProbe: {{httpGet: {{path: /, port: 8000}}, periodSeconds: 1, timeoutSeconds: 20}}
---
apiVersion: v1
kind: Service
metadata: {{name: meadow}}
spec: {{selector: {{app: meadow}}, ports: [{{port: 80, targetPort: 8000}}]}}
"""


class Stage:
    """Where commands are shown and run, and the picture is painted."""

    def __init__(self, root: Path, registry: str) -> None:
        self.root, self.registry = root, registry
        self.folder = root / "demo"
        self.folder.mkdir(exist_ok=True)
        self.moving = sys.stdout.isatty()
        self._last = ""

    def corral(self, *words: str, quiet: bool = False) -> str:
        """Shows and runs a command of Corral's; a failure ends the demo."""
        if not quiet:
            print(f"\n$ corral {' '.join(words)}", flush=True)
        began = time.monotonic()
        done = subprocess.run([CORRAL, "--root", self.root, *words], capture_output=True, text=True)
        if done.returncode:
            print(done.stdout + done.stderr, flush=True)
            sys.exit(f"demo: `corral {' '.join(words)}` ended with {done.returncode}")
        if not quiet:
            print("".join((done.stdout + done.stderr).splitlines(keepends=True)[-6:]), end="")
            print(f"  ({(time.monotonic() - began) * 1000:.0f} ms)", flush=True)
        return done.stdout.strip()

    def build(self, version: str, dockerfile: str) -> None:
        context = self.folder / "image"
        context.mkdir(exist_ok=True)
        (context / "Dockerfile").write_text(dockerfile)
        print(f"\n$ cat Dockerfile\n{dockerfile}", end="")
        self.corral("build", "-t", f"{self.registry}/meadow:{version}", str(context))
        self.corral("push", f"{self.registry}/meadow:{version}")

    def apply(self, version: str) -> None:
        fleet = self.folder / "fleet.yaml"
        text = FLEET.format(registry=self.registry, version=version)
        before = fleet.read_text() if fleet.exists() else ""
        fleet.write_text(text)
        if before:
            changed = [line for line in text.splitlines() if line not in before.splitlines()]
            print("\nThe file is edited in one place:\n" + "\n".join(changed))
        else:
            print(f"\n$ cat fleet.yaml\n{text}", end="")
        self.corral("kubectl", "apply", "-f", str(fleet))

    def paint(self, herd: Herd, load: Load) -> None:
        """Over the last line on a terminal; elsewhere a line when the fleet's marks have changed."""
        line = paint(herd.pods(), load.seen(), load.failed)
        if self.moving:
            print(f"\r\033[K{line}", end="", flush=True)
        elif (marks := line.partition("requests")[0]) != self._last:
            self._last = marks
            print(line, flush=True)

    def watch(self, herd: Herd, load: Load, *words: str, seconds: float = 0.0) -> int:
        """Paints while the command of kubectl runs, and for some time after; its exit code."""
        print(f"\n$ corral kubectl {' '.join(words)}", flush=True)
        command = [CORRAL, "--root", str(self.root), "kubectl", *words]
        began = time.monotonic()
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as running:
            said: list[str] = []
            reader = threading.Thread(target=lambda: said.extend(running.stdout or ()), daemon=True)
            reader.start()
            until = 0.0
            while running.poll() is None or time.monotonic() < until:
                self.paint(herd, load)
                time.sleep(0.05)
                if running.poll() is not None and not until:
                    took = time.monotonic() - began
                    until = time.monotonic() + seconds
            reader.join()
        self.paint(herd, load)
        print(("\n" if self.moving else "") + "".join(said[-1:]) + f"  ({took * 1000:.0f} ms)", flush=True)
        return running.returncode


def main(root: Path, registry: str, patience: float = 1.0) -> None:
    stage = Stage(root, registry)
    for number in ("1", "2"):
        stage.build(number, DOCKERFILE.format(version=number))
    stage.apply("1")
    stage.corral("kubectl", "rollout", "status", "deployment/meadow", LONGEST)
    address = stage.corral("kubectl", "get", "service", "meadow", "-o", "jsonpath={.spec.clusterIP}", quiet=True)
    herd = Herd(Api(root / "run" / "kubeconfig"), PODS)
    count = count_clients(patience)
    print(f"\n{count} client{'s ask' if count > 1 else ' asks'} http://{address}/ without a pause, until the end.")
    print("● serves   ○ starts   ◌ leaves   ✗ cannot start")
    with Load((address, 80), patience) as load:
        stage.apply("2")
        if stage.watch(herd, load, "rollout", "status", "deployment/meadow", LONGEST, seconds=1.5):
            sys.exit("demo: the new fleet did not come")
        print("\nA new version that cannot start: its image was never built. The old fleet keeps serving:")
        stage.apply("3")
        if not stage.watch(herd, load, "rollout", "status", "deployment/meadow", "--timeout=4s"):
            sys.exit("demo: a version that does not exist was rolled out")
        stage.corral("kubectl", "rollout", "undo", "deployment/meadow")
        if stage.watch(herd, load, "rollout", "status", "deployment/meadow", LONGEST, seconds=1.5):
            sys.exit("demo: the old fleet did not come back")
        daemon = (root / "run" / "corral.pid").read_text().strip()
        print(f"\nThe daemon is killed (kill -9 {daemon}) and started again; the fleet does not notice:")
        subprocess.run(["kill", "-9", daemon], check=True)
        time.sleep(1)
        stage.corral("up", "--detach", "--registry", registry)
        stage.watch(herd, load, "rollout", "status", "deployment/meadow", LONGEST, seconds=1)
    for reason, count in load.failures.items():
        print(f"{count} x {reason}")
    print(f"\n{load.failed} failed of {load.total}")
    sys.exit(1 if load.failed else 0)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), sys.argv[2], *map(float, sys.argv[3:4]))
