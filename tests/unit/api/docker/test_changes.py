"""Dockerfile-like changes to an image's configuration."""

import pytest

from corral.api.docker.changes import apply_changes
from corral.api.docker.commit import merge, parse_config
from corral.errors import InvalidInput
from corral.kit.clock import SECOND
from corral.model.image import ImageConfig


def changed(*changes: str, config: ImageConfig | None = None) -> ImageConfig:
    return apply_changes(config or ImageConfig(), changes)


def test_commands() -> None:
    assert changed('CMD ["a", "b c"]').command == ["a", "b c"]
    assert changed("cmd a b").command == ["/bin/sh", "-c", "a b"]
    assert changed("CMD a", config=ImageConfig(shell=["bash", "-c"])).command == ["bash", "-c", "a"]
    assert changed("ENTRYPOINT []").entrypoint == []


def test_a_new_entrypoint_drops_the_old_command() -> None:
    old = ImageConfig(command=["x"])
    assert changed('ENTRYPOINT ["a"]', config=old).command is None
    assert changed('CMD ["y"]', 'ENTRYPOINT ["a"]', config=old).command == ["y"]
    assert old.command == ["x"]


def test_variables() -> None:
    config = changed("ENV A=1 B='x $A' C=\"y $A\"", "ENV PATH /bin:$PATH", config=ImageConfig(env=["PATH=/usr", "A=0"]))
    assert config.env == ["PATH=/bin:/usr", "A=1", "B=x $A", "C=y 0"]
    assert changed("LABEL a=b c='d e'").labels == {"a": "b", "c": "d e"}
    assert changed("LABEL a b c").labels == {"a": "b c"}
    assert changed("ENV P=80", "EXPOSE $P ${Q:-81}/udp 90-91").exposed_ports == ["80/tcp", "81/udp", "90/tcp", "91/tcp"]


def test_places() -> None:
    assert changed("WORKDIR /a", "WORKDIR b/../c").workdir == "/a/c"
    assert changed('VOLUME ["/a", "/b"]', "VOLUME /c /d").volumes == ["/a", "/b", "/c", "/d"]
    assert changed("USER me:us", "STOPSIGNAL SIGINT", "ONBUILD RUN true").on_build == ["RUN true"]


def test_health() -> None:
    health = changed("HEALTHCHECK --interval=5s --timeout=2s --retries=4 CMD curl -f localhost").health
    assert health is not None
    assert (health.test, health.interval, health.timeout, health.retries) == (
        ["CMD-SHELL", "curl -f localhost"],
        5 * SECOND,
        2 * SECOND,
        4,
    )
    assert changed('HEALTHCHECK CMD ["true"]').health.test == ["CMD", "true"]  # type: ignore[union-attr]
    assert changed("HEALTHCHECK NONE").health.test == ["NONE"]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("RUN true", "RUN is not a valid change command"),
        ("nope x", "nope is not a valid change command"),
        ("ENV", "ENV requires at least one argument"),
        ("ENV A", "ENV must have two arguments"),
        ("ENV A=1 B", 'Syntax error - can\'t find = in "B". Must be of the form: name=value'),
        ("LABEL =x", "LABEL names can not be blank"),
        ("EXPOSE x", "invalid containerPort: x"),
        ("EXPOSE 80/icmp", "invalid proto: icmp"),
        ("STOPSIGNAL SIGNOPE", "invalid signal: SIGNOPE"),
        ("HEALTHCHECK", "HEALTHCHECK requires at least one argument"),
        ("HEALTHCHECK --interval=x CMD true", 'time: invalid duration "x"'),
        ("HEALTHCHECK --x=y CMD true", "unknown flag: x"),
        ("ONBUILD ONBUILD x", "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"),
        ("ENV A='x", "unexpected end of statement while looking for matching single-quote"),
    ],
)
def test_what_is_wrong_is_named(change: str, message: str) -> None:
    with pytest.raises(InvalidInput) as error:
        changed(change)
    assert error.value.message == message


def test_a_commit_keeps_what_the_container_had() -> None:
    own = ImageConfig(env=["A=1"], command=["sh"], labels={"a": "b"}, workdir="/w")
    merged = merge(apply_changes(own, ["ENV B=2", "LABEL a=c", 'ENTRYPOINT ["run"]']), own)
    assert (merged.env, merged.labels, merged.workdir) == (["A=1", "B=2"], {"a": "c"}, "/w")
    assert (merged.entrypoint, merged.command) == (["run"], None)


def test_a_commit_s_body() -> None:
    assert parse_config(b"") is None
    assert parse_config(b"null") is None
    assert parse_config(b"{}") is None
    config = parse_config(b'{"Cmd": ["x"], "ExposedPorts": {"80": {}}}')
    assert config is not None and (config.command, config.exposed_ports) == (["x"], ["80/tcp"])
