"""What the settings mean to the registry."""

from __future__ import annotations

from pathlib import Path

import pytest

from corral.cli.instance import Instance
from corral.daemon.config import Settings
from corral.daemon.registry import registry_config
from corral.errors import InvalidInput


@pytest.mark.parametrize(
    ("key", "word", "said"),
    [
        ("registry-immutable", "v1", "registry immutable 'v1': must be REPOSITORY:TAG"),
        ("registry-immutable", "apps/*:", "registry immutable 'apps/*:': must be REPOSITORY:TAG"),
        ("registry-webhook", "ci.example/pushed", "registry-webhook 'ci.example/pushed': must be http://HOST"),
        ("registry-public-url", "reg.example", "registry-public-url 'reg.example': must be http://HOST"),
    ],
)
def test_what_would_never_take_effect_is_refused(tmp_path: Path, key: str, word: str, said: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        registry_config(Settings.of({key: [word]}, {}), Instance(str(tmp_path)), str(tmp_path))
    assert caught.value.message.startswith(said)


def test_what_is_given_is_taken(tmp_path: Path) -> None:
    given = {
        "registry-immutable": ["*:v*"],
        "registry-webhook": ["http://ci.example:80/x"],
        "registry-public-url": ["https://reg.example/"],
    }
    config = registry_config(Settings.of(given, {}), Instance(str(tmp_path)), str(tmp_path))
    assert (config.immutable, config.webhooks) == (("*:v*",), ("http://ci.example:80/x",))
    assert config.public_url == "https://reg.example"
