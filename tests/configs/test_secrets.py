"""Passwords in URLs are not stored."""

from __future__ import annotations

import pytest
import yaml

from configs import ConfigError, TrainConfig, as_yaml
from configs.collect import CollectConfig
from configs.secrets import is_masked, masked


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("mysql+pymysql://root:secret@127.0.0.1/", "mysql+pymysql://root:***@127.0.0.1/"),
        ("postgresql+psycopg://u:p@ss:w@h:5432/db", "postgresql+psycopg://u:***@h:5432/db"),
        ("mysql://:secret@h/", "mysql://:***@h/"),
        ("mysql://u:$DB_PASSWORD@h/", "mysql://u:$DB_PASSWORD@h/"),
        ("mysql://u@h/", "mysql://u@h/"),
        ("http://127.0.0.1:8000/v1", "http://127.0.0.1:8000/v1"),
        ("sqlite://", "sqlite://"),
        ("a folder/with:colons@and", "a folder/with:colons@and"),
    ],
)
def test_the_password_of_a_url_is_masked_and_nothing_else(url: str, shown: str) -> None:
    assert masked(url) == shown
    assert masked({"a": [url], "b": 1}) == {"a": [shown], "b": 1}
    assert masked(shown) == shown
    assert is_masked({"a": [shown]}) == ("***" in shown)


@pytest.mark.parametrize("kind", [TrainConfig, CollectConfig])
def test_a_stored_config_holds_no_password(kind: type) -> None:
    made = kind(env="dbbench", env_args={"backend": "mysql+pymysql://root:secret@h/"})
    text = as_yaml(made)
    assert "secret" not in text
    with pytest.raises(ConfigError, match=r"\$DB_PASSWORD"):
        kind(**yaml.safe_load(text))
