"""What `run` asks for."""

from __future__ import annotations

import os
from typing import Any

import pytest

from corral.cli.create_body import plan_create
from corral.cli.create_words import parse_mount, parse_port, restart_policy
from corral.cli.fail import Failure
from corral.cli.options import parse
from corral.cli.verbs.run import VERBS, streams


def body(*words: str, environ: dict[str, str] | None = None, files: dict[str, str] | None = None) -> dict[str, Any]:
    return plan_create(parse(VERBS["run"], words), environ or {}, (files or {}).__getitem__)


def test_the_plain_case_asks_for_nothing_more() -> None:
    assert body("box") == {"Image": "box", "HostConfig": {}}
    assert body("box", "sh", "-c", "true")["Cmd"] == ["sh", "-c", "true"]


@pytest.mark.parametrize(
    ("words", "place", "value"),
    [
        (["-m", "512m"], "Memory", 512 << 20),
        (["--memory-swap", "-1"], "MemorySwap", -1),
        (["--cpus", "1.5"], "NanoCpus", 1_500_000_000),
        (["--pids-limit", "-1"], "PidsLimit", -1),
        (["--rm"], "AutoRemove", True),
        (["--cap-add", "A", "--cap-add", "B"], "CapAdd", ["A", "B"]),
        (["--tmpfs", "/t:size=1m,noexec"], "Tmpfs", {"/t": "size=1m,noexec"}),
        (["--ulimit", "nofile=1:2"], "Ulimits", [{"Name": "nofile", "Soft": 1, "Hard": 2}]),
        (
            ["--device", "/dev/fuse"],
            "Devices",
            [{"PathOnHost": "/dev/fuse", "PathInContainer": "/dev/fuse", "CgroupPermissions": "rwm"}],
        ),
        (
            ["--device", "/dev/a:/dev/b:r"],
            "Devices",
            [{"PathOnHost": "/dev/a", "PathInContainer": "/dev/b", "CgroupPermissions": "r"}],
        ),
        (["--device-read-bps", "/dev/sda:1m"], "BlkioDeviceReadBps", [{"Path": "/dev/sda", "Rate": 1 << 20}]),
        (["--restart", "on-failure:3"], "RestartPolicy", {"Name": "on-failure", "MaximumRetryCount": 3}),
        (
            ["--log-opt", "max-size=1m", "--log-driver", "local"],
            "LogConfig",
            {"Type": "local", "Config": {"max-size": "1m"}},
        ),
        (["--network", "host"], "NetworkMode", "host"),
        (["-v", "/a:/b:ro"], "Binds", ["/a:/b:ro"]),
    ],
)
def test_where_options_go(words: list[str], place: str, value: object) -> None:
    assert body(*words, "box")["HostConfig"][place] == value


def test_environment_comes_from_files_words_and_here() -> None:
    made = body(
        *("-e", "A=1", "-e", "HERE", "-e", "GONE", "--env-file", "f", "box"),
        environ={"HERE": "yes"},
        files={"f": "# no\n\nB=2\nHERE\n"},
    )
    assert made["Env"] == ["B=2", "HERE=yes", "A=1", "HERE=yes"]


def test_volumes_without_a_source_are_anonymous_and_relative_sources_are_made_absolute() -> None:
    made = body("-v", "/data", "-v", "./x:/y", "box")
    assert made["Volumes"] == {"/data": {}}
    assert made["HostConfig"]["Binds"] == [f"{os.getcwd()}/x:/y"]


def test_ports() -> None:
    made = body("-p", "8080:80", "-p", "127.0.0.1:53:53/udp", "--expose", "90-91", "box")
    assert made["HostConfig"]["PortBindings"] == {
        "80/tcp": [{"HostIp": "", "HostPort": "8080"}],
        "53/udp": [{"HostIp": "127.0.0.1", "HostPort": "53"}],
    }
    assert set(made["ExposedPorts"]) == {"80/tcp", "53/udp", "90/tcp", "91/tcp"}
    assert [key for key, _ in parse_port("8000-8002:80-82")] == ["80/tcp", "81/tcp", "82/tcp"]
    for wrong, words in (
        ("a:80", "invalid hostPort: a"),
        ("127.0.0.1:99999:80", "invalid hostPort: 99999"),
        ("80:99999", "invalid containerPort: 99999"),
        ("1-2:80-82", "invalid ranges"),
        ("", "invalid containerPort: "),
    ):
        with pytest.raises(Failure, match=words):
            parse_port(wrong)


def test_networks_with_an_address() -> None:
    made = body("--network", "n", "--ip", "10.0.0.9", "--network-alias", "db", "box")
    endpoint = made["NetworkingConfig"]["EndpointsConfig"]["n"]
    assert endpoint == {"IPAMConfig": {"IPv4Address": "10.0.0.9"}, "Aliases": ["db"]}


def test_health() -> None:
    made = body("--health-cmd", "true", "--health-interval", "2s", "--health-retries", "4", "box")
    assert made["Healthcheck"] == {"Test": ["CMD-SHELL", "true"], "Interval": 2 * 10**9, "Retries": 4}
    assert body("--no-healthcheck", "box")["Healthcheck"] == {"Test": ["NONE"]}
    with pytest.raises(Failure, match="conflicts"):
        body("--no-healthcheck", "--health-cmd", "true", "box")


def test_a_seccomp_profile_is_sent_as_its_text() -> None:
    made = body(
        "--security-opt", "seccomp=p.json", "--security-opt", "no-new-privileges", "box", files={"p.json": "{}"}
    )
    assert made["HostConfig"]["SecurityOpt"] == ["seccomp={}", "no-new-privileges"]
    assert body("--security-opt", "seccomp=unconfined", "box")["HostConfig"]["SecurityOpt"] == ["seccomp=unconfined"]


@pytest.mark.parametrize("words", [["-m", "lots"], ["--cpus", "x"], ["--pids-limit", "x"], ["--ulimit", "nofile"]])
def test_bad_values_end_with_125(words: list[str]) -> None:
    with pytest.raises(Failure) as caught:
        body(*words, "box")
    assert caught.value.code == 125


def test_mounts() -> None:
    assert parse_mount("type=volume,src=v,dst=/d,volume-opt=o=size,volume-label=a=b,volume-nocopy") == {
        "Type": "volume",
        "Source": "v",
        "Target": "/d",
        "VolumeOptions": {"DriverConfig": {"Options": {"o": "size"}}, "Labels": {"a": "b"}, "NoCopy": True},
    }
    assert parse_mount("type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=1770")["TmpfsOptions"] == {
        "SizeBytes": 1 << 20,
        "Mode": 0o1770,
    }
    with pytest.raises(Failure, match="unexpected key 'colour'"):
        parse_mount("type=bind,colour=red")


def test_restart_needs_a_number() -> None:
    with pytest.raises(Failure):
        restart_policy("on-failure:many")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], (False, True, True)),
        (["-i"], (True, True, True)),
        (["-d"], (False, False, False)),
        (["-a", "stderr"], (False, False, True)),
        (["-a", "STDIN", "-i"], (True, False, False)),
    ],
)
def test_streams(words: list[str], expected: tuple[bool, bool, bool]) -> None:
    assert streams(parse(VERBS["run"], [*words, "box"])) == expected
