"""Settings: the file, the flags, and what they mean to the engine."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corral.cli.instance import Instance
from corral.cli.options import parse
from corral.cli.settings import BY_KEY, SETTINGS
from corral.cli.verbs.daemon import VERBS, setting_words
from corral.daemon.config import Settings, engine_config, load_settings, log_level, parse_file
from corral.engine.config import EngineConfig
from corral.errors import CorralError, InvalidInput, NotFound

HERE = Instance("/var/lib/corral")


def test_nothing_given_is_the_engine_s_own_defaults() -> None:
    assert engine_config(Settings.of({}, {}), HERE) == EngineConfig()


def test_flags_win_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('log-max-size = "20m"\nlog-max-file = 7\ndns = ["9.9.9.9"]\nicc = false\n')
    flags = parse(VERBS["up"], ["--log-max-file", "2", "--default-ulimit", "nofile=1:2"])
    config = engine_config(load_settings(str(file), flags.values, must_exist=True), HERE)
    assert (config.log_max_size, config.log_max_files, config.dns, config.icc) == (20 << 20, 2, ["9.9.9.9"], False)
    assert [(u.name, u.soft, u.hard) for u in config.ulimits] == [("nofile", 1, 2)]


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda s: s.key)
def test_every_key_is_a_flag_and_its_default_can_be_written_down(setting: object) -> None:
    from corral.cli.settings import FLAG, LIST, NUMBER, TABLE, Setting

    assert isinstance(setting, Setting)
    assert f"--{setting.key}" in {name for option in VERBS["up"].options for name in option.names}
    plain = dict.fromkeys((NUMBER, LIST, TABLE), setting.default)
    written = {FLAG: str(setting.default).lower(), **plain}.get(setting.kind, f'"{setting.default}"')
    words = parse_file("c", f"{setting.key} = {written}")[setting.key]
    given = parse(VERBS["up"], [f"--{setting.key}={word}" for word in words])
    assert given.list(setting.key) == words
    assert setting_words(given) == [f"--{setting.key}={word}" for word in words]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("log_max_size = 1", "unknown key 'log_max_size': did you mean 'log-max-size'?"),
        ("bridge-mut = 1", "did you mean 'bridge-mtu'?"),
        ("zzzz = 1", "all keys: corral up --help"),
        ('log-max-file = "three"', "log-max-file must be a number, not 'three'"),
        ("log-max-file = true", "log-max-file must be a number, not True"),
        ("icc = 1", "icc must be true or false, not 1"),
        ('dns = "1.1.1.1"', "dns must be a list of texts"),
        ("dns = [1]", "dns must be a list of texts"),
        ("a = ", "c.toml: "),
    ],
)
def test_what_is_wrong_is_named(content: str, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_file("c.toml", content)
    assert message in caught.value.message


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(content: str) -> None:
    try:
        assert set(parse_file("c.toml", content)) <= set(BY_KEY)
    except CorralError as error:
        assert error.message.startswith("c.toml: ")


def test_only_a_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        load_settings(str(tmp_path / "no"), {}, must_exist=True)
    assert load_settings(str(tmp_path / "no"), {}, must_exist=False).number("log-max-file") == 3


def test_bad_values_of_the_engine_s_settings() -> None:
    for key, value in (
        ("default-ulimit", "nofile"),
        ("add-runtime", "x"),
        ("log-max-size", "abc"),
        ("default-shm-size", "much"),
        ("build-cache-limit", "x"),
    ):
        with pytest.raises(InvalidInput, match=key):
            engine_config(Settings.of({}, {key: [value]}), HERE)


def test_a_level_that_nobody_knows_lets_the_refusal_be_logged() -> None:
    assert log_level(Settings.of({}, {"log-level": ["loud"]})) == "INFO"
    assert log_level(Settings.of({}, {"log-level": ["debug"]})) == "DEBUG"
