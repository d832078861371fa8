"""A run goes on with the options that it was begun with; its folder is its user's alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from configs import TrainConfig
from rollout.resume import ResumeError
from trainers.run_folder import check_folder, claim
from trainers.start import find_start

TYPED, NAMED = "mysql+pymysql://u:secret@h/", "mysql+pymysql://u:$DB_PASSWORD@h/"


@pytest.mark.parametrize("first", [TYPED, NAMED])
@pytest.mark.parametrize("then", [TYPED, NAMED])
def test_a_password_may_be_typed_or_named_when_a_run_is_resumed(first: str, then: str, tmp_path: Path) -> None:
    config = TrainConfig(env="dbbench", env_args={"backend": first})
    claim(config, tmp_path)
    check_folder(replace(config, env_args={"backend": then}, resume=True), tmp_path)
    with pytest.raises(ResumeError, match="begun with other options"):
        check_folder(replace(config, env_args={"backend": then.replace("@h", "@other")}, resume=True), tmp_path)


def test_options_that_another_process_has_written_meanwhile_stay(tmp_path: Path) -> None:
    claim(TrainConfig(seed=1), tmp_path)
    written = (tmp_path / "config.yaml").read_text()
    with pytest.raises(ResumeError, match="holds a run"):
        claim(TrainConfig(seed=2), tmp_path)
    assert (tmp_path / "config.yaml").read_text() == written


def test_only_its_user_may_enter_a_run_s_folder(tmp_path: Path) -> None:
    claim(TrainConfig(), tmp_path / "run")
    assert (tmp_path / "run").stat().st_mode & 0o777 == 0o700
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "adapter_config.json").write_text('{"base_model_name_or_path": "tiny"}')
    find_start(str(tmp_path / "adapter"), tmp_path / "other", keep_adapter=True, resume=False)
    assert (tmp_path / "other").stat().st_mode & 0o777 == 0o700
