"""Settings of the Kubernetes API that cannot work are refused before anything is touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from corral.daemon.config import Settings
from corral.daemon.kubernetes import check
from corral.errors import CorralError, HostError, Unsupported

HEAD = "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n"


def given(file: Path, **more: str) -> Settings:
    words = {"kubernetes-scheduler-config": [str(file)], **{key: [value] for key, value in more.items()}}
    return Settings.of({}, words)


@pytest.mark.parametrize(
    ("text", "kind"), [(f"{HEAD}extenders: [{{urlPrefix: 'http://x'}}]\n", Unsupported), (None, HostError)]
)
def test_the_schedulers_configuration(tmp_path: Path, text: str | None, kind: type[CorralError]) -> None:
    file = tmp_path / "scheduler.yaml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(kind):
        check(given(file))
    check(given(file, kubernetes="false"))  # nobody reads it then
    file.write_text(HEAD)
    check(given(file))
