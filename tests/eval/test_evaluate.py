"""A score is made by a protocol, of every task, once, and stored with all that makes it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import envs
from envs import DataError, TaskError
from envs.alfworld import generate_game
from eval import compare, evaluate, read_result
from eval.errors import FingerprintError
from eval.protocols import PROTOCOLS, EvalProtocol, find_protocol, joint_score, select_insert_update
from rollout import Deadlines
from rollout.collect import ResumeError
from tests.rollout.corridor import Corridor

TINY = EvalProtocol(
    name="tiny", env="alfworld", split="valid_unseen", env_args={"data": "generated", "size": "tiny", "length": 12}
)
WALK = EvalProtocol(name="walk", env="corridor", split="train")


@pytest.fixture
def official(tmp_path: Path) -> Path:
    """Two games in the official layout."""
    for number in range(2):
        folder = (
            tmp_path / "data" / "json_2.1.1" / "valid_unseen" / f"pick_and_place_simple-X-None-Y-{number}" / "trial"
        )
        folder.mkdir(parents=True)
        game = generate_game(seed=number, task_type="pick_and_place_simple", size="tiny")
        game.save(folder / "game.tw-pddl")
    return tmp_path / "data"


def test_every_task_is_played_once_and_the_result_is_on_disk(tmp_path: Path) -> None:
    done = evaluate(TINY, output=tmp_path)
    stored = read_result(done.file)
    assert stored == done.result
    assert done.file == tmp_path / "eval" / "tiny-alfworld.json"
    assert stored.summary.success is not None
    assert (stored.summary.success.value, stored.summary.success.n) == (1.0, 12)
    assert len(stored.summary.by_type) == 6
    assert {episode.task for episode in stored.episodes} == {
        task.id for task in envs.make("alfworld", split="valid_unseen", **TINY.env_args).tasks
    }
    first = stored.episodes[0]
    file, line = first.link.split(":")
    assert json.loads((tmp_path / file).read_text().splitlines()[int(line) - 1])["id"] == first.id


def test_the_fingerprint_holds_what_changes_a_score_and_not_who_played(tmp_path: Path) -> None:
    expert = evaluate(TINY, "expert", output=tmp_path / "a").result
    chance = evaluate(TINY, "random", output=tmp_path / "b").result
    assert expert.fingerprint == chance.fingerprint
    assert (expert.model["name"], chance.model["name"]) == ("expert", "random")
    fingerprint = expert.fingerprint
    assert fingerprint["env"]["dialect"] == "generated"
    assert fingerprint["env"]["max_steps"] == 50
    assert fingerprint["protocol"]["name"] == "react"
    assert fingerprint["protocol"]["source"] == "train-agent"
    found = compare(chance, expert)
    assert found.difference.value > 0
    assert not found.lost


@pytest.mark.parametrize(
    ("changed", "key"),
    [
        ({"env_args": {"max_steps": 10}}, "env.max_steps"),
        ({"seed": 1}, "seed"),
        ({"epochs": 2}, "epochs"),
        ({"limit": 6}, "episodes"),
    ],
)
def test_two_scores_by_other_rules_are_not_compared(changed: dict[str, object], key: str, tmp_path: Path) -> None:
    plain = evaluate(TINY, output=tmp_path / "a").result
    other = evaluate(TINY, output=tmp_path / "b", **changed).result  # type: ignore[arg-type]
    with pytest.raises(FingerprintError, match=key):
        compare(plain, other)


def test_another_question_under_the_same_id_is_another_fingerprint(tmp_path: Path, shared: Path) -> None:
    text = (shared / "dbbench" / "dev.jsonl").read_text(encoding="utf-8")
    results = []
    for name, question in (("a", "March"), ("b", "MARCH")):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "dev.jsonl").write_text(text.replace("March", question), encoding="utf-8")
        rules = EvalProtocol(name="dev", env="dbbench", split="dev", env_args={"data": folder})
        results.append(evaluate(rules, output=folder / "run", limit=2).result)
    with pytest.raises(FingerprintError, match=r"env\.tasks_hash"):
        compare(*results)


def test_resume_scores_only_what_is_missing(tmp_path: Path) -> None:
    env = Corridor(fault="step raises")
    broken = evaluate(WALK, output=tmp_path, env=env, deadlines=Deadlines(reset=2, step=2))
    assert broken.result.summary.failures == {"env_error": 1}
    assert broken.result.summary.success is not None
    assert broken.result.summary.success_failures_as_0 is not None
    assert (broken.result.summary.success.value, broken.result.summary.success_failures_as_0.value) == (1.0, 0.75)
    env.fault = ""
    again = evaluate(WALK, output=tmp_path, env=env, resume=True)
    assert again.collected.account.planned == 1
    assert again.result.summary.failures == {}
    assert read_result(again.file).summary.scored == 4
    with pytest.raises(ResumeError, match="--resume"):
        evaluate(WALK, output=tmp_path, env=env)


def test_a_folder_with_more_samples_scores_only_those_that_are_asked_for(tmp_path: Path) -> None:
    evaluate(WALK, "random", output=tmp_path, env=Corridor(max_steps=3), epochs=4)
    again = evaluate(WALK, "random", output=tmp_path, env=Corridor(max_steps=3), epochs=2, resume=True)
    once = evaluate(WALK, "random", output=tmp_path / "other", env=Corridor(max_steps=3), epochs=2)
    assert again.result.fingerprint == once.result.fingerprint
    assert again.result.summary.success == once.result.summary.success
    assert len(read_result(again.file).episodes) == 16  # the file keeps the larger one


def test_epochs_give_pass_at_k(tmp_path: Path) -> None:
    summary = evaluate(WALK, "random", output=tmp_path, env=Corridor(max_steps=3), epochs=4).result.summary
    assert summary.success is not None
    assert summary.success.n == 16
    assert set(summary.pass_at) == {1, 2, 4}
    assert summary.pass_at[1].value == pytest.approx(summary.success.value)
    assert summary.pass_hat[4].value <= summary.pass_at[1].value <= summary.pass_at[4].value


@pytest.mark.parametrize("rules", PROTOCOLS, ids=lambda rules: f"{rules.name}-{rules.env}")
def test_every_named_protocol_can_be_played(
    rules: EvalProtocol, official: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared: Path
) -> None:
    data: Path = shared / "dbbench" if rules.env == "dbbench" else official
    if rules.task_list:
        listed = tmp_path / "agentbench" / rules.task_list
        listed.parent.mkdir(parents=True)
        folder = "json_2.1.1/valid_unseen/pick_and_place_simple-X-None-Y-1/trial/game.tw-pddl"
        listed.write_text(json.dumps({"pick_and_place": [folder]}))
        for name in ("alfworld", "dbbench"):
            source = tmp_path / "agentbench" / "src/server/tasks" / name / "task.py"
            source.parent.mkdir(parents=True)
            source.write_text('SYSTEM_PROMPT = "x"\ndef get_task_instruction():\n    return "x"\n')
        monkeypatch.setenv("AGENTBENCH_HOME", str(tmp_path / "agentbench"))
    if rules.split == "valid_seen":
        (official / "json_2.1.1" / "valid_unseen").rename(official / "json_2.1.1" / "valid_seen")
    done = evaluate(rules, output=tmp_path / "run", env_args={"data": data}, limit=2)
    assert done.collected.complete
    assert done.result.summary.success is not None
    if rules.env == "alfworld":
        assert done.result.summary.success.value == 1.0
        assert done.result.summary.success.n == (1 if rules.task_list else 2)


def test_agentbench_s_list_of_games_needs_a_checkout_and_names_a_missing_game(
    official: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AGENTBENCH_HOME", raising=False)
    with pytest.raises(DataError, match="Set AGENTBENCH_HOME"):
        evaluate("agentbench-fc", env="alfworld", output=tmp_path / "run", env_args={"data": official})
    listed = tmp_path / "data/alfworld/new_std.json"
    listed.parent.mkdir(parents=True)
    listed.write_text(json.dumps({"pick_and_place": ["json_2.1.1/valid_unseen/nowhere/trial/game.tw-pddl"]}))
    monkeypatch.setenv("AGENTBENCH_HOME", str(tmp_path))
    with pytest.raises(DataError, match=r"names json_2.1.1/valid_unseen/nowhere"):
        evaluate("agentbench-fc", env="alfworld", output=tmp_path / "run", env_args={"data": official})


def test_a_wrong_name_of_a_protocol_says_what_is_right() -> None:
    with pytest.raises(TaskError, match="Did you mean 'alfworld-seen'"):
        find_protocol("alfworld-sen")
    with pytest.raises(TaskError, match="Say which with --env"):
        find_protocol("agentbench-fc")
    with pytest.raises(TaskError, match="It is for alfworld"):
        find_protocol("verl-agent", "dbbench")


def test_the_contest_s_numbers_by_hand() -> None:
    assert joint_score(0.5, 0.8) == pytest.approx((50 + 80) / 26)
    assert [select_insert_update(kind) for kind in ("counting", "INSERT", "other")] == ["SELECT", "INSERT", "SELECT"]
