"""A run goes on with the options that it was begun with; its folder is its user's alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from configs import TrainConfig
from rollout.resume import ResumeError
from trainers.run_folder import check_folder, claim

TYPED, NAMED = "mysql+pymysql://u:secret@h/", "mysql+pymysql://u:$DB_PASSWORD@h/"


@pytest.mark.parametrize("first", [TYPED, NAMED])
@pytest.mark.parametrize("then", [TYPED, NAMED])
def test_a_password_may_be_typed_or_named_when_a_run_is_resumed(first: str, then: str, tmp_path: Path) -> None:
    config = TrainConfig(env="dbbench", env_args={"backend": first})
    claim(config, tmp_path)
    check_folder(replace(config, env_args={"backend": then}, resume=True), tmp_path)
    with pytest.raises(ResumeError, match="begun with other options"):
        check_folder(replace(config, env_args={"backend": then.replace("@h", "@other")}, resume=True), tmp_path)
