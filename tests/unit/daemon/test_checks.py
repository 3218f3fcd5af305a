"""Settings that cannot be are refused by their key before anything starts."""

from __future__ import annotations

import pytest

from corral.daemon.checks import check_settings
from corral.daemon.config import Settings
from corral.errors import CorralError


def test_the_defaults_are_fine() -> None:
    check_settings(Settings.of({}, {}))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("live-restore", "false", "live-restore = false is not offered"),
        ("log-level", "loud", "log-level 'loud': one of debug, info, warning, error"),
        ("log-driver", "syslog", "log-driver 'syslog': log driver 'syslog' is not offered: use one of json-file"),
        ("log-driver", "nosuch", "log-driver 'nosuch': "),
        ("log-max-size", "0", "log-max-size 0: must be positive; -1: logs grow for ever"),
        ("log-max-size", "abc", "log-max-size: invalid size: 'abc'"),
        ("log-max-file", "0", "log-max-file 0: must be at least 1"),
        ("max-concurrent-downloads", "0", "max-concurrent-downloads 0: must be at least 1"),
        ("max-download-attempts", "-1", "max-download-attempts -1: must be at least 1"),
        ("bridge-mtu", "20", "bridge-mtu 20: must be from 68 to 65535"),
        ("bridge-mtu", "9999999", "bridge-mtu 9999999: must be from 68 to 65535"),
        ("default-shm-size", "-5", "default-shm-size -5: must not be negative"),
        ("build-cache-limit", "-1g", "build-cache-limit -1g: must not be negative"),
        ("default-ulimit", "nosuch=1", "default-ulimit 'nosuch=1': invalid ulimit type: nosuch"),
        ("default-ulimit", "nofile=10:5", "default-ulimit 'nofile=10:5': ulimit soft limit must be less"),
        ("dns", "dns.example", "dns 'dns.example': must be the address of a name server"),
        ("dns-search", "a b", "dns-search 'a b': must be one domain"),
        ("label", "x", "label 'x': must be KEY=VALUE"),
        ("insecure-registry", "http://reg:5000", "insecure-registry 'http://reg:5000': must be HOST[:PORT] or CIDR"),
        ("insecure-registry", "a/b/c", "insecure-registry 'a/b/c': must be HOST[:PORT] or CIDR"),
    ],
)
def test_what_cannot_be_is_named(key: str, value: str, message: str) -> None:
    with pytest.raises(CorralError) as caught:
        check_settings(Settings.of({}, {key: [value]}))
    assert caught.value.message.startswith(message)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("log-max-size", "-1"),
        ("log-driver", "none"),
        ("bridge-mtu", "0"),
        ("bridge-mtu", "9000"),
        ("default-shm-size", "0"),
        ("build-cache-limit", "0"),
        ("default-ulimit", "nofile=1024:-1"),
        ("dns", "fe80::1%eth0"),
        ("dns-search", "."),
        ("label", "a="),
        ("insecure-registry", "reg:5000"),
        ("insecure-registry", "10.0.0.0/8"),
        ("insecure-registry", "fd00::/8"),
        ("insecure-registry", "[::1]:5000"),
    ],
)
def test_what_can_be(key: str, value: str) -> None:
    check_settings(Settings.of({}, {key: [value]}))
