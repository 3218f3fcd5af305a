"""What a user of testcontainers writes; run in an environment of its own. Prints what it found, one word a line.

`scenario.py clean` removes its containers itself; `scenario.py crash` dies with one running.
"""

from __future__ import annotations

import os
import sys
import urllib.request

from testcontainers.core.container import DockerContainer  # type: ignore[import-not-found]
from testcontainers.core.waiting_utils import wait_for_logs  # type: ignore[import-not-found]


def web() -> DockerContainer:
    # Without -f it listens before it leaves the foreground.
    server = "mkdir /www && echo from-$NAME > /www/index.html && httpd -p 80 -h /www && echo serving && exec sleep 1000"
    return (
        DockerContainer("busybox:latest")
        .with_env("NAME", "inside")
        .with_exposed_ports(80)
        .with_command(["sh", "-c", server])
    )


def use(container: DockerContainer) -> None:
    wait_for_logs(container, "serving", timeout=20)
    address = f"http://{container.get_container_host_ip()}:{container.get_exposed_port(80)}/"
    with urllib.request.urlopen(address, timeout=10) as answer:
        print(answer.read().decode().strip())
    print(container.exec(["sh", "-c", "echo exec-$NAME; exit 3"]).exit_code)
    print(container.get_wrapped_container().id, flush=True)


if sys.argv[1] == "clean":
    with web() as container:
        use(container)
else:
    use(web().start())
    os._exit(9)  # no clean-up of any kind: the reaper's work
